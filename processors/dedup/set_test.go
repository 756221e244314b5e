package dedup_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/coexstream/coexstream/internal/testing/seed"
	"github.com/coexstream/coexstream/processors/dedup"
	"github.com/coexstream/coexstream/schemas"
)

// model is what a Set promises, in the plainest form: 78 bits of the hash and the highest rank.
type model map[[2]uint64]schemas.Rank

func (m model) raise(h schemas.Hash, r schemas.Rank) (schemas.Rank, bool) {
	k := [2]uint64{h.Hi, h.Lo & 0xfffc}
	was, seen := m[k]
	m[k] = max(was, r)
	return was, seen
}

func checkSame(t *testing.T, s *dedup.Set, m model) {
	t.Helper()
	if s.Len() != len(m) {
		t.Fatalf("Len() = %d, want %d", s.Len(), len(m))
	}
	for k, want := range m {
		if got, ok := s.Lookup(schemas.Hash{Hi: k[0], Lo: k[1]}); !ok || got != want {
			t.Fatalf("Lookup(%x) = %d, %v; want %d", k, got, ok, want)
		}
	}
	page := s.AppendPage(nil)
	if n := len(page) / dedup.EntryBytes; n != s.Len() {
		t.Errorf("a page of %d entries for %d", n, s.Len())
	}
	for i := dedup.EntryBytes; i < len(page); i += dedup.EntryBytes {
		if bytes.Compare(page[i-dedup.EntryBytes:i], page[i:i+dedup.EntryBytes]) >= 0 {
			t.Fatalf("entry %d is not in its place", i/dedup.EntryBytes)
		}
	}
}

// TestALargeSetAgreesWithAMap: it is parted many times, evenly or by hashes that have little in difference.
func TestALargeSetAgreesWithAMap(t *testing.T) {
	r := seed.Rand(t)
	size := 300_000
	if testing.Short() {
		size = 50_000
	}
	for name, hash := range map[string]func() schemas.Hash{
		"spread":     func() schemas.Hash { return schemas.Hash{Hi: r.Uint64(), Lo: r.Uint64()} },
		"one prefix": func() schemas.Hash { return schemas.Hash{Hi: 0xabcd<<48 | r.Uint64()>>16, Lo: r.Uint64()} },
		"last bits":  func() schemas.Hash { return schemas.Hash{Hi: r.Uint64N(60_000), Lo: r.Uint64N(40)} },
	} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && name != "spread" {
				t.Skip("SKIP: hashes that begin alike make long runs, until the set is parted often enough")
			}
			s, m := dedup.NewSet(), model{}
			for range size {
				h, rank := hash(), schemas.Rank(r.IntN(4))
				was, seen := s.Raise(h, rank)
				if wantWas, wantSeen := m.raise(h, rank); was != wantWas || seen != wantSeen {
					t.Fatalf("Raise(%+v, %d) = %d, %v; want %d, %v", h, rank, was, seen, wantWas, wantSeen)
				}
			}
			checkSame(t, s, m)
		})
	}
}

func TestSetAgreesWithAMap(t *testing.T) {
	r := seed.Rand(t)
	draw := map[string]func() schemas.Hash{
		"spread":  func() schemas.Hash { return schemas.Hash{Hi: r.Uint64(), Lo: r.Uint64()} },
		"few":     func() schemas.Hash { return schemas.Hash{Hi: r.Uint64N(40) << 58, Lo: r.Uint64N(64)} },
		"lowest":  func() schemas.Hash { return schemas.Hash{Hi: r.Uint64N(3), Lo: r.Uint64N(5000)} },
		"highest": func() schemas.Hash { return schemas.Hash{Hi: ^uint64(0) - r.Uint64N(3), Lo: ^r.Uint64N(5000)} },
		"one hi":  func() schemas.Hash { return schemas.Hash{Hi: 1 << 63, Lo: r.Uint64N(1 << 13)} },
	}
	for name, hash := range draw {
		t.Run(name, func(t *testing.T) {
			for range 4 {
				s, m := dedup.NewSet(), model{}
				for range r.IntN(4_000) {
					if r.IntN(300) == 0 {
						s.Expect(r.IntN(3000)) // so many come, or fewer, or more
					}
					h, rank := hash(), schemas.Rank(r.IntN(4))
					was, seen := s.Raise(h, rank)
					wantWas, wantSeen := m.raise(h, rank)
					if was != wantWas || seen != wantSeen {
						t.Fatalf("Raise(%+v, %d) = %d, %v; want %d, %v", h, rank, was, seen, wantWas, wantSeen)
					}
					if absent := hash(); r.IntN(4) == 0 {
						_, want := m[[2]uint64{absent.Hi, absent.Lo & 0xfffc}]
						if _, got := s.Lookup(absent); got != want {
							t.Fatalf("Lookup(%+v) found: %v, want %v", absent, got, want)
						}
					}
				}
				checkSame(t, s, m)
			}
		})
	}
}

