package processors

import (
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
)

func TestWhatIsFetchedDuringATurnWaitsForItsEnd(t *testing.T) {
	cfg := DefaultConfig()
	s := &session{
		p: &Processor{metrics: newMetrics(prometheus.NewRegistry(), time.Now)}, cfg: &cfg, turns: newTurns(),
		runners: map[int32]*runner{3: {partition: 3}, 4: {partition: 4}},
	}
	r := s.runners[3]
	r.bulk.next = 5
	known := barriers{3: {known: true}, 4: {known: true}}
	s.accept(&bulkReply{spots: []kafka.SpotFetched{*spot(5, 8, 5, 7)}, ends: known})

	s.turns.under[3] = r.outlook()
	if asks, busy := s.asks(); !busy || !slices.Equal(asked(asks), []int32{3, 4}) {
		t.Fatalf("asks for %+v, busy %v, while there is a turn", asks, busy)
	}
	s.accept(&bulkReply{spots: []kafka.SpotFetched{*spot(8, 9, 8)}, ends: known})
	if len(r.bulk.parts) != 1 || r.bulk.next != 8 {
		t.Fatalf("a runner was changed during its turn: %+v", r.bulk)
	}
	if asks, _ := s.asks(); !slices.Equal(asked(asks), []int32{4}) {
		t.Errorf("asks for %+v, of which some is here", asks)
	}
	if _, last := r.bulk.pop(); last {
		t.Error("the first of two records is the last one")
	}
	position, last := r.bulk.pop()
	if r.position[schemas.TopicRawBulk] = position; !last || position != 8 {
		t.Errorf("position %d after the fetch, whose last record it was: %v", position, last)
	}
	s.over(r)
	if rec, _ := r.bulk.first(0, 0); rec == nil || rec.Offset != 8 || r.bulk.next != 9 || len(s.turns.under) != 0 {
		t.Errorf("after the turn: %+v", r.bulk)
	}
	if asks, _ := s.asks(); !slices.Equal(asked(asks), []int32{3, 4}) {
		t.Errorf("asks for %+v after the turn", asks)
	}
}

// asked are the partitions that are asked for.
func asked(asks []bulkAsk) (partitions []int32) {
	for _, a := range asks {
		partitions = append(partitions, a.Partition)
	}
	slices.Sort(partitions)
	return partitions
}
