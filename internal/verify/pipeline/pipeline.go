// Package pipeline works on values side by side and takes the results in the order of the values. It is for work
// that needs nothing of what came before it, such as parsing, ahead of work that does.
package pipeline

import (
	"runtime"
	"sync"
)

// batch is some values on their way.
type batch[V, R any] struct {
	values  []V
	results []R
	done    chan struct{} // receives when the results are there
}

// Run lets produce give values, and take take what work makes of them. Values are worked on in batches of so many,
// on all processors; few batches are under way at a time. Give and work run in goroutines of Run's own, take in the
// caller's; a result is Run's again when take returns. The first error of take ends the run: give then returns false, and Run waits for produce to return.
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
	for range line { // those that were sent before the stop
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
		clear(b.values) // what they refer to may be large
		clear(b.results)
		select {
		case used <- b:
		default:
		}
	}
	return nil
}
