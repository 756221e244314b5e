package publish

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/coexstream/coexstream/ingress/rawtest"
)

// attempts is a transport that records the batches of all produce requests.
type attempts struct {
	kafka.RoundTripper
	mu      sync.Mutex
	batches map[string][][]byte // by partition, in the order of the requests, of which one is made at a time
}

// noting makes a publisher use the transport.
func (a *attempts) noting(p *Publisher) {
	a.batches = map[string][][]byte{}
	a.RoundTripper, p.client.Transport = p.transport, a
}

// RoundTrip implements kafka.RoundTripper.
func (a *attempts) RoundTrip(ctx context.Context, addr net.Addr, m protocol.Message) (protocol.Message, error) {
	if own, ok := m.(*produceRequest); ok {
		r, err := produced(own)
		if err != nil {
			return nil, err
		}
		a.mu.Lock()
		for _, p := range r.Topics[0].Partitions {
			at := fmt.Sprintf("%s/%d", r.Topics[0].Topic, p.Partition)
			a.batches[at] = append(a.batches[at], bytes.Clone(p.Records))
		}
		a.mu.Unlock()
	}
	return a.RoundTripper.RoundTrip(ctx, addr, m)
}

// check checks the order of the requests: no acknowledged record was sent again behind a later record of its sender.
// The publisher controls this, for any order in which a broker handles the requests. Expired records may be behind
// later ones.
func (a *attempts) check(t *testing.T, acknowledged map[string]bool) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	for at, batches := range a.batches {
		var values [][]byte
		for _, b := range batches {
			_, records := decoded(t, append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...))
			for i := range records {
				values = append(values, records[i].Value)
			}
		}
		rawtest.CheckLasts(t, "requests to "+at, values, acknowledged)
	}
}
