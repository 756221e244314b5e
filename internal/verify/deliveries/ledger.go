package deliveries

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/verify/receiver"
	"github.com/coexstream/coexstream/schemas"
)

// place is where a record stands.
type place struct {
	topic     schemas.Topic
	partition int32
	offset    int64
}

func (p place) String() string { return fmt.Sprintf("%s/%d@%d", p.topic, p.partition, p.offset) }

// owed is a record, and how often it arrived.
type owed struct {
	at      place
	right   right
	lane    string // business and topic: its order
	content digest
	copied  int64 // a replayed one: when the copy was written
	arrived bool
	answer  answer // of the last arrival
}

// answer is the place of an answer on its connection.
type answer struct{ start, connection, number int64 }

// ledger compares records with arrivals.
type ledger struct {
	endpoint *receiver.Endpoint
	since    int64 // the first start of the receiver
	samples  int

	records  map[digest][]*owed
	letters  map[place]bool
	removed  bool             // retention removed events from the topics
	last     map[string]place // by lane: the newest event that arrived
	repeats  []repeat
	requests int64
	starts   int64
	newest   map[answer]int64 // by start and connection: the number of its last request
	v        *Verdict
	sampled  map[string]int
}

// repeat is a repetition, its answer, and the answer to the arrival before it.
type repeat struct {
	what        string
	before, own answer
}

func newLedger(e *receiver.Endpoint, since int64, samples int) *ledger {
	return &ledger{
		endpoint: e, since: since, samples: samples, records: map[digest][]*owed{}, letters: map[place]bool{}, last: map[string]place{},
		newest: map[answer]int64{}, v: &Verdict{Endpoint: e.Name}, sampled: map[string]int{},
	}
}

// record takes a record of an event topic, or of `dlq`. Those of a partition come in the order of their log.
func (l *ledger) record(topic schemas.Topic, r *kgo.Record) {
	if topic == schemas.TopicDLQ {
		l.letter(r)
		return
	}
	e, ok := readEvent(l.endpoint.Format, r)
	at := place{topic, r.Partition, r.Offset}
	if !ok {
		e.waba = "?"
		e.key = sum([]byte("unreadable " + at.String())) // it is due, as a letter
	}
	o := &owed{at: at, right: rightOf(l.endpoint, topic, &e, l.since), lane: e.waba + " " + topic.String(), content: e.content}
	if o.right == replayed {
		o.copied = r.Timestamp.UnixMilli()
	}
	if o.right == due {
		l.v.Owed++
	}
	l.records[e.key] = append(l.records[e.key], o)
}

// letter takes a record of `dlq`.
func (l *ledger) letter(r *kgo.Record) {
	header := map[string]string{}
	for _, h := range r.Headers {
		header[h.Key] = string(h.Value)
	}
	topic, ok := schemas.ParseTopic(header[schemas.HeaderDLQTopic])
	offset, err := strconv.ParseInt(header[schemas.HeaderDLQOffset], 10, 64)
	if header[schemas.HeaderWebhookEndpoint] == l.endpoint.Name && ok && err == nil {
		l.letters[place{topic, r.Partition, offset}] = true
	}
}

// line takes the next line of the receiver's file.
func (l *ledger) line(line *receiver.Line) {
	if line.Start != nil {
		l.starts++
		return
	}
	q := line.Request
	l.requests++
	l.v.Requests++
	a := answer{l.starts, q.Connection, l.requests}
	l.newest[answer{start: a.start, connection: a.connection}] = a.number
	if q.Status/100 != 2 {
		return
	}
	all, err := arrivals(l.endpoint.Format, q.Bytes())
	if err != nil {
		l.fault(&l.v.Unknown, "unknown", fmt.Sprintf("request %d: %v", l.requests, err))
		return
	}
	for i := range all {
		l.arrive(&all[i], a, q.AtMS)
	}
}

