package judge

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/schemas"
)

// Judge collects truth and records. The package comment has the order of the calls.
type Judge struct {
	opt  Options
	seed uint64

	numbers []number
	byID    map[string]int32 // phone_number_id → number
	wabas   map[string]bool

	bodies []bodyRecord
	byHash map[truth.Digest]int32
	parts  []part
	chunks []chunk
	items  ledger
	heads  table // chain of the items that are versions of one thing
	words  words // originals
	people people
	twins  map[string]string // the first wamid of a message by its second one
	types  words             // types, statuses: few
	ids    arena

	contacts map[int32]*book     // of each number
	singles  map[singleKey]*once // account and other events
	declines map[int32]int64     // numbers that declined, and the newest receipt of that
	events   table               // marks by ce_id
	order    map[line]liveOrder  // last live event of an owner
	passed   map[place]int64     // the newest receipt in a raw partition so far
	spooled  []stay              // when the spool of an ingress was in use, as the raw log shows
	sampled  map[string]int      // events of a type, for ValidateEvery

	cut       bool      // the truth is of a run that was not played to its end
	heldUntil time.Time // of pending items

	missing int
	late    int
	foreign int
	topics  map[schemas.Topic]*TopicVerdict
	samples []Sample
	sampleN map[sampleKey]int
	scratch []byte
}

type sampleKey struct {
	topic schemas.Topic
	fault Fault
}

// place is a partition of a topic.
type place struct {
	topic     schemas.Topic
	partition int32
}

// number is a business phone number and its events.
type number struct {
	truth.Number
	noWABA   bool    // some body does not name the WABA
	noName   bool    // some body does not name the number
	namedIn  []int32 // the first bodies that name it with its WABA
	left     bool    // was offboarded
	closedBy []closing
	windows  []*window
	sync     syncSeen
	steps    []step // of the desk, from the raw log

	// The last event of the history that is in order.
	last struct {
		window       int32
		place, index int32
	}
	// The chunk that is furthest in the log, of those that left.
	read struct {
		at     place
		offset int64
	}
}

// closing is an account event that ended an onboarding.
type closing struct {
	body   int32
	timeMS int64 // when it happened; 0: the webhook had no time
}

// bodyRecord is one body and its place in the raw log.
type bodyRecord struct {
	hash   truth.Digest
	length int
	acked  bool
	split  bool // it concerns several WABAs: parts of it go through another partition
	dead   *deadLetter

	copies     int // in the raw log
	first      place
	offset     int64 // of the first copy
	receivedMS int64 // of the first copy
	oldestMS   int64 // the first receipt of all copies, and
	newestMS   int64 // the last one
	sentMS     int64 // the first attempt of the sender; 0: not known
	ackedMS    int64 // the first answer with a 200; 0: none
	passedMS   int64 // the newest receipt of the records before it in its partition
}

func (b *bodyRecord) present() bool { return b.copies > 0 }

// part is one part of a body.
type part struct {
	body    int32
	number  int32
	chunk   int32 // -1: not a chunk
	kind    kind
	standby bool
}

// kind is truth.Kind in a byte.
type kind uint8

const (
	kindChunk kind = iota
	kindMedia
	kindEcho
	kindMessage
	kindStatus
	kindError
	kindHandover
)

var kinds = map[truth.Kind]kind{
	truth.KindChunk: kindChunk, truth.KindMedia: kindMedia, truth.KindEcho: kindEcho, truth.KindMessage: kindMessage,
	truth.KindStatus: kindStatus, truth.KindError: kindError, truth.KindHandover: kindHandover,
}

var topicOfKind = [...]schemas.Topic{
	kindChunk: schemas.TopicHistory, kindMedia: schemas.TopicMedia, kindEcho: schemas.TopicEchoes,
	kindMessage: schemas.TopicMessages, kindStatus: schemas.TopicMessages, kindError: schemas.TopicMessages,
	kindHandover: schemas.TopicMessages,
}

