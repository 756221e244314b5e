package layout_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// wordsMax is the maximum length of a sentence, as in .ci/vale/Plain/SentenceLength.yml.
const wordsMax = 30

// phrases returns the banned phrases of the documents, which .ci/vale lists for vale. They hold for Go files too.
func phrases(t *testing.T) *regexp.Regexp {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, ".ci", "vale", "Plain", "Phrases.yml"))
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(text), "\nraw:\n")
	var pattern strings.Builder
	for _, m := range regexp.MustCompile(`(?m)^  - '(.*)'$`).FindAllStringSubmatch(list, -1) {
		pattern.WriteString(m[1])
	}
	return regexp.MustCompile(`(?i)` + pattern.String())
}

var (
	// directive begins a comment for a tool.
	directive = regexp.MustCompile(`^//(go:|nolint|lint:|line |export )`)
	// preformatted is a line of a comment that godoc shows as it is, or an item of a list.
	preformatted = regexp.MustCompile(`^(\t| {2,})`)
	listItem     = regexp.MustCompile(`^ *(- |\d+\. )`)
	sentenceEnd  = regexp.MustCompile(`[.!?:;]["')]*(\s+|$)`)
	inQuotes     = regexp.MustCompile("\"[^\"]*\"|`[^`]*`")
	whatFirst    = regexp.MustCompile(`(^|[.!] )What [a-z]`)
	statement    = regexp.MustCompile(`^\s*(CREATE|DELETE|INSERT|SELECT|UPDATE|WITH)\b`) // of SQL
)

// paragraphs returns the prose of a comment: its paragraphs and list items, one line each.
func paragraphs(group *ast.CommentGroup) (found []string) {
	var current []string
	end := func() {
		if len(current) > 0 {
			found = append(found, strings.Join(current, " "))
			current = nil
		}
	}
	for _, c := range group.List {
		if directive.MatchString(c.Text) {
			continue
		}
		for _, line := range strings.Split(strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(c.Text, "//"), "/*"), "*/"), "\n") {
			line = strings.TrimPrefix(line, " ")
			switch {
			case strings.TrimSpace(line) == "":
				end()
			case listItem.MatchString(line):
				end()
				current = append(current, strings.TrimSpace(listItem.ReplaceAllString(line, "")))
			case preformatted.MatchString(line) && len(current) == 0:
				// code
			default:
				current = append(current, strings.TrimSpace(line))
			}
		}
	}
	end()
	return found
}

// unplain returns why a text is hard to read; empty: it is plain.
func unplain(banned *regexp.Regexp, text string) string {
	if m := banned.FindString(inQuotes.ReplaceAllString(text, `""`)); m != "" {
		return fmt.Sprintf("the phrase %q", m)
	}
	if whatFirst.MatchString(text) {
		return "a sentence that begins with a clause instead of its subject"
	}
	for _, sentence := range sentenceEnd.Split(text, -1) {
		if n := len(strings.Fields(sentence)); n > wordsMax {
			return fmt.Sprintf("a sentence of %d words", n)
		}
	}
	return ""
}

// literals calls visit with the string literals of a file, except imports, tags and SQL.
func literals(file *ast.File, visit func(token.Pos, string)) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.Field:
			return x.Tag == nil
		case *ast.BasicLit:
			if x.Kind == token.STRING {
				if s, err := strconv.Unquote(x.Value); err == nil && strings.Contains(s, " ") && !statement.MatchString(s) {
					visit(x.Pos(), s)
				}
			}
		}
		return true
	})
}

// proseOf returns the texts of a Go file that are hard to read: comments, and in production code the messages, help
// texts and the like.
func proseOf(banned *regexp.Regexp, name string, source any) (found []string, comments int, err error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, 0, err
	}
	for _, group := range file.Comments {
		for _, p := range paragraphs(group) {
			comments++
			if why := unplain(banned, p); why != "" {
				found = append(found, fmt.Sprintf("%s: %s: %s", set.Position(group.Pos()), why, p))
			}
		}
	}
	if strings.HasSuffix(name, "_test.go") {
		return found, comments, nil
	}
	literals(file, func(at token.Pos, text string) {
		if why := unplain(banned, text); why != "" {
			found = append(found, fmt.Sprintf("%s: %s: %s", set.Position(at), why, text))
		}
	})
	return found, comments, nil
}

// Comments, messages and help texts keep to the rules of the documents (ADR 0040).
func TestProseOfGoFilesIsPlain(t *testing.T) {
	banned, comments := phrases(t), 0
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") {
			return err
		}
		found, n, err := proseOf(banned, path, nil)
		comments += n
		for _, f := range found {
			t.Error(strings.TrimPrefix(f, root+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if comments < 5000 {
		t.Errorf("found %d paragraphs of comments", comments)
	}
}

func TestProseThatIsHardToReadIsFound(t *testing.T) {
	banned := phrases(t)
	long := strings.Repeat("word ", wordsMax) + "end"
	for source, want := range map[string]int{
		"// f returns what is left.\nfunc f() {}":                                            1,
		"// f returns the rest.\nfunc f() {}":                                                0,
		"// The outcome is\n// told to the caller.\nfunc f() {}":                             1,
		"// What comes later is dropped. f drops it.\nfunc f() {}":                           1,
		"// What a caller passes is copied.\nfunc f() {}":                                    1,
		"// " + long + ".\nfunc f() {}":                                                      1,
		"// " + strings.TrimSuffix(long, " end") + ".\nfunc f() {}":                          0,
		"// f does two things:\n//   - it tells whether x is set\nfunc f() {}":               1,
		"// f logs `what is left`.\nfunc f() {}":                                             0,
		"//go:generate what is left\nfunc f() {}":                                            0,
		`var err = errors.New("the log goes on elsewhere")`:                                  1,
		`const q = "SELECT ` + long + `"`:                                                    0,
		"type c struct { a int `json:\"what is\" yaml:\"what is left\"` // what was read\n}": 1,
	} {
		found, _, err := proseOf(banned, "x.go", "package x\n\n"+source+"\n")
		if err != nil || len(found) != want {
			t.Errorf("%s: %q, %v; want %d", source, found, err, want)
		}
	}
}

// The documents and the Go files have one limit.
func TestSentencesOfDocumentsAndGoFilesHaveOneLimit(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, ".ci", "vale", "Plain", "SentenceLength.yml"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), fmt.Sprintf("\nmax: %d\n", wordsMax)) {
		t.Errorf("wordsMax is %d, and SentenceLength.yml says another number", wordsMax)
	}
}
