package spool_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coexstream/coexstream/ingress/spool"
	"github.com/coexstream/coexstream/ingress/spool/faultfs"
	"github.com/coexstream/coexstream/internal/testing/seed"
)

// drainAll hands over all records, in as many passes as needed.
func (l *life) drainAll(acked map[string]bool) {
	for range 20 {
		for _, records := range l.drain() {
			for _, p := range records {
				delete(acked, p)
			}
		}
		if !l.Left() {
			return
		}
		l.Rewind(&l.window)
	}
	l.t.Error("20 passes leave something behind on a disk that works")
}

// A folder that cannot be listed does not count as empty, and a segment that cannot be opened does not count as finished.
// Either Open fails and names the file, or all records are handed over once the disk works again.
func TestNoFailureToFindOrOpenWhatThereIsLosesAnything(t *testing.T) {
	fail := errors.New("broken")
	says := map[faultfs.Op]string{faultfs.Open: "open ", faultfs.ReadDir: "list the spool " + dir, faultfs.MkdirAll: "create " + dir}
	for op, tried := range says {
		for _, done := range []bool{false, true} {
			if done && op != faultfs.MkdirAll {
				continue // reading has no effect
			}
			for _, once := range []bool{true, false} {
				for _, when := range []string{"start", "running", "restart"} {
					t.Run(fmt.Sprintf("%s/done=%v/once=%v/%s", op, done, once, when), func(t *testing.T) {
						t.Parallel()
						seed := seed.Of(t)
						rng := rand.New(rand.NewPCG(seed, 0))
						met := 0
						for nth := range 6 {
							fs, acked := faultfs.New(), map[string]bool{}
							seen := 0
							inject := func(o faultfs.Op, _ string) faultfs.Fault {
								if o != op {
									return faultfs.Fault{}
								}
								if seen++; seen <= nth || once && seen > nth+1 {
									return faultfs.Fault{}
								}
								met++
								return faultfs.Fault{Err: fail, Done: done}
							}
							if when == "start" {
								fs.Inject(inject)
							}
							start := func() *life {
								l, err := live(t, fs, testConfig(), time.Now, rng)
								if err == nil {
									waitFor(t, "the folder to be read", func() bool { return !l.MustSpool(spool.Shards - 1) })
									return l
								}
								if !errors.Is(err, fail) || !strings.Contains(err.Error(), tried) {
									t.Errorf("the start says neither %q nor why: %v", tried, err)
								}
								fs.Inject(nil)
								fs = fs.Killed() // a start that failed ends its process
								return mustLive(t, fs, testConfig())
							}
							fill := func(l *life, name string) {
								for i := range 40 {
									p := fmt.Sprint(name, i, strings.Repeat("x", 300))
									if err := l.append(i%3, p); err != nil {
										t.Fatalf("%s, record %d: %v", name, i, err)
									}
									acked[p] = true
								}
							}
							l := start()
							fill(l, "first")
							if when == "running" {
								fs.Inject(inject)
							}
							l.Read(&l.window)
							for i := range l.window.Entries {
								e := &l.window.Entries[i]
								if err := l.SetAside(e); err != nil {
									if !errors.Is(err, fail) || !strings.Contains(err.Error(), tried) {
										t.Errorf("setting aside says neither %q nor why: %v", tried, err)
									}
									break
								}
								delete(acked, string(e.Payload))
								l.Done(e, false)
							}
							l.SaveProgress()
							fill(l, "second")
							if when == "restart" {
								l.stop()
								fs.Inject(inject)
								l = start()
								fill(l, "third")
								l.Read(&l.window)
							}
							fs.Inject(nil)
							if rng.IntN(2) == 0 {
								fs = fs.Rebooted(rng)
								l = mustLive(t, fs, testConfig())
							}
							l.Rewind(&l.window)
							if l.drainAll(acked); len(acked) > 0 {
								t.Fatalf("the %d. %s: %d acknowledged records are lost", nth+1, op, len(acked))
							}
						}
						if met == 0 && !(op == faultfs.Open && when == "start") && !(op == faultfs.ReadDir && when == "running") {
							t.Error("nothing failed")
						}
					})
				}
			}
		}
	}
}

// Records of an earlier process are not overtaken while a segment cannot be opened: until it was opened, records of
// all shards go to the spool, and then those of its shards. A segment that cannot be opened for long delays nothing else.
func TestASegmentThatCannotBeOpenedAtOnceIsNotOvertaken(t *testing.T) {
	for name, forEver := range map[string]bool{"at first": false, "for ever": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fs := faultfs.New()
			l := mustLive(t, fs, testConfig())
			l.mustAppend(3, "old")
			l.stop()
			var failed atomic.Int64
			fs.Inject(func(op faultfs.Op, _ string) faultfs.Fault {
				if op == faultfs.Open {
					failed.Add(1)
					return faultfs.Fault{Err: errors.New("broken")}
				}
				return faultfs.Fault{}
			})
			l, err := live(t, fs, testConfig(), time.Now, rand.New(rand.NewPCG(1, 1)))
			if err != nil {
				t.Fatal(err)
			}
			waitFor(t, "a second attempt", func() bool { return failed.Load() >= 2 || !l.MustSpool(3) })
			if !l.MustSpool(3) || !l.MustSpool(4) {
				t.Error("what is sent now overtakes")
			}
			if !forEver {
				fs.Inject(nil)
			}
			waitFor(t, "the folder to be read", func() bool { return !l.MustSpool(4) })
			if l.MustSpool(3) == forEver {
				t.Errorf("shard 3 must spool: %v", l.MustSpool(3))
			}
			fs.Inject(nil)
			acked := map[string]bool{"old": true}
			if l.drainAll(acked); len(acked) > 0 {
				t.Error("the record is lost")
			}
		})
	}
}

// The error of a folder that could not be created is not hidden by the error of the listing that follows.
func TestStartWithoutAFolderSaysWhyThereIsNone(t *testing.T) {
	fs, fail := faultfs.New(), errors.New("broken")
	fs.Inject(func(op faultfs.Op, _ string) faultfs.Fault {
		if op == faultfs.MkdirAll {
			return faultfs.Fault{Err: fail}
		}
		return faultfs.Fault{}
	})
	if _, err := live(t, fs, testConfig(), time.Now, rand.New(rand.NewPCG(1, 1))); !errors.Is(err, fail) || !strings.Contains(err.Error(), "create "+dir) {
		t.Errorf("%v", err)
	}
	fs.Inject(nil)
	mustLive(t, fs, testConfig()) // the failed attempt left no lock behind
}
