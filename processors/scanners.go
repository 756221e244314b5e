package processors

import (
	"runtime"

	"github.com/coexstream/coexstream/processors/split"
)

// scanners lends as many scanners as runners work at once: a scanner grows to the largest body it has
// seen, so there are few of them.
type scanners struct {
	free chan *split.Scanner
}

func newScanners(lim split.Limits) *scanners {
	n := runtime.GOMAXPROCS(0)
	s := &scanners{free: make(chan *split.Scanner, n)}
	for range n {
		s.free <- split.NewScanner(lim)
	}
	return s
}

func (s *scanners) get() *split.Scanner   { return <-s.free }
func (s *scanners) put(sc *split.Scanner) { s.free <- sc }