// item is one message, asset, status or error of the truth.
type item struct {
	digest      truth.Digest
	timestamp   int64
	wamid       span
	person      uint32 // people
	original    uint32 // words
	part        int32
	next        int32 // in the chain, -1 at its end
	typ, status uint16
	rank        schemas.Rank
	direction   byte
	state       state
	flex        bool // may be out of order
	seen        bool
	twin        bool // has the second wamid of its message
}

// state is the expectation of an item.
type state uint8

const (
	dropped   state = iota // no event is expected: a version of it came before
	owed                   // exactly one event
	optional               // at most one event
	alternate              // another text of the previous item in the chain: either may be present
	pending                // not yet
)

// New returns an empty judge.
func New(opt Options) (*Judge, error) {
	if err := opt.Check(); err != nil {
		return nil, fmt.Errorf("judge: %w", err)
	}
	j := &Judge{
		opt: opt, cut: true, byID: map[string]int32{}, wabas: map[string]bool{}, byHash: map[truth.Digest]int32{},
		contacts: map[int32]*book{}, singles: map[singleKey]*once{}, twins: map[string]string{}, declines: map[int32]int64{},
		order: map[line]liveOrder{}, passed: map[place]int64{}, sampled: map[string]int{}, topics: map[schemas.Topic]*TopicVerdict{}, sampleN: map[sampleKey]int{},
	}
	j.words.init()
	j.people.init()
	j.types.init()
	j.topics[schemas.TopicRawLive] = &TopicVerdict{Topic: topicLabel(schemas.TopicRawLive), Faults: map[Fault]int{}}
	for _, t := range Topics() {
		j.topics[t] = &TopicVerdict{Topic: topicLabel(t), Faults: map[Fault]int{}}
	}
	return j, nil
}

// Missing returns how many expected events were not seen yet.
func (j *Judge) Missing() int { return j.missing }

// Owed returns how many events are expected in all.
func (j *Judge) Owed() int {
	n := 0
	for t, v := range j.topics {
		if !t.Raw() {
			n += v.Owed
		}
	}
	return n
}

// fault counts a fault and keeps the first ones of its kind as samples.
func (j *Judge) fault(t schemas.Topic, f Fault, format string, args ...any) {
	j.topics[topicSlot(t)].Faults[f]++
	key := sampleKey{topicSlot(t), f}
	if j.sampleN[key]++; j.sampleN[key] <= j.opt.SamplesMax {
		j.samples = append(j.samples, Sample{Topic: topicLabel(t), Fault: f, What: fmt.Sprintf(format, args...)})
	}
}

func (j *Judge) owe(t schemas.Topic, n int) {
	j.topics[t].Owed += n
	j.missing += n
}

// chainKey returns the key that all versions of one thing share.
func (j *Judge) chainKey(k kind, number, window int32, id []byte) schemas.Hash {
	var head [9]byte
	head[0] = byte(k)
	binary.LittleEndian.PutUint32(head[1:], uint32(number))
	binary.LittleEndian.PutUint32(head[5:], uint32(window))
	j.scratch = append(append(j.scratch[:0], head[:]...), id...)
	return schemas.HashBytes(j.scratch)
}

// chainID returns the part of a chain's key that identifies the thing among those of one kind and number: a message by
// its wamid, a status by its message and content, an error by its text.
func chainID(dst []byte, k kind, wamid, status string, digest truth.Digest) []byte {
	switch k {
	case kindStatus:
		return append(append(append(dst, wamid...), 0), status...)
	case kindError, kindHandover:
		dst, _ = digest.AppendText(dst)
		return dst
	}
	return append(dst, wamid...)
}

// rankStatus is the rank of statuses and errors in the ledger: they replace nothing.
const rankStatus = schemas.Rank(255)

// firstWAMID returns the first wamid of a message that has two.
func (j *Judge) firstWAMID(wamid string) string {
	if first, ok := j.twins[wamid]; ok {
		return first
	}
	return wamid
}

// chain calls visit for each item of a chain until it returns false.
func (j *Judge) chain(key schemas.Hash, visit func(i int32, it *item) bool) {
	i, ok := j.heads.get(key)
	for ok && i >= 0 {
		it := j.item(i)
		if !visit(i, it) {
			return
		}
		i = it.next
	}
}
