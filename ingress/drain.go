package ingress

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/coexstream/coexstream/ingress/spool"
	"github.com/coexstream/coexstream/schemas"
)

// spoolLane is the spool of one topic, and the one who hands it over.
type spoolLane struct {
	topic  schemas.Topic
	store  *spool.Spool
	first  *spool.Spool // what must not be overtaken; nil: nothing
	direct Durable
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
	drainRecords = 256
	drainBytes   = 1 << 20
	// drainAtOnce bounds the shards that are handed over at the same time.
	drainAtOnce = 64
	// drainAttempt is how long Kafka has for a record that is handed over: nobody waits for it.
	drainAttempt    = 5 * time.Second
	drainPauseFirst = 50 * time.Millisecond
	drainPauseMost  = time.Second
	// drainOutage is after how many failures in a row, of different shards, the rest need not be tried.
	drainOutage = 32
	// drainSave is how often the progress is written: how much may be written twice after a crash.
	drainSave = time.Second
)

func newSpoolLane(cfg SpoolConfig, topic schemas.Topic, store *spool.Spool, direct Durable, deps SpoolDeps) *spoolLane {
	return &spoolLane{
		topic: topic, store: store, direct: direct, now: deps.Now, log: deps.Logger.With("topic", topic.String()), after: cfg.After,
		window:  spool.Window{RecordsMax: drainRecords, BytesMax: drainBytes},
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
// record that fails.
func (l *spoolLane) deliver(ctx context.Context) (taken, failed int) {
	shards := map[int][]*spool.Entry{}
	for i := range l.window.Entries {
		e := &l.window.Entries[i]
		shards[e.Shard] = append(shards[e.Shard], e)
	}
	var mu sync.Mutex
	var flying sync.WaitGroup
	places := make(chan struct{}, drainAtOnce)
	for _, entries := range shards {
		places <- struct{}{}
		flying.Go(func() {
			defer func() { <-places }()
			n := 0
			for n < len(entries) && ctx.Err() == nil && l.hand(entries[n]) {
				n++
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

// hand hands one record over. It is false when the record has to wait.
func (l *spoolLane) hand(e *spool.Entry) bool {
	if l.first != nil && l.first.HasBefore(e.Shard, e.At) {
		return false
	}
	r, err := readRecord(l.topic, e.At, e.Payload)
	began := l.now()
	if err == nil {
		err = l.direct.Publish(r, began.Add(drainAttempt))
	}
	switch {
	case err == nil:
		// A partition that is still slow would only make the next request wait in vain.
		l.store.Done(e, l.now().Sub(began) > l.after/2)
		return true
	case !refusedForGood(err) && !errors.Is(err, errSpoolRecord):
		return false
	}
	if asideErr := l.store.SetAside(e); asideErr != nil {
		l.log.Error("Kafka refuses a record of the spool, and it cannot be set aside; it stays", "error", errors.Join(err, asideErr))
		return false
	}
	l.log.Error("Kafka refuses a record of the spool; it is kept in quarantine", "bytes", len(e.Payload), "error", err)
	l.store.Done(e, false)
	return true
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
		if now.Sub(ep.told) >= healthTell {
			ep.told = now
			s := l.store.Stats()
			l.log.Warn("records are in the spool, handing them over", "records", s.Records, "bytes", s.Bytes, "oldest", s.Oldest)
		}
	case empty && !ep.began.IsZero():
		if took := now.Sub(ep.began); took >= healthWorth {
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
