package spool_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/coexstream/coexstream/ingress/spool"
	"github.com/coexstream/coexstream/ingress/spool/faultfs"
	"github.com/coexstream/coexstream/internal/testing/seed"
)

// killed appends and drains until the n-th selected operation. The process is killed or the power is cut there, before the
// operation or right after it. The next process must find all acknowledged records that were not handed over.
func killed(t *testing.T, meant func(op faultfs.Op, name string) bool) {
	seed := seed.Of(t)
	rng := rand.New(rand.NewPCG(seed, 0))
	for n := 1; n <= 40; n++ {
		for way := range 4 {
			done, reboot := way&1 == 1, way&2 == 2
			fs, m := faultfs.New(), &model{}
			l := mustLive(t, fs, testConfig())
			var mu sync.Mutex
			seen, dead := 0, false
			fs.Inject(func(op faultfs.Op, name string) faultfs.Fault {
				mu.Lock()
				defer mu.Unlock()
				if dead {
					return faultfs.Fault{Err: faultfs.ErrCut}
				}
				if !meant(op, name) {
					return faultfs.Fault{}
				}
				if seen++; seen < n {
					return faultfs.Fault{}
				}
				dead = true
				return faultfs.Fault{Err: faultfs.ErrCut, Done: done, Short: rng.IntN(300)}
			})
			for i := range 60 {
				p := fmt.Sprint(i, " ", strings.Repeat("x", 300))
				if err := l.append(i%3, p); err == nil {
					m.acked[i%3] = append(m.acked[i%3], p)
				}
				if i%10 == 9 {
					l.Read(&l.window)
					for k := range l.window.Entries {
						e := &l.window.Entries[k]
						m.delivered[e.Shard] = append(m.delivered[e.Shard], string(e.Payload))
						l.Done(e, false)
					}
					l.SaveProgress()
				}
			}
			for shard, payloads := range l.drain() {
				m.delivered[shard] = append(m.delivered[shard], payloads...)
			}
			l.Read(&l.window) // removes finished segments
			mu.Lock()
			died := dead
			mu.Unlock()
			if !died {
				if n < 3 {
					t.Fatalf("there is no %d. operation of the kind", n)
				}
				return
			}
			if reboot {
				fs = fs.Rebooted(rng)
			} else {
				fs = fs.Killed()
			}
			next := mustLive(t, fs, testConfig())
			for shard, payloads := range next.drain() {
				m.delivered[shard] = append(m.delivered[shard], payloads...)
			}
			next.stop()
			if m.check(t); t.Failed() {
				t.Fatalf("operation %d, done %v, reboot %v", n, done, reboot)
			}
		}
	}
}

func TestKilledWhileWriting(t *testing.T) {
	killed(t, func(op faultfs.Op, name string) bool {
		return strings.HasSuffix(name, ".spool") && (op == faultfs.Create || op == faultfs.Write || op == faultfs.Sync)
	})
}

// Draining writes only the progress.
func TestKilledWhileDraining(t *testing.T) {
	killed(t, func(op faultfs.Op, name string) bool {
		return strings.Contains(name, "progress") && (op == faultfs.Create || op == faultfs.Write || op == faultfs.Sync || op == faultfs.Rename)
	})
}

func TestKilledWhileDeleting(t *testing.T) {
	killed(t, func(op faultfs.Op, name string) bool {
		return strings.HasSuffix(name, ".spool") && op == faultfs.Remove
	})
}

// While the disk is slow, the bytes that wait for it are bounded, and do not count as bytes on the disk.
func TestWhatWaitsForTheDiskIsBounded(t *testing.T) {
	const body, senders, most = 3 << 20, 64, 2*(32<<20) + 3<<20
	fs := faultfs.New()
	cfg := testConfig()
	cfg.BytesMax, cfg.SegmentBytes = 1<<30, 16<<20
	l := mustLive(t, fs, cfg)
	slow := make(chan struct{})
	var syncs atomic.Int64
	fs.Inject(func(op faultfs.Op, name string) faultfs.Fault {
		if op == faultfs.Sync && strings.HasSuffix(name, ".spool") {
			syncs.Add(1)
			<-slow
		}
		return faultfs.Fault{}
	})
	payload := strings.Repeat("x", body)
	var wg sync.WaitGroup
	var taken, busy atomic.Int64
	for i := range senders {
		wg.Go(func() {
			switch err := l.append(i, payload); {
			case err == nil:
				taken.Add(1)
			case errors.Is(err, spool.ErrBusy):
				busy.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	waitFor(t, "a write, and as much behind it as may wait", func() bool { return syncs.Load() > 0 && busy.Load() > 0 })
	if s := l.Stats(); s.PendingBytes > most || s.PendingBytes < body || s.Bytes > most || s.Records != 0 {
		t.Errorf("while the disk does not answer: %+v", s)
	}
	close(slow)
	wg.Wait()
	if s := l.Stats(); s.PendingBytes != 0 || s.Records != taken.Load() || s.Bytes < taken.Load()*body {
		t.Errorf("%d were taken: %+v", taken.Load(), s)
	}
}
