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

// spoolLane is the spool of one topic, and the one who hands it over.
type spoolLane struct {
	topic  schemas.Topic
	store  *spool.Spool
	first  *spool.Spool // what must not be overtaken; nil: nothing
	direct raw.Ordered
	now    func() time.Time
	log    *slog.Logger
	after  time.Duration

	// Of the drain alone:
	window         spool.Window
	records, bytes pace
	counted        [2]int64 // what of Committed was added to the paces
	failures       int      // shards that failed since the last success
	pause          time.Duration
	saved          time.Time
	episode        episode
}

// episode is a time in which there was something in the spool, for the log.
type episode struct {
	began, told time.Time
	records     int
}

const (
	drainRecords = 512
	// The bytes of a window. All of one business may be one partition's, and a live message should not wait behind
	// more than about a batch of them. Where there are only chunks, nobody waits.
	drainBytesLive = 1 << 20
	drainBytesBulk = 4 << 20
	// drainAttempt is how long Kafka has for what is handed over: nobody waits for it.
	drainAttempt    = 5 * time.Second
	drainPauseFirst = 50 * time.Millisecond
	drainPauseMost  = time.Second
	// drainOutage is after how many failures in a row, of different shards, the rest need not be tried.
	drainOutage = 32
	// drainSave is how often the progress is written: how much may be written twice after a crash.
	drainSave = time.Second
	// drainLogEvery is the time between two warnings, drainLogLeast the shortest time worth a line at its end.
	drainLogEvery = 10 * time.Second
	drainLogLeast = time.Second
)

func newSpoolLane(cfg Config, topic schemas.Topic, store *spool.Spool, direct raw.Ordered, deps Deps) *spoolLane {
	bytes := drainBytesLive
	if topic == schemas.TopicRawBulk {
		bytes = drainBytesBulk
	}
	return &spoolLane{
		topic: topic, store: store, direct: direct, now: deps.Now, log: deps.Logger.With("topic", topic.String()), after: cfg.After,
		window:  spool.Window{RecordsMax: drainRecords, BytesMax: bytes},
		records: pace{perSecond: float64(cfg.DrainRecordsPerSecond)}, bytes: pace{perSecond: float64(cfg.DrainBytesPerSecond)},
		pause: drainPauseFirst,
	}
}

// run keeps the spool, and drains it, until ctx ends. The spool ends last: it notes what was drained.
func (l *spoolLane) run(ctx context.Context) error {
	keep, stop := context.WithCancel(context.WithoutCancel(ctx))
	kept := make(chan error, 1)
	go func() { kept <- l.store.Run(keep) }()
	for ctx.Err() == nil {
		l.step(ctx)
	}
	stop()
	return <-kept
}

// step hands a window over, or waits for something to do.
func (l *spoolLane) step(ctx context.Context) {
	l.store.Read(&l.window)
	n := len(l.window.Entries)
	switch {
	case n == 0 && !l.store.Left():
		l.tell(true)
		l.store.SaveProgress()
		l.failures, l.pause = 0, drainPauseFirst
		l.store.Wait(ctx)
		return
	case n == 0, l.failures >= drainOutage, l.store.HeldAll():
		l.save()
		l.sleep(ctx, l.pause)
		l.pause = min(2*l.pause, drainPauseMost)
		l.failures = 0
		l.store.Rewind(&l.window)
		return
	}
	l.tell(false)
	if !l.sleep(ctx, l.toWait(n)) {
		return
	}
	l.store.Converge(&l.window)
	taken, failed := l.deliver(ctx)
	l.episode.records += taken
	if taken > 0 {
		l.failures, l.pause = 0, drainPauseFirst
	}
	l.failures += failed
	l.save()
}

// toWait is how long the window has to wait for its turn. What came in meanwhile is granted on top.
func (l *spoolLane) toWait(n int) time.Duration {
	records, bytes := l.store.Committed()
	l.records.grant(float64(records - l.counted[0]))
	l.bytes.grant(float64(bytes - l.counted[1]))
	l.counted = [2]int64{records, bytes}
	now := l.now()
	return max(l.records.take(now, float64(n)), l.bytes.take(now, float64(l.window.Bytes())))
}

// deliver hands over what is in the window: shards at the same time, and each in its order up to the first
// record that has to wait.
func (l *spoolLane) deliver(ctx context.Context) (taken, failed int) {
	shards := map[int][]*spool.Entry{}
	for i := range l.window.Entries {
		e := &l.window.Entries[i]
		shards[e.Shard] = append(shards[e.Shard], e)
	}
	var mu sync.Mutex
	var flying sync.WaitGroup
	for _, entries := range shards {
		flying.Go(func() {
			n := 0
			for n < len(entries) && ctx.Err() == nil {
				some := l.hand(entries[n:])
				if some == 0 {
					break
				}
				n += some
			}
			mu.Lock()
			defer mu.Unlock()
			taken += n
			if n < len(entries) {
				failed++
			}
		})
	}
	flying.Wait()
	return taken, failed
}

// hand hands over records of one shard, together as far as possible. It returns how many, from the first one, are
// done with; 0 when they have to wait.
func (l *spoolLane) hand(entries []*spool.Entry) int {
	records := make([]*raw.Record, 0, len(entries))
	var unreadable error
	for _, e := range entries {
		if l.first != nil && l.first.HasBefore(e.Shard, e.At) {
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
	// A partition that is still slow would only make the next request wait in vain.
	slow := l.now().Sub(began) > l.after/2
	for _, e := range entries[:n] {
		l.store.Done(e, slow)
	}
	if err != nil && refusedForGood(err) {
		n += l.setAside(entries[n], err)
	}
	return n
}

// setAside keeps a record that Kafka will never take, and returns 1; 0 when that cannot be done now.
func (l *spoolLane) setAside(e *spool.Entry, because error) int {
	if err := l.store.SetAside(e); err != nil {
		l.log.Error("Kafka refuses a record of the spool, and it cannot be set aside; it stays", "error", errors.Join(because, err))
		return 0
	}
	l.log.Error("Kafka refuses a record of the spool; it is kept in quarantine", "bytes", len(e.Payload), "error", because)
	l.store.Done(e, false)
	return 1
}

// save writes the progress now and then.
func (l *spoolLane) save() {
	if now := l.now(); now.Sub(l.saved) >= drainSave {
		l.saved = now
		l.store.SaveProgress()
	}
}

// tell logs when the spool begins to fill, and when it is empty, though not every time.
func (l *spoolLane) tell(empty bool) {
	ep, now := &l.episode, l.now()
	switch {
	case !empty && ep.began.IsZero():
		ep.began = now
		if now.Sub(ep.told) >= drainLogEvery {
			ep.told = now
			s := l.store.Stats()
			l.log.Warn("records are in the spool, handing them over", "records", s.Records, "bytes", s.Bytes, "pending_bytes", s.PendingBytes, "oldest", s.Oldest)
		}
	case empty && !ep.began.IsZero():
		if took := now.Sub(ep.began); took >= drainLogLeast {
			l.log.Info("the spool is empty again", "records", ep.records, "took", took.Round(time.Millisecond))
		}
		ep.began, ep.records = time.Time{}, 0
	}
}

// sleep is false when ctx ended first.
func (l *spoolLane) sleep(ctx context.Context, d time.Duration) bool {
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
