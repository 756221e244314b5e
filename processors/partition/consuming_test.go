package partition_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/coexstream/coexstream/schemas"
)

// The guide for consumers shows an event of each type: the first one that comes of a golden webhook. Behind the webhook
// stands the kind of the event where several kinds of a type are shown. `-update` writes them.
func TestExamplesOfTheGuideAreEventsOfThePipeline(t *testing.T) {
	const file = "../../docs/consuming.md"
	guide, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)<!-- example ((\\S+) (\\S+)(?: (\\S+))?) -->\n```json\n(.*?)```")
	shown := map[string]bool{}
	want := block.ReplaceAllFunc(guide, func(b []byte) []byte {
		m := block.FindSubmatch(b)
		ceType, fixture, kind := string(m[2]), string(m[3]), string(m[4])
		if kind == "" {
			shown[ceType] = true
			if want := exampleFixtures()[ceType]; fixture != want {
				t.Errorf("%s shows a %s of %s, and the schemas one of %s", file, ceType, fixture, want)
			}
		}
		value := indented(t, eventOf(t, ceType, fixture, kind).value, "")
		return []byte("<!-- example " + string(m[1]) + " -->\n```json\n" + value + "\n```")
	})
	for _, e := range schemas.EventTypes() {
		if !shown[e.Type] && e.Type != schemas.TypeContactRemoved && e.Type != schemas.TypeSyncRemoved {
			t.Errorf("%s has no example of %s", file, e.Type)
		}
	}
	holdText(t, file, string(guide), string(want))
}
