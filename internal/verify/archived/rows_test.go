package archived

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"
)

// behindHeader is a file in which the header of an object follows the magic number.
type behindHeader struct{ bytes.Buffer }

// WriteString implements io.StringWriter: the writer of Parquet uses it for the first magic number.
func (b *behindHeader) WriteString(s string) (int, error) {
	if b.Len() > 0 {
		return b.Write([]byte(s))
	}
	return b.Write(append([]byte(s), make([]byte, headerBytes-len(s))...))
}

func cellsOf(b []byte) (text *string, binary []byte) {
	switch {
	case b == nil:
		return nil, nil
	case utf8.Valid(b):
		s := string(b)
		return &s, nil
	default:
		return nil, b
	}
}

// rowsOf writes lines as a Parquet file, and returns the part of it behind the header.
func rowsOf(t *testing.T, lines []string) (rest []byte, size int64) {
	t.Helper()
	var file behindHeader
	w := parquet.NewGenericWriter[row](&file, parquet.Compression(&parquet.Zstd), parquet.WriteBufferSize(0), parquet.MaxRowsPerRowGroup(2))
	for _, text := range lines {
		r, err := parseRecord([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		out := row{Offset: r.offset, Timestamp: r.timestamp}
		out.Key, out.KeyBinary = cellsOf(r.key)
		out.Value, out.ValueBinary = cellsOf(r.value)
		size += int64(len(r.key) + len(r.value))
		for _, h := range r.headers {
			var to rowHeader
			to.Key, to.KeyBinary = cellsOf([]byte(h.key))
			to.Value, to.ValueBinary = cellsOf(h.value)
			out.Headers = append(out.Headers, to)
			size += int64(len(h.key) + len(h.value))
		}
		if _, err := w.Write([]row{out}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()[headerBytes:], size
}

// TestParquetObjectsAreJudgedAsLines judges chains whose objects are Parquet, all of them or behind one of lines.
func TestParquetObjectsAreJudgedAsLines(t *testing.T) {
	for name, encodings := range map[string][3]bool{"all": {true, true, true}, "since": {false, true, true}, "until": {true, false, false}} {
		for fault, c := range map[string]struct {
			line  string // in place of the last one, offset 14
			count func(v *TopicVerdict) int
		}{
			"none":   {line(14), func(v *TopicVerdict) int { return v.Owed - len(offsets) + 1 }},
			"value":  {line(14)[:len(line(14))-3] + `x"}` + "\n", func(v *TopicVerdict) int { return v.Wrong }},
			"no key": {`{"offset":14,"timestamp":17,"headers":[],"value":""}` + "\n", func(v *TopicVerdict) int { return v.Wrong }},
		} {
			objects, p := scene()
			for i, o := range objects {
				o.parquet = encodings[i]
			}
			last := objects[2].lines
			last[len(last)-1] = c.line
			a := judged(t, objects, p, nil)
			if c.count(a.t) != 1 || int(a.t.Records) != len(offsets) || a.t.Objects != 3 || fault == "none" && a.v.Faults != 0 {
				t.Errorf("%s, %s: %+v, %d faults: %q", name, fault, *a.t, a.v.Faults, a.v.Samples)
			}
		}
	}
}

// TestDamageOfAParquetObjectIsNoticed changes a byte of the rows, of the header and of the directory.
func TestDamageOfAParquetObjectIsNoticed(t *testing.T) {
	for name, at := range map[string]func(size int) int{
		"magic": func(int) int { return 0 }, "header": func(int) int { return 100 }, "rows": func(int) int { return headerBytes + 40 }, "directory": func(size int) int { return size - 20 },
	} {
		objects, p := scene()
		for _, o := range objects {
			o.parquet = true
		}
		a := judged(t, objects, p, func(dir string) {
			path := filepath.Join(dir, filepath.FromSlash(objects[1].name()))
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			b[at(len(b))] ^= 0x40
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		})
		if a.t.Damaged != 1 || a.t.Lost != 2 {
			t.Errorf("%s: %+v", name, *a.t)
		}
	}
}
