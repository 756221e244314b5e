package judge

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// Fault is a way in which a topic can differ from the truth.
type Fault string

// The faults.
const (
	Lost         Fault = "lost"          // an event that has to be there is not
	Duplicated   Fault = "duplicated"    // an event is there more than once
	OutOfOrder   Fault = "out_of_order"  // an event stands behind one that has to follow it
	WrongContent Fault = "wrong_content" // an event says something else than was sent
	Unexpected   Fault = "unexpected"    // an event that was not sent, or a surplus version
	NotLate      Fault = "not_late"      // an event is marked late though its place had not passed
	Leaked       Fault = "leaked"        // a message of the past on a topic of live ones
	WrongKey     Fault = "wrong_key"
	Misplaced    Fault = "misplaced" // not in the partition of its business
	BadHeaders   Fault = "bad_headers"
	SameID       Fault = "same_id" // two different events with one ce_id
	BadSchema    Fault = "bad_schema"
	WrongTable   Fault = "wrong_table" // a row of the contacts table, or the state of a sync, is not the newest
	Unverified   Fault = "unverified"  // the signature of a raw record does not verify
)

// Faults lists all faults, in the order in which they are shown.
func Faults() []Fault {
	return []Fault{
		Lost, Duplicated, OutOfOrder, WrongContent, Unexpected, NotLate, Leaked, WrongKey, Misplaced, BadHeaders, SameID,
		BadSchema, WrongTable, Unverified,
	}
}

// Verdict is the outcome of a check.
type Verdict struct {
	Seed    uint64 `json:"seed"`
	Numbers int    `json:"numbers"`

	BodiesOwed     int `json:"bodies_owed"`     // got a 200
	BodiesOptional int `json:"bodies_optional"` // in the raw log without one
	Pending        int `json:"pending"`         // events that the processor holds, since something before them is not there
	Late           int `json:"late"`            // events rightly marked late
	Foreign        int `json:"foreign"`         // records of other runs: not judged

	// HeldUntil is the time at which the last pending item is released at the latest, and can be judged.
	HeldUntil time.Time `json:"held_until,omitzero"`

	Topics  []TopicVerdict `json:"topics"`
	Faults  int            `json:"faults"`
	Samples []Sample       `json:"samples,omitempty"`
}

// TopicVerdict is the outcome for one topic; for `raw.*` the bodies are the events.
type TopicVerdict struct {
	Topic  string        `json:"topic"`
	Owed   int           `json:"owed"`
	Seen   int           `json:"seen"`
	Faults map[Fault]int `json:"faults,omitempty"`
}

// Sample is one fault in words.
type Sample struct {
	Topic string `json:"topic"`
	Fault Fault  `json:"fault"`
	What  string `json:"what"`
}

// OK reports whether there was something to judge and nothing to find fault with.
func (v *Verdict) OK() bool { return v.Faults == 0 && v.BodiesOwed > 0 }

// Count is the number of faults of a kind in all topics.
func (v *Verdict) Count(f Fault) int {
	n := 0
	for i := range v.Topics {
		n += v.Topics[i].Faults[f]
	}
	return n
}

// WriteTable writes the verdict for people.
func (v *Verdict) WriteTable(w io.Writer) error {
	shown := []Fault{Lost, Duplicated, OutOfOrder, WrongContent, Unexpected}
	for _, f := range Faults() {
		if v.Count(f) > 0 && !slices.Contains(shown, f) {
			shown = append(shown, f)
		}
	}
	var b strings.Builder
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprint(tw, "topic\towed\tseen\t")
	for _, f := range shown {
		_, _ = fmt.Fprintf(tw, "%s\t", strings.ReplaceAll(string(f), "_", " "))
	}
	_, _ = fmt.Fprintln(tw)
	for i := range v.Topics {
		t := &v.Topics[i]
		_, _ = fmt.Fprintf(tw, "%s\t%d\t%d\t", t.Topic, t.Owed, t.Seen)
		for _, f := range shown {
			_, _ = fmt.Fprintf(tw, "%d\t", t.Faults[f])
		}
		_, _ = fmt.Fprintln(tw)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, s := range v.Samples {
		fmt.Fprintf(&b, "%s: %s: %s\n", s.Topic, s.Fault, s.What)
	}
	for _, note := range []struct {
		n    int
		what string
	}{
		{v.BodiesOptional, "bodies are in the raw log though their sender got no 200; they count as well"},
		{v.Pending, "events are held: something before them was never sent or never acknowledged, and is waited for" + v.until() + "; they are not judged yet"},
		{v.Late, "events are rightly marked late"},
		{v.Foreign, "records belong to other runs and were not judged"},
	} {
		if note.n > 0 {
			fmt.Fprintf(&b, "%d %s\n", note.n, note.what)
		}
	}
	switch {
	case v.Faults > 0:
		fmt.Fprintf(&b, "FAIL: %d faults:", v.Faults)
	case v.BodiesOwed == 0:
		fmt.Fprint(&b, "FAIL: no body was acknowledged, there is nothing to judge:")
	default:
		fmt.Fprint(&b, "OK:")
	}
	fmt.Fprintf(&b, " %d lost, %d duplicated, %d out of order; %d bodies of %d numbers, seed %d\n",
		v.Count(Lost), v.Count(Duplicated), v.Count(OutOfOrder), v.BodiesOwed+v.BodiesOptional, v.Numbers, v.Seed)
	_, err := io.WriteString(w, b.String())
	return err
}

// until is the text about the release of held items.
func (v *Verdict) until() string {
	if v.HeldUntil.IsZero() {
		return ""
	}
	return " until " + v.HeldUntil.UTC().Format(time.RFC3339) + " at the latest"
}

// topicSlot is the line of the verdict that a topic counts in: the raw topics share one.
func topicSlot(t schemas.Topic) schemas.Topic {
	if t.Raw() {
		return schemas.TopicRawLive
	}
	return t
}

func topicLabel(t schemas.Topic) string {
	if t.Raw() {
		return "raw.*"
	}
	return t.String()
}
