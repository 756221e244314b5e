package ingress

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// numberedValue reads the value "publisher/number" of a record.
func numberedValue(t *testing.T, value []byte) (id, who string, n int) {
	t.Helper()
	first, _, _ := bytes.Cut(value, []byte(" "))
	who, number, ok := strings.Cut(string(first), "/")
	n, err := strconv.Atoi(number)
	if !ok || err != nil {
		t.Fatalf("%.60q is there, which nobody sent", value)
	}
	return string(first), who, n
}

// checkKept checks what a publisher promises of the values "publisher/number" in the log, whatever became of its
// requests: all of acknowledged is there, and of it nothing for the first time behind what follows it.
//
// It does not ask where copies stand, nor what was given up. A request that nobody heard of is made again, on another
// connection, and the broker may come to the first one after the second, and after what followed that: only sequence
// numbers of an idempotent producer would let it tell. Nobody behind the log minds, to whom such a copy is a webhook
// that was delivered twice, as they are at any rate; nor is a body in segments another one for it (ADR 0013).
func checkKept(t *testing.T, brokers []string, acknowledged map[string]bool) {
	t.Helper()
	log := valuesIn(t, brokers)
	checkNothingLost(t, log, acknowledged)
	for at, values := range log {
		checkFirsts(t, at, values, acknowledged)
	}
}

// checkSequences is checkKept where the publisher hears of every request: all that is there counts, and what is there
// more than once is there for the last time before what follows it, too.
func checkSequences(t *testing.T, brokers []string, acknowledged map[string]bool) {
	t.Helper()
	log := valuesIn(t, brokers)
	checkNothingLost(t, log, acknowledged)
	for at, values := range log {
		checkFirsts(t, at, values, nil)
		checkLasts(t, at, values, nil)
	}
}

// valuesIn are the values in the log, by partition.
func valuesIn(t *testing.T, brokers []string) map[string][][]byte {
	t.Helper()
	all := map[string][][]byte{}
	for topic, log := range contents(t, brokers) {
		for i, records := range log {
			at := fmt.Sprintf("%s/%d", topic, i)
			for _, r := range records {
				all[at] = append(all[at], r.Value)
			}
		}
	}
	return all
}

func checkNothingLost(t *testing.T, log map[string][][]byte, acknowledged map[string]bool) {
	t.Helper()
	found, records, lost := map[string]bool{}, 0, 0
	for _, values := range log {
		records += len(values)
		for _, v := range values {
			id, _, _ := numberedValue(t, v)
			found[id] = true
		}
	}
	for id := range acknowledged {
		if !found[id] {
			lost++
			t.Logf("lost: %s", id)
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d acknowledged records are lost", lost, len(acknowledged))
	}
	t.Logf("%d records, %d duplicates", len(found), records-len(found))
}

// checkFirsts checks that each publisher's values are in order where each is there for the first time; with counting
// nil, all of them.
func checkFirsts(t *testing.T, where string, values [][]byte, counting map[string]bool) {
	t.Helper()
	checkRising(t, where+", for the first time", onceEach(t, slices.All(values), counting))
}

// checkLasts is checkFirsts where each value is there for the last time.
func checkLasts(t *testing.T, where string, values [][]byte, counting map[string]bool) {
	t.Helper()
	lasts := onceEach(t, slices.Backward(values), counting)
	slices.Reverse(lasts)
	checkRising(t, where+", for the last time", lasts)
}

// onceEach are those of the values that count, each as it comes first.
func onceEach(t *testing.T, values iter.Seq2[int, []byte], counting map[string]bool) [][]byte {
	t.Helper()
	seen := map[string]bool{}
	var once [][]byte
	for _, value := range values {
		if id, _, _ := numberedValue(t, value); !seen[id] && (counting == nil || counting[id]) {
			seen[id] = true
			once = append(once, value)
		}
	}
	return once
}

func checkRising(t *testing.T, where string, values [][]byte) {
	t.Helper()
	most := map[string]int{}
	for _, value := range values {
		id, who, n := numberedValue(t, value)
		if before, ok := most[who]; ok && n < before {
			t.Errorf("%s: %s came after %d", where, id, before)
		}
		most[who] = max(n, most[who])
	}
}

// attempts is a transport that notes what each produce request is about to write.
type attempts struct {
	kafka.RoundTripper
	mu      sync.Mutex
	batches map[string][][]byte // by partition, in the order of the requests, of which one is made at a time
}

// noting lets a publisher use the transport.
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

// check checks that nothing of what was acknowledged was sent again behind what follows it: this the publisher has
// in its hand, whenever a broker comes to what. What was given up may be behind a later run that was shorter.
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
		checkLasts(t, "requests to "+at, values, acknowledged)
	}
}
