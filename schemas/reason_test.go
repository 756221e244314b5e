package schemas_test

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/coexstream/coexstream/schemas"
)

func TestReasonsAreAllThatAreDeclared(t *testing.T) {
	source, err := os.ReadFile("reason.go")
	if err != nil {
		t.Fatal(err)
	}
	var declared []schemas.Reason
	for _, m := range regexp.MustCompile(`Reason = "([a-z0-9_]+)"`).FindAllSubmatch(source, -1) {
		declared = append(declared, schemas.Reason(m[1]))
	}
	if len(declared) == 0 || !slices.Equal(declared, schemas.Reasons()) {
		t.Errorf("reason.go declares %q, Reasons has %q", declared, schemas.Reasons())
	}
}
