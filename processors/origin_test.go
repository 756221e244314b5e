package processors

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/schemas"
)

// The failure in a letter decides what a requeue tries. On any other record these headers mean nothing.
func TestRequeuedRecordTellsWhichPartsItIsFor(t *testing.T) {
	rec := &kgo.Record{Partition: 3, Offset: 7, Headers: []kgo.RecordHeader{
		{Key: schemas.HeaderDLQEvent, Value: []byte("e")}, {Key: schemas.HeaderDLQChanges, Value: []byte("0,2")},
		{Key: schemas.HeaderDLQPlaces, Value: []byte("0.0.messages.1,0.2")},
	}}
	r := &runner{}
	if o := r.origin(schemas.TopicRawLive, rec); o.Requeue != nil || string(o.Label) != "raw.live/3/7" {
		t.Errorf("a record of the ingress: %+v", o)
	}
	rec.Headers = append(rec.Headers, kgo.RecordHeader{Key: schemas.HeaderRequeue, Value: []byte("1/5")})
	o := r.origin(schemas.TopicRawLive, rec)
	if q := o.Requeue; q == nil || string(q.Letter) != "1/5" || q.Event != "e" || q.Changes != "0,2" || q.Places != "0.0.messages.1,0.2" {
		t.Errorf("a requeue: %+v", o.Requeue)
	}
}
