package processors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
)

// backlog reads raw.bulk beside the group's consumer: what is fetched of bulk is never in the way of what is fetched
// of live, and each partition is read from where its task goes on, so that there is nothing to wind back.
//
// The loop asks and takes; goroutines that end with the session's context fetch, one at a time for each broker.
type backlog struct {
	fetcher *kafka.Fetcher
	cfg     *Config
	replies chan bulkReply
	wake    func()          // tells the loop that there is a reply
	life    context.Context // the requests end with it, and not with the transaction in which they are made
	topicID [16]byte        // of the log that is read

	mu      sync.Mutex
	flying  map[int32]bool // requests under way, by broker
	leaders map[int32]int32
}

// What is in flying beside brokers: requests that go to whom they concern.
const (
	flyingEnds = -1 - iota
	flyingLeaders
)

// bulkReply is what one broker had, and how far live and rerouted have to be read before it may be worked on.
type bulkReply struct {
	spots []kafka.SpotFetched
	ends  barriers
	// broken: raw.bulk is not the log any more that was read.
	broken error
}

// barriers are ends of the inputs that go before bulk, by partition.
type barriers map[int32]barrier

// barrier is how far the inputs that go before bulk have to be read: their ends at a time after bulk was fetched.
// What was acknowledged before a webhook of bulk was received lies before them.
type barrier struct {
	known          bool
	live, rerouted int64
}

// passed tells whether live and rerouted have been read as far.
func (b barrier) passed(live, rerouted int64) bool {
	return b.known && live >= b.live && rerouted >= b.rerouted
}

func newBacklog(cfg *Config, fetcher *kafka.Fetcher, wake func()) *backlog {
	return &backlog{cfg: cfg, fetcher: fetcher, wake: wake, replies: make(chan bulkReply, 64), flying: map[int32]bool{}}
}

const (
	bulkWait     = 500 * time.Millisecond // for something to be in the log
	bulkWaitBusy = 10 * time.Millisecond  // the same while there is work: its partitions will be asked for soon
	bulkBackoff  = 100 * time.Millisecond // after a failure
)

// bulkAsk is what the loop wants of one partition.
type bulkAsk struct {
	kafka.Spot
	epoch    int32 // leader epoch of the record before; -1: not known
	endsOnly bool  // there are records whose barrier is not known
}

// ask sends for bulk. It returns at once; a broker that has not answered yet is not asked again. The first of asks get
// the most. busy tells that bulk waits to be worked on.
func (b *backlog) ask(asks []bulkAsk, busy bool) {
	ctx := b.life
	b.mu.Lock()
	leaders := b.leaders
	b.mu.Unlock()
	var ends []int32
	var unled []bulkAsk
	spots := map[int32][]kafka.Spot{}
	for _, a := range asks {
		if a.endsOnly {
			ends = append(ends, a.Partition)
			continue
		}
		if leader, ok := leaders[a.Partition]; ok {
			spots[leader] = append(spots[leader], a.Spot)
		} else {
			unled = append(unled, a)
		}
	}
	if len(unled) > 0 && b.takeOff(flyingLeaders) {
		go b.learnLeaders(ctx, unled)
	}
	if len(ends) > 0 && b.takeOff(flyingEnds) {
		go func() {
			r := bulkReply{ends: b.ends(ctx, ends)}
			b.land(ctx, flyingEnds, r, len(r.ends) == len(ends))
		}()
	}
	wait := bulkWait
	if busy {
		wait = bulkWaitBusy
	}
	for leader, wanted := range spots {
		if b.takeOff(leader) {
			go b.fetch(ctx, leader, wanted, wait)
		}
	}
}

