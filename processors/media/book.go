package media

import (
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// Placeholder has the fields that a follow-up takes over from its placeholder.
type Placeholder struct {
	Thread    string
	Group     bool   // the thread is a group
	Timestamp int64  // Unix seconds
	Direction string // schemas.DirectionInbound, …
}

// FollowUp is a follow-up that waited. Its value is the one that the owner passed to Wait.
type FollowUp struct {
	Key   schemas.Hash // schemas.MessageKey of the wamid
	Value []byte
}

// Book contains the placeholders and the waiting follow-ups of one phone number. It is not safe for concurrent use.
type Book struct {
	cfg          *Config
	clock        time.Time
	placeholders placeholders
	waiting      waiting
}

// New returns an empty Book. The configuration has to be valid; it is not copied.
func New(cfg *Config) *Book {
	return &Book{cfg: cfg}
}

// Placeholder adds a placeholder that was received in a chunk at a time. It returns the follow-ups that waited for it,
// in the order of arrival. Find returns it from then on, for a message of any age: follow-ups of old media were seen
// when a business reconnected.
func (b *Book) Placeholder(receivedAt time.Time, key schemas.Hash, p Placeholder) []FollowUp {
	b.advance(receivedAt)
	b.placeholders.add(bucketStart(b.cfg, b.clock), key, p)
	return b.waiting.take(key)
}

// Find returns the placeholder that has the wamid of a follow-up.
func (b *Book) Find(key schemas.Hash) (Placeholder, bool) { return b.placeholders.find(key) }

// Waiting removes and returns the follow-ups that wait under a key, in the order of arrival.
func (b *Book) Waiting(key schemas.Hash) []FollowUp { return b.waiting.take(key) }

// Wait adds a follow-up without a placeholder, with a copy of its value. It returns false at the limits. A repetition
// of the same value is accepted, and returned once.
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

// Tick lets time pass. It returns the follow-ups that have waited for Hold, in the order of arrival.
func (b *Book) Tick(now time.Time) []FollowUp {
	b.advance(now)
	b.placeholders.expire(b.cfg, b.clock)
	return b.waiting.expire(b.clock)
}

// Deadline returns the next time at which Tick can change something; zero: never.
func (b *Book) Deadline() time.Time {
	d := b.placeholders.deadline(b.cfg)
	if w := b.waiting.deadline(); !w.IsZero() && (d.IsZero() || w.Before(d)) {
		return w
	}
	return d
}

// Len returns the number of remembered placeholders, and of waiting follow-ups.
func (b *Book) Len() (placeholders, followUps int) { return b.placeholders.len(), b.waiting.n }

// Idle reports whether the Book is empty and has no record to write.
func (b *Book) Idle() bool {
	p, w := &b.placeholders, &b.waiting
	return p.len() == 0 && len(p.gone) == 0 && w.n == 0 && len(w.fresh) == 0 && len(w.gone) == 0
}

// MemoryBytes returns the memory of the Book.
func (b *Book) MemoryBytes() int { return b.placeholders.memory() + b.waiting.memory() }

func (b *Book) advance(now time.Time) {
	if now.After(b.clock) {
		b.clock = now
	}
}
