package processors

import (
	"github.com/coexstream/coexstream/processors/split"
)

// scanners lends as many scanners as runners work at once: a scanner grows to the largest body it has
// seen, so there are few of them. As many again may be lent for what outlasts a transaction, or is cut before it.
type scanners struct {
	free, spare chan *split.Scanner
}

func newScanners(lim split.Limits) *scanners {
	n := cores()
	s := &scanners{free: make(chan *split.Scanner, n), spare: make(chan *split.Scanner, n)}
	for range n {
		s.free <- split.NewScanner(lim)
		s.spare <- split.NewScanner(lim)
	}
	return s
}

func (s *scanners) get() *split.Scanner   { return <-s.free }
func (s *scanners) put(sc *split.Scanner) { s.free <- sc }

// lendLonger lets one who got a scanner keep it, if there is another one to take its place. It is given back with
// takeBack.
func (s *scanners) lendLonger() bool {
	sc, ok := s.lend()
	if ok {
		s.free <- sc
	}
	return ok
}

// lend lends a scanner beside those of the runners at work, if there is one. It is given back with takeBack.
func (s *scanners) lend() (*split.Scanner, bool) {
	select {
	case sc := <-s.spare:
		return sc, true
	default:
		return nil, false
	}
}

func (s *scanners) takeBack(sc *split.Scanner) { s.spare <- sc }

// rest lets the scanners that nobody uses give back memory that was not needed since it was called before.
func (s *scanners) rest() {
	for _, of := range []chan *split.Scanner{s.free, s.spare} {
		for range cap(of) {
			select {
			case sc := <-of:
				sc.Rest()
				of <- sc
			default:
			}
		}
	}
}
