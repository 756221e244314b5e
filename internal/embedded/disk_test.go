package embedded

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/testing/seed"
)

// faultyDisk fails the operation with the number fail, counted from 1, in the way of how. Then, when it is a
// power cut, all that follow.
type faultyDisk struct {
	osDisk
	mu          sync.Mutex
	fail, count int
	how         string // refused, torn, cut
	failed      string // the failed operation
	unreadable  string // a file whose bytes from to on cannot be read
	from, to    int64
}

var errFault = errors.New("the disk refuses")

func (d *faultyDisk) step(op, name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failed != "" && d.how == "cut" {
		return errFault
	}
	d.count++
	if d.count != d.fail {
		return nil
	}
	d.failed = op + " " + name
	return errFault
}

func (d *faultyDisk) bad(name string) bool {
	return d.unreadable != "" && strings.HasSuffix(name, d.unreadable)
}

func (d *faultyDisk) ReadFile(name string) ([]byte, error) {
	if err := d.step("read", name); err != nil {
		return nil, err
	}
	if d.bad(name) {
		return nil, &os.PathError{Op: "read", Path: name, Err: syscall.EIO}
	}
	return d.osDisk.ReadFile(name)
}

func (d *faultyDisk) ReadDir(name string) ([]os.DirEntry, error) {
	if err := d.step("readdir", name); err != nil {
		return nil, err
	}
	return d.osDisk.ReadDir(name)
}

func (d *faultyDisk) OpenFile(name string, flag int) (diskFile, error) {
	if err := d.step("open", name); err != nil {
		return nil, err
	}
	f, err := d.osDisk.OpenFile(name, flag)
	return &faultyFile{f, d, name}, err
}

func (d *faultyDisk) MkdirAll(name string) error {
	return errors.Join(d.step("mkdir", name), d.osDisk.MkdirAll(name))
}

func (d *faultyDisk) Rename(from, to string) error {
	if err := d.step("rename", to); err != nil {
		return err
	}
	return d.osDisk.Rename(from, to)
}

func (d *faultyDisk) Remove(name string) error {
	if err := d.step("remove", name); err != nil {
		return err
	}
	return d.osDisk.Remove(name)
}

func (d *faultyDisk) SyncDir(name string) error { return d.step("syncdir", name) }

type faultyFile struct {
	diskFile
	d    *faultyDisk
	name string
}

func (f *faultyFile) ReadAt(b []byte, at int64) (int, error) {
	if f.d.bad(f.name) && at < f.d.to && at+int64(len(b)) > f.d.from {
		return 0, syscall.EIO
	}
	return f.diskFile.ReadAt(b, at)
}

func (f *faultyFile) WriteAt(b []byte, at int64) (int, error) {
	if err := f.d.step("write", f.name); err != nil {
		if f.d.how == "refused" {
			return 0, err
		}
		n, _ := f.diskFile.WriteAt(b[:len(b)/2], at)
		return n, err
	}
	return f.diskFile.WriteAt(b, at)
}

func (f *faultyFile) Truncate(size int64) error {
	if err := f.d.step("truncate", f.name); err != nil {
		return err
	}
	return f.diskFile.Truncate(size)
}

func (f *faultyFile) Sync() error { return errors.Join(f.d.step("sync", f.name), f.diskFile.Sync()) }

// Any operation of a repair fails, or is the last one before a power cut: the next start restores the same records and
// reports the same damage.
func TestRepairThatFailsIsMadeAgain(t *testing.T) {
	t.Parallel()
	s := newSample(t, false)
	var harms []harm
	for _, topic := range []string{"coex.raw.live", "coex.messages", "coex.state"} {
		name := relative("", dataFile(topicPartition{topic, 0}.folder(""), lastBase(t, s.dir, topic)))
		b := s.batches[name]
		harms = append(harms, harm{name, "flip", b[len(b)/2].pos + 61, b[len(b)/2].first, b[len(b)/2].next})
	}
	harms = append(harms, harm{file: "topics.json", kind: "cut", at: 10}, harm{file: groupsName, kind: "flip", at: 30})
	damaged := t.TempDir()
	copyFolder(t, s.dir, damaged)
	for _, h := range harms {
		h.do(t, damaged)
	}
	rng := seed.Rand(t)
	step := func() int {
		if os.Getenv("ALL") != "" {
			return 1
		}
		if testing.Short() {
			return 1 + rng.IntN(60)
		}
		return 1 + rng.IntN(20)
	}
	began := time.Now()
	for _, how := range []string{"refused", "torn", "cut"} {
		for n, done := 1, false; !done; n += step() {
			dir := t.TempDir()
			copyFolder(t, damaged, dir)
			d := &faultyDisk{fail: n, how: how}
			_, err := recoverFolder(folder{d, dir}, began, slog.New(slog.DiscardHandler))
			if done = d.failed == ""; done != (err == nil) && !harmless(d.failed) {
				t.Errorf("%s %s: %v", how, d.failed, err)
			}
			if done {
				t.Logf("%s: %d operations", how, n-1)
			}
			found, err := recoverFolder(testFolder(dir), began, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Errorf("after %s %s: %v", how, d.failed, err)
				continue
			}
			notes, err := Quarantined(dir)
			if err != nil || len(notes) != len(harms) {
				t.Errorf("after %s %s: %d notes of %d damages, %v; found then: %v", how, d.failed, len(notes), len(harms), err, found.Damage)
			}
			if rng.IntN(7) == 0 || done {
				s.reads(t, fmt.Sprintf("after %s %s", how, d.failed), dir, harms)
			}
		}
	}
}

