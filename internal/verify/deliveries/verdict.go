package deliveries

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// Verdict is the outcome for an endpoint.
type Verdict struct {
	Endpoint    string   `json:"endpoint"`
	Owed        int      `json:"owed"`        // events that the filter takes
	Arrived     int      `json:"arrived"`     // with a 2xx, repetitions included
	Letters     int      `json:"letters"`     // that the sink wrote instead
	Lost        int      `json:"lost"`        // neither arrived nor became letters
	Repeated    int      `json:"repeated"`    // arrivals of events that had arrived
	Unconfirmed int      `json:"unconfirmed"` // of these: an answer may have been lost
	Allowed     int      `json:"allowed"`     // repetitions that restarts explain
	TooOften    int      `json:"too_often"`   // the others
	Disordered  int      `json:"disordered"`
	Excluded    int      `json:"excluded"`
	Replayed    int      `json:"replayed"`
	Historical  int      `json:"historical"`
	Changed     int      `json:"changed"`
	Unknown     int      `json:"unknown"`  // no such record is in the topics
	Unjudged    int      `json:"unjudged"` // their records are gone, or older than the endpoint
	Requests    int      `json:"requests"`
	Starts      int      `json:"starts"` // of the receiver
	Faults      int      `json:"faults"`
	Samples     []string `json:"samples,omitempty"`
}

// OK reports whether something was judged, without a fault.
func (v *Verdict) OK() bool { return v.Faults == 0 && v.Arrived > 0 }

// WriteTable writes the verdict for people.
func (v *Verdict) WriteTable(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprint(tw, "receiver\towed\tarrived\tletters\tlost\trepeated\tallowed\tdisorder\texcluded\treplayed\thistorical\tchanged\tunknown\tunjudged\t\n")
	_, _ = fmt.Fprintf(tw, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", v.Endpoint, v.Owed, v.Arrived, v.Letters, v.Lost, v.Repeated,
		v.Allowed+v.Unconfirmed, v.Disordered, v.Excluded, v.Replayed, v.Historical, v.Changed, v.Unknown, v.Unjudged)
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
	case v.Arrived == 0:
		verdict = "FAIL: nothing arrived"
	}
	_, err := fmt.Fprintf(w, "receiver %s: %s, %d lost, %d repeated (%d with an answer that may have been lost, at most %d others), %d out of order\n",
		v.Endpoint, verdict, v.Lost, v.Repeated, v.Unconfirmed, v.Allowed, v.Disordered)
	return err
}
