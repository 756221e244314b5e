package bulk

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/processors/partition"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// piecesOf are the chunks of a body with n of them.
func piecesOf(t *testing.T, n, bytes int) []*split.Piece {
	t.Helper()
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(`{"metadata":{"phase":0,"chunk_order":%d},"x":"%s"}`, i, strings.Repeat("x", bytes))
	}
	b, err := split.NewScanner(split.Limits{}).Scan([]byte(`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"history","value":{"metadata":{"phone_number_id":"91"},"history":[` + strings.Join(all, ",") + `]}}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	of := b.PieceChange(0)
	var pieces []*split.Piece
	for i := range n {
		pieces = append(pieces, of.Piece(i, nil))
	}
	return pieces
}

// Chunks of more bodies than there is room for leave in turn. Each body is read again as often as its share of the room fits
// into it, and not for each chunk.
func TestPiecesOfBodiesThatDoNotFitAreReadInShares(t *testing.T) {
	const bodies, chunks, each, times = 20, 200, 1000, 4
	all := piecesOf(t, chunks, each)
	size := 0
	for _, p := range all {
		size += p.Bytes()
	}
	s := NewPieceCache(bodies * size / times)
	reads := 0
	for i := range chunks {
		for b := range int64(bodies) {
			w := partition.ChunkRef{Topic: schemas.TopicRawBulk, Offset: b, Element: uint16(i)}
			if _, piece := s.Look(3, w); piece == nil {
				reads++
				s.Put(schemas.TopicRawBulk, &kgo.Record{Partition: 3, Offset: b, Key: []byte("k"), Value: []byte("v")}, all[i:])
			} else if piece.Element != i {
				t.Fatalf("chunk %d came for %d", piece.Element, i)
			}
			s.Left(3, w)
			if s.bytes > s.most {
				t.Fatalf("%d bytes of %d", s.bytes, s.most)
			}
		}
	}
	if most := bodies * 3 * times; reads > most {
		t.Errorf("bodies were read %d times, more than %d", reads, most)
	}
	if s.bytes != 0 || len(s.bodies) != 0 {
		t.Errorf("%d bytes of %d bodies are left when all have left", s.bytes, len(s.bodies))
	}
}

func TestPiecesForgetAPartitionAndWhatLeftOtherwise(t *testing.T) {
	all := piecesOf(t, 10, 10)
	s := NewPieceCache(1 << 20)
	at := func(partition int32) *kgo.Record {
		return &kgo.Record{Partition: partition, Offset: 7, Headers: []kgo.RecordHeader{{Key: "k", Value: []byte("v")}}, Value: []byte("v")}
	}
	w := partition.ChunkRef{Topic: schemas.TopicRawBulk, Offset: 7, Element: 3}
	for p := range int32(3) {
		s.Put(schemas.TopicRawBulk, at(p), all)
	}
	if rec, piece := s.Look(1, w); piece == nil || rec.Offset != 7 || rec.Value != nil || string(rec.Headers[0].Value) != "v" {
		t.Errorf("found %v of %v", piece, rec)
	}
	s.ClearPartition(0)
	s.Put(schemas.TopicRawBulk, at(1), nil)
	for p, want := range []bool{false, false, true} {
		if _, piece := s.Look(int32(p), w); (piece != nil) != want {
			t.Errorf("partition %d: %v", p, piece)
		}
	}
	if _, piece := s.Look(2, partition.ChunkRef{Topic: schemas.TopicRawLive, Offset: 7, Element: 3}); piece != nil {
		t.Error("found the piece of another topic")
	}
}

func TestPieceCacheCountsAllOfABodyAndHoldsWhatFits(t *testing.T) {
	all := piecesOf(t, 10, 1000)
	size := cachedRecordBytes + 100 + len("name") + 200
	for _, p := range all {
		size += p.Bytes()
	}
	rec := &kgo.Record{Partition: 1, Offset: 7, Key: make([]byte, 100), Headers: []kgo.RecordHeader{{Key: "name", Value: make([]byte, 200)}}, Value: []byte("v")}
	held := func(most int) (chunks, bytes int) {
		s := NewPieceCache(most)
		s.Put(schemas.TopicRawBulk, rec, all)
		for i := range all {
			if _, piece := s.Look(1, partition.ChunkRef{Topic: schemas.TopicRawBulk, Offset: 7, Element: uint16(i)}); piece != nil {
				if chunks++; chunks != i+1 {
					t.Errorf("of %d bytes, chunk %d is held, and not one that is released before it", most, i)
				}
			}
		}
		return chunks, s.bytes
	}
	if chunks, bytes := held(size); chunks != 10 || bytes != size {
		t.Errorf("%d chunks in %d bytes, want 10 in %d", chunks, bytes, size)
	}
	if chunks, bytes := held(size - 1); chunks >= 10 || chunks < 3 || bytes > size/2 {
		t.Errorf("%d chunks in %d bytes, where one byte was missing", chunks, bytes)
	}
	// Where there is no room for a record beside its pieces, none is kept, also of a record that is longer than they are.
	for _, key := range []int{100, 100_000} {
		rec.Key = make([]byte, key)
		if chunks, bytes := held(100); chunks != 0 || bytes != 0 {
			t.Errorf("%d chunks in %d bytes of 100", chunks, bytes)
		}
	}
}
