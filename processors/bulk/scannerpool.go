package bulk

import "github.com/coexstream/coexstream/processors/split"

// ScannerPool is a pool of scanners. A scanner grows to the largest body that it has seen, so there are few: one for each core, and
// as many spare ones for work that outlasts a transaction.
type ScannerPool struct {
	free, spare chan *split.Scanner
}

// NewScannerPool makes a pool of n scanners and n spare ones.
func NewScannerPool(n int, lim split.Limits) *ScannerPool {
	s := &ScannerPool{free: make(chan *split.Scanner, n), spare: make(chan *split.Scanner, n)}
	for range n {
		s.free <- split.NewScanner(lim)
		s.spare <- split.NewScanner(lim)
	}
	return s
}

// Acquire takes a scanner, and waits for one. Release returns it.
func (s *ScannerPool) Acquire() *split.Scanner { return <-s.free }

// Release returns a scanner of Acquire.
func (s *ScannerPool) Release(sc *split.Scanner) { s.free <- sc }

// TryRetain reports whether the caller may keep the scanner of an Acquire. A spare one replaces it then. ReleaseSpare returns
// the kept one.
func (s *ScannerPool) TryRetain() bool {
	sc, ok := s.TryAcquireSpare()
	if ok {
		s.free <- sc
	}
	return ok
}

// TryAcquireSpare takes a spare scanner, if there is one. ReleaseSpare returns it.
func (s *ScannerPool) TryAcquireSpare() (*split.Scanner, bool) {
	select {
	case sc := <-s.spare:
		return sc, true
	default:
		return nil, false
	}
}

// ReleaseSpare returns a scanner of TryAcquireSpare or TryRetain.
func (s *ScannerPool) ReleaseSpare(sc *split.Scanner) { s.spare <- sc }

// Shrink frees memory of unused scanners that was not needed since the last call.
func (s *ScannerPool) Shrink() {
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
