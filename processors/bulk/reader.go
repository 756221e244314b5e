package bulk

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/coexstream/coexstream/internal/kafka"
)

// ReaderConfig names the topics of a Reader, and bounds what one fetch returns.
type ReaderConfig struct {
	Bulk, Live, Rerouted string // topics
	BytesMax             int32  // of a response
	PartitionBytesMax    int32  // of one partition in a response
}

// Reader reads raw.bulk beside the group's consumer. Fetched bulk never delays fetched live records. Each partition is read
// from the position of its queue, so nothing has to be sought back.
//
// Request starts fetches and returns. One request at a time is in flight for each broker. Goroutines run them until the
// context of Start ends, and send replies to Replies.
type Reader struct {
	fetcher *kafka.Fetcher
	cfg     ReaderConfig
	replies chan Reply
	wake    func()          // called after a reply was sent
	life    context.Context // ends the requests; it outlives the transaction in which they start
	topicID [16]byte        // of the log that is read

	mu       sync.Mutex
	inFlight map[int32]bool // by broker, or one of the two below
	leaders  map[int32]int32
}

// Keys of inFlight for requests that are not for one broker.
const (
	inFlightEnds = -1 - iota
	inFlightLeaders
)

// Reply is what one broker returned, with the barriers of the partitions.
type Reply struct {
	Spots []kafka.SpotFetched
	Ends  Barriers
	// Broken is set when raw.bulk is no longer the log that was read.
	Broken error
}

// Barriers are barriers by partition.
type Barriers map[int32]Barrier

// Barrier is how far live and rerouted must be read before bulk of one fetch is processed: their ends at a time after the
// fetch. All webhooks that were acknowledged before one of the fetch was received lie before these ends.
type Barrier struct {
	Known          bool
	Live, Rerouted int64
}

// passed reports whether live and rerouted have been read up to the barrier.
func (b Barrier) passed(live, rerouted int64) bool {
	return b.Known && live >= b.Live && rerouted >= b.Rerouted
}

// NewReader makes a Reader. wake is called from other goroutines after each reply.
func NewReader(cfg ReaderConfig, fetcher *kafka.Fetcher, wake func()) *Reader {
	return &Reader{cfg: cfg, fetcher: fetcher, wake: wake, replies: make(chan Reply, 64), inFlight: map[int32]bool{}}
}

// Start gives the context that ends all requests, and the id of the log. It is called before Request.
func (b *Reader) Start(ctx context.Context, topicID [16]byte) { b.life, b.topicID = ctx, topicID }

// Replies returns the channel of replies. The caller passes each one to Scheduler.Accept.
func (b *Reader) Replies() <-chan Reply { return b.replies }

const (
	fetchWait     = 500 * time.Millisecond // for records at the end of the log
	fetchWaitBusy = 10 * time.Millisecond  // while bulk waits to be processed: other partitions are requested soon
	fetchBackoff  = 100 * time.Millisecond // after a failure
)

// Request is what the session wants of one partition.
type Request struct {
	kafka.Spot
	Epoch    int32 // leader epoch of the record before; -1: not known
	EndsOnly bool  // only the barrier of fetched records is missing
}

// Request starts fetches and returns at once. A broker with a request in flight is not asked again. Earlier entries of
// requests get more of a response. busy says that bulk waits to be processed.
func (b *Reader) Request(requests []Request, busy bool) {
	ctx := b.life
	b.mu.Lock()
	leaders := b.leaders
	b.mu.Unlock()
	var ends []int32
	var unled []Request
	spots := map[int32][]kafka.Spot{}
	for _, a := range requests {
		if a.EndsOnly {
			ends = append(ends, a.Partition)
			continue
		}
		if leader, ok := leaders[a.Partition]; ok {
			spots[leader] = append(spots[leader], a.Spot)
		} else {
			unled = append(unled, a)
		}
	}
	if len(unled) > 0 && b.start(inFlightLeaders) {
		go b.learnLeaders(ctx, unled)
	}
	if len(ends) > 0 && b.start(inFlightEnds) {
		go func() {
			r := Reply{Ends: b.ends(ctx, ends)}
			b.finish(ctx, inFlightEnds, r, len(r.Ends) == len(ends))
		}()
	}
	wait := fetchWait
	if busy {
		wait = fetchWaitBusy
	}
	for leader, wanted := range spots {
		if b.start(leader) {
			go b.fetch(ctx, leader, wanted, wait)
		}
	}
}

