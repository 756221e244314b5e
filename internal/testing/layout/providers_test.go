package layout_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/schemas/provider"
)

// namesPartners are the folders and files that may name a partner: the place of its value, golden webhooks, and the
// programs that play a partner from the outside, which share only the contract with the pipeline.
var namesPartners = []string{"schemas/provider", "schemas/fixtures", "bench", "internal/verify", "internal/testing/chaos", "internal/app/simulate.go"}

// partnersIn returns the partners that a text names. Meta is none: it is the standard that all others are translated to.
func partnersIn(text string) (found []string) {
	text = strings.ToLower(text)
	for _, p := range provider.All() {
		if p == provider.Default() {
			continue
		}
		for _, name := range []string{p.Name, strings.ToLower(p.Title)} {
			if strings.Contains(text, name) {
				found = append(found, name)
				break
			}
		}
	}
	return found
}

func TestAPartnerIsNamedInOnePlace(t *testing.T) {
	read, inPlace := 0, map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := filepath.ToSlash(strings.TrimPrefix(path, root+string(filepath.Separator)))
		if d.IsDir() {
			if strings.HasPrefix(d.Name(), ".") && path != root || d.Name() == "testdata" {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		read++
		for _, partner := range partnersIn(string(source)) {
			allowed := false
			for _, place := range namesPartners {
				allowed = allowed || within(name, place)
			}
			if !allowed {
				t.Errorf("%s names %s; a partner is a value in schemas/provider (docs/adding-a-provider.md)", name, partner)
			}
			inPlace[partner] = inPlace[partner] || within(name, "schemas/provider")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if read < 200 || len(inPlace) != len(provider.All())-1 {
		t.Errorf("read %d files and found the partners %v", read, inPlace)
	}
	for partner, ok := range inPlace {
		if !ok {
			t.Errorf("%s is not named in schemas/provider: the test searches for something else", partner)
		}
	}
}