// harmless operations may fail without any consequence.
func harmless(op string) bool {
	return strings.HasPrefix(op, "read ") && strings.HasSuffix(op, copiesName)
}

// reads starts the broker and compares what it serves with the sample.
func (s *sample) reads(t *testing.T, when, dir string, harms []harm) {
	t.Helper()
	b, err := Open(testConfig(dir, false), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Errorf("%s: %v", when, err)
		return
	}
	defer b.Close()
	for tp, want := range s.records {
		got := map[int64][]byte{}
		for _, r := range readCommitted(t, b.Addr(), tp.topic, 0) {
			got[r.Offset] = r.Value
		}
		for _, r := range want {
			lost := false
			for _, h := range harms {
				lost = lost || strings.HasPrefix(h.file, relative("", tp.folder(""))+string(filepath.Separator)) && r.Offset >= h.first && r.Offset < h.next
			}
			if v, ok := got[r.Offset]; !lost && (!ok || !bytes.Equal(v, r.Value)) {
				t.Errorf("%s: record %d of %s: there %v", when, r.Offset, tp, ok)
			}
			delete(got, r.Offset)
		}
		if len(got) > 0 {
			t.Errorf("%s: %d records of %s appear", when, len(got), tp)
		}
		if info := b.cluster.PartitionInfo(tp.topic, 0); info.HighWatermark < s.ends[tp] {
			t.Errorf("%s: %s ends at %d, ended at %d", when, tp, info.HighWatermark, s.ends[tp])
		}
	}
}

func lastBase(t *testing.T, dir, topic string) int64 {
	t.Helper()
	bases, err := testFolder(dir).segmentFiles(topicPartition{topic, 0}.folder(dir), ".dat")
	if err != nil || len(bases) == 0 {
		t.Fatalf("segments of %s: %v, %v", topic, bases, err)
	}
	return bases[len(bases)-1]
}

// A block that the disk cannot read costs the batches in it.
func TestUnreadableBlockCostsItsBatchesOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := open(t, dir)
	createTopic(t, b.Addr(), "t", 1, nil)
	cl := client(t, b.Addr())
	for n := range uint64(40) {
		r := numbered("t", 0, n)
		r.Key = bytes.Repeat([]byte{byte(n)}, 1000) // packed, but not to nothing
		for i := range r.Key {
			r.Key[i] = byte(n*31 + uint64(i*i))
		}
		if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	d := &faultyDisk{unreadable: "0.dat", from: 8192, to: 8193}
	r := newRecovery(folder{d, dir}, time.Now(), slog.New(slog.DiscardHandler))
	if err := r.plan(); err != nil {
		t.Fatal(err)
	}
	if len(r.damage) != 1 || !r.damage[0].Lost || r.damage[0].Records() > 10 {
		t.Fatalf("damage: %v", r.damage)
	}
	if err := r.apply(); err != nil {
		t.Fatal(err)
	}
	b = open(t, dir)
	if got := len(readCommitted(t, b.Addr(), "t", 0)); got != 40-int(r.damage[0].Records()) {
		t.Errorf("%d records are left, want 40 but for %d", got, r.damage[0].Records())
	}
}

// Bytes that are read wrongly once are not damage of the disk: nothing is changed.
func TestUnsteadyReadsChangeNothing(t *testing.T) {
	t.Parallel()
	s := newSample(t, true)
	name := relative("", dataFile(topicPartition{"coex.raw.live", 0}.folder(""), lastBase(t, s.dir, "coex.raw.live")))
	before := files(t, s.dir)
	d := &unsteadyDisk{name: name, at: s.batches[name][0].pos + 70}
	_, err := recoverFolder(folder{d, s.dir}, time.Now(), slog.New(slog.DiscardHandler))
	if !errors.Is(err, errUnsteady) {
		t.Errorf("%v", err)
	}
	if after := files(t, s.dir); len(after) != len(before) {
		t.Errorf("files were %v, are %v", before, after)
	}
	if _, err := recoverFolder(testFolder(s.dir), time.Now(), slog.New(slog.DiscardHandler)); err != nil {
		t.Error(err)
	}
	if notes, _ := Quarantined(s.dir); len(notes) != 0 {
		t.Errorf("%v", notes)
	}
}

// unsteadyDisk reads a byte of a file wrongly the first time.
type unsteadyDisk struct {
	osDisk
	name string
	at   int64
	done atomic.Bool
}

func (d *unsteadyDisk) ReadFile(name string) ([]byte, error) {
	b, err := d.osDisk.ReadFile(name)
	if strings.HasSuffix(name, d.name) && err == nil && !d.done.Swap(true) {
		b[d.at] ^= 1
	}
	return b, err
}

var _ io.ReaderAt = (*faultyFile)(nil)
