package deferred

import (
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// Record is a raw record that waits.
type Record struct {
	Topic      schemas.Topic
	Offset     int64
	ReceivedAt time.Time // in milliseconds
	Bytes      int64     // of its body, as in the log
}

// Head is the first record of a line.
type Head struct {
	Business string
	Record
}

// Queue contains the waiting records of one partition.
type Queue struct {
	lines map[string]*line
	turns []*line // those with records; the first one is served next
	next  uint64  // number of the next record

	records int
	bytes   int64
	topics  [topicsMax]int

	changed []*line
	gone    []string // keys of state to remove

	restored map[uint64]*restored // until Restored
}

// topicsMax is above every schemas.Topic.
const topicsMax = 16

// line contains the records of one business, in order.
type line struct {
	business string
	blocks   []*block
	changed  bool // since TakeState
}

// block contains records that began to wait in one transaction. Its state is written once, and then only the number of
// processed ones.
type block struct {
	number  uint64 // of its first record
	records []numbered
	done    int
	written bool // it is in the state
	told    int  // processed ones, according to the state
}

type numbered struct {
	Record
	number uint64
}

// blockRecordsMax bounds the state of a block.
const blockRecordsMax = 4096

// Put adds a record at the end of its business's line.
func (q *Queue) Put(business []byte, r Record) {
	l := q.lines[string(business)]
	if l == nil {
		l = q.begin(string(business))
	}
	var b *block
	if n := len(l.blocks); n > 0 {
		b = l.blocks[n-1]
	}
	if b == nil || b.written || len(b.records) == blockRecordsMax {
		b = &block{number: q.next}
		l.blocks = append(l.blocks, b)
	}
	b.records = append(b.records, numbered{r, q.next})
	q.next++
	q.count(&r, 1)
	q.touch(l)
}

// begin adds a line.
func (q *Queue) begin(business string) *line {
	if q.lines == nil {
		q.lines = map[string]*line{}
	}
	l := &line{business: business}
	q.lines[business] = l
	q.turns = append(q.turns, l)
	return l
}

func (q *Queue) count(r *Record, by int) {
	q.records += by
	q.bytes += int64(by) * r.Bytes
	q.topics[r.Topic] += by
}

func (q *Queue) touch(l *line) {
	if !l.changed {
		l.changed = true
		q.changed = append(q.changed, l)
	}
}

// Len returns the number of waiting records.
func (q *Queue) Len() int { return q.records }

// Bytes returns the length of the waiting bodies.
func (q *Queue) Bytes() int64 { return q.bytes }

// Businesses returns the number of businesses with waiting records.
func (q *Queue) Businesses() int { return len(q.turns) }

// Of returns the number of waiting records of an input.
func (q *Queue) Of(t schemas.Topic) int { return q.topics[t] }

// Has reports whether a record of a business waits.
func (q *Queue) Has(business []byte) bool { return q.lines[string(business)] != nil }

// Mark is greater than the number of every record that waits now.
func (q *Queue) Mark() uint64 { return q.next }

// Next returns the record that is served next: the first one of the next line.
func (q *Queue) Next() (Head, bool) {
	if len(q.turns) == 0 {
		return Head{}, false
	}
	return q.turns[0].head(), true
}

// First returns the first record of a business's line, if it began to wait before a mark.
func (q *Queue) First(business []byte, mark uint64) (Head, bool) {
	l := q.lines[string(business)]
	if l == nil || l.first().number >= mark {
		return Head{}, false
	}
	return l.head(), true
}

// Longest returns the first record of the line that has waited the longest, and the length of that line.
func (q *Queue) Longest() (h Head, records int) {
	var longest *line
	for _, l := range q.turns {
		if longest == nil || l.first().ReceivedAt.Before(longest.first().ReceivedAt) {
			longest = l
		}
	}
	if longest == nil {
		return Head{}, 0
	}
	for _, b := range longest.blocks {
		records += len(b.records) - b.done
	}
	return longest.head(), records
}

func (l *line) first() *numbered {
	b := l.blocks[0]
	return &b.records[b.done]
}

func (l *line) head() Head { return Head{l.business, l.first().Record} }

// Take removes the first record from a business's line, which becomes the last one to be served. It reports whether the
// line is empty now.
func (q *Queue) Take(business string) (empty bool) {
	l := q.lines[business]
	if l == nil {
		return true
	}
	b := l.blocks[0]
	q.count(&b.records[b.done].Record, -1)
	b.done++
	q.touch(l)
	if b.done == len(b.records) {
		q.remove(b)
		l.blocks = l.blocks[1:]
	}
	for i, other := range q.turns {
		if other == l {
			q.turns = append(q.turns[:i], q.turns[i+1:]...)
			break
		}
	}
	if len(l.blocks) == 0 {
		delete(q.lines, business)
		return true
	}
	q.turns = append(q.turns, l)
	return false
}

func (q *Queue) remove(b *block) {
	if b.written {
		q.gone = append(q.gone, b.key())
	}
	if b.told > 0 {
		q.gone = append(q.gone, b.doneKey())
	}
}