// learnLeaders asks who leads, and whether what they lead is the log that was read: a leader that was behind when it was
// elected may hold other records at the same offsets, and so may a topic that was made again.
func (b *backlog) learnLeaders(ctx context.Context, unled []bulkAsk) {
	topic := b.cfg.topic(schemas.TopicRawBulk)
	leaders, err := b.fetcher.Leaders(ctx, topic)
	if err == nil {
		if id := b.fetcher.TopicID(topic); id != b.topicID {
			b.land(ctx, flyingLeaders, bulkReply{broken: fmt.Errorf("%s was made again: %w", topic, kafka.ErrLogCut)}, false)
			return
		}
		var broken error
		if broken, err = b.parted(ctx, topic, unled); broken != nil {
			b.land(ctx, flyingLeaders, bulkReply{broken: broken}, false)
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
	b.land(ctx, flyingLeaders, bulkReply{}, known)
}

// parted is why partitions cannot be read on from where they are asked for.
func (b *backlog) parted(ctx context.Context, topic string, asks []bulkAsk) (broken, err error) {
	epochs := map[int32]int32{}
	for _, a := range asks {
		if a.epoch >= 0 {
			epochs[a.Partition] = a.epoch
		}
	}
	if len(epochs) == 0 {
		return nil, nil
	}
	ends, err := b.fetcher.Parted(ctx, topic, epochs)
	if err != nil && !unanswered(err) {
		err = nil // brokers that do not tell
	}
	for _, a := range asks {
		if end, ok := ends[a.Partition]; ok && end < a.Offset {
			return fmt.Errorf("%s/%d was read to %d, and ends at %d since another leader was elected: %w", topic, a.Partition, a.Offset, end, kafka.ErrLogCut), nil
		}
	}
	return nil, err
}

func (b *backlog) fetch(ctx context.Context, leader int32, wanted []kafka.Spot, wait time.Duration) {
	got, err := b.fetcher.FetchFrom(ctx, leader, b.cfg.topic(schemas.TopicRawBulk), wanted,
		b.cfg.FetchBytesMax, b.cfg.FetchPartitionBytesMax, wait)
	var r bulkReply
	var behind []int32
	ok := err == nil
	for _, s := range got {
		switch {
		case s.Err != nil && !errors.Is(s.Err, kafka.ErrOffsetGone):
			ok = false
		case s.Err != nil || s.Next != s.Offset:
			r.spots = append(r.spots, s)
			if len(s.Records) > 0 {
				behind = append(behind, s.Partition)
			}
		}
	}
	if len(behind) > 0 {
		r.ends = b.ends(ctx, behind)
	}
	b.land(ctx, leader, r, ok)
}

// ends asks how far live and rerouted go now.
func (b *backlog) ends(ctx context.Context, partitions []int32) barriers {
	live, rerouted := b.cfg.topic(schemas.TopicRawLive), b.cfg.topic(schemas.TopicRerouted)
	all := barriers{}
	ends, err := b.fetcher.Ends(ctx, []string{live, rerouted}, partitions)
	if err != nil {
		return all
	}
	for _, p := range partitions {
		l, knownLive := ends[live][p]
		r, knownRerouted := ends[rerouted][p]
		if knownLive && knownRerouted {
			all[p] = barrier{known: true, live: l, rerouted: r}
		}
	}
	return all
}

// land hands over what a request brought. Whoever had no answer is not asked again at once.
func (b *backlog) land(ctx context.Context, who int32, r bulkReply, ok bool) {
	if len(r.spots)+len(r.ends) > 0 || r.broken != nil {
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
		case <-time.After(bulkBackoff):
		}
	}
	b.mu.Lock()
	delete(b.flying, who)
	b.mu.Unlock()
	b.wake()
}

func (b *backlog) takeOff(who int32) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.flying[who] {
		return false
	}
	b.flying[who] = true
	return true
}

// bulk is what one runner has of the backlog: records that were fetched and not worked on. What is fetched while
// the last fetch is worked on is one fetch, no more.
type bulk struct {
	parts []bulkPart
	next  int64 // where the next fetch goes on
	epoch int32 // leader epoch of the record before next; -1: not known
}

// bulkPart is what one fetch brought.
type bulkPart struct {
	records []*kgo.Record
	at      int   // the first that was not worked on
	bytes   int64 // of all
	next    int64 // the offset after all
	barrier barrier
}

const bulkPartsMax = 2

// held are the bytes that wait.
func (q *bulk) held() (n int64) {
	for i := range q.parts {
		n += q.parts[i].bytes
	}
	return n
}

// asks is what is to be asked for, if anything.
func (q *bulk) asks(partition int32) (asks []bulkAsk) {
	a := bulkAsk{Spot: kafka.Spot{Partition: partition, Offset: q.next}, epoch: q.epoch}
	if len(q.parts) < bulkPartsMax {
		asks = append(asks, a)
	}
	for i := range q.parts {
		if !q.parts[i].barrier.known {
			a.endsOnly = true
			return append(asks, a)
		}
	}
	return asks
}

// take takes what a fetch brought. What was asked for before the partition began again elsewhere does not fit, and
// is left out.
func (q *bulk) take(s *kafka.SpotFetched, ends barriers) (fits bool) {
	switch {
	case s.Offset != q.next || len(q.parts) >= bulkPartsMax:
		return false
	case s.Err != nil:
		q.next, q.epoch = s.LogStart, -1
		return true
	}
	q.next = s.Next
	if n := len(s.Records); n > 0 {
		q.epoch = s.Records[n-1].LeaderEpoch
	}
	if len(s.Records) == 0 { // control records alone
		if n := len(q.parts); n > 0 {
			q.parts[n-1].next = s.Next
		}
		return true
	}
	part := bulkPart{records: s.Records, next: s.Next, barrier: ends[s.Partition]}
	for _, r := range s.Records {
		part.bytes += int64(len(r.Value))
	}
	q.parts = append(q.parts, part)
	return true
}

// learn takes a barrier that was asked for again. It is at least as far as the one that was missed.
func (q *bulk) learn(b barrier) {
	for i := range q.parts {
		if !q.parts[i].barrier.known {
			q.parts[i].barrier = b
		}
	}
}

// first is the first record that waits, and those of the same fetch before it; nil where there is none, or live and
// rerouted have not been read as far as they have to be.
func (q *bulk) first(live, rerouted int64) (rec *kgo.Record, near []*kgo.Record) {
	if len(q.parts) == 0 || !q.parts[0].barrier.passed(live, rerouted) {
		return nil, nil
	}
	p := &q.parts[0]
	return p.records[p.at], p.records[:p.at]
}

// idle tells whether nothing waits; then the position is that of the next fetch.
func (q *bulk) idle() bool { return len(q.parts) == 0 }

// pop takes the first record out and returns the offset after it, and whether it was the last of its fetch.
func (q *bulk) pop() (position int64, last bool) {
	p := &q.parts[0]
	if p.at++; p.at < len(p.records) {
		return p.records[p.at-1].Offset + 1, false
	}
	position = p.next
	q.parts = slices.Delete(q.parts, 0, 1) // and forgets the records
	return position, true
}
