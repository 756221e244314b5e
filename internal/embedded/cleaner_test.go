package embedded

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

var compactedTopic = map[string]string{"cleanup.policy": "compact", "retention.ms": "-1", "delete.retention.ms": "86400000"}

func open(t *testing.T, dir string) *Broker {
	t.Helper()
	b, err := Open(testConfig(dir, false), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// writeKeys writes n records over a few keys and returns the newest value of each.
func writeKeys(t *testing.T, addr, topic string, n int) map[string]uint64 {
	t.Helper()
	cl := client(t, addr)
	newest := map[string]uint64{}
	for i := range uint64(n) {
		r := numbered(topic, 0, i)
		r.Key = fmt.Appendf(nil, "key-%d", i%7)
		newest[string(r.Key)] = i
		if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	return newest
}

func checkNewest(t *testing.T, addr, topic string, want map[string]uint64) int {
	t.Helper()
	got := map[string]uint64{}
	records := readCommitted(t, addr, topic, 0)
	for _, r := range records {
		got[string(r.Key)] = number(r)
	}
	if len(got) != len(want) {
		t.Errorf("%d keys are there, want %d", len(got), len(want))
	}
	for k, n := range want {
		if got[k] != n {
			t.Errorf("%s: newest value is %d, want %d", k, got[k], n)
		}
	}
	return len(records)
}

func TestCleaningKeepsTheNewestOfEachKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := open(t, dir)
	createTopic(t, b.Addr(), "table", 1, compactedTopic)
	newest := writeKeys(t, b.Addr(), "table", 100)
	compacted, err := b.Clean(t.Context())
	if err != nil || !compacted {
		t.Fatalf("compacted %v, err %v", compacted, err)
	}
	if n := checkNewest(t, b.Addr(), "table", newest); n > len(newest)+1 {
		t.Errorf("%d records are left of 100 over %d keys", n, len(newest))
	}
	if fileExists(filepath.Join(dir, backupName)) {
		t.Error("the replaced files are still there")
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = open(t, dir)
	checkNewest(t, b.Addr(), "table", newest)
}

// The broker would let a record that is never committed replace the committed one of its key.
func TestCleaningWaitsForOpenTransactions(t *testing.T) {
	t.Parallel()
	b := open(t, t.TempDir())
	createTopic(t, b.Addr(), "table", 1, compactedTopic)
	newest := writeKeys(t, b.Addr(), "table", 20)
	cl := client(t, b.Addr(), kgo.TransactionalID("tx"))
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for key := range newest {
		r := numbered("table", 0, 999)
		r.Key = []byte(key)
		if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	compacted, err := b.Clean(t.Context())
	if err != nil || compacted {
		t.Fatalf("compacted %v in the middle of a transaction, err %v", compacted, err)
	}
	if err := cl.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	if compacted, err = b.Clean(t.Context()); err != nil || !compacted {
		t.Fatalf("compacted %v after the transaction, err %v", compacted, err)
	}
	checkNewest(t, b.Addr(), "table", newest)
}

// Killed at any point of a compaction, the next start has every key.
func TestInterruptedCompactionIsUndone(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		after func(t *testing.T, b *Broker, folder string)
	}{
		{"while files were linked", func(t *testing.T, b *Broker, _ string) {
			if err := os.Remove(filepath.Join(b.cfg.Dir, backupName, backupReady)); err != nil {
				t.Fatal(err)
			}
		}},
		{"before files were replaced", func(*testing.T, *Broker, string) {}},
		{"when files were gone", func(t *testing.T, _ *Broker, folder string) {
			removeSegments(t, folder)
		}},
		{"when a file was half written", func(t *testing.T, _ *Broker, folder string) {
			removeSegments(t, folder)
			if err := os.WriteFile(dataFile(folder, 3), []byte("half"), 0o644); err != nil {
				t.Fatal(err)
			}
		}},
		{"and then the undoing was killed", func(t *testing.T, b *Broker, folder string) {
			removeSegments(t, folder)
			backup := filepath.Join(b.cfg.Dir, backupName, filepath.Base(folder))
			bases, err := testFolder("").segmentFiles(backup, ".dat")
			if err != nil || len(bases) == 0 {
				t.Fatalf("backup holds %v, err %v", bases, err)
			}
			if err := os.Link(indexFile(backup, bases[0]), indexFile(folder, bases[0])); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			b := open(t, dir)
			createTopic(t, b.Addr(), "table", 1, compactedTopic)
			newest := writeKeys(t, b.Addr(), "table", 50)
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			tp := topicPartition{"table", 0}
			if err := b.link([]topicPartition{tp}); err != nil {
				t.Fatal(err)
			}
			tt.after(t, b, tp.folder(dir))
			b = open(t, dir)
			if n := checkNewest(t, b.Addr(), "table", newest); n != 50 {
				t.Errorf("%d records are there, want all 50", n)
			}
			if fileExists(filepath.Join(dir, backupName)) {
				t.Error("the second folder is still there")
			}
		})
	}
}

func removeSegments(t *testing.T, folder string) {
	t.Helper()
	bases, err := testFolder("").segmentFiles(folder, ".dat")
	if err != nil {
		t.Fatal(err)
	}
	for _, base := range bases {
		if err := testFolder("").removeSegment(folder, base); err != nil {
			t.Fatal(err)
		}
	}
}

// A partition whose records all expired continues at the offset where it ended, after a kill and after an orderly stop:
// consumers have committed that offset.
func TestEmptiedPartitionKeepsItsOffsets(t *testing.T) {
	t.Parallel()
	for _, kill := range []bool{false, true} {
		t.Run(fmt.Sprintf("kill=%v", kill), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			b := open(t, dir)
			createTopic(t, b.Addr(), "t", 2, map[string]string{"retention.ms": "60000"})
			cl := client(t, b.Addr())
			for n := range uint64(10) {
				r := numbered("t", 0, n)
				r.Timestamp = time.Now().Add(-time.Hour)
				if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := b.Clean(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := readCommitted(t, b.Addr(), "t", 0); len(got) != 0 {
				t.Fatalf("%d expired records are left", len(got))
			}
			if kill {
				// After a kill, the disk has its present content.
				copied := t.TempDir()
				if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
					t.Fatal(err)
				}
				dir = copied
			} else if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			b = open(t, dir)
			r := numbered("t", 0, 77)
			if err := client(t, b.Addr()).ProduceSync(t.Context(), r).FirstErr(); err != nil {
				t.Fatal(err)
			}
			if r.Offset != 10 {
				t.Errorf("the next record has offset %d, want 10", r.Offset)
			}
			if got := readCommitted(t, b.Addr(), "t", 0); len(got) != 1 || number(got[0]) != 77 {
				t.Errorf("%d records are there, want the new one", len(got))
			}
		})
	}
}
