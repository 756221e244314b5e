package spool_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/ingress/spool"
	"github.com/coexstream/coexstream/ingress/spool/faultfs"
	"github.com/coexstream/coexstream/internal/testing/seed"
)

const dir = "data/spool"

func testConfig() spool.Config {
	return spool.Config{Dir: dir, BytesMax: 64 << 20, AgeMax: time.Hour, SegmentBytes: 4 << 10, Sync: true}
}

// life is one process that uses the folder.
type life struct {
	*spool.Spool
	t      testing.TB
	fs     *faultfs.FS
	reg    *prometheus.Registry
	logged *strings.Builder
	mu     *sync.Mutex
	cancel context.CancelFunc
	done   chan struct{}
	window spool.Window
}

func (l *life) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.logged.Write(b)
}

func (l *life) log() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.logged.String()
}

func live(t testing.TB, fs *faultfs.FS, cfg spool.Config, now func() time.Time, rng *rand.Rand) (*life, error) {
	l := &life{t: t, fs: fs, reg: prometheus.NewRegistry(), logged: &strings.Builder{}, mu: &sync.Mutex{}, done: make(chan struct{})}
	var mu sync.Mutex
	var err error
	l.Spool, err = spool.Open(cfg, spool.Deps{
		FS: fs, Registerer: l.reg, Logger: slog.New(slog.NewTextHandler(l, nil)), Now: now,
		Salt: func() uint64 { mu.Lock(); defer mu.Unlock(); return rng.Uint64() },
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	go func() {
		defer close(l.done)
		_ = l.Run(ctx)
	}()
	l.window = spool.Window{RecordsMax: 7, BytesMax: 3000}
	t.Cleanup(l.stop)
	return l, nil
}

func mustLive(t testing.TB, fs *faultfs.FS, cfg spool.Config) *life {
	t.Helper()
	l, err := live(t, fs, cfg, time.Now, rand.New(rand.NewPCG(rand.Uint64(), 1)))
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the folder to be read", func() bool { return !l.MustSpool(spool.Shards - 1) })
	return l
}

// stop ends the process properly.
func (l *life) stop() {
	l.cancel()
	<-l.done
}

func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited for %s in vain", what)
		}
	}
}

func (l *life) append(shard int, payload string) error {
	return l.Append(shard, time.Now(), len(payload), func(b []byte) []byte { return append(b, payload...) }, time.Now().Add(24*time.Hour))
}

func (l *life) mustAppend(shard int, payload string) {
	l.t.Helper()
	if err := l.append(shard, payload); err != nil {
		l.t.Fatal(err)
	}
}

// drain hands over all records and returns the payloads by shard.
func (l *life) drain() map[int][]string {
	got := map[int][]string{}
	for {
		l.Read(&l.window)
		if len(l.window.Entries) == 0 {
			return got
		}
		for i := range l.window.Entries {
			e := &l.window.Entries[i]
			got[e.Shard] = append(got[e.Shard], string(e.Payload))
			l.Done(e, false)
		}
	}
}