// learnLeaders asks for the leaders, and checks that their log is the one that was read. A leader that was behind when it was
// elected may have other records at the same offsets, and so may a topic that was created again.
func (b *Reader) learnLeaders(ctx context.Context, unled []Request) {
	topic := b.cfg.Bulk
	leaders, err := b.fetcher.Leaders(ctx, topic)
	if err == nil {
		if id := b.fetcher.TopicID(topic); id != b.topicID {
			b.finish(ctx, inFlightLeaders, Reply{Broken: fmt.Errorf("%s was made again: %w", topic, kafka.ErrLogCut)}, false)
			return
		}
		var broken error
		if broken, err = b.divergence(ctx, topic, unled); broken != nil {
			b.finish(ctx, inFlightLeaders, Reply{Broken: broken}, false)
			return
		}
	}
	known := err == nil
	if known {
		b.mu.Lock()
		b.leaders = leaders
		b.mu.Unlock()
	}
	for _, a := range unled {
		_, ok := leaders[a.Partition]
		known = known && ok
	}
	b.finish(ctx, inFlightLeaders, Reply{}, known)
}

// divergence returns the reason why a partition cannot be read on from the requested offset.
func (b *Reader) divergence(ctx context.Context, topic string, asks []Request) (broken, err error) {
	epochs := map[int32]int32{}
	for _, a := range asks {
		if a.Epoch >= 0 {
			epochs[a.Partition] = a.Epoch
		}
	}
	if len(epochs) == 0 {
		return nil, nil
	}
	ends, err := b.fetcher.Parted(ctx, topic, epochs)
	if err != nil && !kafka.Unanswered(err) {
		err = nil // these brokers do not answer it
	}
	for _, a := range asks {
		if end, ok := ends[a.Partition]; ok && end < a.Offset {
			return fmt.Errorf("%s/%d was read to %d, and ends at %d since another leader was elected: %w", topic, a.Partition, a.Offset, end, kafka.ErrLogCut), nil
		}
	}
	return nil, err
}

func (b *Reader) fetch(ctx context.Context, leader int32, wanted []kafka.Spot, wait time.Duration) {
	got, err := b.fetcher.FetchFrom(ctx, leader, b.cfg.Bulk, wanted,
		b.cfg.BytesMax, b.cfg.PartitionBytesMax, wait)
	var r Reply
	var behind []int32
	ok := err == nil
	for _, s := range got {
		switch {
		case s.Err != nil && !errors.Is(s.Err, kafka.ErrOffsetGone) && !errors.Is(s.Err, kafka.ErrDamaged):
			ok = false
		case s.Err != nil || s.Next != s.Offset:
			r.Spots = append(r.Spots, s)
			if len(s.Records) > 0 {
				behind = append(behind, s.Partition)
			}
		}
	}
	if len(behind) > 0 {
		r.Ends = b.ends(ctx, behind)
	}
	b.finish(ctx, leader, r, ok)
}

// ends asks for the current ends of live and rerouted.
func (b *Reader) ends(ctx context.Context, partitions []int32) Barriers {
	live, rerouted := b.cfg.Live, b.cfg.Rerouted
	all := Barriers{}
	ends, err := b.fetcher.Ends(ctx, []string{live, rerouted}, partitions)
	if err != nil {
		return all
	}
	for _, p := range partitions {
		l, knownLive := ends[live][p]
		r, knownRerouted := ends[rerouted][p]
		if knownLive && knownRerouted {
			all[p] = Barrier{Known: true, Live: l, Rerouted: r}
		}
	}
	return all
}

// finish sends the reply of a request. After a failure it waits before the broker may be asked again.
func (b *Reader) finish(ctx context.Context, who int32, r Reply, ok bool) {
	if len(r.Spots)+len(r.Ends) > 0 || r.Broken != nil {
		select {
		case b.replies <- r:
			b.wake()
		case <-ctx.Done():
		}
	}
	if !ok {
		if who >= 0 { // its partitions may have another leader by now
			b.mu.Lock()
			b.leaders = nil
			b.mu.Unlock()
		}
		select {
		case <-ctx.Done():
		case <-time.After(fetchBackoff):
		}
	}
	b.mu.Lock()
	delete(b.inFlight, who)
	b.mu.Unlock()
	b.wake()
}

func (b *Reader) start(who int32) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.inFlight[who] {
		return false
	}
	b.inFlight[who] = true
	return true
}
