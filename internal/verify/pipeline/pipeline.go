// Package pipeline processes values in parallel and passes the results on in the order of the values. It is for work
// that does not depend on earlier values, such as parsing, before work that does.
package pipeline

import (
	"runtime"
	"sync"
)

// batch is a group of values in processing.
type batch[V, R any] struct {
	values  []V
	results []R
	done    chan struct{} // receives when the results are ready
}

// Run passes the values of produce to work, and the results to take. Values are processed in batches of a fixed number,
// on all processors; few batches are in flight. Produce and work run in goroutines of Run's own, take in the caller's.
// A result belongs to Run again when take returns. The first error of take ends the run: give then returns false, and
// Run waits for produce to return.
func Run[V, R any](size int, produce func(give func(V) bool) error, work func(V) R, take func(*R) error) error {
	workers := runtime.GOMAXPROCS(0)
	var (
		todo = make(chan *batch[V, R])
		line = make(chan *batch[V, R], workers) // in order
		used = make(chan *batch[V, R], workers)
		stop = make(chan struct{})
		wg   sync.WaitGroup
		err  error // of produce; to be read after wg
	)
	for range workers {
		wg.Go(func() {
			for b := range todo {
				for _, v := range b.values {
					b.results = append(b.results, work(v))
				}
				b.done <- struct{}{}
			}
		})
	}
	wg.Go(func() {
		defer close(todo)
		defer close(line)
		next := func() *batch[V, R] {
			select {
			case b := <-used:
				b.values, b.results = b.values[:0], b.results[:0]
				return b
			default:
				return &batch[V, R]{done: make(chan struct{}, 1)}
			}
		}
		b := next()
		send := func() bool {
			select {
			case line <- b:
				todo <- b // the workers never end before this does
			case <-stop:
				b.values = b.values[:0]
				return false
			}
			b = next()
			return true
		}
		err = produce(func(v V) bool {
			b.values = append(b.values, v)
			return len(b.values) < size || send()
		})
		if len(b.values) > 0 {
			send()
		}
	})
	taken := takeAll(line, used, take)
	close(stop)
	for range line { // results from before the stop
	}
	wg.Wait()
	if taken != nil {
		return taken
	}
	return err
}

func takeAll[V, R any](line <-chan *batch[V, R], used chan<- *batch[V, R], take func(*R) error) error {
	for b := range line {
		<-b.done
		for i := range b.results {
			if err := take(&b.results[i]); err != nil {
				return err
			}
		}
		clear(b.values) // the values may refer to large memory
		clear(b.results)
		select {
		case used <- b:
		default:
		}
	}
	return nil
}