func TestHashOfZerosIsAMessageLikeAnyOther(t *testing.T) {
	for _, rank := range []schemas.Rank{schemas.RankPlaceholder, schemas.RankRevoke} {
		s := dedup.NewSet()
		if _, ok := s.Lookup(schemas.Hash{}); ok {
			t.Fatal("an empty set knows the message of zeros")
		}
		if _, seen := s.Raise(schemas.Hash{}, rank); seen {
			t.Fatal("seen at the first time")
		}
		again := dedup.NewSet()
		if err := again.Load(s.AppendPage(nil)); err != nil {
			t.Fatal(err)
		}
		for _, s := range []*dedup.Set{s, again} {
			if got, ok := s.Lookup(schemas.Hash{}); !ok || got != rank || s.Len() != 1 {
				t.Fatalf("Lookup = %d, %v with Len %d; want %d", got, ok, s.Len(), rank)
			}
			if _, ok := s.Lookup(schemas.Hash{Lo: 4}); ok {
				t.Fatal("another message is taken for that of zeros")
			}
		}
	}
}

// docs/webhooks.md, 131060: placeholder/unsupported < concrete < edit < revoke.
func TestRankOnlyRises(t *testing.T) {
	r := seed.Rand(t)
	s := dedup.NewSet()
	h := schemas.HashBytes([]byte("wamid.1"))
	highest, seenBefore := schemas.Rank(0), false
	for range 200 {
		rank := schemas.Rank(r.IntN(4))
		was, seen := s.Raise(h, rank)
		if seen != seenBefore || was != highest {
			t.Fatalf("Raise = %d, %v; want %d, %v", was, seen, highest, seenBefore)
		}
		highest, seenBefore = max(highest, rank), true
	}
}

func TestPagesInAnyOrderGiveTheSameSet(t *testing.T) {
	r := seed.Rand(t)
	s, m := dedup.NewSet(), model{}
	var pages [][]byte
	for range 50 {
		var page []byte
		for range r.IntN(300) {
			h, rank := schemas.Hash{Hi: r.Uint64N(2000) << 53}, schemas.Rank(r.IntN(4))
			if was, seen := s.Raise(h, rank); !seen || rank > was {
				page = dedup.AppendEntry(page, h, rank)
			}
			m.raise(h, rank)
		}
		pages = append(pages, page)
	}
	r.Shuffle(len(pages), func(i, j int) { pages[i], pages[j] = pages[j], pages[i] })
	loaded := dedup.NewSet()
	for _, p := range append(pages, pages[0]) {
		if err := loaded.Load(p); err != nil {
			t.Fatal(err)
		}
	}
	checkSame(t, loaded, m)
	if !bytes.Equal(s.AppendPage(nil), loaded.AppendPage(nil)) {
		t.Fatal("the sets hold other entries")
	}
}

func TestPageOfHalfAnEntryIsRefusedWhole(t *testing.T) {
	s := dedup.NewSet()
	page := dedup.AppendEntry(nil, schemas.Hash{Hi: 1}, schemas.RankConcrete)
	if err := s.Load(append(page, 1, 2, 3)); err == nil {
		t.Fatal("loaded")
	}
	if s.Len() != 0 {
		t.Fatalf("Len() = %d after a refused page", s.Len())
	}
}

