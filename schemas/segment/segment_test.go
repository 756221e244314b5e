package segment_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/segment"
)

type record struct {
	value   []byte
	headers []segment.Header
}

func (r record) header(name string) []byte {
	for _, h := range r.headers {
		if h.Key == name {
			return h.Value
		}
	}
	return nil
}

// log is a partition.
type log []record

func (l *log) write(g *segment.Group, i int) int64 {
	*l = append(*l, record{g.Value(i), g.Headers(i)})
	return int64(len(*l) - 1)
}

// whole is what a reader makes of the record at an offset; nil for what it passes over.
func (l log) whole(at int) ([]byte, error) {
	r := l[at]
	s, is, err := segment.Of(r.header)
	switch {
	case !is:
		return r.value, nil
	case err != nil:
		return nil, err
	case !s.Last():
		return nil, nil
	}
	j := s.Join()
	for i, o := range s.Offsets {
		if o >= int64(at) {
			return nil, fmt.Errorf("%w: offset %d", segment.ErrInvalid, o)
		}
		if err := j.Add(i, l[o].header, l[o].value); err != nil {
			return nil, err
		}
	}
	return j.Whole(r.value)
}

// Writers of one partition at the same time, segments that are written twice because nobody heard of the first, before
// the repetition or long after it, writers that die: what a reader that begins anywhere gets are the bodies whose last
// segment is there.
func TestEveryBodyWhoseLastSegmentIsWrittenIsRead(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 0))
		var l log
		var want [][]byte
		type writer struct {
			g    *segment.Group
			body []byte
			next int
		}
		var writers []*writer
		type attempt struct {
			record
			body []byte // of a last segment
		}
		var late []attempt // nobody has heard of them; they are written some time
		arrive := func() {
			l = append(l, late[0].record)
			if late[0].body != nil {
				want = append(want, late[0].body)
			}
			late = late[1:]
		}
		for n := 1 + rng.IntN(6); n > 0; n-- {
			body := make([]byte, rng.IntN(3000))
			for i := range body {
				body[i] = byte(rng.Uint32())
			}
			writers = append(writers, &writer{g: segment.Cut(segment.NewID(rng.Uint64(), rng.Uint64()), body, 1+rng.IntN(900)), body: body})
		}
		for len(writers) > 0 {
			k := rng.IntN(len(writers))
			w := writers[k]
			switch dice := rng.IntN(20); {
			case dice == 0: // killed
				writers = append(writers[:k], writers[k+1:]...)
				continue
			case dice < 4: // written, and not heard of
				l.write(w.g, w.next)
				if w.next == w.g.Count()-1 {
					want = append(want, w.body)
				}
				continue
			case dice < 6: // not written yet, and not heard of
				a := attempt{record: record{w.g.Value(w.next), w.g.Headers(w.next)}}
				if w.next == w.g.Count()-1 {
					a.body = w.body
				}
				late = append(late, a)
			case dice < 8 && len(late) > 0:
				arrive()
			case dice < 9:
				l = append(l, record{value: []byte("whole")})
				want = append(want, []byte("whole"))
			}
			w.g.Written(w.next, l.write(w.g, w.next))
			if w.next++; w.next == w.g.Count() {
				want = append(want, w.body)
				writers = append(writers[:k], writers[k+1:]...)
			}
		}
		for len(late) > 0 {
			arrive()
		}
		var got [][]byte
		for at := range l {
			s, is, _ := segment.Of(l[at].header)
			body, err := l.whole(at)
			if err != nil {
				t.Fatalf("seed %d: offset %d: %v", seed, at, err)
			}
			if !is || s.Last() {
				got = append(got, body)
			}
		}
		if len(got) != len(want) {
			t.Fatalf("seed %d: %d bodies were read, %d written", seed, len(got), len(want))
		}
		for i := range got {
			if !bytes.Equal(got[i], want[i]) {
				t.Fatalf("seed %d: body %d is another one", seed, i)
			}
		}
	}
}

func written(body []byte, size int) (log, int) {
	var l log
	g := segment.Cut(segment.NewID(1, 2), body, size)
	for i := range g.Count() {
		g.Written(i, l.write(g, i))
	}
	return l, len(l) - 1
}

