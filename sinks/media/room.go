package media

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/coexstream/coexstream/sinks/media/plan"
)

// makeRoom removes partial downloads, so that all of them have at most Config.PartsBytesMax, also when each running download becomes as long as an asset
// may be. A removed one begins again.
func (s *Sink) makeRoom() error {
	s.trimming.Lock()
	defer s.trimming.Unlock()
	all, err := s.stage.parts()
	if err != nil {
		return err
	}
	idleMax := max(0, s.cfg.PartsBytesMax-int64(s.cfg.Slots)*s.cfg.AssetBytesMax)
	sum := int64(0)
	for _, p := range all {
		sum += p.bytes
	}
	if sum <= idleMax {
		return nil
	}
	uses := map[string]usage{}
	s.mu.Lock()
	s.plan.Items(func(it *plan.Item, taken bool) {
		uses[nameOf(it)] = waiting
		if taken {
			uses[nameOf(it)] = written
		}
	})
	gone := surplus(all, idleMax, func(name string) usage { return uses[name] })
	for _, p := range gone { // under mu: no download begins to write to one of them
		if err := os.Remove(filepath.Join(s.stage.dir, p.name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.mu.Unlock()
			return err
		}
		s.m.removed.Inc()
	}
	s.mu.Unlock()
	return nil
}

// partsBytes is the size of all partial downloads; 0 also where the folder cannot be read.
func (s *Sink) partsBytes() (sum int64) {
	all, _ := s.stage.parts() // an attempt reports the error
	for _, p := range all {
		sum += p.bytes
	}
	return sum
}
