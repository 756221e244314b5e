package archive_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/archive"
	"github.com/coexstream/coexstream/internal/testing/seed"
	"github.com/coexstream/coexstream/schemas"
)

// randomRecord has all kinds of keys, values and headers.
func randomRecord(rng *rand.Rand, offset int64) *kgo.Record {
	value := func() []byte {
		switch rng.IntN(6) {
		case 0:
			return nil
		case 1:
			return []byte{}
		case 2: // no UTF-8
			b := []byte{0xff}
			for range rng.IntN(40) {
				b = append(b, byte(rng.UintN(256)))
			}
			return b
		case 3:
			return []byte("\u2028\x00\x1f\"\\/<>&\ufffd\U0001F600é" + strings.Repeat("x", rng.IntN(50)))
		case 4:
			return fmt.Appendf(nil, `{"text":"Gr\u00fc\u00dfe %d"}`, rng.IntN(1000))
		}
		return bytes.Repeat([]byte("0123456789"), rng.IntN(20000))
	}
	r := &kgo.Record{Topic: "coex.raw.live", Partition: 3, Offset: offset, Timestamp: time.UnixMilli(1_700_000_000_000 + rng.Int64N(1e9)), Key: value(), Value: value()}
	for range rng.IntN(4) {
		// A name may come twice, and need not be UTF-8.
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: []string{"a", "b", "", "\xff\x00"}[rng.IntN(4)], Value: value()})
	}
	return r
}

func describe(r *kgo.Record) string {
	s := fmt.Sprintf("%s/%d@%d %d key %t %q value %t %q", r.Topic, r.Partition, r.Offset, r.Timestamp.UnixMilli(), r.Key == nil, r.Key, r.Value == nil, r.Value)
	for _, h := range r.Headers {
		s += fmt.Sprintf(" %q=%t %q", h.Key, h.Value == nil, h.Value)
	}
	return s
}

func builder(t testing.TB) *archive.Builder {
	t.Helper()
	b, err := archive.NewBuilder()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func begin(t testing.TB, b *archive.Builder, h archive.Header, as archive.Encoding) {
	t.Helper()
	if err := b.Begin(h, as); err != nil {
		t.Fatal(err)
	}
}

func header(first int64) archive.Header {
	return archive.Header{Topic: "coex.raw.live", Partition: 3, Partitions: 12, Log: archive.LogID{1}.String(), First: first}
}

func readAll(t testing.TB, object []byte) (records []*kgo.Record, h *archive.Header, err error) {
	t.Helper()
	r, err := archive.NewReader(bytes.NewReader(object))
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return records, r.Header, nil
		}
		if err != nil {
			return records, r.Header, err
		}
		records = append(records, rec)
	}
}

// encodings are those of objects.
var encodings = []archive.Encoding{archive.JSONL, archive.Parquet}

func TestRecordsComeBackByteForByte(t *testing.T) {
	rng := seed.Rand(t)
	b := builder(t)
	for i := range 60 {
		first := rng.Int64N(1 << 40)
		begin(t, b, header(first), encodings[i%2])
		var want []*kgo.Record
		offset := first + rng.Int64N(5)
		for range rng.IntN(40) {
			r := randomRecord(rng, offset)
			if err := b.Add(r); err != nil {
				t.Fatal(err)
			}
			want = append(want, r)
			offset += 1 + rng.Int64N(3) // gaps
		}
		next := offset + rng.Int64N(3)
		h, object, err := b.Finish(next, false)
		if err != nil {
			t.Fatal(err)
		}
		got, read, err := readAll(t, object)
		if err != nil {
			t.Fatal(err)
		}
		if *read != *h || h.First != first || h.Next != next || h.Records != int64(len(want)) {
			t.Fatalf("header %+v, want %+v", read, h)
		}
		if len(got) != len(want) {
			t.Fatalf("%d records, want %d", len(got), len(want))
		}
		for i := range got {
			if g, w := describe(got[i]), describe(want[i]); g != w {
				t.Fatalf("record %d is\n%.2000s\nwant\n%.2000s", i, g, w)
			}
		}
	}
}

// A change of any byte is noticed.
func TestAChangedByteIsNoticed(t *testing.T) {
	for _, as := range encodings {
		t.Run(string(as), func(t *testing.T) { changed(t, as) })
	}
}

func changed(t *testing.T, as archive.Encoding) {
	rng := rand.New(rand.NewPCG(1, 1))
	b := builder(t)
	begin(t, b, header(10), as)
	for i := range int64(20) {
		if err := b.Add(randomRecord(rng, 10+i)); err != nil {
			t.Fatal(err)
		}
	}
	_, object, err := b.Finish(30, false)
	if err != nil {
		t.Fatal(err)
	}
	object = bytes.Clone(object)
	for at := 0; at < len(object); at += 1 + at/archive.HeaderBytes*20 {
		bad := bytes.Clone(object)
		bad[at] ^= 1 << rng.IntN(8)
		if records, h, err := readAll(t, bad); !errors.Is(err, archive.ErrCorrupt) {
			t.Errorf("byte %d of %d was changed, and %d records were read: %+v, %v", at, len(object), len(records), h, err)
		}
	}
	for _, length := range []int{0, 8, archive.HeaderBytes - 1, archive.HeaderBytes, len(object) - 1} {
		if _, _, err := readAll(t, object[:length]); !errors.Is(err, archive.ErrCorrupt) {
			t.Errorf("the first %d of %d bytes are taken for whole", length, len(object))
		}
	}
	if _, _, err := readAll(t, append(bytes.Clone(object), 0)); !errors.Is(err, archive.ErrCorrupt) {
		t.Error("a byte behind the end is not noticed")
	}
}

