// Package replaytest compares, for tests, the events of a replay with those of the first processing: byte for byte,
// and in order where order is promised. It knows what may differ (docs/adr/0014-replay.md), and reads nothing itself.
package replaytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/schemas"
)

// differs are the headers in which an event of a replay may differ: docs/adr/0014-replay.md.
var differs = map[string]bool{
	schemas.HeaderReplay: true, schemas.HeaderReplayHops: true, schemas.HeaderReplayRole: true, schemas.HeaderDLQTime: true,
}

// fingerprint is an event as bytes: key, value and headers.
func fingerprint(r *kgo.Record) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%q %q", r.Key, r.Value)
	if r.Value == nil {
		b.WriteString(" removed")
	}
	dead := strings.HasSuffix(r.Topic, schemas.TopicDLQ.String())
	for _, h := range r.Headers {
		if !differs[h.Key] && !(dead && h.Key == schemas.HeaderOrigin) {
			fmt.Fprintf(&b, " %s=%q", h.Key, h.Value)
		}
	}
	return b.String()
}

// business is what order is promised for: in `history` the events of one number, else those of one key.
func business(topic schemas.Topic, r *kgo.Record) string {
	if topic == schemas.TopicHistory {
		number, _, _ := strings.Cut(string(r.Key), "/")
		return number
	}
	return string(r.Key)
}

// rerouted reports whether an event is of a part of a body that stood in the partition of another business. Such
// parts took a way of their own when they were processed first, and overtook or were overtaken.
func rerouted(r *kgo.Record) bool {
	for _, h := range r.Headers {
		if h.Key == schemas.HeaderOrigin {
			_, rest, _ := strings.Cut(string(h.Value), "/")
			partition, _, _ := strings.Cut(rest, "/")
			return partition != fmt.Sprint(r.Partition)
		}
	}
	return false
}

// events are the events of a topic: in order by what order is promised for, and of a compacted topic the newest
// of each key; and those that took a way of their own, in any order.
type events struct {
	ordered map[string][]string
	moved   []string
}

func eventsOf(topic schemas.Topic, records []*kgo.Record, apart map[string]bool) events {
	e := events{ordered: map[string][]string{}}
	if topic == schemas.TopicSyncs {
		records = withoutMoved(records)
	}
	for _, r := range records {
		switch b, print := business(topic, r), fingerprint(r); {
		case topic.Compacted():
			e.ordered[b] = []string{print}
		case apart[print]:
			e.moved = append(e.moved, print)
		default:
			e.ordered[b] = append(e.ordered[b], print)
		}
	}
	slices.Sort(e.moved)
	return e
}

// withoutMoved leaves out the states of a sync in a partition where a tombstone has taken its place, because the sync
// continues in another one.
func withoutMoved(records []*kgo.Record) []*kgo.Record {
	place := func(r *kgo.Record) string { return fmt.Sprint(r.Partition, "/", string(r.Key)) }
	newest := map[string]*kgo.Record{}
	for _, r := range records {
		newest[place(r)] = r
	}
	return slices.DeleteFunc(slices.Clone(records), func(r *kgo.Record) bool { return newest[place(r)].Value == nil })
}

// Topics are the topics of events, which a replay gives again.
func Topics() []schemas.Topic {
	return []schemas.Topic{
		schemas.TopicHistory, schemas.TopicMedia, schemas.TopicContacts, schemas.TopicEchoes, schemas.TopicMessages,
		schemas.TopicAccount, schemas.TopicSyncs, schemas.TopicOther, schemas.TopicDLQ,
	}
}

// wentApart reports whether an event's place among the others depended on when it was processed first: it was
// rerouted, or came by the lane of history to a topic that the other lane writes, too.
func wentApart(topic schemas.Topic, r *kgo.Record) bool {
	bulk := schemas.TopicRawBulk.String()
	switch topic {
	case schemas.TopicEchoes, schemas.TopicMessages, schemas.TopicOther:
		return rerouted(r) || strings.HasPrefix(header(r, schemas.HeaderOrigin), bulk+"/")
	case schemas.TopicDLQ:
		return rerouted(r) || strings.HasSuffix(header(r, schemas.HeaderDLQTopic), bulk)
	}
	return rerouted(r)
}

// withoutOvertaken leaves out of a replay the messages whose edit or revocation overtook them at first, since they
// took a way of their own: such a message was not told after it. A replay has both in their place.
func withoutOvertaken(topic schemas.Topic, first, second []*kgo.Record) []*kgo.Record {
	told, changed := map[string]bool{}, map[string]bool{}
	for _, r := range first {
		told[header(r, schemas.HeaderCEID)] = true
		if m := messageOf(r); m.Original != "" {
			changed[m.WAMID] = true
			changed[m.Original] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(second), func(r *kgo.Record) bool {
		m := messageOf(r)
		return wentApart(topic, r) && m.Original == "" && changed[m.WAMID] && !told[header(r, schemas.HeaderCEID)]
	})
}

func header(r *kgo.Record, key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

// message is which message an event is about, and which one it changes.
type message struct {
	WAMID    string `json:"wamid"`
	Original string `json:"original_wamid"`
}

func messageOf(r *kgo.Record) (m message) {
	_ = json.Unmarshal(r.Value, &m) // a dead letter need not be JSON, and then it is about no message
	return m
}

// Compare returns the differences between the events of a topic in a first processing and in a second one. Events that
// were rerouted in the first one are compared without their place if apart is set.
func Compare(topic schemas.Topic, first, second []*kgo.Record, apart bool) (differences []string) {
	if apart {
		second = withoutOvertaken(topic, first, second)
	}
	moved := map[string]bool{}
	for _, r := range first {
		if apart && wentApart(topic, r) {
			moved[fingerprint(r)] = true
		}
	}
	x, y := eventsOf(topic, first, moved), eventsOf(topic, second, moved)
	x.ordered["(rerouted)"], y.ordered["(rerouted)"] = x.moved, y.moved
	for key, want := range x.ordered {
		if got := y.ordered[key]; !slices.Equal(got, want) {
			differences = append(differences, difference(topic, key, got, want))
		}
	}
	for key := range y.ordered {
		if _, ok := x.ordered[key]; !ok {
			differences = append(differences, fmt.Sprintf("%s %q: only after the replay", topic, key))
		}
	}
	if len(first) == 0 {
		differences = append(differences, fmt.Sprintf("%s: nothing to compare", topic))
	}
	return differences
}

func difference(topic schemas.Topic, key string, got, want []string) string {
	for i := range max(len(got), len(want)) {
		g, w := "nothing", "nothing"
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			return fmt.Sprintf("%s %q: %d events instead of %d; number %d is\n\t%.1500s\ninstead of\n\t%.1500s", topic, key, len(got), len(want), i, g, w)
		}
	}
	return ""
}
