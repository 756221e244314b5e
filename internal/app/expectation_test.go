package app

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/coexstream/coexstream/schemas"
)

// fieldEvent is a record of an event topic, or a dead letter.
type fieldEvent struct {
	topic   schemas.Topic
	key     string
	ceType  string
	headers map[string]string
	value   map[string]any // nil: a tombstone
	raw     string
}

// fieldEvents are the events of one case.
type fieldEvents []fieldEvent

// of are the events of a topic.
func (es fieldEvents) of(topic schemas.Topic) (out fieldEvents) {
	for _, e := range es {
		if e.topic == topic {
			out = append(out, e)
		}
	}
	return out
}

// by are the events of a message.
func (es fieldEvents) by(wamid string) (out fieldEvents) {
	for _, e := range es {
		if e.value["wamid"] == "wamid."+wamid {
			out = append(out, e)
		}
	}
	return out
}

// keys are the record keys in the order of the log.
func (es fieldEvents) keys() (out []string) {
	for _, e := range es {
		out = append(out, e.key)
	}
	return out
}

// get is a property by its path, as text; empty where it is absent.
func (e fieldEvent) get(path string) string {
	var at any = e.value
	for _, name := range strings.Split(path, ".") {
		m, ok := at.(map[string]any)
		if !ok {
			return ""
		}
		at = m[name]
	}
	switch v := at.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	b, err := json.Marshal(at)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// ofBusinesses reports whether an event is of one of these businesses: by its value, its source, or the body of the
// letter.
func (e fieldEvent) ofBusinesses(ids map[string]bool) bool {
	if ids[e.get("waba_id")] {
		return true
	}
	for id := range ids {
		if strings.Contains(e.headers[schemas.HeaderCESource], id) || e.topic == schemas.TopicDLQ && strings.Contains(e.raw, id) {
			return true
		}
	}
	return false
}

// expect collects differences from the expected result.
type expect struct {
	events fieldEvents
	wrong  []string
}

func (x *expect) fail(format string, args ...any) {
	x.wrong = append(x.wrong, fmt.Sprintf(format, args...))
}

// count holds the number of a topic's events.
func (x *expect) count(topic schemas.Topic, want int) {
	if got := len(x.events.of(topic)); got != want {
		x.fail("%s has %d events, want %d", topic, got, want)
	}
}

// message holds that a message left once, on a topic, with these properties: path, value, path, value, ….
func (x *expect) message(topic schemas.Topic, wamid string, want ...string) {
	events := x.events.of(topic).by(wamid)
	if len(events) != 1 {
		x.fail("%s has %d events of %s, want 1", topic, len(events), wamid)
		return
	}
	x.properties(wamid, events[0], want...)
}

func (x *expect) properties(what string, e fieldEvent, want ...string) {
	for i := 0; i < len(want); i += 2 {
		if got := e.get(want[i]); got != want[i+1] {
			x.fail("%s: %s is %q, want %q", what, want[i], got, want[i+1])
		}
	}
}

// sameEvents returns the differences between two runs: each event has to be in both with the same id and value, and so
// has the newest record of each key of a compacted topic. Cases share numbers and wamids, so businesses are compared
// separately.
func sameEvents(first, second []fieldEvent) (differences []string) {
	described := func(all []fieldEvent) map[string]int {
		newest, found := map[string]string{}, map[string]int{}
		for _, e := range all {
			if e.topic == schemas.TopicDLQ {
				found[fmt.Sprint(e.topic, e.headers[schemas.HeaderDLQReason], e.headers[schemas.HeaderDLQPlaces], e.raw)]++
				continue
			}
			what := fmt.Sprint(e.topic, " ", e.headers[schemas.HeaderCESource], " ", e.key)
			value := fmt.Sprint(what, " ", e.headers[schemas.HeaderCEID], " ", e.headers[schemas.HeaderCETime], " ", e.raw)
			if e.topic.Compacted() {
				newest[what] = value
			} else {
				found[value]++
			}
		}
		for _, value := range newest {
			found[value]++
		}
		return found
	}
	a, b := described(first), described(second)
	for value, n := range a {
		if b[value] != n {
			differences = append(differences, fmt.Sprintf("%d instead of %d times: %s", b[value], n, value))
		}
	}
	for value, n := range b {
		if a[value] == 0 {
			differences = append(differences, fmt.Sprintf("only the second time, %d times: %s", n, value))
		}
	}
	slices.Sort(differences)
	return differences
}