// A line without an end is damage, and takes no memory.
func TestLinesThatAreLongerThanTheObjectSaysAreDamage(t *testing.T) {
	b := builder(t)
	begin(t, b, header(10), archive.JSONL)
	if err := b.Add(&kgo.Record{Offset: 10, Timestamp: time.UnixMilli(1)}); err != nil {
		t.Fatal(err)
	}
	_, object, err := b.Finish(11, false)
	if err != nil {
		t.Fatal(err)
	}
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	bomb := enc.EncodeAll(bytes.Repeat([]byte("x"), 256<<20), bytes.Clone(object[:archive.HeaderBytes]))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, _, err := readAll(t, bomb); !errors.Is(err, archive.ErrCorrupt) {
		t.Errorf("err %v", err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 64<<20 {
		t.Errorf("%d MiB were allocated", n>>20)
	}
}

func TestOffsetsRise(t *testing.T) {
	b := builder(t)
	begin(t, b, header(10), archive.JSONL)
	rng := rand.New(rand.NewPCG(1, 1))
	for _, c := range []struct {
		offset int64
		ok     bool
	}{{9, false}, {12, true}, {12, false}, {11, false}, {13, true}} {
		if err := b.Add(randomRecord(rng, c.offset)); (err == nil) != c.ok {
			t.Errorf("offset %d: %v", c.offset, err)
		}
	}
	if _, _, err := b.Finish(13, false); err == nil {
		t.Error("an object ends before its last record")
	}
}

// Programs that know nothing of the header read the lines.
func TestOtherReadersOfZstdPassOverTheHeader(t *testing.T) {
	b := builder(t)
	begin(t, b, header(7), archive.JSONL)
	r := &kgo.Record{Offset: 7, Timestamp: time.UnixMilli(1_700_000_000_123), Key: []byte("k"), Value: []byte("v\x80"), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("é\n")}}}
	if err := b.Add(r); err != nil {
		t.Fatal(err)
	}
	if err := b.Add(&kgo.Record{Offset: 9, Timestamp: r.Timestamp}); err != nil {
		t.Fatal(err)
	}
	_, object, err := b.Finish(11, false)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"offset":7,"timestamp":1700000000123,"key":"k","headers":[{"key":"h","value":"é\n"}],"value_base64":"doA="}
{"offset":9,"timestamp":1700000000123,"headers":[]}
`
	dec, err := zstd.NewReader(bytes.NewReader(object))
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	if got, err := io.ReadAll(dec); err != nil || string(got) != want {
		t.Errorf("%q, %v", got, err)
	}
	tool, err := exec.LookPath("zstd")
	if err != nil {
		return
	}
	file := filepath.Join(t.TempDir(), "o.zst")
	if err := os.WriteFile(file, object, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := exec.CommandContext(t.Context(), tool, "-dc", file).CombinedOutput(); err != nil || string(got) != want {
		t.Errorf("zstd -dc: %q, %v", got, err)
	}
}

func TestNames(t *testing.T) {
	for _, c := range []archive.Chain{
		{Topic: schemas.TopicRawLive, Partition: 0},
		{Topic: schemas.TopicRawBulk, Partition: 1023, Log: archive.LogID{0xab, 15: 0xcd}},
		{Topic: schemas.TopicContacts, Partition: 12345, Log: archive.LogID{1}, Snapshot: "2026-11-30T00-00-00Z"},
	} {
		for _, first := range []int64{0, 7, 1 << 62} {
			for _, as := range encodings {
				o := archive.Object{Chain: c, First: first, Encoding: as}
				if got, ok := archive.ParseName("co/ex.", o.Name("co/ex.")); !ok || got != o {
					t.Errorf("%s: %+v %t", o.Name("co/ex."), got, ok)
				}
			}
		}
	}
	good := archive.Object{Chain: archive.Chain{Topic: schemas.TopicRawLive}, First: 5, Encoding: archive.JSONL}.Name("")
	for _, name := range []string{
		"", "x", "x" + good, good + "x", strings.Replace(good, "raw.live", "raw.dead", 1), strings.Replace(good, "/0000/", "/00000/", 1), strings.Replace(good, "/0000/", "/9999999999/", 1),
		strings.Replace(good, "00000000000000000005", "99999999999999999999", 1), strings.Replace(good, ".jsonl", "", 1), strings.Replace(good, "0005.", "5.", 1),
	} {
		if _, ok := archive.ParseName("", name); ok {
			t.Errorf("%q is taken for an object's name", name)
		}
	}
	if _, ok := archive.ParseName("", good); !ok {
		t.Errorf("%q is no object's name", good)
	}
}
