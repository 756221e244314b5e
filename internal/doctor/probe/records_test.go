package probe

import (
	"errors"
	"maps"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
)

func record(offset int64, headers ...string) *kgo.Record {
	r := &kgo.Record{Partition: 1, Offset: offset}
	for i := 0; i < len(headers); i += 2 {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: headers[i], Value: []byte(headers[i+1])})
	}
	return r
}

func TestDeadLettersThatWereRequeuedAreNotCountedNorTheNotesOfIt(t *testing.T) {
	letters := newOpenLetters()
	for _, r := range []*kgo.Record{
		record(3, schemas.HeaderDLQReason, "shape"),
		record(4, schemas.HeaderDLQReason, "json_invalid"),
		record(5, schemas.HeaderRequeued, "1/3"),
		record(6, schemas.HeaderRequeued, "1/2"), // of a letter from before the time that is read
		record(7, schemas.HeaderDLQReason, "shape", schemas.HeaderDLQParked, "true"),
		record(8),
	} {
		if err := letters.add(r); err != nil {
			t.Fatal(err)
		}
	}
	d := letters.facts()
	want := map[string]int{"json_invalid": 1, "shape": 1, "without reason": 1}
	if d.Open != 2 || d.Parked != 1 || d.Stopped != 0 || !maps.Equal(d.Reasons, want) {
		t.Errorf("%+v, want 2 open and 1 parked: %v", d, want)
	}
}

func TestReadingOfDeadLettersIsBoundedAndSaysSo(t *testing.T) {
	letters := newOpenLetters()
	for i := range int64(deadLettersMax) {
		if err := letters.add(record(i, schemas.HeaderDLQReason, "shape")); err != nil {
			t.Fatal(err)
		}
	}
	if d := letters.facts(); d.Open != deadLettersMax || d.Stopped != 0 {
		t.Errorf("%d open, stopped after %d: nothing was left out", d.Open, d.Stopped)
	}
	if err := letters.add(record(deadLettersMax)); !errors.Is(err, kafka.ErrStop) {
		t.Errorf("one more: %v", err)
	}
	if d := letters.facts(); d.Open != deadLettersMax || d.Stopped != deadLettersMax {
		t.Errorf("%d open, stopped after %d", d.Open, d.Stopped)
	}
}
