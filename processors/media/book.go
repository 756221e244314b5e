package media

import (
	"slices"
	"time"

	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// Placeholder is what a placeholder says of the message whose asset follows.
type Placeholder struct {
	Thread    string
	Timestamp int64 // Unix seconds
	Direction string
}

// Item is a follow-up, with bytes of its own.
type Item struct {
	Key        schemas.Hash // of the message, as placeholders are keyed
	Lane       Lane
	Echo       bool // from message_echoes[]
	Message    split.Message
	Profiles   []byte
	Origin     []byte
	ReceivedAt time.Time
}

func (i *Item) bytes() int64 {
	return int64(len(i.Message.Raw) + len(i.Profiles) + len(i.Origin) + itemOverheadBytes)
}

const itemOverheadBytes = 512

// Book is the placeholders and early follow-ups of one number.
type Book struct {
	cfg *Config

	places  map[schemas.Hash]place
	threads []string
	byName  map[string]uint32
	pages   map[uint32]page
	next    uint32 // number of the next page
	open    []byte // the page of placeholders since the last TakeState

	held      map[schemas.Hash]Item
	heldOrder []schemas.Hash // by the time they came
	heldBytes int64

	changed map[string][]byte // state records to be written
}

// place is a remembered placeholder.
type place struct {
	timestamp int64
	thread    uint32
	page      uint32
	direction uint8
}

// page is a group of placeholders that are forgotten together.
type page struct {
	until int64 // Unix seconds
}

// New makes an empty book. cfg has been validated.
func New(cfg *Config) *Book {
	return &Book{cfg: cfg}
}

var directions = [...]string{schemas.DirectionUnknown, schemas.DirectionInbound, schemas.DirectionOutbound}

// Remember keeps a placeholder of a chunk received at a time, if an asset can still follow, and returns the
// follow-up that waited for it.
func (b *Book) Remember(receivedAt time.Time, key schemas.Hash, p Placeholder) (Item, bool) {
	if p.Timestamp > 0 && receivedAt.Sub(time.Unix(p.Timestamp, 0)) > b.cfg.MaxAge {
		return Item{}, false
	}
	if b.places == nil {
		b.places, b.byName, b.pages = map[schemas.Hash]place{}, map[string]uint32{}, map[uint32]page{}
	}
	if len(b.open) == 0 {
		until := receivedAt.Add(b.cfg.Remember).Unix()
		b.pages[b.next] = page{until: until}
		b.open = appendPageHeader(b.open, until)
	}
	b.places[key] = place{
		timestamp: p.Timestamp, thread: b.intern(p.Thread), page: b.next,
		direction: uint8(max(slices.Index(directions[:], p.Direction), 0)),
	}
	b.open = appendPlace(b.open, key, b.places[key], p.Thread)
	if len(b.open) >= pageBytesMax {
		b.closePage()
	}
	item, ok := b.held[key]
	if ok {
		b.release(key)
	}
	return item, ok
}

// pageBytesMax keeps state records small.
const pageBytesMax = 64 << 10

func (b *Book) intern(thread string) uint32 {
	if i, ok := b.byName[thread]; ok {
		return i
	}
	i := uint32(len(b.threads))
	b.threads = append(b.threads, thread)
	b.byName[thread] = i
	return i
}

// Find is the placeholder of a message, if it is remembered.
func (b *Book) Find(key schemas.Hash) (Placeholder, bool) {
	p, ok := b.places[key]
	if !ok {
		return Placeholder{}, false
	}
	return Placeholder{Thread: b.threads[p.thread], Timestamp: p.timestamp, Direction: directions[p.direction]}, true
}

// Hold keeps a follow-up until its placeholder comes or the hold is over. It says no when there is no hold
// or no room: then the caller emits it as it is. A second follow-up of a message that is held already is
// taken for the same.
func (b *Book) Hold(item Item) bool {
	if _, ok := b.held[item.Key]; ok {
		return true
	}
	if b.cfg.Hold == 0 || len(b.held) >= b.cfg.HoldItemsMax || b.heldBytes+item.bytes() > b.cfg.HoldBytesMax {
		return false
	}
	b.keep(item)
	b.change(heldKey(item.Key), encodeItem(&item))
	return true
}

func (b *Book) keep(item Item) {
	if b.held == nil {
		b.held = map[schemas.Hash]Item{}
	}
	b.held[item.Key] = item
	b.heldBytes += item.bytes()
	at, _ := slices.BinarySearchFunc(b.heldOrder, item.ReceivedAt, func(h schemas.Hash, t time.Time) int {
		if b.held[h].ReceivedAt.After(t) {
			return 1
		}
		return -1
	})
	b.heldOrder = slices.Insert(b.heldOrder, at, item.Key)
}

func (b *Book) release(key schemas.Hash) {
	item := b.held[key]
	delete(b.held, key)
	b.heldBytes -= item.bytes()
	if i := slices.Index(b.heldOrder, key); i >= 0 {
		b.heldOrder = slices.Delete(b.heldOrder, i, i+1)
	}
	b.change(heldKey(key), nil)
}

// Tick lets time pass: placeholders are forgotten, and the follow-ups that waited long enough are returned,
// the oldest first.
func (b *Book) Tick(now time.Time) []Item {
	var over []Item
	for len(b.heldOrder) > 0 {
		item := b.held[b.heldOrder[0]]
		if now.Sub(item.ReceivedAt) < b.cfg.Hold {
			break
		}
		over = append(over, item)
		b.release(item.Key)
	}
	b.forget(now.Unix())
	return over
}

func (b *Book) forget(now int64) {
	gone := map[uint32]bool{}
	for number, p := range b.pages {
		if p.until <= now && (number != b.next || len(b.open) == 0) {
			gone[number] = true
			delete(b.pages, number)
			b.change(pageKey(number), nil)
		}
	}
	if len(gone) == 0 {
		return
	}
	for key, p := range b.places {
		if gone[p.page] {
			delete(b.places, key)
		}
	}
	if len(b.places) == 0 {
		b.places, b.threads, b.byName = map[schemas.Hash]place{}, nil, map[string]uint32{}
	}
}

// Deadline is the next time at which Tick can change something; zero: never.
func (b *Book) Deadline() time.Time {
	var next time.Time
	if len(b.heldOrder) > 0 {
		next = b.held[b.heldOrder[0]].ReceivedAt.Add(b.cfg.Hold)
	}
	for _, p := range b.pages {
		if at := time.Unix(p.until, 0); next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next
}

// Size is how much the book remembers and holds.
func (b *Book) Size() (placeholders, held int) { return len(b.places), len(b.held) }
