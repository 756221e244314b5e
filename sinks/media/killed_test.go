package media_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/testing/fakegraph"
	"github.com/coexstream/coexstream/schemas"
)

// A process is killed at each of its calls to the brokers, the provider and the bucket, before the call has an effect and after it. The
// next process finishes the work: every asset has one record, and its content is stored.
func TestEachAssetHasOneRecordWhereverTheProcessIsKilled(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("after the effect %t", after), func(t *testing.T) {
			t.Parallel()
			step := 1
			if testing.Short() {
				step = 5
			}
			for at, last := 1, 0; at <= last || last == 0; at += step {
				w := newWorld(t)
				w.cfg.Slots, w.cfg.Poll, w.cfg.CutPatience = 2, 20*time.Millisecond, time.Millisecond
				contents := map[string][]byte{}
				for i := range 5 {
					id := fmt.Sprint(200 + i)
					contents[id] = content(2000+i, byte(i))
					w.fake.AddMedia(fakegraph.Asset{ID: id, MIME: "image/jpeg", Content: contents[id]})
					topic := []schemas.Topic{schemas.TopicMessages, schemas.TopicMedia, schemas.TopicEchoes}[i%3]
					w.message(topic, id, contents[id], func(_ *schemas.Message, _ map[string]any, r *kgo.Record) { r.Partition = int32(i % 2) })
					w.text("between")
				}
				w.fake.NextDownload("201", &fakegraph.Download{Cut: 700})
				w.message(schemas.TopicMessages, "300", nil, received(w.now().Add(-w.cfg.Life)))

				p := w.begin(at, after)
				until(t, "the process is killed, or has finished", func() bool {
					p.fault.mu.Lock()
					killed := p.fault.killed
					p.fault.mu.Unlock()
					return killed || len(w.logs.assets(t)) == 6
				})
				w.stop(p)
				if last == 0 && !p.fault.killed { // it finished before the call
					last = at
				}
				got := w.outcomes(6)
				for id, want := range contents {
					w.stored(got[id], want)
				}
				w.missing(got["300"], schemas.AssetExpired)
				if len(got) != 6 || w.kept != 5 {
					t.Fatalf("killed at call %d: %d outcomes, %d contents written", at, len(got), w.kept)
				}
				if t.Failed() {
					t.Fatalf("killed at call %d", at)
				}
				w.fake.Close()
			}
		})
	}
}
