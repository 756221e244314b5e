package replay

import (
	"slices"
	"time"

	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/syncrequest"
)

// HopsMax is how many replays a record can go through.
const HopsMax = 8

// Selection says which records are replayed. Its zero value takes all but copies. Several values of one
// criterion are alternatives; all criteria have to hold, of one change of the body.
type Selection struct {
	// From and Until bound the time of receipt; zero: no bound. Until itself is left out.
	From  time.Time `json:"from,omitzero"`
	Until time.Time `json:"until,omitzero"`

	WABAs   []string `json:"wabas,omitempty"`
	Numbers []string `json:"numbers,omitempty"` // phone_number_id
	Fields  []string `json:"fields,omitempty"`
	WAMIDs  []string `json:"wamids,omitempty"`

	// Copies includes the records of replays and requeues.
	Copies bool `json:"copies,omitempty"`
}

// Verdict is the decision about a record.
type Verdict uint8

// The verdicts.
const (
	Taken   Verdict = iota
	Outside         // not of the time
	Other           // of another business, number, field or message
	Copy            // written by a replay or a requeue
	Looping         // it went through HopsMax replays
)

var verdictNames = [...]string{"taken", "outside the time", "filtered out", "copies", "looping"}

// String is the verdict in words.
func (v Verdict) String() string { return verdictNames[v] }

// NeedsBody reports whether the content decides.
func (s *Selection) NeedsBody() bool {
	return len(s.WABAs)+len(s.Numbers)+len(s.Fields)+len(s.WAMIDs) > 0
}

// Before decides as far as the headers do.
func (s *Selection) Before(r *Record) Verdict {
	role := string(r.Header(schemas.HeaderReplayRole))
	copied := r.Header(schemas.HeaderReplay) != nil || r.Header(schemas.HeaderRequeue) != nil
	switch at := r.ReceivedAt(); {
	case role == schemas.RoleEnd || role == schemas.RoleExtra, copied && !s.Copies:
		return Copy
	case r.Hops() >= HopsMax:
		return Looping
	case !s.From.IsZero() && at.Before(s.From), !s.Until.IsZero() && !at.Before(s.Until):
		return Outside
	}
	return Taken
}

// Content decides by the body. It is nil where it could not be split: then the key is all that is known of it.
func (s *Selection) Content(r *Record, body *split.Body) Verdict {
	if !s.NeedsBody() {
		return Taken
	}
	if string(r.Header(schemas.HeaderSource)) == syncrequest.Source {
		return s.request(r)
	}
	if body == nil {
		if len(s.Numbers)+len(s.Fields)+len(s.WAMIDs) == 0 && among(s.WABAs, r.Key) {
			return Taken
		}
		return Other
	}
	for i := range body.Changes {
		if s.change(&body.Changes[i]) {
			return Taken
		}
	}
	return Other
}

// request decides about a request of the desk: it has a WABA and a number, and neither fields nor messages.
func (s *Selection) request(r *Record) Verdict {
	step, err := syncrequest.Decode(r.Value)
	switch {
	case len(s.Fields)+len(s.WAMIDs) > 0, err != nil && len(s.Numbers) > 0:
		return Other
	case err != nil: // a processor makes a dead letter of it
		step.WABAID = string(r.Key)
	}
	if len(s.WABAs) > 0 && !slices.Contains(s.WABAs, step.WABAID) || len(s.Numbers) > 0 && !slices.Contains(s.Numbers, step.PhoneNumberID) {
		return Other
	}
	return Taken
}

func (s *Selection) change(c *split.Change) bool {
	return (len(s.WABAs) == 0 || among(s.WABAs, c.WABA)) &&
		(len(s.Numbers) == 0 || among(s.Numbers, c.PhoneNumberID)) &&
		(len(s.Fields) == 0 || named(s.Fields, c.Field)) &&
		(len(s.WAMIDs) == 0 || s.messages(c))
}

func (s *Selection) messages(c *split.Change) bool {
	for _, list := range [...][]split.Message{c.Messages, c.Echoes, c.Statuses} {
		if s.anyOf(list) {
			return true
		}
	}
	for i := range c.History {
		for k := range c.History[i].Threads {
			if s.anyOf(c.History[i].Threads[k].Messages) {
				return true
			}
		}
	}
	return false
}

func (s *Selection) anyOf(list []split.Message) bool {
	for i := range list {
		if among(s.WAMIDs, list[i].ID) || among(s.WAMIDs, list[i].OriginalID) {
			return true
		}
	}
	return false
}

// named reports whether a field is chosen, by any of its names.
func named(fields []string, field []byte) bool {
	for _, f := range fields {
		if split.FieldName(f) == string(field) {
			return true
		}
	}
	return false
}

func among(list []string, b []byte) bool {
	for _, s := range list {
		if s == string(b) {
			return true
		}
	}
	return false
}
