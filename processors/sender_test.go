package processors

import (
	"context"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/processors/partition"
	"github.com/coexstream/coexstream/schemas"
)

// Records of a core go to the client without a copy: while the transaction is open, no memory is used twice.
func TestWhatIsSentKeepsItsHeaders(t *testing.T) {
	var sent []*kgo.Record
	send := &sender{limits: &recordLimits{}, produce: func(_ context.Context, r *kgo.Record, _ func(*kgo.Record, error)) { sent = append(sent, r) }}
	for i := range send.limits {
		send.limits[i] = 1 << 20
	}
	var names [topicNamesCount]string
	var b records
	const n = 3 * recordBlock
	for i := range n {
		headers := []partition.Header{{Key: "ce_id", Value: []byte{byte(i), byte(i >> 8)}}, {Key: "ce_type", Value: []byte("x")}}
		if i%3 == 0 {
			headers = nil
		}
		send.send(b.add(&names, partition.Record{Key: []byte("k"), Value: []byte("v"), Headers: headers}), schemas.TopicHistory)
	}
	if len(sent) != n {
		t.Fatalf("%d of %d were sent", len(sent), n)
	}
	for i, r := range sent {
		var want []kgo.RecordHeader
		if i%3 != 0 {
			want = []kgo.RecordHeader{{Key: "ce_id", Value: []byte{byte(i), byte(i >> 8)}}, {Key: "ce_type", Value: []byte("x")}}
		}
		if !slices.EqualFunc(r.Headers, want, func(a, b kgo.RecordHeader) bool { return a.Key == b.Key && string(a.Value) == string(b.Value) }) {
			t.Fatalf("record %d has the headers %v, not %v", i, r.Headers, want)
		}
		if cap(r.Headers) != len(r.Headers) {
			t.Fatalf("record %d: who appends to its headers writes into another one's", i)
		}
	}
	b.reset()
	if sent[0].Value != nil || sent[0].Headers != nil {
		t.Error("a record that is given back still refers to what it carried")
	}
}
