package task_test

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/fixtures"
)

// The guide for consumers shows an event of each type: the first one that comes of a golden webhook. `-update` writes them.
func TestExamplesOfTheGuideAreEventsOfThePipeline(t *testing.T) {
	const file = "../../docs/consuming.md"
	guide, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)<!-- example (\\S+) (\\S+) -->\n```json\n(.*?)```")
	shown := map[string]bool{}
	want := block.ReplaceAllFunc(guide, func(b []byte) []byte {
		m := block.FindSubmatch(b)
		ceType, fixture := string(m[1]), string(m[2])
		shown[ceType] = true
		value := exampleOf(t, ceType, fixture)
		return []byte("<!-- example " + ceType + " " + fixture + " -->\n```json\n" + value + "\n```")
	})
	for _, e := range schemas.EventTypes() {
		if !shown[e.Type] && e.Type != schemas.TypeContactRemoved && e.Type != schemas.TypeSyncRemoved {
			t.Errorf("%s has no example of %s", file, e.Type)
		}
	}
	switch {
	case *update:
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	case !bytes.Equal(guide, want):
		t.Errorf("the examples in %s are not what the pipeline makes: run with -update and read the difference", file)
	}
}

// exampleOf is the value of the first event of a type, as people read it.
func exampleOf(t *testing.T, ceType, fixture string) string {
	t.Helper()
	p := newPartition(t)
	p.webhook(string(fixtures.Named(fixture).Body))
	p.tick(p.cfg.Media.Hold + time.Minute)
	for _, e := range schemas.EventTypes() {
		for _, r := range p.topics[e.Topic] {
			if r.headers[schemas.HeaderCEType] != ceType || r.value == nil {
				continue
			}
			var out bytes.Buffer
			if err := json.Indent(&out, r.value, "", "  "); err != nil {
				t.Fatal(err)
			}
			return out.String()
		}
	}
	t.Fatalf("no %s comes of %s", ceType, fixture)
	return ""
}
