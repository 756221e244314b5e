package processors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
)

// start is where the group continues with a partition, by input topic.
type start struct {
	at    [topicNamesCount]int64
	epoch [topicNamesCount]int32 // leader epoch of the record before at; -1: not known
	end   [topicNamesCount]int64 // of the log at the time of the look-up; of `state` too
	// recorded is true if at is a committed offset with a mark of its log. Otherwise the first transaction commits it.
	recorded  [topicNamesCount]bool
	fault     *kafka.LogFault // the latest fault of the partition
	stateLost bool            // found by this look-up
}

// starts are the starting offsets of the assigned partitions. Both the consumer's client, when it starts to fetch, and
// the session, when it restores, ask for them in any order. Both get the same answer. mu guards both maps.
type starts struct {
	mu    sync.Mutex
	known map[int32]start
	// begun has the partitions that the client fetches. A start that is determined later must equal the client's.
	begun map[int32]bool
}

func newStarts() *starts { return &starts{known: map[int32]start{}, begun: map[int32]bool{}} }

// forget removes the starts of partitions that were revoked (went), or whose offsets have been committed.
func (s *starts) forget(went bool, partitions ...int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range partitions {
		delete(s.known, p)
		if went {
			delete(s.begun, p)
		}
	}
}

// begin sets the offsets at which the group's client starts to fetch. It runs on a goroutine of the client.
func (s *session) begin(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	var partitions []int32
	for _, ps := range offsets {
		for p := range ps {
			if !slices.Contains(partitions, p) {
				partitions = append(partitions, p)
			}
		}
	}
	s.starts.mu.Lock()
	defer s.starts.mu.Unlock()
	at, err := s.startsOf(ctx, partitions)
	if err != nil {
		return nil, err
	}
	for name, ps := range offsets {
		t, ok := s.assignment.inputs[name]
		if !ok {
			continue
		}
		for p := range ps {
			st := at[p]
			ps[p] = kgo.NewOffset().At(st.at[t]).WithEpoch(st.epoch[t])
			s.starts.begun[p] = true
		}
	}
	return offsets, nil
}

// positions returns the starts of partitions.
func (s *session) positions(ctx context.Context, partitions []int32) (map[int32]start, error) {
	s.starts.mu.Lock()
	defer s.starts.mu.Unlock()
	return s.startsOf(ctx, partitions)
}

// startsOf returns the starts of partitions, and determines those that are unknown. The caller holds starts.mu. It
// retries errors that pass, within leaderPatience, or within the transaction timeout for offsets that are not stable.
func (s *session) startsOf(ctx context.Context, partitions []int32) (map[int32]start, error) {
	all := map[int32]start{}
	var missing []int32
	for _, p := range partitions {
		if st, ok := s.starts.known[p]; ok {
			all[p] = st
		} else {
			missing = append(missing, p)
		}
	}
	if len(missing) == 0 {
		return all, nil
	}
	// An open transaction of the previous owner ends by its timeout at the latest.
	began := s.p.deps.Now()
	for {
		found, err := s.findStarts(ctx, missing)
		switch {
		case err == nil:
			for p, st := range found {
				if st.fault != nil && s.starts.begun[p] && !st.fault.Found.Before(s.began) {
					return nil, fmt.Errorf("%s of partition %d: %s; starting a new session", st.fault.Topic, p, st.fault.Kind)
				}
				all[p], s.starts.known[p] = st, st
			}
			return all, nil
		case !kafka.Passes(err):
			return nil, err
		}
		patience := leaderPatience
		if errors.Is(err, kerr.UnstableOffsetCommit) {
			patience = s.cfg.TransactionTimeout + 10*time.Second
		}
		if s.p.deps.Now().Sub(began) > patience {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(unstableWait):
		}
	}
}

const (
	// unstableWait is the interval between two attempts.
	unstableWait = 100 * time.Millisecond
	// leaderPatience is the time for an election. After it a new session tries again.
	leaderPatience = 5 * time.Second
)

// findStarts reads the committed offsets and the present state of the logs, and determines the starts of partitions.
func (s *session) findStarts(ctx context.Context, partitions []int32) (map[int32]start, error) {
	names := append(s.cfg.inputs(), s.cfg.topic(schemas.TopicState))
	offsets, err := s.adm.FetchOffsetsForTopics(kadm.RequireStable(ctx), s.cfg.GroupID, s.cfg.inputs()...)
	if err != nil {
		return nil, fmt.Errorf("committed offsets of group %s: %w", s.cfg.GroupID, err)
	}
	epochs := map[schemas.Topic]map[int32]int32{}
	for _, t := range schemas.Inputs() {
		epochs[t] = map[int32]int32{}
		for _, p := range partitions {
			o, ok := offsets.Lookup(s.cfg.topic(t), p)
			if ok && o.Err != nil {
				return nil, fmt.Errorf("committed offset of %s/%d: %w", s.cfg.topic(t), p, o.Err)
			}
			if ok && o.At >= 0 && o.LeaderEpoch >= 0 {
				epochs[t][p] = o.LeaderEpoch
			}
		}
	}
	ends, err := s.fetcher.Ends(ctx, names, partitions) // committed ends; nothing beyond them was read
	if err != nil {
		return nil, err
	}
	starts, err := s.fetcher.Starts(ctx, names, partitions)
	if err != nil {
		return nil, err
	}
	parted := map[schemas.Topic]map[int32]int64{}
	for t, of := range epochs {
		if len(of) == 0 {
			continue
		}
		if parted[t], err = s.fetcher.Parted(ctx, s.cfg.topic(t), of); err != nil && kafka.Unanswered(err) {
			return nil, err
		}
	}
	now := func(t schemas.Topic, p int32) (currentLog, bool) {
		first, ok := starts[s.cfg.topic(t)][p]
		last, ok2 := ends[s.cfg.topic(t)][p]
		l := currentLog{id: s.topicIDs[t], start: first, end: last, parted: -1}
		if at, ok := parted[t][p]; ok {
			l.parted = at
		}
		return l, ok && ok2
	}
	all := map[int32]start{}
	for _, p := range partitions {
		st, err := s.findStart(ctx, p, offsets, now)
		if err != nil {
			return nil, err
		}
		all[p] = st
	}
	return all, nil
}

