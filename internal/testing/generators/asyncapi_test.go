package generators

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/schemas"
)

// parsed is a message of the AsyncAPI document as its parser resolves it.
type parsed struct {
	Name, PayloadID      string
	Required, Properties []string
	Root                 struct {
		Required   []string
		Properties map[string]struct {
			Type  string
			Const any
		}
	}
	Headers    map[string]struct{ Const any }
	References int // that it did not resolve
	Examples   int
}

func TestTheAsyncAPIParserResolvesEveryMessage(t *testing.T) {
	gate(t)
	folder := workFolder(t)
	write(t, filepath.Join(folder, "parse.mjs"), content(t, "parse.mjs"))
	out := run(t, folder, nil, node(t, folder), "parse.mjs", "schemas/asyncapi.yaml")
	var document struct {
		Diagnostics []string
		Messages    map[string]parsed
	}
	if err := json.Unmarshal([]byte(out), &document); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, d := range document.Diagnostics {
		t.Error(d)
	}
	byName := map[string]parsed{}
	for id, m := range document.Messages {
		byName[m.Name] = m
		if m.References > 0 {
			t.Errorf("%s: %d references are not resolved", id, m.References)
		}
		if m.PayloadID == "" || strings.HasPrefix(m.PayloadID, "<anonymous") {
			t.Errorf("%s: the id of its payload is %q", id, m.PayloadID)
		}
		if m.Examples == 0 && id != "state" {
			t.Errorf("%s has no example", id)
		}
	}
	for _, e := range schemas.EventTypes() {
		m, ok := byName[e.Type]
		if !ok {
			t.Errorf("there is no message %s", e.Type)
			continue
		}
		if m.Headers[schemas.HeaderCEType].Const != e.Type {
			t.Errorf("%s: the header ce_type is %v", e.Type, m.Headers[schemas.HeaderCEType].Const)
		}
		if _, ok := m.Headers[schemas.HeaderTraceParent]; !ok {
			t.Errorf("%s: the headers that all records have are not resolved: %v", e.Type, m.Headers)
		}
		if e.Schema == "" {
			continue
		}
		if properties, required := merged(t, e.Schema); !slices.Equal(m.Properties, properties) || !slices.Equal(m.Required, required) {
			t.Errorf("%s: its payload has %v and requires %v, want %v and %v", e.Type, m.Properties, m.Required, properties, required)
		}
	}
	history := byName[schemas.TypeHistory].Root
	if !slices.Contains(history.Required, "sync") || history.Properties["historical"].Const != true || history.Properties["historical"].Type != "boolean" {
		t.Errorf("history is %+v", history)
	}
}
