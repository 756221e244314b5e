package judge

import (
	"bytes"
	"encoding/json"
	"strconv"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/internal/verify/world"
	"github.com/coexstream/coexstream/schemas"
)

const partitions = 3

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// scene is a run: its truth, its raw log and the events that follow from it.
type scene struct {
	lines  []truth.Line
	raw    []Record
	events []Record
	owed   int
}

// play delivers a world in its order. drop says which deliveries are lost without an acknowledgement, keep
// which are kept without one.
func play(t testing.TB, cfg world.Config, drop, keep func(body int) bool) *scene {
	t.Helper()
	w, err := world.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s := &scene{lines: []truth.Line{{Head: &truth.Head{Version: truth.Version, Seed: cfg.Seed, Start: cfg.Start}}}}
	for _, n := range w.Numbers() {
		s.lines = append(s.lines, truth.Line{Number: &n})
	}
	now := start
	odd := map[truth.Digest]refOdd{}
	offsets := map[place]int64{}
	for _, stage := range w.Stages() {
		steps := 0
		for _, script := range stage {
			steps = max(steps, len(script.Steps))
		}
		for k := range steps {
			for _, script := range stage {
				if k >= len(script.Steps) {
					continue
				}
				now = now.Add(script.Steps[k].After)
				for _, i := range script.Steps[k].Bodies {
					now = now.Add(7 * time.Millisecond)
					at, first := w.Stamp(i, now)
					b, parts := w.Render(nil, i, at, first)
					if first {
						s.lines = append(s.lines, truth.Line{Body: &truth.Body{Index: i, Hash: truth.Sum(b), Length: len(b), Source: w.Source(i), Parts: parts}})
						for _, p := range parts {
							if len(p.Reasons) > 0 {
								odd[truth.Sum(b)] = refOdd{p.Reasons[0], p.Places}
							}
						}
					}
					lost, kept := drop != nil && drop(i), keep != nil && keep(i)
					s.lines = append(s.lines, truth.Line{Sent: &truth.Sent{Body: i, Acked: !lost && !kept, Attempts: 1}})
					if lost {
						continue
					}
					topic := schemas.TopicRawLive
					if bytes.Contains(b, []byte(`"history":[`)) || bytes.Contains(b, []byte(`:"history"`)) || bytes.Contains(b, []byte(`:"whatsapp.smb.history"`)) {
						topic = schemas.TopicRawBulk
					}
					var env struct{ Entry []struct{ ID string } }
					_ = json.Unmarshal(b, &env)
					p := int32(0)
					if len(env.Entry) > 0 {
						p = partitionOf(env.Entry[0].ID, partitions)
					}
					at2 := place{topic, p}
					s.raw = append(s.raw, Record{Topic: topic, Partition: p, Offset: offsets[at2], Value: b, Headers: []Header{
						{schemas.HeaderSource, []byte("s")}, {schemas.HeaderProvider, []byte("meta")}, {schemas.HeaderRequestID, []byte("r")},
						{schemas.HeaderReceivedAt, strconv.AppendInt(nil, now.UnixMilli(), 10)},
					}})
					offsets[at2]++
				}
			}
		}
	}
	ref := &reference{s: s, odd: odd, numbers: w.Numbers()}
	ref.run(t)
	return s
}
