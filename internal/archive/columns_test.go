package archive_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/internal/archive"
)

var update = flag.Bool("update", false, "write the table of columns into docs/archive.md")

// TestTheDocumentHasTheColumns compares the table of docs/archive.md with the code. -update writes it.
func TestTheDocumentHasTheColumns(t *testing.T) {
	const file, begin, end = "../../docs/archive.md", "<!-- columns -->\n", "<!-- end of columns -->\n"
	document, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(document), begin)
	table, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no table of columns", file)
	}
	want := "| column | type | content |\n| --- | --- | --- |\n"
	for _, c := range archive.Columns() {
		if c.Meaning == "" {
			t.Errorf("the column %s has no meaning", c.Name)
		}
		want += fmt.Sprintf("| `%s` | %s | %s |\n", c.Name, c.Type, c.Meaning)
	}
	if table == want {
		return
	}
	if !*update {
		t.Fatalf("the table of columns in %s is not that of the code; run go test ./internal/archive -run Document -update", file)
	}
	if err := os.WriteFile(file, []byte(before+begin+want+end+after), 0o600); err != nil {
		t.Fatal(err)
	}
}
