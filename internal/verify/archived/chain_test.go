package archived

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/coexstream/coexstream/internal/verify"
	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/segment"
)

const testLog = "e6c6e3ff97af84cc515cd73177bee42c"

// written is an object as docs/archive.md describes it.
type written struct {
	head    header
	lines   []string
	parquet bool
}

func (w *written) name() string {
	extension := "jsonl.zst"
	if w.parquet {
		extension = "parquet"
	}
	return fmt.Sprintf("coex.messages/0003/%s/%s%020d.%s", w.head.Log, strings.TrimSuffix(w.head.Snapshot+"/", "//"), w.head.First, extension)
}

func (w *written) bytes(t *testing.T) []byte {
	t.Helper()
	e, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(w.lines, "")
	rest, size, magic := e.EncodeAll([]byte(text), nil), int64(len(text)), uint32(headerMagic)
	if w.parquet {
		rest, size = rowsOf(t, w.lines)
		magic = parquetMagic
	}
	sum := sha256.Sum256(rest)
	h := w.head
	h.Records, h.Bytes, h.SHA256 = int64(len(w.lines)), size, hex.EncodeToString(sum[:])
	head, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	b := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, magic), headerBytes-8)
	b = append(append(b, head...), bytes.Repeat([]byte{' '}, headerBytes-12-len(head))...)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	return append(b, rest...)
}

func line(offset int64) string {
	return fmt.Sprintf(`{"offset":%d,"timestamp":17,"key":"k","headers":[{"key":"a","value":"1"},{"key":"b","value_base64":"/w=="},{"key":"a","value":"2"}],"value":"v%d <é>"}`+"\n", offset, offset)
}

// the records of the topic, which have gaps where transactions end.
var offsets = []int64{4, 5, 6, 8, 9, 12, 13, 14}

// scene is a faultless chain of three objects, and its topic.
func scene() (objects []*written, p *partition) {
	for _, part := range [][2]int64{{4, 7}, {7, 10}, {10, 16}} {
		w := &written{head: header{Format: 1, Topic: "coex.messages", Partition: 3, Log: testLog, First: part[0], Next: part[1]}}
		for _, o := range offsets {
			if o >= part[0] && o < part[1] {
				w.lines = append(w.lines, line(o))
			}
		}
		objects = append(objects, w)
	}
	p = &partition{start: 4}
	for _, o := range offsets {
		r := &record{
			offset: o, timestamp: 17, key: []byte("k"), value: []byte(fmt.Sprintf("v%d <é>", o)), headers: []pair{{"a", []byte("1")}, {"b", []byte{0xff}}, {"a", []byte("2")}},
		}
		p.due = append(p.due, entry{o, r.digest()})
	}
	return objects, p
}

