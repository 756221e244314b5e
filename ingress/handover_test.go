package ingress

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coexstream/coexstream/ingress/raw"
	"github.com/coexstream/coexstream/ingress/rawtest"
	"github.com/coexstream/coexstream/ingress/spool/faultfs"
)

// queueing is a Kafka that takes one batch after the other, first come, first served, each record in its time. So
// whoever comes while a batch is being written waits for it, as on one partition.
type queueing struct {
	rawtest.Memory
	turn    chan struct{} // holds one value while a batch is written
	batches []handedOver  // of whoever holds the turn
	handed  int           // records of them
	// handedBefore is what was handed when the last record came that is not the spool's. The test's own.
	handedBefore int
}

// handedOver is a batch that came from the spool.
type handedOver struct {
	at      time.Time // when it was sent
	records int
}

const recordTakes = 10 * time.Microsecond

func (q *queueing) Publish(r *raw.Record, deadline time.Time) error {
	q.turn <- struct{}{}
	defer func() { <-q.turn }()
	q.handedBefore = q.handed
	time.Sleep(recordTakes)
	return q.Memory.Publish(r, deadline)
}

func (q *queueing) PublishInOrder(rs []*raw.Record, deadline time.Time) (int, error) {
	sent := time.Now()
	q.turn <- struct{}{}
	defer func() { <-q.turn }()
	time.Sleep(time.Duration(len(rs)) * recordTakes)
	n, err := q.Memory.PublishInOrder(rs, deadline)
	if n > 0 {
		q.batches = append(q.batches, handedOver{sent, n})
	}
	q.handed += n
	return n, err
}

// handedSoFar is how many records came from the spool so far.
func (q *queueing) handedSoFar() int {
	q.turn <- struct{}{}
	defer func() { <-q.turn }()
	return q.handed
}

// The clock is that of the test: the same run every time, however busy the machine is.
func TestHandingOverABacklogDelaysNobodyElseAndKeepsItsRateAndTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const perSecond, backlog = 2000, 6000
		k := &queueing{turn: make(chan struct{}, 1)}
		k.Off.Store(true)
		s := spooled(t, k, faultfs.New(), func(c *SpoolConfig) { c.DrainRecordsPerSecond = perSecond })
		sent := map[string]int{}
		publish := func(who string) {
			t.Helper()
			if err := s.Publish(rawtest.Record(who, fmt.Sprintf("%s/%d", who, sent[who])), rawtest.In(10*time.Second)); err != nil {
				t.Fatal(err)
			}
			sent[who]++
		}
		for i := range backlog {
			publish([]string{"a", "b"}[i%2])
		}
		if n := s.by("spool"); n != backlog {
			t.Fatalf("%v of %d in the spool", n, backlog)
		}
		time.Sleep(5 * time.Second) // what is tried in vain uses up what was granted for the backlog when it came
		k.Off.Store(false)

		// While it is handed over, a business without a backlog goes straight to Kafka.
		beside := 0
		for i := 0; !s.drained(); i++ {
			if i > 100_000 {
				t.Fatal("the spool is never empty")
			}
			time.Sleep(time.Millisecond)
			before, came := k.handedSoFar(), time.Now()
			publish("live")
			took := time.Since(came)
			if n := k.handedBefore - before; n > drainRecords {
				t.Fatalf("%d records of the spool went before a live one, at most %d are handed over together", n, drainRecords)
			}
			if took > (drainRecords+1)*recordTakes {
				t.Fatalf("a live record took %s beside the spool, a batch takes %s", took, drainRecords*recordTakes)
			}
			if i%20 == 0 {
				publish("a") // has a backlog, and stays behind it
			}
			beside++
		}
		if beside < 100 || s.by("kafka") < float64(beside) {
			t.Errorf("%d live records beside the spool, %v straight to Kafka", beside, s.by("kafka"))
		}
		if s.by("spool") <= backlog {
			t.Error("no live record of a business went behind its backlog")
		}

		// From one batch to any later one, not more than the rate, what may be saved up, and what came in meanwhile.
		came := int(s.by("spool")) - backlog
		for i := range k.batches {
			records := 0
			for _, b := range k.batches[i+1:] {
				records += b.records
				took := b.at.Sub(k.batches[i].at).Seconds()
				if most := perSecond*(took+paceSaves) + float64(drainRecords+came); float64(records) > most {
					t.Fatalf("%d records of the spool in %v s, want at most %v at %d a second", records, took, most, perSecond)
				}
			}
		}
		if len(k.batches) < backlog/drainRecords {
			t.Errorf("%d batches", len(k.batches))
		}
		next := map[string]int{}
		for _, r := range k.Records() {
			who, number, _ := strings.Cut(string(r.Value), "/")
			if number != strconv.Itoa(next[who]) {
				t.Fatalf("%s, want number %d of its business", r.Value, next[who])
			}
			next[who]++
		}
		for who, n := range sent {
			if next[who] != n {
				t.Errorf("%s: %d of %d came", who, next[who], n)
			}
		}
	})
}
