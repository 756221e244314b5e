package sinks

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Changed is what a rebuild does to a table.
type Changed struct {
	Table   string `json:"table"`
	Rows    int64  `json:"rows"` // of the new content
	Removed int64  `json:"removed"`
	Added   int64  `json:"added"`
	Updated int64  `json:"updated"`
}

// ErrBehind reports that a second target did not reach the ends of the topics in time.
var ErrBehind = errors.New("the second copy does not reach the ends of the topics")

// Filling is a sink that fills a second target beside the first one, for a rebuild.
type Filling struct {
	sink   *Sink
	stop   context.CancelFunc
	ended  chan struct{}
	result error // after ended
}

// fillingLook is the interval between two looks at the progress, finishMax the longest wait of Finish.
const (
	fillingLook = 50 * time.Millisecond
	finishMax   = 30 * time.Second
)

// Fill runs a sink until Finish or Stop.
func Fill(ctx context.Context, sink *Sink) *Filling {
	ctx, cancel := context.WithCancel(ctx)
	f := &Filling{sink: sink, stop: cancel, ended: make(chan struct{})}
	go func() {
		defer close(f.ended)
		f.result = sink.Run(ctx)
	}()
	return f
}

// Wait waits until all records are applied that were in the topics. progress gets the number of offsets to go.
func (f *Filling) Wait(ctx context.Context, progress func(left int64)) error {
	return f.until(ctx, func() bool {
		live, _ := f.sink.Lag(laneLive)
		backlog, _ := f.sink.Lag(laneBacklog)
		progress(live + backlog)
		return f.sink.CaughtUp()
	})
}

// Finish waits until all records are applied that are in the topics now, and ends the sink. If the first target is locked
// meanwhile, the second one then has all that the first one has. It fails with ErrBehind after half a minute.
func (f *Filling) Finish(ctx context.Context) error {
	from, deadline := f.sink.surveyed(), f.sink.deps.Now().Add(finishMax)
	late := false
	err := f.until(ctx, func() bool {
		if f.sink.surveyed() >= from+2 && f.sink.CaughtUp() { // the first one may have begun before
			return true
		}
		late = f.sink.deps.Now().After(deadline)
		return late
	})
	if late && err == nil {
		err = ErrBehind
	}
	return errors.Join(err, f.Stop())
}

func (f *Filling) until(ctx context.Context, done func() bool) error {
	tick := time.NewTicker(fillingLook)
	defer tick.Stop()
	for !done() {
		for partition, why := range f.sink.Blocked() {
			return fmt.Errorf("the second copy cannot be filled: partition %d: %w", partition, why)
		}
		select {
		case <-f.ended:
			return errors.Join(f.result, ctx.Err(), errors.New("the sink that fills the second copy has ended"))
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// Stop ends the sink, and returns its error.
func (f *Filling) Stop() error {
	f.stop()
	<-f.ended
	return f.result
}
