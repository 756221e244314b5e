package partition

import (
	"bytes"
	"fmt"
	"time"

	"github.com/coexstream/coexstream/internal/invalid"
	"github.com/coexstream/coexstream/processors/account"
	"github.com/coexstream/coexstream/processors/contacts"
	"github.com/coexstream/coexstream/processors/dedup"
	"github.com/coexstream/coexstream/processors/history"
	"github.com/coexstream/coexstream/processors/media"
	"github.com/coexstream/coexstream/processors/people"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// Config is what a partition is told.
type Config struct {
	Partition, Partitions int32
	// PartitionOf is the partition of a business: murmur2 over its WABA id.
	PartitionOf func(business []byte) int32

	// DedupWindow is for how long a live message, status or event is known again.
	DedupWindow time.Duration
	// EventBytesMax is the largest value of an event; a larger one goes to `dlq`.
	EventBytesMax int
	// OtherBytesMax is that of `other`, whose events carry what may be a whole body; 0: no limit.
	OtherBytesMax int
	// ReplayTimeout is how long a replay may be silent before it counts as given up.
	ReplayTimeout time.Duration

	History history.Config
	Media   media.Config
}

// DefaultConfig has every default; the partition fields are the owner's to set.
func DefaultConfig() Config {
	return Config{DedupWindow: 24 * time.Hour, EventBytesMax: 1 << 20, ReplayTimeout: time.Hour, History: history.DefaultConfig(), Media: media.DefaultConfig()}
}

// Validate names the first key whose value cannot be used.
func (c *Config) Validate() error {
	if c.DedupWindow < time.Minute {
		return invalid.Value("processor.dedup_window", c.DedupWindow, "1m or more")
	}
	if c.EventBytesMax < 16<<10 {
		return invalid.Value("processor.event_bytes_max", c.EventBytesMax, "16KiB or more")
	}
	if c.ReplayTimeout < time.Minute {
		return invalid.Value("processor.replay_timeout", c.ReplayTimeout, "1m or more")
	}
	if err := c.History.Validate(); err != nil {
		return err
	}
	return c.Media.Validate()
}

// dedupBuckets cuts the de-duplication window: a message is remembered for the window and at most an
// eighth more.
const dedupBuckets = 8

// Origin is a raw record: where it stands, and what its headers tell.
type Origin struct {
	Topic  schemas.Topic
	Offset int64
	// Label is topic/partition/offset of the record that the ingress wrote.
	Label      []byte
	ReceivedAt time.Time
	Received   []byte // ReceivedAt as the record's header has it; nil where it has none
	Source     []byte // name of the source that took it; empty where the record does not say

	TraceParent, TraceState []byte

	// Replay is set on what a replay wrote.
	Replay *Replay
	// Requeue is set on a dead letter that is tried again.
	Requeue *Requeue
	// WABA is that of the number that the body, or the record's key, names alone.
	WABA []byte
	// Moved is set on what another partition, or a replay, passed on of a number that was known without its WABA.
	Moved bool
	// Unnamed is set on the note about a number that no live webhook named.
	Unnamed bool

	// Key, Value and Headers are the record as it is, for `dlq` and `rerouted`.
	Key, Value []byte
	Headers    []Header
}

// live tells whether the webhook came by the live lane, which is read soon after it was written.
func (o *Origin) live() bool { return bytes.HasPrefix(o.Label, liveLane) && !o.Moved }

// named is when the webhook was received where it came by the live lane, else zero.
func (o *Origin) named() time.Time {
	if o.live() {
		return o.ReceivedAt
	}
	return time.Time{}
}

var liveLane = []byte(schemas.TopicRawLive.String() + "/")

// Want names a held chunk that has to be read again.
type Want = history.Ref

// Partition is the state of one partition.
type Partition struct {
	cfg Config
	out Output

	numbers      map[string]*number      // by number key
	businesses   map[string]*business    // by WABA
	sourceShares map[string]*sourceShare // by name of the source
	recency      recency
	changed      []*number   // numbers to look at in Flush
	wanting      []*number   // numbers whose next chunk has to be read again
	untold       []*business // those with account events of which not all numbers were told

	schedule schedule
	ticked   time.Time // until when what was due has happened
	replays  replays
	outer    *Partition   // of a replay state: the partition whose state is the live one
	wantedBy *replayState // for whom Wanted spoke; nil: for the partition itself

	contacts          *contacts.Book
	recent            *dedup.Recent
	pages             pages
	pendingBoundaries pendingBoundaries
	onboardings       onboardings
	undated           undated
	directory         numberDirectory
	deferral          deferral

	offers []offered
	holds  bool // see Holds
	unfit  bool // the change that is processed was to leave as it is, and must not: see split.Change.Loose

	now  time.Time // the newest ReceivedAt, or the time of the last tick
	turn turnUse
	// inParts is whether the body that is processed may leave in parts.
	inParts bool

	*Workspace
	people  people.Finder
	counts  Counts
	scratch []byte
	compact []byte // see content
	effects []contacts.Effect
}

// New makes a partition that knows nothing yet.
func New(cfg Config) (*Partition, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.PartitionOf == nil {
		return nil, fmt.Errorf("partition: PartitionOf is missing")
	}
	return &Partition{
		cfg: cfg, out: func(Record) {},
		Workspace: &Workspace{},
		numbers:   map[string]*number{}, businesses: map[string]*business{}, sourceShares: map[string]*sourceShare{},
		contacts: contacts.New(), recent: dedup.NewRecent(cfg.DedupWindow, dedupBuckets),
		pages:  pages{},
		counts: newCounts(),
	}, nil
}

// Begin begins a transaction's work: it says where emitted records go, and lends memory for them. The owner
// may lend the same workspace to another partition once the transaction has ended.
func (t *Partition) Begin(out Output, w *Workspace) {
	t.out, t.Workspace = out, w
	t.counts.reset()
	if cap(t.scratch) > scratchBytesMax {
		t.scratch = nil // a giant was hashed
	}
	if cap(t.compact) > scratchBytesMax {
		t.compact = nil
	}
	t.beginReplayStates()
}

// scratchBytesMax is what is kept of the memory in which ids are put together.
const scratchBytesMax = 64 << 10

// Webhook takes one raw record that was split. Parts of businesses of other partitions are passed on to
// them; what cannot be understood goes to `other` or `dlq`.
func (t *Partition) Webhook(o *Origin, b *split.Body) {
	t.holds = false
	if s := t.replayStateOf(o); s != nil {
		s.Webhook(o, b)
		t.holds = s.Holds()
		return
	}
	t.process(o, b, &progress{}, false)
}

// process takes a body from where its progress says on, to the end, or as far as there is room for it where it may leave
// in parts.
func (t *Partition) process(o *Origin, b *split.Body, at *progress, inParts bool) (whole bool) {
	t.holds = false
	t.turn.begin()
	t.inParts = inParts
	t.passed(o.ReceivedAt)
	t.people.Begin()
	o.Requeue.choose(b)
	if o.whole() {
		b.Bound(t.bounds(o))
	}
	inHand := inHand{origin: o, body: b}
	f := &at.odd
	for began := at.change; at.change < b.Rest; at.change, at.item = at.change+1, 0 {
		i := at.change
		if o.Requeue != nil && !o.Requeue.change(i, &b.Changes[i]) {
			continue
		}
		c := &b.Changes[i]
		if at.item > 0 { // it was found out whose it is, and is processed here
			if c.WABA = nil; at.waba != "" {
				c.WABA = []byte(at.waba)
			}
			if !t.whole(inHand, c, at) {
				t.stopped()
				return false
			}
			continue
		}
		if i > began && t.pause() {
			t.stopped()
			return false
		}
		if len(o.WABA) > 0 {
			t.attribute(o, c)
		}
		business := businessOf(c)
		if len(business) == 0 {
			switch {
			case o.Replay != nil && o.Replay.Extra: // the copy in the record's own partition tells it
			case c.Refused:
				f.odd(i, c)
			default:
				f.whole(i, schemas.ReasonNoBusiness)
			}
			continue
		}
		if p := t.cfg.PartitionOf(business); p != t.cfg.Partition {
			// A replay has written the record to the partition p, too; of a letter one event is left, and it is here.
			switch {
			case o.Replay != nil || o.Requeue.event() != "":
			case c.Over: // its parts are counted with this body's
				f.odd(i, c)
				f.wholly()
			default:
				t.reroute(o, b.Envelope, c, p)
			}
			continue
		}
		if c.Refused {
			f.odd(i, c)
			continue
		}
		// The partition of the number's id knows whose number it is. It may be another's, and a replay does not know that.
		if len(c.WABA) == 0 {
			t.attribute(o, c)
			if p := t.cfg.PartitionOf(businessOf(c)); p != t.cfg.Partition {
				t.reroute(o, b.Envelope, c, p)
				continue
			}
		}
		if o.Moved && o.Replay != nil && o.Topic != schemas.TopicRerouted {
			t.declined(o, c)
			continue
		}
		at.unfit = false
		if !t.whole(inHand, c, at) {
			at.waba = string(c.WABA)
			t.stopped()
			return false
		}
	}
	if b.Rest < len(b.Changes) && o.chooses(b) {
		f.over(b.Rest, b.Over)
	}
	t.advanceOffered(inHand)
	if len(b.Changes) == 0 && (o.Replay == nil || !o.Replay.Extra) {
		f.reason = schemas.ReasonEmpty
	}
	if f.reason != "" && o.Requeue.event() == "" { // of a letter of one event the rest had its own
		t.DeadLetter(o, f.reason, f.text(), f.headers(b)...)
	}
	return true
}

// whole takes the change at which a body is, and notes what of it could not be processed. It is false where the rest of the
// change has to wait.
func (t *Partition) whole(h inHand, c *split.Change, at *progress) bool {
	t.unfit = at.unfit
	reason, whole := t.change(h, c, at)
	if at.unfit = t.unfit; !whole {
		return false
	}
	switch {
	case reason != "":
		at.odd.whole(at.change, reason)
	case t.unfit:
		at.odd.odd(at.change, c)
		at.odd.wholly()
	case c.Cut > 0:
		at.odd.odd(at.change, c)
	}
	return true
}

// Holds tells whether a chunk of the last webhook waits: then its record is named by Wanted one day, unless the chunk
// is given up.
func (t *Partition) Holds() bool { return t.holds }

// businessOf is what decides the partition: the WABA, or the number where the envelope names no WABA.
func businessOf(c *split.Change) []byte {
	if len(c.WABA) > 0 {
		return c.WABA
	}
	return c.PhoneNumberID
}

// inHand is a body whose bytes are at hand.
type inHand struct {
	origin *Origin
	body   *split.Body
	again  bool // it was processed before, and has been read again
}

func (h inHand) holds(ref history.Ref) bool {
	if h.body == nil || ref.Topic != h.origin.Topic || ref.Offset != h.origin.Offset {
		return false
	}
	c, _ := h.body.Chunk(int(ref.Change), int(ref.Element))
	return c != nil
}

// Fields that are asked for by name.
const (
	fieldHistory = "history"
	fieldStandby = "standby"
)

// change routes one change of a business of this partition, from its first item that is not done on. The reason is set
// when it belongs to `dlq`; whole is false where the rest has to wait.
func (t *Partition) change(h inHand, c *split.Change, at *progress) (reason schemas.Reason, whole bool) {
	if !c.HasOwnField() {
		if event, ok := account.EventOf(c); ok {
			c.AccountEvent = event
			t.account(h.origin, c)
			return "", true
		}
		t.other(h.origin, c)
		return "", true
	}
	if c.Parts() == 0 && !h.origin.Moved {
		if c.Cut == 0 && !c.Partial {
			t.other(h.origin, c) // a known field with nothing in it that we know
		}
		return "", true
	}
	if len(c.PhoneNumberID) == 0 {
		if c.OnlyErrors() && !c.Partial {
			t.other(h.origin, c)
			return "", true
		}
		return schemas.ReasonNoNumber, true
	}
	n, reason := t.number(h.origin, c)
	if n == nil {
		return reason, true
	}
	if !n.live && h.origin.live() {
		n.live, n.told = true, false
	}
	t.concerns(h.origin, n)
	if at.item == 0 {
		if h.origin.Moved {
			defer t.retell(n)
		}
		if len(c.History)+len(c.Messages)+len(c.Echoes)+len(c.StateSync) > 0 {
			t.connected(h.origin, n)
		}
		if len(c.History)+len(c.Errors) > 0 {
			t.history(h, c, at.change, n)
		}
	}
	if len(c.Messages)+len(c.Echoes)+len(c.Statuses)+len(c.Errors)+len(c.Handovers) > 0 && !t.live(h.origin, c, n, &at.item) {
		return "", false
	}
	if len(c.StateSync) > 0 && !t.addressBook(h.origin, c, n, &at.item) {
		return "", false
	}
	if len(c.WABA) == 0 && len(c.History)+len(c.Errors) > 0 {
		t.follow(h.origin, n, c)
	}
	return "", true
}

// Tick lets time pass. See the package comment for when a time may be told.
func (t *Partition) Tick(now time.Time) {
	if now.After(t.ticked) {
		t.Pass(now)
	}
}

// Pass lets time pass up to when a record of the lane that carries history was received, before that record is
// told. What was due by then happens first, whenever the log is read: so history comes out in the same order from
// an owner that keeps up, from one that was away, and from a replay. A record that was received earlier than time
// has passed already takes it back: what is due because of such records has to wait for those that come with it.
func (t *Partition) Pass(now time.Time) {
	t.applyFreshEventsToAll()
	t.ticked = now
	t.passed(now)
	t.schedule.refresh()
	for {
		n, ok := t.schedule.next(now)
		if !ok {
			break
		}
		t.catchUp(n, inHand{})
	}
	t.pages.expire(t, now)
	t.pendingBoundaries.expire(now)
	t.undated.expire(now)
	if t.outer == nil {
		t.contacts.Expire(now)
	}
}

// catchUp lets a number's chunks leave, and lets what was due for it happen: one thing after another in the
// order of the times at which they were due, however much time passed at once. Where a chunk has to be read
// again first, the rest waits for it; so the outcome is that of a partition that was never behind.
func (t *Partition) catchUp(n *number, h inHand) {
	for {
		t.advance(n, h)
		if n.wanting || n.behind {
			break
		}
		d := n.deadline()
		if d.IsZero() || d.After(t.ticked) {
			break
		}
		t.touch(n)
		if at := n.history.Deadline(); !at.IsZero() && !at.After(d) {
			n.history.Tick(d)
		} else {
			t.emitWaiting(n, n.media.Tick(d))
		}
	}
	t.schedule.put(n)
}

// passed moves the partition's time forward, never back.
func (t *Partition) passed(now time.Time) {
	if now.After(t.now) {
		t.now = now
	}
}

// Wanted names the held chunk that has to be read again next.
func (t *Partition) Wanted() (Want, bool) {
	t.wantedBy = nil
	for len(t.wanting) > 0 {
		n := t.wanting[0]
		if d, ok := n.history.Next(t.now); ok {
			return d.Ref, true
		}
		n.wanting = false
		t.wanting = t.wanting[1:]
	}
	t.wanting = nil
	for _, r := range t.replays.open {
		if r.own == nil {
			continue
		}
		if w, ok := r.own.Wanted(); ok {
			t.wantedBy = r.own
			return w, true
		}
	}
	return Want{}, false
}

// LeftOfWanted is how many messages have left of the chunk that Wanted named.
func (t *Partition) LeftOfWanted() int {
	if t.wantedBy != nil {
		return t.wantedBy.LeftOfWanted()
	}
	if len(t.wanting) == 0 {
		return 0
	}
	d, _ := t.wanting[0].history.Next(t.now)
	return d.From
}

// Release lets a held chunk leave: o and b are the record that Want named, read again.
func (t *Partition) Release(w Want, o *Origin, b *split.Body) {
	if t.wantedBy != nil {
		t.wantedBy.Release(w, o, b)
		return
	}
	n := t.nextWanting()
	t.turn.begin()
	t.people.Begin()
	o.LeaveOut()
	o.Requeue.choose(b)
	h := inHand{origin: o, body: b, again: true}
	if d, ok := n.history.Next(t.now); ok && d.Ref == w && !h.holds(w) {
		n.history.Missing(t.now, d) // the log holds other bytes at that place
	}
	t.touch(n)
	t.catchUp(n, h)
}

// Lost says that the record that Want named is no longer in the log.
func (t *Partition) Lost(w Want) {
	if t.wantedBy != nil {
		t.wantedBy.Lost(w)
		return
	}
	n := t.nextWanting()
	t.turn.begin()
	if d, ok := n.history.Next(t.now); ok && d.Ref == w {
		n.history.Missing(t.now, d)
	}
	t.touch(n)
	t.catchUp(n, inHand{})
}

// nextWanting takes the number that wants a chunk from the head of the line; advance puts it to the end when it
// wants another one, so that no number waits for a large one to finish.
func (t *Partition) nextWanting() *number {
	n := t.wanting[0]
	n.wanting = false
	t.wanting = t.wanting[1:]
	return n
}

// touch marks a number as one whose state may have changed.
func (t *Partition) touch(n *number) {
	t.schedule.touched(n)
	if !n.changed {
		n.changed = true
		t.changed = append(t.changed, n)
	}
}

// Counts is what happened since Begin.
func (t *Partition) Counts() Counts { return t.counts.snapshot() }
