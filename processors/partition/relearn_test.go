package partition_test

import (
	"strings"
	"testing"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/fixtures"
)

// A state without its pages of known messages learns from the events that left, of any type. It writes them, so the
// next restart needs the events no more.
func TestMessagesThatLeftAreKnownAgainFromTheirEvents(t *testing.T) {
	for _, name := range []string{"history-message-types", "history-placeholder-types", "history-bsuid-context", "history-overlap"} {
		p := newPartition(t)
		body := string(fixtures.Named(name).Body)
		p.webhook(body)
		p.tick(historyOf(&p.cfg).GapTimeout)
		before := len(p.topics[schemas.TopicHistory])
		if before == 0 {
			t.Fatalf("%s: nothing left", name)
		}
		for _, r := range p.topics[schemas.TopicState] {
			if strings.HasPrefix(r.key, "h|") && strings.Contains(r.key, "|k/") {
				p.topics[schemas.TopicState] = append(p.topics[schemas.TopicState], record{topic: r.topic, key: r.key})
			}
		}
		p.restart()
		if p.core.Incomplete() == 0 {
			t.Fatalf("%s: nothing is missing", name)
		}
		for _, r := range p.topics[schemas.TopicHistory] {
			if err := p.core.Relearn(r.value); err != nil {
				t.Fatal(err)
			}
		}
		p.core.Relearned()
		p.commit()
		p.restart()
		if n := p.core.Incomplete(); n != 0 {
			t.Errorf("%s: %d records are missing once more", name, n)
		}
		// The same messages in another chunk.
		again := strings.Replace(body, `"progress"`, `"x_other": 1, "progress"`, 1)
		if again == body {
			t.Fatalf("%s: the chunk is the same", name)
		}
		p.webhook(again)
		p.tick(historyOf(&p.cfg).GapTimeout)
		if after := len(p.topics[schemas.TopicHistory]); after != before {
			t.Errorf("%s: %d events left once more", name, after-before)
		}
	}
}
