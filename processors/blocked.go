package processors

import (
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/coexstream/coexstream/schemas"
)

// The values of Config.UnknownState decide about a partition with an unreadable state record.
const (
	// StateBlock: the partition is not served. Other partitions are.
	StateBlock = "block"
	// StateSetAside: the record and those that depend on it are ignored. They stay in the log.
	StateSetAside = "set_aside"
)

// unreadableState is the error of a record from which a partition's state cannot be rebuilt. A retry does not help.
type unreadableState struct {
	topic     string
	partition int32
	offset    int64 // negative: no single record is the cause
	key       string
	err       error
}

func (u *unreadableState) Error() string {
	if u.offset < 0 {
		return fmt.Sprintf("%s/%d: %v", u.topic, u.partition, u.err)
	}
	return fmt.Sprintf("%s/%d@%d, key %q: %v", u.topic, u.partition, u.offset, u.key, u.err)
}

func (u *unreadableState) Unwrap() error { return u.err }

// together returns the common prefix of state keys that depend on each other: of one kind and one number, of one
// replay, or of one block of deferred records. Any other key stands alone and is returned unchanged.
func together(key string) string {
	for _, kind := range [...]string{"h|", "m|", "p|", "q|"} {
		if rest, ok := strings.CutPrefix(key, kind); ok {
			if i := strings.IndexByte(rest, '|'); i >= 0 {
				return key[:len(kind)+i+1]
			}
		}
	}
	return key
}

// blocked is an assigned partition that is not served.
type blocked struct {
	runner *runner // it has the positions of the inputs
	why    error
	damage *damagedBatch // nil: a record of the state is the reason
}

// stopServing stops fetching a partition. Its committed offsets stay unchanged.
func (s *session) stopServing(r *runner, b *blocked) {
	delete(s.runners, r.partition)
	s.blocked[r.partition] = b
	s.txn.Client().PauseFetchPartitions(s.blockedInputs(r.partition))
	s.p.metrics.blocked.Set(float64(len(s.blocked)))
}

// block stops serving a partition because of a record of its state.
func (s *session) block(r *runner, why *unreadableState) {
	s.stopServing(r, &blocked{runner: r, why: why})
	s.p.log.Error("a state record cannot be read; its partition is not served, other partitions are",
		"topic", why.topic, "partition", why.partition, "offset", why.offset, "key", why.key, "error", why.err,
		"do", "run the version that wrote it, or see docs/operations.md, A record of the state cannot be read")
}

// unblock forgets that a partition is blocked, because it was revoked or assigned anew.
func (s *session) unblock(partition int32) {
	if s.blocked[partition] == nil {
		return
	}
	delete(s.blocked, partition)
	s.txn.Client().ResumeFetchPartitions(s.blockedInputs(partition))
	s.p.metrics.blocked.Set(float64(len(s.blocked)))
}

// blockedInputs returns the inputs of a partition that the group's consumer fetches.
func (s *session) blockedInputs(partition int32) map[string][]int32 {
	names := map[string][]int32{}
	for _, t := range beforeBulk {
		names[s.cfg.topic(t)] = []int32{partition}
	}
	return names
}

// withoutBlocked removes offsets of blocked partitions from a commit. The client adds them for records that it had
// polled before the partition was blocked.
func (s *session) withoutBlocked(req *kmsg.TxnOffsetCommitRequest) {
	if len(s.blocked) == 0 {
		return
	}
	for i := range req.Topics {
		t := &req.Topics[i]
		t.Partitions = slices.DeleteFunc(t.Partitions, func(p kmsg.TxnOffsetCommitRequestTopicPartition) bool { return s.blocked[p.Partition] != nil })
	}
	req.Topics = slices.DeleteFunc(req.Topics, func(t kmsg.TxnOffsetCommitRequestTopic) bool { return len(t.Partitions) == 0 })
}

// reportReady sets the readiness: all partitions must be served.
func (s *session) reportReady() {
	if len(s.runners)+len(s.blocked) == 0 {
		return
	}
	var why []string
	var unreadable []int32
	for p, b := range s.blocked {
		if b.damage == nil {
			unreadable = append(unreadable, p)
		}
	}
	all := len(s.runners) + len(s.blocked)
	if len(unreadable) > 0 {
		why = append(why, fmt.Sprintf("%d of %d partitions are not served, because a state record cannot be read: %v", len(unreadable), all, s.blocked[slices.Min(unreadable)].why))
	}
	if d := &s.p.damages; len(d.all) > 0 {
		why = append(why, d.describe(len(s.blocked)-len(unreadable), all))
	}
	if len(why) > 0 {
		s.p.notReady(strings.Join(why, "; "))
		return
	}
	s.p.ready()
}

// restoreState rebuilds a core from the newest records of state, without those that are set aside.
func (s *session) restoreState(r *runner, newest map[string]stateRecord, aside map[string]bool) (bad *unreadableState, err error) {
	if r.core, err = s.newPartition(r); err != nil {
		return nil, err
	}
	for key, rec := range newest {
		if aside[together(key)] {
			continue
		}
		if err := r.core.RestoreState(key, rec.value); err != nil {
			return &unreadableState{topic: s.cfg.topic(schemas.TopicState), partition: r.partition, offset: rec.offset, key: key, err: err}, nil
		}
	}
	return nil, nil
}

// setAside reports whether an unreadable record is set aside, as configured, and logs and counts it then.
func (s *session) setAside(bad *unreadableState) bool {
	if s.cfg.UnknownState != StateSetAside || bad.offset < 0 {
		return false
	}
	s.p.metrics.setAside.Inc()
	s.p.log.Error("a state record cannot be read; it and the records that depend on it are ignored, and stay in the log",
		"topic", bad.topic, "partition", bad.partition, "offset", bad.offset, "key", bad.key, "error", bad.err)
	return true
}
