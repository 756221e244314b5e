package handover

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/coexstream/coexstream/ingress/raw"
	"github.com/coexstream/coexstream/ingress/spool"
	"github.com/coexstream/coexstream/schemas"
)

// lane has the spool of one topic, and drains it to Kafka.
type lane struct {
	topic  schemas.Topic
	store  *spool.Spool
	ahead  *spool.Spool // the spool whose records must not be overtaken; nil: none
	direct raw.Ordered
	now    func() time.Time
	log    *slog.Logger
	slow   time.Duration // after a slower acknowledgement, new records of its shard continue to go to the spool

	// Owned by the goroutine of run:
	window         spool.Window
	records, bytes pace
	counted        [2]int64 // the part of Spool.Committed that the paces have allowed
	failures       int      // shards that failed since the last success
	pause          time.Duration
	saved          time.Time
	backlog        backlog
}

// backlog is a time in which the spool is not empty, for the log.
type backlog struct {
	began, logged time.Time
	warned        bool // its begin was logged, so its end must be
	records       int
}

const (
	drainRecords = 512
	// The bytes of a window. All of it may belong to one partition, and a live record should not wait behind more than
	// about a batch. No user waits for chunks of history.
	drainBytesLive = 1 << 20
	drainBytesBulk = 4 << 20
	// drainAttempt is the deadline of a hand-over. No sender waits for it.
	drainAttempt    = 5 * time.Second
	drainPauseFirst = 50 * time.Millisecond
	drainPauseMost  = time.Second
	// drainOutage is the number of shards that may fail one after the other before the pass ends with a pause.
	drainOutage = 32
	// drainSave is the time between writes of the progress. Records of that time may be written twice after a crash.
	drainSave = time.Second
	// drainLogEvery is the time between two warnings. The end of a backlog without a warning is logged from drainLogLeast on.
	drainLogEvery = 10 * time.Second
	drainLogLeast = time.Second
)

func newLane(cfg Config, topic schemas.Topic, store *spool.Spool, direct raw.Ordered, deps Deps) *lane {
	bytes := drainBytesLive
	if topic == schemas.TopicRawBulk {
		bytes = drainBytesBulk
	}
	return &lane{
		topic: topic, store: store, direct: direct, now: deps.Now, log: deps.Logger.With("topic", topic.String()), slow: cfg.After / 2,
		window:  spool.Window{RecordsMax: drainRecords, BytesMax: bytes},
		records: newPace(int64(cfg.DrainRecordsPerSecond)), bytes: newPace(cfg.DrainBytesPerSecond),
		pause: drainPauseFirst,
	}
}

// run runs the spool and drains it until ctx ends. The spool ends last, because it stores the progress.
func (l *lane) run(ctx context.Context) error {
	keep, stop := context.WithCancel(context.WithoutCancel(ctx))
	kept := make(chan error, 1)
	go func() { kept <- l.store.Run(keep) }()
	for ctx.Err() == nil {
		l.step(ctx)
	}
	stop()
	return <-kept
}

// step hands over one window, or waits until there is one.
func (l *lane) step(ctx context.Context) {
	l.store.Read(&l.window)
	n := len(l.window.Entries)
	switch {
	case n == 0 && !l.store.Left():
		l.logBacklog(true)
		l.store.SaveProgress()
		l.failures, l.pause = 0, drainPauseFirst
		l.store.Wait(ctx)
		return
	case n == 0, l.failures >= drainOutage, l.store.OnlyHeldLeft():
		l.save()
		l.sleep(ctx, l.pause)
		l.pause = min(2*l.pause, drainPauseMost)
		l.failures = 0
		l.store.Rewind(&l.window)
		return
	}
	l.logBacklog(false)
	if !l.sleep(ctx, l.wait(n)) {
		return
	}
	l.store.BeginHandOver(&l.window)
	done, failed := l.deliver(ctx)
	l.backlog.records += done
	if done > 0 {
		l.failures, l.pause = 0, drainPauseFirst
	}
	l.failures += failed
	l.save()
}

