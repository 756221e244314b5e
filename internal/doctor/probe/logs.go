package probe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"golang.org/x/sync/errgroup"

	"github.com/coexstream/coexstream/internal/doctor"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
)

// faultTold is the time for which a processor's finding is reported.
const faultTold = 7 * 24 * time.Hour

func (p *prober) topicIDs(ctx context.Context, names []string) (map[string][16]byte, error) {
	md, err := p.adm.Metadata(ctx, names...)
	if err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	ids := map[string][16]byte{}
	for name, t := range md.Topics {
		ids[name] = t.ID
	}
	return ids, nil
}

// marks returns the marks of the committed offsets of a partition, the newest first.
func (p *prober) marks(partition int32, offsets kadm.OffsetResponses) (all []kafka.Mark) {
	for _, t := range schemas.Inputs() {
		if o, ok := offsets.Lookup(p.topic(t), partition); ok && o.Err == nil && o.At >= 0 {
			if m, ok := kafka.ParseMark(o.Metadata); ok {
				all = append(all, m)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b kafka.Mark) int { return b.At.Compare(a.At) })
	return all
}

// fault returns a processor's recent finding about a topic in a partition.
func (p *prober) fault(marks []kafka.Mark, t schemas.Topic) *doctor.LogFault {
	if len(marks) == 0 || marks[0].Fault == nil || marks[0].Fault.Topic != t.String() || p.facts.Now.Sub(marks[0].Fault.Found) > faultTold {
		return nil
	}
	f := doctor.LogFault(*marks[0].Fault)
	return &f
}

// known adds the group's knowledge of a log at its commit. Where it has no offset of it, that of the partition's other
// inputs tells which log it was.
func (p *prober) known(in *doctor.Input, offsets kadm.OffsetResponses) {
	marks := p.marks(in.Partition, offsets)
	in.Fault = p.fault(marks, in.Topic)
	if o, ok := offsets.Lookup(p.topic(in.Topic), in.Partition); ok && o.Err == nil && o.At >= 0 {
		own, ok := kafka.ParseMark(o.Metadata)
		if !ok {
			return
		}
		marks = []kafka.Mark{own}
	}
	for _, m := range marks {
		if l, ok := m.Log(in.Topic.String()); ok {
			in.ReadID, in.Seen = l.ID, l.End
			return
		}
	}
}

// states compares the processors' state with the earlier one.
func (p *prober) states(ctx context.Context) error {
	p.facts.States = nil
	names := p.there(schemas.TopicState)
	if len(names) == 0 {
		return nil
	}
	offsets, err := p.adm.FetchOffsetsForTopics(ctx, p.Config.Processor.GroupID, p.there(schemas.Inputs()...)...)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // without a group nothing is committed
		return fmt.Errorf("committed offsets of group %s: %w", p.Config.Processor.GroupID, err)
	}
	starts, err := listed(p.adm.ListStartOffsets(ctx, names...))
	if err != nil {
		return fmt.Errorf("start offsets: %w", err)
	}
	ends, err := listed(p.adm.ListEndOffsets(ctx, names...))
	if err != nil {
		return fmt.Errorf("end offsets: %w", err)
	}
	ids, err := p.topicIDs(ctx, names)
	if err != nil {
		return err
	}
	for partition, end := range ends[names[0]] {
		s := doctor.State{Partition: partition, End: end.Offset, ID: ids[names[0]]}
		if start, ok := starts.Lookup(names[0], partition); ok {
			s.Start = start.Offset
		}
		for _, t := range schemas.Inputs() {
			o, ok := offsets.Lookup(p.topic(t), partition)
			s.Committed = s.Committed || ok && o.Err == nil && o.At > 0
		}
		marks := p.marks(partition, offsets)
		s.Fault = p.fault(marks, schemas.TopicState)
		for _, m := range marks {
			if l, ok := m.Log(schemas.TopicState.String()); ok {
				s.Marked, s.MarkedID, s.Records, s.Seen = true, l.ID, l.Next, l.End
				break
			}
		}
		p.facts.States = append(p.facts.States, s)
	}
	slices.SortFunc(p.facts.States, func(a, b doctor.State) int { return int(a.Partition - b.Partition) })
	return nil
}

// readingTime bounds how long one partition is read for: a leader that is being elected has time to come.
const readingTime = 5 * time.Second

// reading reads the first and the last batch of every partition. The brokers check the batches between them.
func (p *prober) reading(ctx context.Context) error {
	p.facts.Reading = doctor.Reading{}
	if len(p.topics) == 0 {
		return nil
	}
	starts, err := listed(p.adm.ListStartOffsets(ctx, p.topics...))
	if err != nil {
		return fmt.Errorf("start offsets: %w", err)
	}
	ends, err := listed(p.adm.ListCommittedOffsets(ctx, p.topics...))
	if err != nil {
		return fmt.Errorf("last stable offsets: %w", err)
	}
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(2 * atATime)
	ends.Each(func(end kadm.ListedOffset) {
		p.facts.Reading.Partitions++
		start, ok := starts.Lookup(end.Topic, end.Partition)
		if !ok || start.Offset >= end.Offset {
			return
		}
		g.Go(func() error {
			for _, offset := range []int64{start.Offset, end.Offset - 1} {
				if err := p.readable(ctx, end.Topic, end.Partition, offset); err != nil {
					mu.Lock()
					p.facts.Reading.Bad = append(p.facts.Reading.Bad, doctor.Unreadable{Topic: end.Topic, Partition: end.Partition, Offset: offset, Err: err})
					mu.Unlock()
					break
				}
			}
			return nil
		})
	})
	_ = g.Wait() // every error is a fact
	slices.SortFunc(p.facts.Reading.Bad, func(a, b doctor.Unreadable) int {
		if a.Topic != b.Topic {
			if a.Topic < b.Topic {
				return -1
			}
			return 1
		}
		return int(a.Partition - b.Partition)
	})
	return ctx.Err()
}

func (p *prober) readable(ctx context.Context, topic string, partition int32, offset int64) error {
	ctx, cancel := context.WithTimeout(ctx, readingTime)
	defer cancel()
	_, err := p.fetcher.Fetch(ctx, topic, partition, offset, 1, 0)
	if errors.Is(err, kafka.ErrOffsetGone) { // retention was faster
		return nil
	}
	return err
}
