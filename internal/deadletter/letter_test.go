package deadletter_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/deadletter"
	"github.com/coexstream/coexstream/schemas"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func letter(partition int32, offset int64, at time.Time, headers ...string) deadletter.Record {
	r := deadletter.Record{Place: deadletter.Place{Partition: partition, Offset: offset}, Time: at, Key: []byte("42"), Value: []byte(`{"id":"77"`)}
	headers = append([]string{
		schemas.HeaderSignature, "sha256=00",
		schemas.HeaderDLQTopic, "raw.live", schemas.HeaderDLQPartition, "3", schemas.HeaderDLQOffset, "9",
		schemas.HeaderDLQReason, "json_invalid", schemas.HeaderDLQTime, fmt.Sprint(at.UnixMilli()),
	}, headers...)
	for i := 0; i < len(headers); i += 2 {
		r.Headers = append(r.Headers, deadletter.Header{Key: headers[i], Value: []byte(headers[i+1])})
	}
	return r
}

func note(l *deadletter.Letter, offset int64) deadletter.Record {
	return deadletter.Record{Place: deadletter.Place{Partition: l.Partition, Offset: offset}, Headers: l.Note()}
}

func places(ls []*deadletter.Letter) (s []string) {
	for _, l := range ls {
		s = append(s, l.Place.String())
	}
	return s
}

func TestFiltersChoose(t *testing.T) {
	b := deadletter.NewBook()
	b.Add(letter(1, 5, start.Add(time.Hour)))
	b.Add(letter(0, 3, start))
	b.Add(letter(2, 8, start.Add(2*time.Hour), schemas.HeaderDLQParked, "true", schemas.HeaderDLQAttempts, "4"))
	l, _ := b.Find(deadletter.Place{Partition: 1, Offset: 5})
	b.Add(note(l, 6))
	for name, c := range map[string]struct {
		f    deadletter.Filter
		want []string
	}{
		"all, the oldest first": {deadletter.Filter{}, []string{"0/3", "1/5", "2/8"}},
		"open":                  {deadletter.Filter{States: []deadletter.State{deadletter.Open}}, []string{"0/3"}},
		"requeued":              {deadletter.Filter{States: []deadletter.State{deadletter.Requeued}}, []string{"1/5"}},
		"parked":                {deadletter.Filter{States: []deadletter.State{deadletter.Parked}}, []string{"2/8"}},
		"of a time":             {deadletter.Filter{From: start.Add(time.Hour), Until: start.Add(2 * time.Hour)}, []string{"1/5"}},
		"another reason":        {deadletter.Filter{Reasons: []string{"shape"}}, nil},
		"another topic":         {deadletter.Filter{Topics: []string{"raw.bulk"}}, nil},
		"by the key":            {deadletter.Filter{WABAs: []string{"42"}, Topics: []string{"raw.live"}}, []string{"0/3", "1/5", "2/8"}},
		"by the body":           {deadletter.Filter{WABAs: []string{"77"}}, []string{"0/3", "1/5", "2/8"}},
		"another business":      {deadletter.Filter{WABAs: []string{"7"}}, nil},
	} {
		if got := places(b.Select(&c.f)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestRequeueKeepsTheRecordAndIsRefusedWhereItWouldLoop(t *testing.T) {
	b := deadletter.NewBook()
	b.Add(letter(1, 5, start, schemas.HeaderDLQAttempts, "2", schemas.HeaderRequeue, "1/2", schemas.HeaderReplay, "r"))
	l, _ := b.Find(deadletter.Place{Partition: 1, Offset: 5})
	topic, hs := l.Requeue()
	got := map[string]string{}
	for _, h := range hs {
		if _, twice := got[h.Key]; twice {
			t.Errorf("%s is there twice", h.Key)
		}
		got[h.Key] = string(h.Value)
	}
	for key, want := range map[string]string{
		schemas.HeaderSignature: "sha256=00", schemas.HeaderDLQReason: "json_invalid", schemas.HeaderDLQAttempts: "2",
		schemas.HeaderOrigin: "raw.live/3/9", schemas.HeaderRequeue: "1/5", schemas.HeaderReplay: "",
	} {
		if got[key] != want {
			t.Errorf("%s is %q, want %q", key, got[key], want)
		}
	}
	if topic != schemas.TopicRawLive || l.Refusal(false) != "" {
		t.Errorf("topic %s, refused: %q", topic, l.Refusal(false))
	}
	b.Add(note(l, 6))
	if l.Refusal(false) == "" || l.Refusal(true) != "" {
		t.Error("a letter that was requeued goes again without force, or not with it")
	}
	_, hs = l.Requeue()
	if last := hs[len(hs)-1]; string(last.Value) == "1/5" {
		t.Error("a forced requeue has the id of the first: the processor would leave it out")
	}
}

func TestPlacesAreRead(t *testing.T) {
	if p, err := deadletter.ParsePlace("3/17"); err != nil || p != (deadletter.Place{Partition: 3, Offset: 17}) {
		t.Errorf("%v, %v", p, err)
	}
	for _, s := range []string{"", "3", "3/", "/3", "a/b", "-1/2", "1/-2", "1/2/3"} {
		if _, err := deadletter.ParsePlace(s); err == nil {
			t.Errorf("%q was read", s)
		}
	}
}

func TestALetterWithoutItsBodyIsReadFromTheRawLogWhereAReasonAllowsThat(t *testing.T) {
	for reason, want := range map[schemas.Reason]bool{schemas.ReasonBodyFailed: true, schemas.ReasonEventTooLong: true, schemas.ReasonTooManyItems: true, schemas.ReasonBodyEmpty: false} {
		b := deadletter.NewBook()
		r := letter(1, 5, start, schemas.HeaderDLQReason, string(reason))
		for i := range r.Headers {
			if r.Headers[i].Key == schemas.HeaderDLQReason {
				r.Headers[i].Value = []byte(reason)
			}
		}
		for _, value := range [][]byte{nil, []byte("{}")} {
			r.Value, r.Offset = value, r.Offset+1
			b.Add(r)
			l, ok := b.Find(r.Place)
			if !ok || l.Without() != (want && value == nil) {
				t.Errorf("%s of %d bytes: without its body is %v", reason, len(value), l.Without())
			}
		}
	}
}
