package archived

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/schemas/segment"
)

// bodies are those of a simulation that were acknowledged.
type bodies struct {
	missing map[truth.Digest]int // index
	owed    int
}

// readBodies reads the truth. Without a file there is nothing to look for.
func readBodies(file string) (*bodies, error) {
	b := &bodies{missing: map[truth.Digest]int{}}
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) || file == "" {
		return b, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the truth: %w", err)
	}
	defer func() { _ = f.Close() }() // read only
	hashes := map[int]truth.Digest{}
	err = truth.Read(f, func(_ int, l *truth.Line) error {
		switch {
		case l.Body != nil:
			hashes[l.Body.Index] = l.Body.Hash
		case l.Sent != nil && l.Sent.Acked:
			b.missing[hashes[l.Sent.Body]] = l.Sent.Body
		}
		return nil
	})
	b.owed = len(b.missing)
	return b, err
}

// joiner puts the bodies of a raw chain together, and strikes them off.
type joiner struct {
	b      *bodies
	pieces map[int64]*record // segments whose last one has not come
}

func newJoiner(b *bodies) *joiner { return &joiner{b, map[int64]*record{}} }

// take takes the next record of a raw chain. It fails for segments that make no body.
func (j *joiner) take(r *record) error {
	s, is, err := segment.Of(r.header)
	switch {
	case !is:
		delete(j.b.missing, truth.Sum(r.value))
		return nil
	case err != nil:
		return err
	case !s.Last():
		j.pieces[r.offset] = r
		return nil
	}
	joint := s.Join()
	for i, offset := range s.Offsets {
		p := j.pieces[offset]
		if p == nil {
			return fmt.Errorf("segment %d, at %d, is missing", i, offset)
		}
		if err := joint.Add(i, p.header, p.value); err != nil {
			return err
		}
		delete(j.pieces, offset)
	}
	body, err := joint.Whole(r.value)
	if err == nil {
		delete(j.b.missing, truth.Sum(body))
	}
	return err
}
