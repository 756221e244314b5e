package deadletter

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// Header is a record header.
type Header struct {
	Key   string
	Value []byte
}

// Place is where a letter stands in `dlq`.
type Place struct {
	Partition int32
	Offset    int64
}

// String is partition/offset.
func (p Place) String() string { return fmt.Sprintf("%d/%d", p.Partition, p.Offset) }

// ParsePlace reads partition/offset.
func ParsePlace(s string) (Place, error) {
	partition, offset, ok := strings.Cut(s, "/")
	p, err := strconv.ParseInt(partition, 10, 32)
	o, err2 := strconv.ParseInt(offset, 10, 64)
	if !ok || err != nil || err2 != nil || p < 0 || o < 0 {
		return Place{}, fmt.Errorf("%q is not the place of a letter; allowed: PARTITION/OFFSET as `dlq list` shows it, such as 3/17", s)
	}
	return Place{int32(p), o}, nil
}

// Record is a record of `dlq`.
type Record struct {
	Place
	Time       time.Time
	Key, Value []byte
	Headers    []Header
}

// Header is the value of the first header of a name, "" when there is none.
func (r *Record) Header(name string) string {
	for i := range r.Headers {
		if r.Headers[i].Key == name {
			return string(r.Headers[i].Value)
		}
	}
	return ""
}

// State is the state of a letter.
type State string

// The states.
const (
	Open     State = "open"
	Requeued State = "requeued"
	Parked   State = "parked"
)

// States lists them.
func States() []State { return []State{Open, Requeued, Parked} }

// Letter is a dead letter.
type Letter struct {
	Record
	State State
	// Times is how often it was requeued; more than once only by force.
	Times int
}

// Reason is why it failed.
func (l *Letter) Reason() string { return l.Record.Header(schemas.HeaderDLQReason) }

// Topic is the raw topic from which it came, without the prefix.
func (l *Letter) Topic() string { return l.Record.Header(schemas.HeaderDLQTopic) }

// Attempts is how many times it failed.
func (l *Letter) Attempts() int {
	n, err := strconv.Atoi(l.Record.Header(schemas.HeaderDLQAttempts))
	if err != nil || n < 1 {
		return 1
	}
	return n
}

// At is when it failed.
func (l *Letter) At() time.Time {
	if ms, err := strconv.ParseInt(l.Record.Header(schemas.HeaderDLQTime), 10, 64); err == nil {
		return time.UnixMilli(ms)
	}
	return l.Time
}

// Book collects the letters and notes of `dlq`. Records of a partition are added in the order of its log.
type Book struct{ letters map[Place]*Letter }

// NewBook knows of no letter yet.
func NewBook() *Book { return &Book{letters: map[Place]*Letter{}} }

// Add takes a record. Letters of webhooks have a book of their own.
func (b *Book) Add(r Record) {
	if ofWebhook(&r) {
		return
	}
	if place := r.Header(schemas.HeaderRequeued); place != "" {
		p, err := ParsePlace(place)
		if l := b.letters[p]; err == nil && l != nil {
			l.State = Requeued
			l.Times++
		}
		return
	}
	l := &Letter{Record: r, State: Open}
	if r.Header(schemas.HeaderDLQParked) == "true" {
		l.State = Parked
	}
	b.letters[r.Place] = l
}

// Find is the letter of a place.
func (b *Book) Find(p Place) (*Letter, bool) {
	l, ok := b.letters[p]
	return l, ok
}

// Select lists the letters that a filter takes, the oldest first.
func (b *Book) Select(f *Filter) []*Letter {
	var ls []*Letter
	for _, l := range b.letters {
		if f.Match(l) {
			ls = append(ls, l)
		}
	}
	slices.SortFunc(ls, func(x, y *Letter) int {
		return cmp.Or(x.At().Compare(y.At()), cmp.Compare(x.Partition, y.Partition), cmp.Compare(x.Offset, y.Offset))
	})
	return ls
}

// Filter selects letters. Empty fields select all.
type Filter struct {
	Reasons, Topics, WABAs []string
	States                 []State
	From, Until            time.Time // of the failure; Until is left out
}

// Match reports whether a letter is chosen. A WABA is compared with the key, which is a hint, and looked for in the
// body, which may not be JSON.
func (f *Filter) Match(l *Letter) bool {
	at := l.At()
	return oneOf(f.Reasons, l.Reason()) && oneOf(f.Topics, l.Topic()) &&
		(len(f.States) == 0 || slices.Contains(f.States, l.State)) &&
		(f.From.IsZero() || !at.Before(f.From)) && (f.Until.IsZero() || at.Before(f.Until)) &&
		(len(f.WABAs) == 0 || slices.ContainsFunc(f.WABAs, func(w string) bool {
			return string(l.Key) == w || bytes.Contains(l.Value, []byte(`"`+w+`"`))
		}))
}

func oneOf(list []string, s string) bool { return len(list) == 0 || slices.Contains(list, s) }
