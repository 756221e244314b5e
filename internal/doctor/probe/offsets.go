package probe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"golang.org/x/sync/errgroup"

	"github.com/coexstream/coexstream/internal/doctor"
	"github.com/coexstream/coexstream/schemas"
)

// inputs returns the group's lag, and the age of the oldest waiting record.
func (p *prober) inputs(ctx context.Context) error {
	names := p.there(schemas.Inputs()...)
	if len(names) == 0 {
		return nil
	}
	offsets, err := p.adm.FetchOffsetsForTopics(ctx, p.Config.Processor.GroupID, names...)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // without a group nothing is committed
		return fmt.Errorf("committed offsets of group %s: %w", p.Config.Processor.GroupID, err)
	}
	starts, err := listed(p.adm.ListStartOffsets(ctx, names...))
	if err != nil {
		return fmt.Errorf("start offsets: %w", err)
	}
	ends, err := listed(p.adm.ListCommittedOffsets(ctx, names...))
	if err != nil {
		return fmt.Errorf("last stable offsets: %w", err)
	}
	ids, err := p.topicIDs(ctx, names)
	if err != nil {
		return err
	}
	p.facts.Inputs = nil
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atATime)
	for _, t := range schemas.Inputs() {
		for partition, end := range ends[p.topic(t)] {
			in := doctor.Input{Topic: t, Partition: partition, Committed: -1, Stable: end.Offset, ID: ids[p.topic(t)]}
			if s, ok := starts.Lookup(p.topic(t), partition); ok {
				in.Start = s.Offset
			}
			if o, ok := offsets.Lookup(p.topic(t), partition); ok && o.Err == nil {
				in.Committed = o.At
			}
			p.known(&in, offsets)
			g.Go(func() error {
				err := p.oldest(ctx, &in)
				mu.Lock()
				defer mu.Unlock()
				p.facts.Inputs = append(p.facts.Inputs, in)
				return err
			})
		}
	}
	return g.Wait()
}

// oldest finds the oldest record that waits. Where only control records are left, nothing waits.
func (p *prober) oldest(ctx context.Context, in *doctor.Input) error {
	for offset := max(in.Committed, in.Start); offset < in.Stable; {
		got, err := p.fetcher.Fetch(ctx, p.topic(in.Topic), in.Partition, offset, 1, 0)
		if err != nil {
			return err
		}
		if len(got.Records) > 0 {
			in.Waiting, in.OldestAt = true, got.Records[0].Timestamp
			return nil
		}
		if got.Next <= offset {
			return nil
		}
		offset = got.Next
	}
	return nil
}

func listed(l kadm.ListedOffsets, err error) (kadm.ListedOffsets, error) {
	if err == nil {
		err = l.Error()
	}
	return l, err
}

// newest returns the newest timestamps of the raw topics.
func (p *prober) newest(ctx context.Context) error {
	names := p.there(schemas.TopicRawLive, schemas.TopicRawBulk)
	if len(names) == 0 {
		return nil
	}
	l, err := listed(p.adm.ListMaxTimestampOffsets(ctx, names...))
	if err != nil {
		return fmt.Errorf("newest timestamps of %s: %w", strings.Join(names, ", "), err)
	}
	p.facts.Newest = nil
	l.Each(func(o kadm.ListedOffset) {
		if o.Timestamp > 0 {
			p.facts.Newest = append(p.facts.Newest, doctor.Newest{Topic: o.Topic, Partition: o.Partition, At: time.UnixMilli(o.Timestamp)})
		}
	})
	slices.SortFunc(p.facts.Newest, func(a, b doctor.Newest) int { return b.At.Compare(a.At) })
	return nil
}

// openStates are those of a transaction that holds readers back.
var openStates = []string{"Ongoing", "PrepareCommit", "PrepareAbort", "PrepareEpochFence"}