func (l *life) metric(name string) float64 {
	l.t.Helper()
	families, err := l.reg.Gather()
	if err != nil {
		l.t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() == "coexstream_spool_"+name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

func files(fs *faultfs.FS, folder string) (segments []string) {
	infos, _ := fs.ReadDir(folder)
	for _, i := range infos {
		if strings.HasSuffix(i.Name, ".spool") {
			segments = append(segments, folder+"/"+i.Name)
		}
	}
	return segments
}

func TestRecordsComeOutInTheOrderOfTheirShardAndLeaveNothing(t *testing.T) {
	fs := faultfs.New()
	l := mustLive(t, fs, testConfig())
	if !l.Idle() || l.MustSpool(3) {
		t.Error("a shard of an empty spool must spool")
	}
	want := map[int][]string{}
	for i := range 300 {
		p := fmt.Sprint(i, strings.Repeat("x", i%900))
		l.mustAppend(i%5, p)
		want[i%5] = append(want[i%5], p)
	}
	if l.Idle() || !l.MustSpool(3) || l.MustSpool(5) {
		t.Errorf("idle %v, shard 3 %v, shard 5 %v", l.Idle(), l.MustSpool(3), l.MustSpool(5))
	}
	if n := len(files(fs, dir)); n < 10 {
		t.Errorf("%d segments of 4 KiB", n)
	}
	got := l.drain()
	for shard := range want {
		if fmt.Sprint(got[shard]) != fmt.Sprint(want[shard]) {
			t.Errorf("shard %d: %d of %d, or in another order", shard, len(got[shard]), len(want[shard]))
		}
	}
	waitFor(t, "an empty folder", func() bool { l.Read(&l.window); return len(files(fs, dir)) == 0 })
	if s := l.Stats(); s.Bytes != 0 || s.Records != 0 || !s.Oldest.IsZero() || !l.Idle() {
		t.Errorf("%+v, idle %v", s, l.Idle())
	}
	l.stop()
	if n := fs.OpenFiles(); n != 0 {
		t.Errorf("%d files are still open", n)
	}
}

func TestNextStartGoesOnWhereThisOneStopped(t *testing.T) {
	fs := faultfs.New()
	l := mustLive(t, fs, testConfig())
	for i := range 40 {
		l.mustAppend(i%3, fmt.Sprint(i))
	}
	l.Read(&l.window)
	first := len(l.window.Entries)
	for i := range l.window.Entries {
		l.Done(&l.window.Entries[i], false)
	}
	if _, err := live(t, fs, testConfig(), time.Now, rand.New(rand.NewPCG(1, 1))); !errors.Is(err, spool.ErrLocked) {
		t.Errorf("a second process in the folder: %v", err)
	}
	l.stop()
	if err := l.append(0, "late"); !errors.Is(err, spool.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
	l = mustLive(t, fs, testConfig())
	l.mustAppend(1, "new")
	n := 0
	for _, records := range l.drain() {
		n += len(records)
	}
	if n != 40-first+1 {
		t.Errorf("%d came out of the second life, %d of the first, of 41", n, first)
	}
	if strings.Contains(l.log(), "level=WARN") || strings.Contains(l.log(), "level=ERROR") {
		t.Errorf("an orderly stop left something to complain about:\n%s", l.log())
	}
}

func TestHeldShardWaitsForTheNextPassAndNobodyElseDoes(t *testing.T) {
	l := mustLive(t, faultfs.New(), testConfig())
	for i := range 100 {
		l.mustAppend(i%4, fmt.Sprint(i))
	}
	got := map[int][]string{}
	pass := func(stuck int) {
		for {
			l.Read(&l.window)
			if len(l.window.Entries) == 0 {
				return
			}
			for i := range l.window.Entries {
				e := &l.window.Entries[i]
				if e.Shard == stuck {
					continue
				}
				got[e.Shard] = append(got[e.Shard], string(e.Payload))
				l.Done(e, e.Shard == 0)
			}
		}
	}
	pass(2)
	if len(got[2]) != 0 || len(got[1]) != 25 || !l.Left() || !l.OnlyHeldLeft() {
		t.Errorf("%d held ones and %d others came out, left %v", len(got[2]), len(got[1]), l.Left())
	}
	if !l.MustSpool(2) || l.MustSpool(1) {
		t.Error("only the held shard must spool")
	}
	if !l.MustSpool(0) {
		t.Error("a slow shard went back at once")
	}
	l.Rewind(&l.window)
	pass(-1)
	if len(got[2]) != 25 || got[2][0] != "2" || got[2][24] != "98" || l.Left() {
		t.Errorf("%v", got[2])
	}
	l.mustAppend(0, "fast")
	l.drain()
	if !l.Idle() {
		t.Error("a shard that is fast again stays away")
	}
}

func TestFullSpoolSaysSoAndRecovers(t *testing.T) {
	cfg := testConfig()
	cfg.BytesMax = 16 << 10
	var mu sync.Mutex
	now := time.Now()
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	l, err := live(t, faultfs.New(), cfg, clock, rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	taken := 0
	for _, size := range []int{1000, 10} {
		for err = nil; err == nil; taken++ {
			err = l.append(1, strings.Repeat("x", size))
		}
	}
	if !errors.Is(err, spool.ErrFullBytes) || taken < 14 || l.Ready() == nil || l.metric("refused_total") != 2 || l.metric("writable") != 0 {
		t.Errorf("after %d: %v, ready %v", taken, err, l.Ready())
	}
	if s := l.Stats(); s.Bytes > cfg.BytesMax {
		t.Errorf("%d bytes", s.Bytes)
	}
	waitFor(t, "room", func() bool { l.drain(); return l.Stats().Bytes == 0 })
	l.mustAppend(1, "x")
	mu.Lock()
	now = now.Add(cfg.AgeMax + time.Minute)
	mu.Unlock()
	if err := l.append(1, "y"); !errors.Is(err, spool.ErrFullAge) || l.metric("oldest_seconds") < cfg.AgeMax.Seconds() {
		t.Errorf("%v", err)
	}
	l.drain()
	if err := l.append(1, "y"); err != nil {
		t.Error(err)
	}
}

// For every way in which one operation of the disk can fail, with and without a power cut afterwards: no acknowledged
// record is lost, and Append returns.
func TestEveryFailureOfTheDisk(t *testing.T) {
	fail := errors.New("broken")
	for _, op := range []faultfs.Op{faultfs.Create, faultfs.SyncDir, faultfs.Write, faultfs.Sync, faultfs.Remove, faultfs.Rename, faultfs.Close} {
		for _, done := range []bool{false, true} {
			for _, once := range []bool{true, false} {
				for _, reboot := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s/done=%v/once=%v/reboot=%v", op, done, once, reboot), func(t *testing.T) {
						t.Parallel()
						seed := seed.Of(t)
						rng := rand.New(rand.NewPCG(seed, 0))
						for nth := range 6 {
							fs := faultfs.New()
							l := mustLive(t, fs, testConfig())
							acked := map[string]bool{}
							seen := 0
							fs.Inject(func(o faultfs.Op, _ string) faultfs.Fault {
								if o != op {
									return faultfs.Fault{}
								}
								if seen++; seen <= nth || once && seen > nth+1 {
									return faultfs.Fault{}
								}
								return faultfs.Fault{Err: fail, Done: done, Short: 17}
							})
							failed := 0
							for i := range 30 {
								p := fmt.Sprint(i, strings.Repeat("x", 300))
								if err := l.append(i%3, p); err == nil {
									acked[p] = true
								} else if failed++; !errors.Is(err, spool.ErrFailed) || !errors.Is(err, fail) {
									t.Fatalf("record %d: %v", i, err)
								}
							}
							if once && failed > 0 {
								t.Errorf("a single failure made %d answers bad", failed)
							}
							if failed > 0 && l.Ready() == nil {
								t.Error("ready though nothing can be written")
							}
							// Some are handed over while the disk fails.
							l.Read(&l.window)
							for i := range l.window.Entries {
								delete(acked, string(l.window.Entries[i].Payload))
								l.Done(&l.window.Entries[i], false)
							}
							l.SaveProgress()
							if reboot {
								fs = fs.Rebooted(rng)
								l = mustLive(t, fs, testConfig())
							} else {
								fs.Inject(nil)
							}
							for _, records := range l.drain() {
								for _, p := range records {
									delete(acked, p)
								}
							}
							if len(acked) > 0 {
								t.Fatalf("the %d. %s: %d acknowledged records are lost", nth+1, op, len(acked))
							}
						}
					})
				}
			}
		}
	}
}

func TestDiskThatIsFullOrReadOnlyIsStillDrained(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EROFS} {
		fs := faultfs.New()
		l := mustLive(t, fs, testConfig())
		for i := range 50 {
			l.mustAppend(1, fmt.Sprint(i))
		}
		l.stop()
		fs.Inject(func(op faultfs.Op, _ string) faultfs.Fault {
			switch {
			case op == faultfs.Open, op == faultfs.ReadDir, op == faultfs.Close, op == faultfs.Remove && errno == syscall.ENOSPC:
				return faultfs.Fault{}
			}
			return faultfs.Fault{Err: errno, Short: 5}
		})
		l = mustLive(t, fs, testConfig())
		if err := l.append(1, "x"); !errors.Is(err, errno) || !errors.Is(err, spool.ErrFailed) {
			t.Errorf("%v: %v", errno, err)
		}
		if got := l.drain(); len(got[1]) != 50 {
			t.Errorf("%v: %d of 50 came out", errno, len(got[1]))
		}
		if l.MustSpool(1) {
			t.Error("a drained shard must still spool")
		}
	}
}
