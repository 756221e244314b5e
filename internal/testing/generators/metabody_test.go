package generators

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/processors/partition"
	"github.com/coexstream/coexstream/schemas"
	read "github.com/coexstream/coexstream/schemas/event"
	"github.com/coexstream/coexstream/schemas/fixtures"
	"github.com/coexstream/coexstream/sinks/webhook/envelope"
)

// played are the events that a webhook becomes, with their keys.
func played(t *testing.T, body []byte) (all []read.Event) {
	t.Helper()
	play(t, body, func(r partition.Record) {
		if r.Topic == schemas.TopicState || r.Topic == schemas.TopicDLQ || r.Topic == schemas.TopicRerouted {
			return
		}
		var headers []partition.Header
		for _, h := range r.Headers {
			headers = append(headers, partition.Header{Key: h.Key, Value: bytes.Clone(h.Value)})
		}
		e, err := read.Read(r.Topic, bytes.Clone(r.Key), headers, bytes.Clone(r.Value))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	})
	return all
}

// notAlone are golden webhooks with an event that depends on others.
var notAlone = map[string]string{
	"media-two-wamids":               "the asset joins a placeholder of the same webhook",
	"history-declined-bare-errors":   "the webhook names no business",
	"history-errors-beside-messages": "the error stands beside the messages of its chunk",
}

// TestWebhooksInMetasFormatBecomeTheEventsOfWhichTheyWereMade lets the pipeline read each webhook that the webhook sink makes of an event: it gives
// the same event, with the same id.
func TestWebhooksInMetasFormatBecomeTheEventsOfWhichTheyWereMade(t *testing.T) {
	same, foreign, fields := 0, 0, map[string]int{}
	for _, f := range fixtures.All() {
		for _, e := range played(t, f.Body) {
			if !envelope.HasMeta(&e) {
				continue
			}
			if err := envelope.CheckMeta(&e); errors.Is(err, envelope.ErrForeign) {
				if foreign++; !bytes.Contains([]byte(f.Name), []byte("ycloud")) {
					t.Errorf("%s: %s is taken for another vendor's: %s", f.Name, e.Type, e.Value)
				}
				continue
			}
			body := envelope.AppendMeta(nil, []*read.Event{&e})
			found := false
			var got []string
			for _, again := range played(t, body) {
				got = append(got, fmt.Sprintf("%s %s %s %s", again.Topic, again.ID, again.Key, again.Value))
				found = found || again.Topic == e.Topic && again.ID == e.ID && bytes.Equal(again.Key, e.Key) && bytes.Equal(again.Value, e.Value)
			}
			if e.Type == schemas.TypeContactRemoved { // its version is not in its headers as the vendor wrote it
				found = len(got) == 1 && strings.Contains(got[0], " "+string(e.Key)+" ")
			}
			if why := notAlone[f.Name]; why != "" && !found {
				continue
			}
			if !found {
				t.Errorf("%s: %s %s %s %s\n  became %s\n  which gives %q", f.Name, e.Topic, e.ID, e.Key, e.Value, body, got)
				continue
			}
			same++
			fields[e.Type]++
		}
	}
	if same < 240 || foreign < 10 || len(fields) < 10 {
		t.Errorf("%d events came back, %d were another vendor's: %v", same, foreign, fields)
	}
}