// The requests of a body's segments are repeated, since nobody heard of them, and the first ones are written after
// all: behind the segments that follow, and behind the next body. Copies of segments are passed over, wherever they stand;
// the copy of a last one is the body once more, of the segments that the writer knew of.
func TestLateCopiesOfSegmentsBreakNoBody(t *testing.T) {
	first, second := bytes.Repeat([]byte("first"), 100), bytes.Repeat([]byte("second"), 100)
	a, b := segment.Cut(segment.NewID(1, 1), first, 200), segment.Cut(segment.NewID(1, 2), second, 250)
	var l log
	a.Written(0, l.write(a, 0))
	a.Written(1, l.write(a, 1))
	l.write(a, 0)
	l.write(a, 2)
	b.Written(0, l.write(b, 0))
	l.write(a, 1)
	b.Written(1, l.write(b, 1))
	l.write(b, 2)
	l.write(b, 0)
	l.write(a, 2)
	l.write(a, 0)
	for at, want := range [][]byte{3: first, 7: second, 9: first, 10: nil} {
		if got, err := l.whole(at); err != nil || !bytes.Equal(got, want) {
			t.Errorf("offset %d stands for %.20q, want %.20q: %v", at, got, want, err)
		}
	}
}

func set(r *record, name, value string) {
	hs := append([]segment.Header{}, r.headers...)
	for i := range hs {
		if hs[i].Key == name {
			hs[i].Value = []byte(value)
		}
	}
	r.headers = hs
}

// No header, and no byte, can be another one without being noticed.
func TestNoDamageGoesUnnoticed(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789"), 100)
	for name, damage := range map[string]func(log){
		"a flipped bit":                 func(l log) { l[1].value = append([]byte{}, l[1].value...); l[1].value[7] ^= 4 },
		"a short segment":               func(l log) { l[1].value = l[1].value[:10] },
		"a long segment":                func(l log) { l[1].value = append(append([]byte{}, l[1].value...), 'x') },
		"another group":                 func(l log) { set(&l[1], schemas.HeaderSegmentID, "other") },
		"segments out of order":         func(l log) { l[0], l[1] = l[1], l[0] },
		"a whole record in between":     func(l log) { l[1].headers = nil },
		"another count":                 func(l log) { set(&l[1], schemas.HeaderSegmentCount, "9") },
		"an index beyond the count":     func(l log) { set(&l[1], schemas.HeaderSegmentIndex, "9") },
		"no number":                     func(l log) { set(&l[3], schemas.HeaderSegmentBytes, "many") },
		"a length beyond all bounds":    func(l log) { set(&l[3], schemas.HeaderSegmentBytes, "99999999999") },
		"a length that is not the sum":  func(l log) { set(&l[3], schemas.HeaderSegmentBytes, "1001") },
		"another checksum":              func(l log) { set(&l[3], schemas.HeaderSegmentChecksum, "00000000") },
		"no checksum":                   func(l log) { set(&l[3], schemas.HeaderSegmentChecksum, "") },
		"offsets that lack one":         func(l log) { set(&l[3], schemas.HeaderSegmentOffsets, "0,1") },
		"offsets out of order":          func(l log) { set(&l[3], schemas.HeaderSegmentOffsets, "1,0,2") },
		"an offset that is none":        func(l log) { set(&l[3], schemas.HeaderSegmentOffsets, "0,-1,2") },
		"an offset that comes later":    func(l log) { set(&l[3], schemas.HeaderSegmentOffsets, "0,1,3") },
		"offsets that are all the same": func(l log) { set(&l[3], schemas.HeaderSegmentOffsets, "1,1,1") },
	} {
		l, last := written(body, 251)
		if got, err := l.whole(last); err != nil || !bytes.Equal(got, body) {
			t.Fatalf("undamaged: %v", err)
		}
		damage(l)
		if _, err := l.whole(last); !errors.Is(err, segment.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHeadersOfThePlaceAreKnown(t *testing.T) {
	l, last := written([]byte("abc"), 2)
	for _, h := range l[last].headers {
		if !segment.Names(h.Key) {
			t.Errorf("%s is not known", h.Key)
		}
	}
	if segment.Names(schemas.HeaderSource) {
		t.Errorf("%s is", schemas.HeaderSource)
	}
}

func FuzzOf(f *testing.F) {
	f.Add("id", "2", "3", "10", "00000000", "1,2")
	f.Fuzz(func(t *testing.T, id, index, count, size, checksum, offsets string) {
		r := record{headers: []segment.Header{
			{Key: schemas.HeaderSegmentID, Value: []byte(id)}, {Key: schemas.HeaderSegmentIndex, Value: []byte(index)},
			{Key: schemas.HeaderSegmentCount, Value: []byte(count)}, {Key: schemas.HeaderSegmentBytes, Value: []byte(size)},
			{Key: schemas.HeaderSegmentChecksum, Value: []byte(checksum)}, {Key: schemas.HeaderSegmentOffsets, Value: []byte(offsets)},
		}}
		s, _, err := segment.Of(r.header)
		if err == nil && s.Last() && (len(s.Offsets) != s.Count-1 || s.Bytes > segment.BytesMax) {
			t.Errorf("%+v", s)
		}
	})
}
