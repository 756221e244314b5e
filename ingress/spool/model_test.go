package spool_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coexstream/coexstream/ingress/spool"
	"github.com/coexstream/coexstream/ingress/spool/faultfs"
	"github.com/coexstream/coexstream/internal/testing/seed"
)

var (
	runsFlag = flag.Int("spool.runs", 60, "random lives of a spool that are played")
)

// model has what can be observed from outside: acknowledged records, and the records that were handed over in order.
type model struct {
	acked     [8][]string // by shard, in the order of their answers
	delivered [8][]string
	trace     []string
}

// check checks that all acknowledged records were handed over, those of each shard in order, apart from repetitions.
func (m *model) check(t *testing.T) {
	t.Helper()
	for shard := range m.acked {
		first := map[string]int{}
		for i, p := range m.delivered[shard] {
			if _, seen := first[p]; !seen {
				first[p] = i
			}
		}
		last := -1
		for _, p := range m.acked[shard] {
			at, ok := first[p]
			switch {
			case !ok:
				t.Errorf("shard %d: %.20s was acknowledged and is lost", shard, p)
			case at < last:
				t.Errorf("shard %d: %.20s came before an earlier one", shard, p)
			}
			last = max(last, at)
		}
	}
}

// Random processes append and drain records while operations fail in every way. They are killed, or the power is cut, at
// any operation. At the end no acknowledged record is missing, and the order holds.
func TestNothingAcknowledgedIsLostWhateverHappens(t *testing.T) {
	seed := seed.Of(t)
	for run := range *runsFlag {
		rng := rand.New(rand.NewPCG(seed, uint64(run)))
		fs := faultfs.New()
		m := &model{}
		number := 0
		for range 2 + rng.IntN(6) {
			fs = m.live(t, fs, rng, &number)
		}
		fs.Inject(nil)
		l := mustLive(t, fs, testConfig())
		for shard, payloads := range l.drain() {
			m.delivered[shard] = append(m.delivered[shard], payloads...)
		}
		if l.drain(); !l.Idle() {
			t.Errorf("not idle at the end")
		}
		l.stop()
		m.check(t)
		if t.Failed() {
			for _, l := range m.trace {
				t.Log(l)
			}
			t.Fatalf("run %d of seed %d", run, seed)
		}
	}
}

// faults makes operations fail, each with a small probability, and cuts everything at one of them.
func faults(fs *faultfs.FS, rng *rand.Rand) func(op faultfs.Op, name string) faultfs.Fault {
	var mu sync.Mutex
	cutAt, ops := rng.IntN(400), 0
	rate := []float64{0, 0.02, 0.2}[rng.IntN(3)]
	errs := []error{syscall.EIO, syscall.ENOSPC, syscall.EROFS}
	own := rand.New(rand.NewPCG(rng.Uint64(), 0))
	return func(op faultfs.Op, _ string) faultfs.Fault {
		mu.Lock()
		defer mu.Unlock()
		if ops++; ops == cutAt {
			return faultfs.Fault{Err: faultfs.ErrCut, Done: own.IntN(2) == 0, Short: own.IntN(300)}
		}
		if op == faultfs.ReadDir || own.Float64() >= rate {
			return faultfs.Fault{}
		}
		return faultfs.Fault{Err: errs[own.IntN(len(errs))], Done: own.IntN(2) == 0, Short: own.IntN(300)}
	}
}

// live runs one process until it is killed, the power is cut, or it stops properly. It returns the file system for the
// next process.
func (m *model) live(t *testing.T, fs *faultfs.FS, rng *rand.Rand, number *int) *faultfs.FS {
	now := time.Now()
	var mu sync.Mutex
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	l, err := live(t, fs, testConfig(), clock, rand.New(rand.NewPCG(rng.Uint64(), 2)))
	if err != nil {
		t.Fatal(err)
	}
	fs.Inject(faults(fs, rng))
	steps := rng.IntN(60)
	for range steps {
		if fs.IsCut() {
			break
		}
		mu.Lock()
		now = now.Add(time.Duration(rng.IntN(900)) * time.Millisecond) // so that a failed disk is tried again
		mu.Unlock()
		switch rng.IntN(4) {
		case 0, 1:
			m.append(l, rng, number)
		case 2:
			m.take(l, rng)
		case 3:
			if rng.IntN(3) == 0 {
				l.SaveProgress()
			}
			if l.Left() && rng.IntN(2) == 0 {
				l.Rewind(&l.window)
			}
		}
	}
	end := rng.IntN(3)
	if fs.IsCut() {
		end = 1 + rng.IntN(2)
	}
	switch end {
	case 0:
		l.stop()
		if fs.IsCut() { // while it stopped
			return fs.Rebooted(rng)
		}
		fs.Inject(nil)
		return fs
	case 1:
		next := fs.Killed()
		l.stop()
		return next
	}
	next := fs.Rebooted(rng)
	l.stop()
	return next
}

// append sends a few records at a time, of different shards.
func (m *model) append(l *life, rng *rand.Rand, number *int) {
	var wg sync.WaitGroup
	for shard := range m.acked {
		if rng.IntN(2) == 0 {
			continue
		}
		*number++
		p := fmt.Sprintf("%d/%d %s", shard, *number, strings.Repeat("p", rng.IntN(2000)))
		wg.Go(func() {
			if l.append(shard, p) == nil {
				m.acked[shard] = append(m.acked[shard], p)
			}
		})
	}
	wg.Wait()
}

// take hands over some of the records.
func (m *model) take(l *life, rng *rand.Rand) {
	m.trace = append(m.trace, fmt.Sprint("pass ", l.State()))
	for range 1 + rng.IntN(5) {
		l.Read(&l.window)
		if l.fs.IsCut() {
			return // the process is no more
		}
		held := map[int]bool{}
		for i := range l.window.Entries {
			e := &l.window.Entries[i]
			if !held[e.Shard] && rng.IntN(20) == 0 {
				held[e.Shard] = true
			}
			if held[e.Shard] {
				continue
			}
			m.delivered[e.Shard] = append(m.delivered[e.Shard], string(e.Payload))
			m.trace = append(m.trace, fmt.Sprintf("take %.6s %s", e.Payload, e.Place()))
			l.Done(e, rng.IntN(5) == 0)
		}
	}
}

var _ spool.FS = (*faultfs.FS)(nil)