// An open window costs at most 16 bytes a message.
func TestMessageCostsAtMostSixteenBytes(t *testing.T) {
	r := seed.Rand(t)
	sizeMax := 2_000_000
	if testing.Short() {
		sizeMax = 100_000
	}
	s := dedup.NewSet()
	worst, worstAt := 0.0, 0
	for n := 1; n <= sizeMax; n++ {
		s.Raise(schemas.Hash{Hi: r.Uint64(), Lo: r.Uint64()}, schemas.RankConcrete)
		if n < 64 || n > 5000 && n%7 != 0 {
			continue
		}
		per := float64(s.Bytes()) / float64(s.Len())
		if per > worst {
			worst, worstAt = per, n
		}
		if per < dedup.EntryBytes {
			t.Fatalf("%.2f bytes a message at %d messages: an entry has %d", per, n, dedup.EntryBytes)
		}
	}
	t.Logf("worst: %.2f bytes a message, at %d messages", worst, worstAt)
	if worst > 16 {
		t.Fatalf("%.2f bytes a message at %d messages", worst, worstAt)
	}
}

// Expected messages that come cost as much as others. If they were seen before, the table has at most doubled.
func TestExpectedMessagesCostAtMostTwiceTheBytes(t *testing.T) {
	r := seed.Rand(t)
	for _, size := range []int{100, 1000, 10_000, 50_000} {
		s := dedup.NewSet()
		s.Expect(size)
		hashes := make([]schemas.Hash, size)
		for i := range hashes {
			hashes[i] = schemas.Hash{Hi: r.Uint64(), Lo: r.Uint64()}
			s.Raise(hashes[i], schemas.RankConcrete)
		}
		if per := float64(s.Bytes()) / float64(size); per > 16 {
			t.Errorf("%.2f bytes for each of %d messages that were expected", per, size)
		}
		for range size / 2 { // each time the others were seen before
			s.Expect(size)
			s.Raise(schemas.Hash{Hi: r.Uint64(), Lo: r.Uint64()}, schemas.RankConcrete)
			if per := float64(s.Bytes()) / float64(s.Len()); per > 32 {
				t.Fatalf("%.2f bytes for each of %d messages after others were expected", per, s.Len())
			}
		}
	}
}

func TestRaisingAKnownMessageAllocatesNothing(t *testing.T) {
	r := seed.Rand(t)
	s := dedup.NewSet()
	hashes := make([]schemas.Hash, 10_000)
	for i := range hashes {
		hashes[i] = schemas.Hash{Hi: r.Uint64(), Lo: r.Uint64()}
		s.Raise(hashes[i], schemas.RankPlaceholder)
	}
	i := 0
	if n := testing.AllocsPerRun(1000, func() {
		s.Raise(hashes[i%len(hashes)], schemas.RankConcrete)
		s.Lookup(hashes[(i+1)%len(hashes)])
		i++
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func BenchmarkSet(b *testing.B) {
	for _, size := range []int{1_000, 100_000, 1_000_000} {
		r := rand.New(rand.NewPCG(1, 2))
		hashes := make([]schemas.Hash, size)
		for i := range hashes {
			hashes[i] = schemas.Hash{Hi: r.Uint64(), Lo: r.Uint64()}
		}
		full := dedup.NewSet()
		for _, h := range hashes {
			full.Raise(h, schemas.RankConcrete)
		}
		b.Run(fmt.Sprintf("fill/%d", size), func(b *testing.B) {
			b.ReportAllocs()
			var s *dedup.Set
			for i := range b.N {
				if i%size == 0 {
					s = dedup.NewSet()
				}
				s.Raise(hashes[i%size], schemas.RankConcrete)
			}
		})
		b.Run(fmt.Sprintf("known/%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for i := range b.N {
				full.Raise(hashes[i%size], schemas.RankConcrete)
			}
		})
		b.Run(fmt.Sprintf("unknown/%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for i := range b.N {
				h := hashes[i%size]
				full.Lookup(schemas.Hash{Hi: h.Lo, Lo: h.Hi})
			}
		})
		b.Logf("%d messages: %.2f bytes each", size, float64(full.Bytes())/float64(size))
	}
}