// findStart determines the start of one partition. It compares its logs with the marks of the committed offsets.
func (s *session) findStart(ctx context.Context, p int32, offsets kadm.OffsetResponses, nowOf func(schemas.Topic, int32) (currentLog, bool)) (st start, err error) {
	var marks []kafka.Mark // newest first
	own := map[schemas.Topic]kafka.Mark{}
	for _, t := range schemas.Inputs() {
		if o, ok := offsets.Lookup(s.cfg.topic(t), p); ok && o.At >= 0 {
			if m, ok := kafka.ParseMark(o.Metadata); ok {
				marks, own[t] = append(marks, m), m
			}
		}
	}
	slices.SortStableFunc(marks, func(a, b kafka.Mark) int { return b.At.Compare(a.At) })
	if len(marks) > 0 && marks[0].Fault != nil && s.p.deps.Now().Sub(marks[0].Fault.Found) < faultKept {
		st.fault = marks[0].Fault
	}
	for _, t := range schemas.Inputs() {
		now, ok := nowOf(t, p)
		if !ok {
			return st, fmt.Errorf("offsets of %s/%d: %w", s.cfg.topic(t), p, kerr.LeaderNotAvailable)
		}
		then := savedLog{at: -1}
		epoch := int32(-1)
		if o, ok := offsets.Lookup(s.cfg.topic(t), p); ok && o.At >= 0 {
			then.at, epoch = o.At, o.LeaderEpoch
		}
		m, isOwn := own[t]
		if isOwn {
			then.mark, then.marked = m.Log(t.String())
		}
		for _, other := range marks { // later marks of the same log, or of one without an offset
			l, ok := other.Log(t.String())
			switch {
			case !ok:
			case !then.marked && then.at < 0:
				then.mark, then.marked, m = l, true, other
			case then.marked && l.ID == then.mark.ID:
				then.mark.End = max(then.mark.End, l.End)
			}
		}
		v := compareLogs(then, now)
		if v.again {
			if v.from, err = s.again(ctx, t, p, m, now); err != nil {
				return st, err
			}
		}
		if st.at[t], st.epoch[t], st.end[t] = v.from, -1, now.end; v.fault == "" && v.from == then.at {
			st.epoch[t], st.recorded[t] = epoch, isOwn
		}
		switch {
		case v.fault != "":
			st.fault = s.p.losses.fault(t, p, &v, s.p.deps.Now())
		case v.unread.len() > 0:
			s.p.losses.gone(t, p, v.unread.from, v.unread.to)
		}
	}
	state, ok := nowOf(schemas.TopicState, p)
	if !ok {
		return st, fmt.Errorf("offsets of %s/%d: %w", s.cfg.topic(schemas.TopicState), p, kerr.LeaderNotAvailable)
	}
	st.end[schemas.TopicState] = state.end
	for _, m := range marks { // the newest mark of state
		if l, ok := m.Log(schemas.TopicState.String()); ok {
			if st.stateLost = stateLost(l, state); st.stateLost {
				st.fault = s.p.losses.fault(schemas.TopicState, p, &logFinding{from: state.start, fault: kafka.FaultStateLost, read: span{0, l.End}}, s.p.deps.Now())
			}
			break
		}
	}
	return st, nil
}

// again returns the offset at which a cut log is read again if the place of the cut is unknown. New records were
// received after the last commit, minus the time that they may have been in a spool. That time is at most half of
// DedupWindow (docs/operations.md, Spool). Without a mark the log is read from its start.
func (s *session) again(ctx context.Context, t schemas.Topic, p int32, m kafka.Mark, now currentLog) (int64, error) {
	if m.At.IsZero() {
		return now.start, nil
	}
	since := m.At.Add(-s.cfg.Partition.DedupWindow / 2)
	listed, err := s.adm.ListOffsetsAfterMilli(ctx, since.UnixMilli(), s.cfg.topic(t))
	if err != nil {
		return 0, fmt.Errorf("offset of %s in %s: %w", since.UTC().Format(time.RFC3339), s.cfg.topic(t), err)
	}
	o, ok := listed.Lookup(s.cfg.topic(t), p)
	switch {
	case !ok:
		return 0, fmt.Errorf("offset of %s in %s/%d: %w", since.UTC().Format(time.RFC3339), s.cfg.topic(t), p, kerr.LeaderNotAvailable)
	case o.Err != nil:
		return 0, fmt.Errorf("offset of %s in %s/%d: %w", since.UTC().Format(time.RFC3339), s.cfg.topic(t), p, o.Err)
	case o.Offset < 0:
		return now.end, nil
	}
	return min(max(o.Offset, now.start), now.end), nil
}