func judged(t *testing.T, objects []*written, p *partition, damage func(dir string)) *account {
	t.Helper()
	dir := t.TempDir()
	var names []name
	for _, w := range objects {
		path := filepath.Join(dir, filepath.FromSlash(w.name()))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, w.bytes(t), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if damage != nil {
		damage(dir)
	}
	listed, err := folder(dir).list(t.Context(), "coex.messages/0003/")
	if err != nil {
		t.Fatal(err)
	}
	for _, full := range listed {
		if n, ok := parseName(full); ok {
			names = append(names, n)
		}
	}
	a := &account{v: &Verdict{}, t: &TopicVerdict{Topic: "messages"}, samples: 2, sampled: map[string]int{}, progress: verify.Silent()}
	chains := chainsOf(names)
	if len(chains) != 1 {
		t.Fatalf("%d chains in %v", len(chains), listed)
	}
	if chains[0].snapshot != "" {
		err = a.snapshot(t.Context(), folder(dir), chains[0], p)
	} else {
		err = a.compare(t.Context(), folder(dir), chains[0], p, func(*record) {})
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestEachFaultOfAnArchiveIsNoticed damages a faultless chain.
func TestEachFaultOfAnArchiveIsNoticed(t *testing.T) {
	edit := func(from, to string) func([]*written, *partition) []*written {
		return func(o []*written, _ *partition) []*written {
			if !strings.Contains(o[1].lines[0], from) {
				t.Fatalf("%q is not in %s", from, o[1].lines[0])
			}
			o[1].lines[0] = strings.Replace(o[1].lines[0], from, to, 1)
			return o
		}
	}
	wrong, lost := func(v *TopicVerdict) int { return v.Wrong }, func(v *TopicVerdict) int { return v.Lost }
	for name, c := range map[string]struct {
		change func(o []*written, p *partition) []*written
		count  func(v *TopicVerdict) int // of which there is one
		faults int
	}{
		"none":           {func(o []*written, _ *partition) []*written { return o }, func(v *TopicVerdict) int { return v.Owed - len(offsets) + 1 }, 0},
		"value":          {edit("v8", "v9"), wrong, 1},
		"key":            {edit(`"key":"k"`, `"key":"l"`), wrong, 1},
		"no key":         {edit(`"key":"k",`, ``), wrong, 1},
		"time":           {edit(`"timestamp":17`, `"timestamp":18`), wrong, 1},
		"header":         {edit(`"value":"1"`, `"value":"2"`), wrong, 1},
		"header order":   {edit(`{"key":"a","value":"1"},{"key":"b","value_base64":"/w=="}`, `{"key":"b","value_base64":"/w=="},{"key":"a","value":"1"}`), wrong, 1},
		"header missing": {edit(`,{"key":"a","value":"2"}`, ``), wrong, 1},
		"record missing": {func(o []*written, _ *partition) []*written { o[1].lines = o[1].lines[1:]; return o }, lost, 1},
		"first missing":  {func(o []*written, _ *partition) []*written { o[0].lines = o[0].lines[1:]; return o }, lost, 1},
		"last missing":   {func(o []*written, _ *partition) []*written { o[2].lines = o[2].lines[:2]; return o }, lost, 1},
		"surplus": {func(o []*written, _ *partition) []*written {
			o[2].lines = slices.Insert(o[2].lines, 0, line(10))
			return o
		}, func(v *TopicVerdict) int { return v.Surplus }, 1},
		"hole":        {func(o []*written, _ *partition) []*written { return slices.Delete(o, 1, 2) }, func(v *TopicVerdict) int { return v.Holes }, 3},
		"behind":      {func(o []*written, _ *partition) []*written { return o[:2] }, func(v *TopicVerdict) int { return v.Lost - 2 }, 3},
		"begins late": {func(o []*written, _ *partition) []*written { return o[1:] }, func(v *TopicVerdict) int { return v.Lost - 2 }, 3},
		"overlap": {func(o []*written, _ *partition) []*written {
			o[1].head.First = 6
			o[1].lines = slices.Insert(o[1].lines, 0, line(6))
			return o
		}, func(v *TopicVerdict) int { return v.Overlaps }, 2},
		"twice": {func(o []*written, _ *partition) []*written {
			o[1].head.First = 6
			o[1].lines = slices.Insert(o[1].lines, 0, line(6))
			return o
		}, func(v *TopicVerdict) int { return v.Surplus }, 2},
		"order":         {func(o []*written, _ *partition) []*written { slices.Reverse(o[1].lines); return o }, func(v *TopicVerdict) int { return v.Damaged }, 2},
		"other header":  {func(o []*written, _ *partition) []*written { o[1].head.Format = 1; o[1].head.Lost = 1; return o }, func(v *TopicVerdict) int { return int(v.Removed) }, 1},
		"kafka removed": {func(o []*written, p *partition) []*written { p.start, p.due = 6, p.due[2:]; return o }, func(v *TopicVerdict) int { return int(v.Unjudged) - 1 }, 0},
		"newer records": {func(o []*written, p *partition) []*written { p.due = p.due[:7]; return o }, func(v *TopicVerdict) int { return int(v.Unjudged) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			o, p := scene()
			a := judged(t, c.change(o, p), p, nil)
			if n := c.count(a.t); n != 1 || a.v.Faults != c.faults {
				t.Errorf("%d, %+v %v", n, a.t, a.v)
			}
		})
	}
}

// TestEachDamagedByteIsNoticed flips a byte at many places of an object.
func TestEachDamagedByteIsNoticed(t *testing.T) {
	o, p := scene()
	length := len(o[1].bytes(t))
	for at := 0; at < length; at += 29 {
		a := judged(t, o, p, func(dir string) {
			path := filepath.Join(dir, filepath.FromSlash(o[1].name()))
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			content[at] ^= 0x10
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
		})
		if a.t.Damaged != 1 {
			t.Errorf("byte %d: %+v", at, a.t)
		}
	}
	a := judged(t, o, p, func(dir string) {
		if err := os.Truncate(filepath.Join(dir, filepath.FromSlash(o[2].name())), 1000); err != nil {
			t.Fatal(err)
		}
	})
	if a.t.Damaged != 1 || a.t.Lost != 3 {
		t.Errorf("%+v", a.t)
	}
}

// TestASnapshotHasWhatTheTopicHad compares a snapshot with a topic that was compacted, and has newer records.
func TestASnapshotHasWhatTheTopicHad(t *testing.T) {
	for name, c := range map[string]struct {
		change func(o []*written, p *partition)
		want   string
	}{
		"complete":   {func([]*written, *partition) {}, "1 snapshots, 0 lost, 0 wrong, 0 holes, 0 unjudged"},
		"compacted":  {func(_ []*written, p *partition) { p.due = slices.Delete(p.due, 2, 4) }, "1 snapshots, 0 lost, 0 wrong, 0 holes, 2 unjudged"},
		"newer":      {func(_ []*written, p *partition) { p.due = append(p.due, entry{offset: 99}) }, "1 snapshots, 0 lost, 0 wrong, 0 holes, 0 unjudged"},
		"missing":    {func(o []*written, _ *partition) { o[1].lines = o[1].lines[1:] }, "1 snapshots, 1 lost, 0 wrong, 0 holes, 0 unjudged"},
		"wrong":      {func(o []*written, _ *partition) { o[1].lines[0] = strings.Replace(line(8), "v8", "v9", 1) }, "1 snapshots, 0 lost, 1 wrong, 0 holes, 0 unjudged"},
		"incomplete": {func(o []*written, _ *partition) { o[2].head.Complete = false }, "0 snapshots, 0 lost, 0 wrong, 1 holes, 0 unjudged"},
	} {
		o, p := scene()
		for _, w := range o {
			w.head.Snapshot, w.head.Complete = "2026-11-30T00-00-00Z", w == o[2]
		}
		c.change(o, p)
		v := judged(t, o, p, nil).t
		if got := fmt.Sprintf("%d snapshots, %d lost, %d wrong, %d holes, %d unjudged", v.Snapshots, v.Lost, v.Wrong, v.Holes, v.Unjudged); got != c.want {
			t.Errorf("%s: %s, not %s", name, got, c.want)
		}
	}
}

// TestBodiesAreFoundWholeAndInSegments has a truth of three bodies.
func TestBodiesAreFoundWholeAndInSegments(t *testing.T) {
	whole, long, refused := []byte(`{"a":1}`), bytes.Repeat([]byte("0123456789"), 30), []byte(`{"b":1}`)
	var file bytes.Buffer
	w := truth.NewWriter(&file)
	for _, l := range []truth.Line{
		{Head: &truth.Head{Version: truth.Version}},
		{Body: &truth.Body{Index: 0, Hash: truth.Sum(whole)}}, {Body: &truth.Body{Index: 1, Hash: truth.Sum(long)}}, {Body: &truth.Body{Index: 2, Hash: truth.Sum(refused)}},
		{Sent: &truth.Sent{Body: 0, Acked: true}}, {Sent: &truth.Sent{Body: 1, Acked: true}}, {Sent: &truth.Sent{Body: 2}},
	} {
		if err := w.Write(l); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "truth.jsonl")
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := readBodies(path)
	if err != nil {
		t.Fatal(err)
	}
	if b.owed != 2 || len(b.missing) != 2 {
		t.Fatalf("%+v", b)
	}
	j := newJoiner(b)
	if err := j.take(&record{value: whole}); err != nil || len(b.missing) != 1 {
		t.Errorf("%v, %+v", err, b)
	}
	g := segment.Cut("id", long, 100)
	var last *record
	for i := range g.Count() {
		r := &record{offset: int64(10 + 2*i), value: bytes.Clone(g.Value(i))}
		for _, h := range g.Headers(i) {
			r.headers = append(r.headers, pair{h.Key, h.Value})
		}
		g.Written(i, r.offset)
		if last = r; i+1 < g.Count() {
			if err := j.take(r); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(b.missing) != 1 || len(j.pieces) != 2 {
		t.Errorf("%+v, %d pieces", b, len(j.pieces))
	}
	if err := j.take(last); err != nil || len(b.missing) != 0 || len(j.pieces) != 0 {
		t.Errorf("%v, %+v, %d pieces", err, b, len(j.pieces))
	}
	if err := j.take(last); err == nil {
		t.Error("a body without its first segments was found")
	}
	if got := string(last.header(schemas.HeaderSegmentID)); got != "id" {
		t.Errorf("%q", got)
	}
}
