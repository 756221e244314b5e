package partition_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/processors/partition"
	"github.com/coexstream/coexstream/schemas"
)

// requeue feeds a dead letter again, as the runner does.
func (p *harness) requeue(letter record, id string) bool {
	p.t.Helper()
	p.raw = append(p.raw, rawRecord{letter.value, start})
	o := p.origin(len(p.raw) - 1)
	for k, v := range letter.headers {
		o.Headers = append(o.Headers, partition.Header{Key: k, Value: []byte(v)})
	}
	p.requeued[len(p.raw)-1] = &partition.Requeue{
		Letter: []byte(id), Event: letter.headers[schemas.HeaderDLQEvent], Changes: letter.headers[schemas.HeaderDLQChanges],
		Places: letter.headers[schemas.HeaderDLQPlaces],
	}
	o.Requeue = p.requeued[len(p.raw)-1]
	p.core.Pass(o.ReceivedAt)
	if !p.core.Requeued(o) {
		return false
	}
	body, err := p.scanner.Scan(append([]byte{}, letter.value...))
	if err != nil {
		se := schemas.ReasonJSONInvalid
		p.core.DeadLetter(o, se, err.Error())
	} else {
		p.core.Webhook(o, body)
		p.releaseAll()
	}
	p.commit()
	return true
}

func TestRequeuedChunkGivesOnlyWhatCouldNotLeave(t *testing.T) {
	p := newPartition(t)
	p.cfg.EventBytesMax = 16 << 10
	p.restart()
	long := strings.Replace(chunk(0, 1, 50, "m1", "LONG", "m3"), "text of LONG", strings.Repeat("long ", 5000), 1)
	p.webhook(long)
	p.webhook(chunk(0, 2, 100, "m4"))
	letters := p.topics[schemas.TopicDLQ]
	if len(letters) != 1 || letters[0].headers[schemas.HeaderDLQReason] != string(schemas.ReasonEventTooLong) {
		t.Fatalf("letters: %v", letters)
	}
	for _, later := range []time.Duration{time.Minute, 100 * time.Hour} { // the window is released by then
		q := newPartition(t)
		q.raw, q.topics, q.cfg = slices.Clone(p.raw), map[schemas.Topic][]record{}, p.cfg
		for k, v := range p.topics {
			q.topics[k] = slices.Clone(v)
		}
		q.cfg.EventBytesMax = 1 << 20
		q.restart()
		q.core.Tick(start.Add(later))
		q.releaseAll()
		q.commit()
		if !q.requeue(letters[0], "0/1") {
			t.Fatal("the letter was left out")
		}
		if got, want := wamids(events[schemas.Message](q, schemas.TopicHistory)), []string{"m1", "m3", "m4", "LONG"}; !slices.Equal(got, want) {
			t.Errorf("%v later: history is %v, want %v", later, got, want)
		}
		if q.requeue(letters[0], "0/1") {
			t.Error("a requeue that was written twice was processed twice")
		}
		if n := len(q.topics[schemas.TopicDLQ]); n != 1 {
			t.Errorf("%d letters", n)
		}
	}
}

func TestRequeueOfAPartTriesThatPartAlone(t *testing.T) {
	p := newPartition(t)
	mixed := `{"object":"whatsapp_business_account","entry":[{"id":"` + waba + `","changes":[` +
		`{"field":"messages","value":{` + tenant + `,"messages":[{"id":"y","from":"1","timestamp":"1","type":"text"}]}},` +
		`{"field":"messages","value":{"messages":[{"id":"z","from":"1","timestamp":"1","type":"text"}]}}]}]}`
	p.webhook(mixed)
	letter := p.topics[schemas.TopicDLQ][0]
	if letter.headers[schemas.HeaderDLQReason] != string(schemas.ReasonNoNumber) || letter.headers[schemas.HeaderDLQChanges] != "1" {
		t.Fatalf("the letter has the headers %v", letter.headers)
	}
	p.core.Tick(start.Add(100 * time.Hour)) // that y left is forgotten
	p.commit()
	for attempt, want := range []string{"2", "3", "4"} {
		letters := p.topics[schemas.TopicDLQ]
		last := letters[len(letters)-1]
		if !p.requeue(last, "0/"+want) {
			t.Fatal("left out")
		}
		letters = p.topics[schemas.TopicDLQ]
		got := letters[len(letters)-1]
		parked := map[bool]string{true: "true"}[attempt == 2]
		if len(letters) != attempt+2 || got.headers[schemas.HeaderDLQAttempts] != want || got.headers[schemas.HeaderDLQParked] != parked {
			t.Errorf("attempt %s: %d letters, the last one has %v", want, len(letters), got.headers)
		}
	}
	if got := wamids(events[schemas.Message](p, schemas.TopicMessages)); !slices.Equal(got, []string{"y"}) {
		t.Errorf("messages are %v, want y once", got)
	}
}