// wait returns the time to wait before n records of the window are handed over.
func (l *lane) wait(n int) time.Duration {
	records, bytes := l.store.Committed()
	l.records.allow(records - l.counted[0])
	l.bytes.allow(bytes - l.counted[1])
	l.counted = [2]int64{records, bytes}
	now := l.now()
	return max(l.records.take(now, int64(n)), l.bytes.take(now, int64(l.window.Bytes())))
}

// deliver hands over the window. Shards are handed over in parallel, each in its order up to the first record that has
// to wait.
func (l *lane) deliver(ctx context.Context) (done, failed int) {
	shards := map[int][]*spool.Entry{}
	for i := range l.window.Entries {
		e := &l.window.Entries[i]
		shards[e.Shard] = append(shards[e.Shard], e)
	}
	var mu sync.Mutex
	var delivering sync.WaitGroup
	for _, entries := range shards {
		delivering.Go(func() {
			n := 0
			for n < len(entries) && ctx.Err() == nil {
				some := l.handOver(entries[n:])
				if some == 0 {
					break
				}
				n += some
			}
			mu.Lock()
			defer mu.Unlock()
			done += n
			if n < len(entries) {
				failed++
			}
		})
	}
	delivering.Wait()
	return done, failed
}

// handOver publishes leading records of one shard together. It returns the number of records that are finished; 0 when
// the first one has to wait.
func (l *lane) handOver(entries []*spool.Entry) int {
	records := make([]*raw.Record, 0, len(entries))
	var unreadable error
	for _, e := range entries {
		if l.ahead != nil && l.ahead.HasBefore(e.Shard, e.At) {
			break
		}
		r, err := readRecord(l.topic, e.At, e.Payload)
		if unreadable = err; err != nil {
			break
		}
		records = append(records, r)
	}
	if len(records) == 0 {
		if unreadable == nil {
			return 0
		}
		return l.setAside(entries[0], unreadable)
	}
	began := l.now()
	n, err := l.direct.PublishInOrder(records, began.Add(drainAttempt))
	// While a partition is slow, its next request would only wait.
	slow := l.now().Sub(began) > l.slow
	for _, e := range entries[:n] {
		l.store.Done(e, slow)
	}
	if err != nil && rejectedForGood(err) {
		n += l.setAside(entries[n], err)
	}
	return n
}

// setAside moves a record that Kafka rejects permanently into the quarantine. It returns 1, or 0 when that fails now.
func (l *lane) setAside(e *spool.Entry, because error) int {
	if err := l.store.SetAside(e); err != nil {
		l.log.Error("Kafka refuses a record of the spool, and it cannot be moved to quarantine; it stays", "error", errors.Join(because, err))
		return 0
	}
	l.log.Error("Kafka refuses a record of the spool; it is kept in quarantine", "bytes", len(e.Payload), "error", because)
	l.store.Done(e, false)
	return 1
}

// save writes the progress from time to time.
func (l *lane) save() {
	if now := l.now(); now.Sub(l.saved) >= drainSave {
		l.saved = now
		l.store.SaveProgress()
	}
}

// logBacklog logs the begin and the end of a backlog, at a limited rate.
func (l *lane) logBacklog(empty bool) {
	b, now := &l.backlog, l.now()
	switch {
	case !empty && b.began.IsZero():
		b.began = now
		if now.Sub(b.logged) >= drainLogEvery {
			b.logged, b.warned = now, true
			s := l.store.Stats()
			l.log.Warn("records are in the spool, handing them over", "records", s.Records, "bytes", s.Bytes, "pending_bytes", s.PendingBytes, "oldest", s.Oldest)
		}
	case empty && !b.began.IsZero():
		if took := now.Sub(b.began); b.warned || took >= drainLogLeast {
			l.log.Info("the spool is empty again", "records", b.records, "took", took.Round(time.Millisecond))
		}
		b.began, b.warned, b.records = time.Time{}, false, 0
	}
}

// sleep returns false when ctx ended first.
func (l *lane) sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
