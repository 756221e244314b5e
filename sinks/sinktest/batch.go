package sinktest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/event"
	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/merge"
)

// received is when the events of a batch were received, in Unix milliseconds.
const received = 1_772_366_400_000

// Event is an event of messages (a status, or a message of any other kind), of syncs, or of assets.
func Event(t testing.TB, value string) *event.Event {
	t.Helper()
	topic, ceType := schemas.TopicMessages, schemas.TypeMessage
	switch {
	case strings.Contains(value, `"kind":"status"`):
		ceType = schemas.TypeStatus
	case strings.Contains(value, `"media_id"`):
		topic, ceType = schemas.TopicAssets, schemas.TypeAsset
	case strings.Contains(value, `"last_chunk_at"`):
		topic, ceType = schemas.TopicSyncs, schemas.TypeSync
	}
	e, err := event.Value(ceType, []byte(value))
	if err != nil {
		t.Fatal(err)
	}
	e.Topic, e.ReceivedAt = topic, received
	return &e
}

// Batch is a live batch of partition 0 with events of messages.
func Batch(t testing.TB, from, to int64, values ...string) *sinks.Batch {
	t.Helper()
	b := &sinks.Batch{Live: true, Rows: merge.NewRows(), Advances: []sinks.Advance{{Topic: schemas.TopicMessages, From: from, To: sinks.Position{Next: to, At: time.Now()}}}}
	for i, v := range values {
		e := Event(t, v)
		e.ID = fmt.Sprint("id", from, i)
		b.Rows.Add(e, merge.Place{Offset: max(from, 0) + int64(i)})
	}
	return b
}

// Message is a message of a chat.
func Message(wamid string) string {
	return fmt.Sprintf(`{"waba_id":"1","phone_number_id":"2","kind":"message","rank":1,"wamid":%q,"thread":"3","direction":"inbound","timestamp":5,"type":"text","historical":false,"original":{"text":{"body":"x"}}}`, wamid)
}

// RequestedSync is a sync of the window that the desk requested, 2593108 being the code of its refusal if it was refused.
func RequestedSync(window int, status, state string) string {
	failure := ""
	if state == "refused" {
		failure = `,"error":{"code":2593108}`
	}
	return fmt.Sprintf(`{"waba_id":"1","phone_number_id":"2","window":%d,"state":"running","order_known":true,"phases":[],"progress":0,"chunks":0,"chunks_held":0,"chunks_late":0,"chunks_duplicate":0,"messages":0,"duplicates":0,"opened_at":"2026-03-01T12:00:00Z","last_chunk_at":"2026-03-01T12:00:00Z","status":%q,"onboarded_at":"2026-03-01T11:00:00Z","requested_at":"2026-03-01T12:00:00Z","request_deadline_at":"2026-03-02T11:00:00Z","requests":[{"sync_type":"contacts","state":"accepted","at":"2026-03-01T12:00:00Z","requested_by":"somebody else","provider":"meta","attempt":"a","attempts":1},{"sync_type":"history","state":%q,"at":"2026-03-01T12:00:00Z","requested_by":"onboarding","provider":"meta","attempt":"b","attempts":1%s}]}`, window, status, state, failure)
}

// DeclinedSync is a sync without a request, which the business declined.
func DeclinedSync(window int) string {
	return fmt.Sprintf(`{"waba_id":"1","phone_number_id":"2","window":%d,"state":"declined","end_reason":"declined","order_known":true,"phases":[],"progress":0,"chunks":0,"chunks_held":0,"chunks_late":0,"chunks_duplicate":0,"messages":0,"duplicates":0,"opened_at":"2026-03-01T12:00:00Z","last_chunk_at":"2026-03-01T12:00:00Z","ended_at":"2026-03-01T12:00:00Z","error":[{"code":2593109,"title":"off"}]}`, window)
}

// step gives batches from where the target stands, and from elsewhere.
func step(t *testing.T, s Subject) {
	target := s.Open(t)
	apply := func(b *sinks.Batch) (err error) {
		for end := time.Now().Add(patience); ; { // on a busy machine, the patience of the target may end first
			if err = target.Apply(t.Context(), b); err == nil || errors.Is(err, sinks.ErrFenced) || time.Now().After(end) {
				return err
			}
		}
	}
	if err := apply(Batch(t, -1, 1, Message("w"))); err != nil {
		t.Fatal(err)
	}
	for _, from := range []int64{-1, 0, 2} {
		if err := apply(Batch(t, from, 9, Message("other"))); !errors.Is(err, sinks.ErrFenced) {
			t.Errorf("from %d: %v, want ErrFenced", from, err)
		}
	}
	if c := s.Content(t); len(c.Rows.Messages) != 1 {
		t.Errorf("%d messages, want that of the step that was taken", len(c.Rows.Messages))
	}
	p, err := target.Positions(t.Context(), 0)
	if err != nil || p[schemas.TopicMessages].Next != 1 || len(p) != 1 {
		t.Errorf("positions %v, err %v", p, err)
	}
	closed(t, target)
}
