package schemas_test

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/coexstream/coexstream/schemas"
)

// docs/topics.md has a row for each topic, and says which ones are compacted.
func TestTopicsDocumentHasARowForEachTopic(t *testing.T) {
	text, err := os.ReadFile("../docs/topics.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows, compacted []string
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]+`) \\| .*$").FindAllStringSubmatch(string(text), -1) {
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1) {
			if topic, ok := schemas.ParseTopic(name[1]); ok {
				rows = append(rows, name[1])
				if regexp.MustCompile(`Compacted\. \|$`).MatchString(row[0]) {
					compacted = append(compacted, topic.String())
				}
			}
		}
	}
	for _, topic := range schemas.Topics() {
		if !slices.Contains(rows, topic.String()) {
			t.Errorf("docs/topics.md has no row for %s", topic)
		}
		if topic.Compacted() != slices.Contains(compacted, topic.String()) {
			t.Errorf("docs/topics.md: %s is compacted: %t", topic, topic.Compacted())
		}
	}
}
