package processors

import (
	"context"
	"slices"
	"time"
)

// turns are how the partitions take turns at the backlog. A turn ends with what one fetch brought, or with the
// transaction's room; then the next partition has one, while the others go on with theirs. What is fetched meanwhile
// of a partition that has its turn waits for the end of it: a runner is one goroutine's.
//
// All fields belong to the session's goroutine.
type turns struct {
	served int32              // the partition that had the last turn
	under  map[int32]*outlook // the turns under way, by partition
}

// outlook is what a turn will leave of the backlog, told when it begins.
type outlook struct {
	asks []bulkAsk
	held int64
	late []bulkReply // came meanwhile
}

func newTurns() turns { return turns{under: map[int32]*outlook{}} }

// turnEnd is a runner whose turn is over.
type turnEnd struct {
	runner *runner
	err    error
}

// bulk lets the runners work on the backlog in turn, as many at once as there are processors for, while there is room.
// All turns are over when it returns.
func (s *session) bulk(ctx context.Context, now time.Time, q *quantum, begin func(*runner)) (failed error) {
	most := s.lanes.workers(now, cores())
	if s.careful()[laneBacklog] {
		most = 1
	}
	ends := make(chan turnEnd, most)
	for {
		for failed == nil && len(s.turns.under) < most {
			r := s.next(q.atHand)
			if r == nil || !q.room() {
				break
			}
			begin(r)
			s.p.health.waits(r.partition, r.doing())
			s.turns.served, s.lanes.bulkAt = r.partition, now
			s.turns.under[r.partition] = r.outlook()
			go func() { ends <- turnEnd{r, r.work(ctx, q)} }()
		}
		if len(s.turns.under) == 0 {
			return failed
		}
		s.fetch()
		select {
		case end := <-ends:
			if failed == nil {
				failed = end.err
			}
			s.over(end.runner)
		case reply := <-s.backlog.replies:
			s.accept(&reply)
		}
	}
}

func (r *runner) outlook() *outlook {
	return &outlook{asks: r.bulk.asks(r.partition), held: r.bulk.held()}
}

// over ends a turn: the runner gets what came meanwhile.
func (s *session) over(r *runner) {
	o := s.turns.under[r.partition]
	delete(s.turns.under, r.partition)
	for i := range o.late {
		s.accept(&o.late[i])
	}
}

// next is the runner that has the next turn; nil where nothing waits, or nothing is at hand and that is asked for.
func (s *session) next(atHand bool) *runner {
	for _, partition := range s.inTurn() {
		r := s.runners[partition]
		if s.turns.under[partition] == nil && !r.send.failed() && r.ready(atHand) {
			return r
		}
	}
	return nil
}

// inTurn are the partitions that are served, beginning with the one after that which was served last.
func (s *session) inTurn() []int32 {
	all := make([]int32, 0, len(s.runners))
	for partition, r := range s.runners {
		if r != nil {
			all = append(all, partition)
		}
	}
	slices.Sort(all)
	i, _ := slices.BinarySearch(all, s.turns.served+1)
	return append(all[i:len(all):len(all)], all[:i]...)
}

// fetch takes what came of the backlog, and sends for more.
func (s *session) fetch() {
	s.land()
	asks, busy := s.asks()
	s.backlog.ask(asks, busy)
}

// land takes what came of the backlog, and what was cut of it.
func (s *session) land() {
	for {
		select {
		case reply := <-s.backlog.replies:
			s.accept(&reply)
		case reply := <-s.cuts:
			s.lay(&reply)
		default:
			return
		}
	}
}

// accept hands what came to the runners it is for. For one that has its turn it is kept until that is over.
func (s *session) accept(reply *bulkReply) {
	if reply.broken != nil {
		s.broken = reply.broken
	}
	for i := range reply.spots {
		spot := &reply.spots[i]
		o := s.turns.under[spot.Partition]
		if o == nil {
			s.take(spot, reply.ends)
			continue
		}
		o.late = append(o.late, bulkReply{spots: reply.spots[i : i+1], ends: barriers{spot.Partition: reply.ends[spot.Partition]}})
		o.asks = nil
		for _, rec := range spot.Records {
			o.held += int64(len(rec.Value))
		}
	}
	for partition, b := range reply.ends {
		switch o, r := s.turns.under[partition], s.runners[partition]; {
		case o != nil:
			o.late = append(o.late, bulkReply{ends: barriers{partition: b}})
			o.asks = slices.DeleteFunc(o.asks, func(a bulkAsk) bool { return a.endsOnly })
		case r != nil:
			r.bulk.learn(b)
		}
	}
}

// asks is what is wanted of the backlog, nothing more while enough waits; and whether any waits.
func (s *session) asks() (asks []bulkAsk, busy bool) {
	var held int64
	all := make([]bulkAsk, 0, len(s.runners))
	for _, partition := range s.inTurn() {
		if o := s.turns.under[partition]; o != nil {
			all, held = append(all, o.asks...), held+o.held
			continue
		}
		r := s.runners[partition]
		all, held = append(all, r.bulk.asks(partition)...), held+r.bulk.held()
	}
	enough := held >= 2*s.cfg.BulkBytesPerTransaction
	return slices.DeleteFunc(all, func(a bulkAsk) bool { return enough && !a.endsOnly }), held > 0
}
