package archived

import (
	"fmt"
	"io"
	"net/url"
	"text/tabwriter"
)

// Verdict is the outcome.
type Verdict struct {
	Archive string         `json:"archive"`
	Objects int            `json:"objects"`
	Records int64          `json:"records"`
	Bodies  int            `json:"bodies"` // acknowledged ones of the truth
	Missing int            `json:"missing_bodies"`
	Topics  []TopicVerdict `json:"topics"`
	Faults  int            `json:"faults"`
	Samples []string       `json:"samples,omitempty"`
}

// TopicVerdict is the outcome for a topic.
type TopicVerdict struct {
	Topic     string `json:"topic"`
	Owed      int    `json:"owed"`    // records of the topic
	Objects   int    `json:"objects"` // of all logs
	Records   int64  `json:"records"`
	Lost      int    `json:"lost"`      // records of the topic that are not in the archive
	Surplus   int    `json:"surplus"`   // records in the archive that the topic does not have, or a second time
	Wrong     int    `json:"wrong"`     // records that differ
	Holes     int    `json:"holes"`     // objects that are missing in a chain
	Overlaps  int    `json:"overlaps"`  // objects that begin before the end of the one before
	Damaged   int    `json:"damaged"`   // objects
	Removed   int64  `json:"removed"`   // offsets that retention removed before they were archived
	Unjudged  int64  `json:"unjudged"`  // records whose topic no longer has them
	Snapshots int    `json:"snapshots"` // partitions whose newest snapshot was compared
}

// OK reports whether something was judged, without a fault.
func (v *Verdict) OK() bool { return v.Faults == 0 && v.Records > 0 }

// address hides the parameters of a URL, which may have a signature.
func address(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "?"
	}
	u.RawQuery, u.User = "", nil
	return u.String()
}

// WriteTable writes the verdict for people.
func (v *Verdict) WriteTable(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprint(tw, "archive\towed\trecords\tobjects\tlost\tsurplus\twrong\tholes\toverlaps\tdamaged\tremoved\tunjudged\t\n")
	for _, t := range v.Topics {
		_, _ = fmt.Fprintf(tw, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", t.Topic, t.Owed, t.Records, t.Objects, t.Lost, t.Surplus, t.Wrong, t.Holes, t.Overlaps, t.Damaged, t.Removed, t.Unjudged)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, s := range v.Samples {
		_, _ = fmt.Fprintln(w, s)
	}
	verdict := "OK"
	switch {
	case v.Faults > 0:
		verdict = fmt.Sprintf("FAIL: %d faults", v.Faults)
	case v.Records == 0:
		verdict = "FAIL: it is empty"
	}
	_, err := fmt.Fprintf(w, "archive %s: %s, %d records in %d objects, %d of %d bodies with a 200\n", v.Archive, verdict, v.Records, v.Objects, v.Bodies-v.Missing, v.Bodies)
	return err
}