func (l *ledger) arrive(ar *arrival, a answer, atMS int64) {
	l.v.Arrived++
	for _, key := range ar.keys {
		if records := l.records[key]; len(records) > 0 {
			l.take(records, ar, a, atMS)
			return
		}
	}
	// A topic with compaction keeps the newest record of a key only.
	compacted := ar.field == schemas.FieldStateSync
	for _, t := range []string{schemas.TypeContact, schemas.TypeContactRemoved, schemas.TypeSync, schemas.TypeSyncRemoved} {
		compacted = compacted || ar.ceType == t
	}
	if compacted || l.removed {
		l.v.Unjudged++
		return
	}
	l.fault(&l.v.Unknown, "unknown", fmt.Sprintf("request %d, %s%s", a.number, ar.ceType, ar.field))
}

// take chooses the record that arrived: the first one that did not yet, or else the last one again.
func (l *ledger) take(records []*owed, ar *arrival, a answer, atMS int64) {
	var o *owed
	for _, r := range records {
		if r.right == due && !r.arrived {
			o = r
			break
		}
		if o == nil || r.right <= o.right {
			o = r
		}
	}
	switch what := fmt.Sprintf("%s, request %d", o.at, a.number); {
	case o.right == replayed && atMS < o.copied, o.right == early:
		l.v.Unjudged++ // its record is gone, or it was there before the endpoint
	case o.right == excluded:
		l.fault(&l.v.Excluded, "excluded", what)
	case o.right == replayed:
		l.fault(&l.v.Replayed, "replayed", what)
	case o.right == historical:
		l.fault(&l.v.Historical, "historical", what)
	case o.content != ar.content:
		l.fault(&l.v.Changed, "changed", what)
		o.arrived, o.answer = true, a
	case o.arrived:
		l.v.Repeated++
		l.repeats = append(l.repeats, repeat{what, o.answer, a})
		o.answer = a
	default:
		o.arrived, o.answer = true, a
		if len(records) == 1 && !l.letters[o.at] {
			l.order(o, what)
		}
	}
}

func (l *ledger) order(o *owed, what string) {
	if last, ok := l.last[o.lane]; ok && last.partition == o.at.partition && o.at.offset < last.offset {
		l.fault(&l.v.Disordered, "out of order", what+", behind "+last.String())
		return
	}
	l.last[o.lane] = o.at
}

func (l *ledger) fault(n *int, kind, what string) {
	*n++
	l.v.Faults++
	l.sample(kind, what)
}

func (l *ledger) sample(kind, what string) {
	if l.sampled[kind]++; l.sampled[kind] <= l.samples {
		l.v.Samples = append(l.v.Samples, kind+": "+what)
	}
}

// missing lists the records that neither arrived nor became letters.
func (l *ledger) missing() (all []place) {
	for records := range maps.Values(l.records) {
		for _, o := range records {
			if o.right == due && !o.arrived && !l.letters[o.at] {
				all = append(all, o.at)
			}
		}
	}
	return all
}

// confirmed reports whether a later request came on the connection of an answer, so that the sender read the answer.
func (l *ledger) confirmed(a answer) bool {
	return l.newest[answer{start: a.start, connection: a.connection}] != a.number
}

// verdict closes the account. allowed is how many repetitions restarts explain.
func (l *ledger) verdict(allowed int) *Verdict {
	v := l.v
	v.Letters, v.Allowed, v.Starts = len(l.letters), allowed, int(l.starts)
	missing := l.missing()
	slices.SortFunc(missing, func(a, b place) int {
		return slices.Compare([]int64{int64(a.topic), int64(a.partition), a.offset}, []int64{int64(b.topic), int64(b.partition), b.offset})
	})
	for _, at := range missing {
		l.fault(&v.Lost, "lost", at.String())
	}
	var unexplained []string
	for _, r := range l.repeats {
		if !l.confirmed(r.before) || !l.confirmed(r.own) { // it was sent again, or arrived late after that
			v.Unconfirmed++
			continue
		}
		unexplained = append(unexplained, r.what)
	}
	if over := len(unexplained) - allowed; over > 0 {
		v.Faults += over
		v.TooOften = over
		for _, what := range unexplained {
			l.sample("repeated", what)
		}
	}
	slices.Sort(v.Samples)
	return v
}
