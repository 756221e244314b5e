package load

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// sender sends the bodies of one connection.
type sender interface {
	// send sends a body and returns the status of its answer; 0 and an error when there was none.
	send(t *template, number uint16, id Identity) (status int, err error)
	close()
}

// Run sends what the Spec says and returns when the last answer is there. When ctx ends, it stops early.
func Run(ctx context.Context, spec Spec) (Report, error) {
	if err := spec.Validate(); err != nil {
		return Report{}, fmt.Errorf("load: %w", err)
	}
	ts, err := NewTemplates(spec.Mix)
	if err != nil {
		return Report{}, fmt.Errorf("load: %w", err)
	}
	g := &generator{spec: spec, ts: ts, all: newRecorders(), late: newRecorders(), statuses: map[int]int64{}}
	for range spec.Mix {
		g.kinds = append(g.kinds, newRecorders())
	}
	newSender, stop, err := g.senders(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("load: %w", err)
	}
	defer stop()
	var ready, wg sync.WaitGroup
	g.sent, g.unacked = make([]uint32, spec.Connections), make([][]uint32, spec.Connections)
	begin := make(chan struct{})
	ready.Add(spec.Connections)
	for i := range spec.Connections {
		wg.Go(func() {
			s, err := newSender()
			ready.Done()
			if err != nil {
				g.fail(err)
				return
			}
			defer s.close()
			<-begin
			g.connection(ctx, i, s)
		})
	}
	ready.Wait()
	before := cpu()
	g.begin = time.Now()
	g.end = g.begin.Add(spec.Duration)
	close(begin)
	wg.Wait()
	return g.report(time.Since(g.begin), cpu()-before), nil
}

type generator struct {
	spec       Spec
	ts         *Templates
	begin, end time.Time
	due        atomic.Int64 // requests of the open loop that have been taken
	bytes      atomic.Int64

	all, late recorders
	kinds     []recorders
	// Of each connection; each writes its own.
	sent    []uint32
	unacked [][]uint32

	mu       sync.Mutex
	statuses map[int]int64
	err      error // the first one
}

func (g *generator) senders(ctx context.Context) (func() (sender, error), func(), error) {
	if len(g.spec.Brokers) > 0 {
		return kafkaSenders(ctx, g.spec, g.ts)
	}
	signing, err := newSigning(g.spec, g.ts)
	if err != nil {
		return nil, nil, err
	}
	return func() (sender, error) { return dial(ctx, g.spec, signing) }, func() {}, nil
}

// connection sends one body after the other until the time is over.
func (g *generator) connection(ctx context.Context, i int, s sender) {
	statuses := map[int]int64{}
	var bytes int64
	at := i * len(g.ts.deal) / g.spec.Connections // each connection starts elsewhere in the deal
	failures := 0
	for sequence := uint32(0); failures < failuresMax; sequence++ {
		due, ok := g.next(ctx)
		if !ok {
			break
		}
		number := g.ts.deal[at%len(g.ts.deal)]
		at++
		t := &g.ts.all[number]
		g.sent[i] = sequence + 1
		id := Identity{g.spec.Run, number, uint16(i), sequence}
		if g.spec.Due != nil {
			g.spec.Due(id, due)
		}
		status, err := s.send(t, number, id)
		took := time.Since(due)
		statuses[status]++
		failures++
		if err != nil {
			g.fail(err)
		} else {
			failures = 0
		}
		if status/100 != 2 {
			g.unacked[i] = append(g.unacked[i], sequence)
			continue
		}
		bytes += int64(t.length())
		g.all[i%shards].Record(took)
		g.kinds[t.kind][i%shards].Record(took)
	}
	g.bytes.Add(bytes)
	g.mu.Lock()
	defer g.mu.Unlock()
	for status, n := range statuses {
		g.statuses[status] += n
	}
}

// failuresMax is how many requests in a row may get no answer before a connection gives up.
const failuresMax = 100

// next returns the moment from which the next request's time runs. In the open loop it waits for it.
func (g *generator) next(ctx context.Context) (time.Time, bool) {
	now := time.Now()
	if g.spec.Rate == 0 {
		return now, now.Before(g.end) && ctx.Err() == nil
	}
	k := g.due.Add(1) - 1
	due := g.begin.Add(time.Duration(float64(k) / g.spec.Rate * float64(time.Second)))
	// A server that fell behind is not waited for without end.
	if !due.Before(g.end) || now.After(g.end.Add(g.spec.Timeout)) || ctx.Err() != nil {
		return due, false
	}
	if wait := due.Sub(now); wait > 0 {
		time.Sleep(wait)
	}
	g.late[k%shards].Record(time.Since(due))
	return due, true
}

func (g *generator) fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err == nil {
		g.err = err
	}
}

func (g *generator) report(elapsed, cpu time.Duration) Report {
	r := Report{
		Elapsed: elapsed, Bytes: g.bytes.Load(), Statuses: g.statuses, Latency: g.all.latency(), Late: g.late.latency(),
		Kinds: map[string]Latency{}, CPU: cpu, Sent: g.sent, Unacked: g.unacked,
	}
	for status, n := range g.statuses {
		r.Requests += n
		if status/100 == 2 {
			r.Acked += n
		}
	}
	for i, k := range g.spec.Mix {
		r.Kinds[fmt.Sprintf("%s %d", k.Name, k.Bytes)] = g.kinds[i].latency()
	}
	if g.err != nil {
		r.Error = g.err.Error()
	}
	return r
}

// cpu is the time that this process has computed.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0 // not told; the load's own computing is a footnote
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
