package embedded

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/testing/seed"
)

// sample is a broker's folder with all that a broker writes: a topic without transactions, one with, a
// compacted one, committed and aborted transactions, committed positions, several segments.
type sample struct {
	dir      string
	stopped  bool // in order; otherwise as a kill leaves it
	records  map[topicPartition][]*kgo.Record
	batches  map[string][]sampleBatch // by file
	position int64                    // that the group committed
	ends     map[topicPartition]int64
}

type sampleBatch struct {
	pos, bytes  int64
	first, next int64
}

var sampleTopics = map[string]map[string]string{
	"coex.raw.live": {"segment.bytes": "1500"},
	"coex.messages": {"segment.bytes": "1500"},
	"coex.state":    {"segment.bytes": "1500", "cleanup.policy": "compact"},
}

func newSample(t *testing.T, stopped bool) *sample {
	t.Helper()
	dir := t.TempDir()
	b := open(t, dir)
	for topic, config := range sampleTopics {
		createTopic(t, b.Addr(), topic, 1, config)
	}
	n := uint64(0)
	value := func() []byte {
		n++
		return append(binary.BigEndian.AppendUint64(nil, n), bytes.Repeat([]byte{byte(n)}, 40+int(n%7)*20)...)
	}
	plain := client(t, b.Addr(), kgo.ProducerBatchCompression(kgo.NoCompression()))
	for i := range 24 {
		var rs []*kgo.Record
		for range 1 + i%3 {
			rs = append(rs, &kgo.Record{Topic: "coex.raw.live", Key: []byte("waba"), Value: value()})
		}
		if err := plain.ProduceSync(t.Context(), rs...).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	txn, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.TransactionalID("tx"), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DisableClientMetrics(),
		kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		t.Fatal(err)
	}
	defer txn.Close()
	s := &sample{stopped: stopped, records: map[topicPartition][]*kgo.Record{}, batches: map[string][]sampleBatch{}, ends: map[topicPartition]int64{}}
	for i := range 16 {
		if err := txn.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for k := range 2 {
			for _, topic := range []string{"coex.messages", "coex.state"} {
				r := &kgo.Record{Topic: topic, Key: fmt.Appendf(nil, "key %d", (i+k)%5), Value: value()}
				if err := txn.ProduceSync(t.Context(), r).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
		}
		id, epoch, err := txn.ProducerID(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		end := kgo.TransactionEndTry(i%4 != 1)
		if end == kgo.TryCommit {
			s.position = int64(i + 1)
			if !stagePosition(t, txn, id, epoch, s.position) {
				t.Fatal("position was not taken")
			}
		}
		if err := txn.EndTransaction(t.Context(), end); err != nil {
			t.Fatal(err)
		}
		if i == 9 {
			if ok, err := b.Clean(t.Context()); err != nil || !ok {
				t.Fatalf("compacted: %v, %v", ok, err)
			}
		}
	}
	for topic := range sampleTopics {
		tp := topicPartition{topic, 0}
		s.records[tp] = readCommitted(t, b.Addr(), topic, 0)
		s.ends[tp] = b.cluster.PartitionInfo(topic, 0).HighWatermark
	}
	if err := b.takeNotes(); err != nil {
		t.Fatal(err)
	}
	if stopped {
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s.dir = t.TempDir()
	copyFolder(t, dir, s.dir)
	for name := range files(t, s.dir) {
		if !strings.HasSuffix(name, ".dat") {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(s.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for pos := 0; pos < len(raw); {
			h, ok := intact(raw[pos:])
			if !ok {
				t.Fatalf("%s at %d: no batch in the sample", name, pos)
			}
			s.batches[name] = append(s.batches[name], sampleBatch{int64(pos), h.bytes, h.firstOffset, h.lastOffset() + 1})
			pos += int(h.bytes)
		}
	}
	return s
}

func stagePosition(t *testing.T, cl *kgo.Client, id int64, epoch int16, n int64) bool {
	t.Helper()
	return stageOffsetOf(t.Context(), cl, id, epoch, "coex.raw.live", uint64(n))
}

func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

func files(t *testing.T, dir string) map[string]int64 {
	t.Helper()
	found := map[string]int64{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			found[relative(dir, path)] = info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// harm is damage to one file.
type harm struct {
	file string
	kind string // flip, cut, remove
	at   int64
	// Offsets of the partition that may be gone with it.
	first, next int64
}

func (h harm) String() string { return fmt.Sprintf("%s %s at %d", h.kind, h.file, h.at) }

const flipped = 8

func (h harm) do(t *testing.T, dir string) {
	t.Helper()
	path := filepath.Join(dir, h.file)
	if h.kind == "remove" {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		return
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if h.kind == "cut" {
		b = b[:h.at]
	} else {
		for i := h.at; i < min(h.at+flipped, int64(len(b))); i++ {
			b[i] ^= 0xa5
		}
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// harms lists damage at many positions of every file.
func (s *sample) harms(t *testing.T) []harm {
	t.Helper()
	var list []harm
	all := files(t, s.dir)
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		size := all[name]
		batches := s.batches[name]
		if batches == nil {
			for _, at := range []int64{0, 1, size / 3, size / 2, size - 20, size - flipped} {
				if at >= 0 && at < size {
					list = append(list, harm{file: name, kind: "flip", at: at})
				}
			}
			for _, at := range []int64{0, size / 2, size - 1} {
				if at >= 0 && at < size {
					list = append(list, harm{file: name, kind: "cut", at: at})
				}
			}
			if size > 0 {
				list = append(list, harm{file: name, kind: "remove"})
			}
			continue
		}
		last := batches[len(batches)-1].next
		for i, b := range batches {
			if i+1 < len(batches) { // across the border of two
				list = append(list, harm{name, "flip", b.pos + b.bytes - flipped/2, b.first, batches[i+1].next})
			}
			for _, at := range []int64{0, 4, 8, 12, 16, 17, 21, 23, 35, 43, 51, 53, 61, b.bytes / 2, b.bytes - flipped} {
				if at+flipped <= b.bytes {
					list = append(list, harm{name, "flip", b.pos + at, b.first, b.next})
				}
			}
			for _, at := range []int64{b.pos, b.pos + 1, b.pos + 30, b.pos + b.bytes - 1} {
				list = append(list, harm{name, "cut", at, b.first, last})
			}
		}
		list = append(list, harm{name, "remove", 0, batches[0].first, last})
	}
	return list
}

// unnoticed reports whether nobody can see the damage, or it counts as the write that a kill interrupted.
func (s *sample) unnoticed(h harm, size int64) bool {
	switch {
	case h.file == credentialsName: // it is forgotten at each start
		return true
	case strings.HasSuffix(h.file, ".idx"):
		return h.kind == "flip" || !s.stopped && h.kind == "cut" && size-h.at <= indexEntryBytes
	case s.stopped:
		return h.file == marksName && h.kind != "flip" || h.file == "lock" || h.file == copiesName && h.kind != "flip" || h.file == sessionName && h.kind == "remove"
	case h.file == journalName, h.file == pidsName, h.file == groupsName:
		return h.kind == "cut" || h.at+flipped > size-40 || h.file == journalName
	}
	return h.file == copiesName && h.kind != "flip" || h.file == marksName && h.kind != "flip"
}

// Some of the damage each time, all of it with ALL=1 (ten minutes). After any damage in any file, every record outside
// of the damaged batch is read at its own offset. No record of an aborted transaction appears, new records get offsets
// above all old ones, and the damage is reported once.
func TestDamageCostsWhatIsDamagedOnly(t *testing.T) {
	t.Parallel()
	for _, stopped := range []bool{true, false} {
		t.Run(fmt.Sprintf("stopped=%v", stopped), func(t *testing.T) {
			t.Parallel()
			s := newSample(t, stopped)
			list := s.harms(t)
			if os.Getenv("ALL") == "" {
				rng := seed.Rand(t)
				rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
				some := 40
				if testing.Short() {
					some = 15
				}
				list = list[:min(len(list), some)]
			}
			for _, h := range list {
				s.survives(t, h)
			}
			t.Logf("%d kinds of damage", len(list))
		})
	}
}

func (s *sample) survives(t *testing.T, h harm) {
	t.Helper()
	dir, err := os.MkdirTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	copyFolder(t, s.dir, dir)
	size := testFolder("").size(filepath.Join(dir, h.file))
	h.do(t, dir)

	report, err := Verify(dir, VerifyOptions{})
	if err != nil {
		t.Errorf("%s: verify: %v", h, err)
		return
	}
	b, err := Open(testConfig(dir, false), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Errorf("%s: start: %v", h, err)
		return
	}
	notes, err := Quarantined(dir)
	if err != nil {
		t.Error(err)
	}
	if len(notes) == 0 && !s.unnoticed(h, size) {
		t.Errorf("%s: nothing was said", h)
	}
	if len(report.Damage) != len(notes) {
		t.Errorf("%s: verify finds %v, the start %v", h, report.Damage, notes)
	}
	s.check(t, h, b)
	if err := b.Close(); err != nil {
		t.Errorf("%s: stop: %v", h, err)
	}
	b, err = Open(testConfig(dir, false), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Errorf("%s: second start: %v", h, err)
		return
	}
	defer b.Close()
	again, err := Quarantined(dir)
	if err != nil || len(again) != len(notes) {
		t.Errorf("%s: the second start says %v, the first said %v; %v", h, again, notes, err)
	}
}

func (s *sample) check(t *testing.T, h harm, b *Broker) {
	t.Helper()
	cl := client(t, b.Addr())
	defer cl.Close()
	for tp, want := range s.records {
		hit := strings.HasPrefix(h.file, relative("", tp.folder(""))+string(filepath.Separator))
		got := map[int64]*kgo.Record{}
		for _, r := range readCommitted(t, b.Addr(), tp.topic, 0) {
			got[r.Offset] = r
		}
		for _, r := range want {
			g := got[r.Offset]
			delete(got, r.Offset)
			switch {
			case g != nil && (!bytes.Equal(g.Value, r.Value) || !bytes.Equal(g.Key, r.Key)):
				t.Errorf("%s: record %d of %s is another one", h, r.Offset, tp)
			case g == nil && (!hit || r.Offset < h.first || r.Offset >= h.next):
				t.Errorf("%s: record %d of %s is gone", h, r.Offset, tp)
			}
		}
		for offset := range got {
			t.Errorf("%s: record %d of %s appears, which is not committed", h, offset, tp)
		}
		r := &kgo.Record{Topic: tp.topic, Key: []byte("new"), Value: []byte("new")}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		if err := cl.ProduceSync(ctx, r).FirstErr(); err != nil {
			t.Errorf("%s: produce %s: %v", h, tp, err)
		} else if r.Offset < s.ends[tp] {
			t.Errorf("%s: a new record of %s got offset %d, below %d", h, tp, r.Offset, s.ends[tp])
		}
		cancel()
	}
	if !b.compacted("coex.state") || b.compacted("coex.raw.live") {
		t.Errorf("%s: topics have other settings", h)
	}
	if s.stopped || h.file != groupsName {
		offsets, err := kadm.NewClient(cl).FetchOffsets(t.Context(), "group")
		if err != nil {
			t.Errorf("%s: committed position: %v", h, err)
		} else if o, ok := offsets.Lookup("coex.raw.live", 0); !ok || o.At != s.position {
			t.Errorf("%s: committed position is %d, was %d", h, o.At, s.position)
		}
	}
}
