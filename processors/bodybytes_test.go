package processors

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/segment"
)

// TestABodyIsAsLongAsWhatItsRecordStandsFor: a record that stands for no body, or whose order a replay keeps, does not wait.
func TestABodyIsAsLongAsWhatItsRecordStandsFor(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Deferred.BodyBytesMax = 1000
	coded := func(length int) []byte {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = w.Write([]byte(strings.Repeat("x", length)))
		_ = w.Close()
		return b.Bytes()
	}
	gzipped := kgo.RecordHeader{Key: schemas.HeaderContentEncoding, Value: []byte("gzip")}
	g := segment.Cut(segment.NewID(1, 2), make([]byte, 2500), 1000)
	segments := make([]*kgo.Record, g.Count())
	for i := range segments {
		segments[i] = &kgo.Record{Value: g.Value(i)}
		for _, h := range g.Headers(i) {
			segments[i].Headers = append(segments[i].Headers, kgo.RecordHeader(h))
		}
		g.Written(i, int64(i))
	}
	for _, c := range []struct {
		name   string
		rec    *kgo.Record
		length int64
		waits  bool
		plain  bool
	}{
		{"a plain one", &kgo.Record{Value: make([]byte, 1234)}, 1234, true, false},
		{"coded and short", &kgo.Record{Value: coded(1000), Headers: []kgo.RecordHeader{gzipped}}, 1000, true, true},
		{"coded and long", &kgo.Record{Value: coded(50_000), Headers: []kgo.RecordHeader{gzipped}}, 1001, true, false},
		{"coded, and nothing of the kind", &kgo.Record{Value: []byte("{}"), Headers: []kgo.RecordHeader{gzipped}}, 2, true, false},
		{"a segment that is named by another one", segments[0], 0, false, false},
		{"the last segment", segments[2], 2500, true, false},
		{"of a replay", &kgo.Record{Value: make([]byte, 9), Headers: []kgo.RecordHeader{{Key: schemas.HeaderReplay, Value: []byte("r")}}}, 0, false, false},
		{"a note about a number", &kgo.Record{Value: nil, Headers: []kgo.RecordHeader{{Key: schemas.HeaderRerouted, Value: []byte(schemas.ReroutedNumber)}}}, 0, false, false},
		{"a part of another partition's body", &kgo.Record{Value: make([]byte, 9), Headers: []kgo.RecordHeader{{Key: schemas.HeaderRerouted, Value: []byte(schemas.ReroutedMoved)}}}, 9, true, false},
	} {
		r := &runner{cfg: &cfg}
		length, waits := r.bodyBytes(c.rec)
		if length != c.length || waits != c.waits {
			t.Errorf("%s: %d bytes, may wait: %v; want %d, %v", c.name, length, waits, c.length, c.waits)
		}
		if plain := r.decoded(c.rec); (plain != nil) != c.plain || c.plain && int64(len(plain)) != c.length {
			t.Errorf("%s: %d bytes are decoded", c.name, len(plain))
		}
	}
}
