package media

import (
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// Placeholder is what a follow-up takes over from its placeholder.
type Placeholder struct {
	Thread    string
	Group     bool   // the thread is a group
	Timestamp int64  // Unix seconds
	Direction string // schemas.DirectionInbound, …
}

// FollowUp is a follow-up that waited. Its value is the owner's, as it gave it to Wait.
type FollowUp struct {
	Key   schemas.Hash // schemas.MessageKey of the wamid
	Value []byte
}

// Book holds the placeholders and the waiting follow-ups of one phone number. It is not safe for concurrent
// use.
type Book struct {
	cfg          *Config
	clock        time.Time
	placeholders placeholders
	waiting      waiting
}

// New makes an empty Book. The configuration has to be valid; it is not copied.
func New(cfg *Config) *Book {
	return &Book{cfg: cfg}
}

// Placeholder takes a placeholder that was received in a chunk at a time. It returns the follow-ups that
// waited for it, in the order in which they came; Find finds it from then on, however old the message is: follow-ups of
// old media were seen when a business reconnected.
func (b *Book) Placeholder(receivedAt time.Time, key schemas.Hash, p Placeholder) []FollowUp {
	b.advance(receivedAt)
	b.placeholders.add(bucketStart(b.cfg, b.clock), key, p)
	return b.waiting.take(key)
}

// Find is the placeholder that has the wamid of a follow-up.
func (b *Book) Find(key schemas.Hash) (Placeholder, bool) { return b.placeholders.find(key) }

// Waiting takes out the follow-ups that wait under a key, in the order in which they came.
func (b *Book) Waiting(key schemas.Hash) []FollowUp { return b.waiting.take(key) }

// Wait takes a follow-up without a placeholder, with a copy of its value, and reports whether it did: it does
// not when the limits are reached. The same value a second time is taken, and comes back once.
func (b *Book) Wait(now time.Time, key schemas.Hash, value []byte) bool {
	b.advance(now)
	if b.waiting.has(key, value) {
		return true
	}
	if b.cfg.Hold <= 0 || b.waiting.full(key) || b.waiting.n >= b.cfg.HoldItemsMax || b.waiting.bytes+len(value) > b.cfg.HoldBytesMax {
		return false
	}
	b.waiting.add(key, now.Add(b.cfg.Hold), value)
	return true
}

// Tick lets time pass. It returns the follow-ups that waited for as long as Hold, in the order in which
// they came.
func (b *Book) Tick(now time.Time) []FollowUp {
	b.advance(now)
	b.placeholders.expire(b.cfg, b.clock)
	return b.waiting.expire(b.clock)
}

// Deadline is the next time at which Tick can change something; zero: never.
func (b *Book) Deadline() time.Time {
	d := b.placeholders.deadline(b.cfg)
	if w := b.waiting.deadline(); !w.IsZero() && (d.IsZero() || w.Before(d)) {
		return w
	}
	return d
}

// Len is the number of placeholders that are remembered, and of follow-ups that wait.
func (b *Book) Len() (placeholders, followUps int) { return b.placeholders.len(), b.waiting.n }

// Idle reports whether nothing is remembered, and nothing waits to be written.
func (b *Book) Idle() bool {
	p, w := &b.placeholders, &b.waiting
	return p.len() == 0 && len(p.gone) == 0 && w.n == 0 && len(w.fresh) == 0 && len(w.gone) == 0
}

// MemoryBytes is what the Book costs in memory.
func (b *Book) MemoryBytes() int { return b.placeholders.memory() + b.waiting.memory() }

func (b *Book) advance(now time.Time) {
	if now.After(b.clock) {
		b.clock = now
	}
}