// transactions looks at partitions, coordinators, and partitions again: what both looks at a partition show
// and no coordinator knows hangs.
func (p *prober) transactions(ctx context.Context) error {
	t := &p.facts.Transactions
	t.CoordinatorID = p.TransactionalID
	t.CoordinatorErr = p.adm.FindTxnCoordinators(ctx, p.TransactionalID)[p.TransactionalID].Err

	blocked, err := p.blocked(ctx)
	if err != nil {
		return err
	}
	before := p.producers(ctx, blocked)
	ids, err := p.open(ctx)
	if err != nil {
		return err
	}
	after := p.producers(ctx, blocked)
	for i := range blocked {
		for producer := range before[i] {
			if after[i][producer] && !ids[producer.id] {
				blocked[i].Unknown = append(blocked[i].Unknown, producer.id)
			}
		}
		slices.Sort(blocked[i].Unknown)
	}
	t.Blocked = blocked
	return nil
}

// blocked finds the partitions whose readers cannot read to the end.
func (p *prober) blocked(ctx context.Context) ([]doctor.Blocked, error) {
	if len(p.topics) == 0 {
		return nil, nil
	}
	// The ends first, so that later records do not matter.
	ends, err := listed(p.adm.ListEndOffsets(ctx, p.topics...))
	if err != nil {
		return nil, fmt.Errorf("high watermarks: %w", err)
	}
	stable, err := listed(p.adm.ListCommittedOffsets(ctx, p.topics...))
	if err != nil {
		return nil, fmt.Errorf("last stable offsets: %w", err)
	}
	var all []doctor.Blocked
	ends.Each(func(e kadm.ListedOffset) {
		if s, ok := stable.Lookup(e.Topic, e.Partition); ok && s.Offset < e.Offset {
			all = append(all, doctor.Blocked{Topic: e.Topic, Partition: e.Partition, Stable: s.Offset, End: e.Offset})
		}
	})
	slices.SortFunc(all, func(a, b doctor.Blocked) int {
		if c := strings.Compare(a.Topic, b.Topic); c != 0 {
			return c
		}
		return int(a.Partition - b.Partition)
	})
	return all, nil
}

// producer is an open transaction as a partition's leader knows it.
type producer struct{ id, start int64 }

// producers asks the leaders, as far as they answer: not all clusters let everybody ask.
func (p *prober) producers(ctx context.Context, blocked []doctor.Blocked) []map[producer]bool {
	found := make([]map[producer]bool, len(blocked))
	set := kadm.TopicsSet{}
	for i, b := range blocked {
		found[i] = map[producer]bool{}
		set.Add(b.Topic, b.Partition)
	}
	if len(blocked) == 0 {
		return found
	}
	described, _ := p.adm.DescribeProducers(ctx, set) // partial results are useful
	for i, b := range blocked {
		for _, d := range described[b.Topic].Partitions[b.Partition].ActiveProducers {
			if d.CurrentTxnStartOffset >= 0 {
				found[i][producer{d.ProducerID, d.CurrentTxnStartOffset}] = true
			}
		}
	}
	return found
}

// open describes the open transactions of the pipeline, and gives the producer ids of all open ones.
func (p *prober) open(ctx context.Context) (map[int64]bool, error) {
	list, err := p.adm.ListTransactions(ctx, nil, openStates)
	if err != nil {
		return nil, fmt.Errorf("list transactions: %w", err)
	}
	ids := map[int64]bool{}
	for _, l := range list {
		ids[l.ProducerID] = true
	}
	if len(list) == 0 {
		return ids, nil
	}
	described, err := p.adm.DescribeTransactions(ctx, list.TransactionalIDs()...)
	if err != nil {
		return nil, fmt.Errorf("describe %d transactions: %w", len(list), err)
	}
	p.facts.Transactions.Open = nil
	for _, d := range described.Sorted() {
		x := doctor.Transaction{
			ID: d.TxnID, State: d.State, Started: time.UnixMilli(d.StartTimestamp),
			Timeout: time.Duration(d.TimeoutMillis) * time.Millisecond, Topics: map[string][]int32{},
		}
		ours := strings.HasPrefix(d.TxnID, p.Config.Processor.GroupID+"-")
		for topic, ps := range d.Topics {
			for partition := range ps {
				x.Topics[topic] = append(x.Topics[topic], partition)
			}
			ours = ours || slices.Contains(p.topics, topic)
		}
		if ours && d.Err == nil && d.StartTimestamp > 0 && slices.Contains(openStates, d.State) {
			p.facts.Transactions.Open = append(p.facts.Transactions.Open, x)
		}
	}
	return ids, nil
}
