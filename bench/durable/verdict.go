package durable

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/bench/load"
)

// Verdict says what of a run is in the log.
type Verdict struct {
	Sent     int64 `json:"sent"`
	Acked    int64 `json:"acked"`
	Missing  int64 `json:"missing"`  // acknowledged, and not in the log: lost
	Altered  int64 `json:"altered"`  // in the log, with other bytes than were sent
	Repeated int64 `json:"repeated"` // more than once in the log
	Unacked  int64 `json:"unacked"`  // in the log although not acknowledged
}

// OK reports whether something was acknowledged, and all of it is in the log as it was sent.
func (v Verdict) OK() bool { return v.Acked > 0 && v.Missing == 0 && v.Altered == 0 }

// String is the verdict for people.
func (v Verdict) String() string {
	s := "OK"
	if !v.OK() {
		s = "FAILED"
	}
	s = fmt.Sprintf("%s: %d acknowledged, %d lost", s, v.Acked, v.Missing)
	for _, n := range []struct {
		count int64
		what  string
	}{{v.Altered, "altered"}, {v.Repeated, "repeated"}, {v.Sent - v.Acked, "not acknowledged"}} {
		if n.count > 0 {
			s += fmt.Sprintf(", %d %s", n.count, n.what)
		}
	}
	return s
}

// Add sums up verdicts.
func (v Verdict) Add(o Verdict) Verdict {
	return Verdict{
		Sent: v.Sent + o.Sent, Acked: v.Acked + o.Acked, Missing: v.Missing + o.Missing, Altered: v.Altered + o.Altered,
		Repeated: v.Repeated + o.Repeated, Unacked: v.Unacked + o.Unacked,
	}
}

// tally ticks off the bodies of a run.
type tally struct {
	run     uint32
	ts      *load.Templates
	v       Verdict
	unacked []map[uint32]bool // of each connection
	seen    [][]uint64        // of each connection, a bit for each body
	sent    []uint32
}

func newTally(run uint32, ts *load.Templates, r *load.Report) *tally {
	t := &tally{run: run, ts: ts, sent: r.Sent}
	for i, sent := range r.Sent {
		m := map[uint32]bool{}
		for _, s := range r.Unacked[i] {
			m[s] = true
		}
		t.unacked = append(t.unacked, m)
		t.seen = append(t.seen, make([]uint64, (sent+63)/64))
		t.v.Sent += int64(sent)
		t.v.Acked += int64(sent) - int64(len(m))
	}
	return t
}

// add takes a record of the log. Records of other runs, which ended their way after this one began, are
// passed over.
func (t *tally) add(r *kgo.Record) {
	id, at, ok := load.FindIdentity(r.Value)
	if !ok {
		t.v.Altered++
		return
	}
	if id.Run != t.run {
		return
	}
	if int(id.Connection) >= len(t.sent) || id.Sequence >= t.sent[id.Connection] || !t.ts.Same(r.Value, id, at) {
		t.v.Altered++
		return
	}
	word, bit := &t.seen[id.Connection][id.Sequence/64], uint64(1)<<(id.Sequence%64)
	switch {
	case *word&bit != 0:
		t.v.Repeated++
	case t.unacked[id.Connection][id.Sequence]:
		t.v.Unacked++
	}
	*word |= bit
}

func (t *tally) verdict() Verdict {
	v := t.v
	for c, sent := range t.sent {
		for s := range sent {
			if t.seen[c][s/64]&(1<<(s%64)) == 0 && !t.unacked[c][s] {
				v.Missing++
			}
		}
	}
	return v
}
