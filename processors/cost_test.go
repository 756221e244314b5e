package processors

import (
	"context"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/cost"
	"github.com/coexstream/coexstream/processors/task"
	"github.com/coexstream/coexstream/schemas"
)

// TestCosts guards the way of an event from its task to the client that produces it.
func TestCosts(t *testing.T) {
	cost.Check(t, cost.Operation{Name: "hand an event to the client", Per: "event", Times: 20 * recordBlock, Start: func(t *testing.T) func(int) {
		var limits recordLimits
		for i := range limits {
			limits[i] = recordLimitUsual
		}
		handed := 0
		s := newSender(t.Context(), func(_ context.Context, r *kgo.Record, promise func(*kgo.Record, error)) {
			handed++
			promise(r, nil)
		}, &limits)
		cfg := DefaultConfig()
		names := topicNames(&cfg)
		r := task.Record{Topic: schemas.TopicHistory, Key: []byte("106540352242922/16505551234"), Value: make([]byte, 700)}
		for range 8 {
			r.Headers = append(r.Headers, task.Header{Key: "ce_type", Value: []byte("com.coexstream.history.message")})
		}
		var space records
		return func(times int) {
			before := handed
			for range times {
				if handed%recordBlock == 0 { // a transaction
					space.reset()
				}
				s.send(space.add(names, r), r.Topic)
			}
			if handed-before != times {
				t.Fatalf("%d of %d events were handed over", handed-before, times)
			}
		}
	}})
}
