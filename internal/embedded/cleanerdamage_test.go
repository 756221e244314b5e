package embedded

import (
	"maps"
	"os"
	"strings"
	"testing"
)

// The broker's compaction believes the first offset of a batch, which no checksum covers. With a flipped bit there, it took the record
// for a newer one of its key than those behind it, and removed them.
func TestCompactionWaitsForTheRepairOfADamagedBatch(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		field string
		at    int64 // of the flipped bit's byte, in the batch
		lost  bool  // the record of the batch
	}{
		{"first offset, a high bit", 2, false},
		{"first offset, a low bit", 6, false},
		{"length", 9, false},
		{"magic byte", 16, false},
		{"records", batchHeaderBytes + 4, true},
	} {
		t.Run(tt.field, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			b := open(t, dir)
			createTopic(t, b.Addr(), "table", 1, compactedTopic)
			newest := writeKeys(t, b.Addr(), "table", 100)
			older := maps.Clone(newest)
			older["key-4"] = 88 // of its record 95, one is left before it

			flip(t, dir, 95, tt.at)
			for range 2 {
				if _, err := b.Clean(t.Context()); err == nil || !strings.Contains(err.Error(), "table/0") || !strings.Contains(err.Error(), "damaged") {
					t.Errorf("cleaning: %v", err)
				}
			}
			flip(t, dir, 95, tt.at) // as if the disk had read it wrong
			if _, err := b.Clean(t.Context()); err != nil {
				t.Error(err)
			}
			const left = 8 // the newest of each key, and the one before the last record
			if n := checkNewest(t, b.Addr(), "table", newest); n != left {
				t.Errorf("%d records are left, want %d", n, left)
			}

			more := writeKeys(t, b.Addr(), "table", 100)
			flip(t, dir, left+95, tt.at)
			if _, err := b.Clean(t.Context()); err == nil {
				t.Error("a damaged log was compacted")
			}
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			b = open(t, dir)
			if compacted, err := b.Clean(t.Context()); !compacted || err != nil {
				t.Errorf("after the repair: compacted %v, %v", compacted, err)
			}
			want := more
			if tt.lost {
				want = older
			}
			checkNewest(t, b.Addr(), "table", want)
			list, err := Quarantined(dir)
			if err != nil || len(list) != 1 || list[0].Lost != tt.lost {
				t.Errorf("in quarantine: %+v, %v", list, err)
			}
		})
	}
}

// flip flips a bit of the n-th batch of the topic's log.
func flip(t *testing.T, dir string, n int, at int64) {
	t.Helper()
	partition := topicPartition{"table", 0}.folder(dir)
	bases, err := folder{osDisk{}, dir}.segmentFiles(partition, ".dat")
	if err != nil || len(bases) != 1 {
		t.Fatalf("segments %v, %v", bases, err)
	}
	path := dataFile(partition, bases[0])
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pos := int64(0)
	for range n {
		h, ok := readHeader(b[pos:])
		if !ok {
			t.Fatalf("no batch at %d of %s", pos, path)
		}
		pos += h.bytes
	}
	b[pos+at] ^= 1
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := f.WriteAt(b[pos+at:pos+at+1], pos+at); err != nil {
		t.Fatal(err)
	}
}
