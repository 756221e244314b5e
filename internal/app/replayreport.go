package app

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"text/tabwriter"

	"github.com/coexstream/coexstream/internal/replay"
)

// wabasShown bounds the businesses that the table lists; JSON has all of them.
const wabasShown = 20

func writeReplay(out io.Writer, p *replay.Progress, dry bool) error {
	c := &p.Counts
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	what := "replayed"
	if dry {
		what = "would go"
	} else {
		sayf(w, "replay\t%s, %s to %s\n", p.ID, sourceName(p), p.Target)
	}
	sayf(w, "read\t%d bodies, %d bytes\n", c.Read.Bodies, c.Read.Bytes)
	sayf(w, "%s\t%d bodies, %d bytes\n", what, c.Taken.Bodies, c.Taken.Bytes)
	if !dry {
		sayf(w, "written\t%d records into %d partitions\n", c.Written, len(p.Touched))
	}
	for _, reason := range slices.Sorted(maps.Keys(c.Left)) {
		sayf(w, "left out\t%d: %s\n", c.Left[reason], reason)
	}
	if p.Verify {
		sayf(w, "signatures\t%d verified, %d bodies are not signed\n", c.Verified, c.Unsigned)
		for _, source := range slices.Sorted(maps.Keys(c.Unverified)) {
			sayf(w, "left out\t%d: signature of source %s does not verify\n", c.Unverified[source], source)
		}
	}
	if err := w.Flush(); err != nil || !dry {
		return err
	}
	w = tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, part := range []struct {
		title string
		by    map[string]*replay.Tally
		most  int
	}{{"TOPIC", c.ByTopic, 0}, {"FIELD", c.ByField, 0}, {"WABA", c.ByWABA, wabasShown}} {
		sayf(w, "\nBODIES\tBYTES\t  %s\n", part.title)
		for i, key := range replay.Largest(part.by) {
			if part.most > 0 && i == part.most {
				sayf(w, "\t\t  … %d more\n", len(part.by)-i)
				break
			}
			sayf(w, "%d\t%d\t  %s\n", part.by[key].Bodies, part.by[key].Bytes, or(key, "(none)"))
		}
	}
	return w.Flush()
}

func jsonOf(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	err := enc.Encode(v)
	return b.Bytes(), err
}
