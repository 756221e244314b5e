package replay

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/archive"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
)

// archivedLog is the chains of one log of a raw topic.
type archivedLog struct {
	id     archive.LogID
	chains [][]archive.Object // by partition
	oldest time.Time
}

// PlanArchive is Plan for a source in an archive, and a generation of its logs.
func PlanArchive(ctx context.Context, a *archive.Archive, p *Progress, generation int, now time.Time) error {
	byTopic := map[schemas.Topic][]archivedLog{}
	generations := 0
	for _, topic := range rawTopics() {
		logs, err := logsOf(ctx, a, topic)
		if err != nil {
			return err
		}
		byTopic[topic] = logs
		generations = max(generations, len(logs))
	}
	if generations == 0 {
		return fmt.Errorf("the archive has no raw records of the prefix %q", a.Prefix)
	}
	p.Version, p.AsOf, p.Ranges, p.Next = progressVersion, now, map[string]Range{}, map[string]int64{}
	p.Archive.Generation, p.Archive.Of, p.Archive.Logs = generation, generations, map[string]string{}
	for topic, logs := range byTopic {
		if generation+1 < len(logs) && logs[generation+1].oldest.Before(p.AsOf) {
			p.AsOf = logs[generation+1].oldest // the next replay continues there
		}
		if generation >= len(logs) {
			continue
		}
		log := logs[generation]
		p.Archive.Logs[topic.String()] = log.id.String()
		for _, objects := range log.chains {
			first, last := objects[0], objects[len(objects)-1]
			h, err := a.Header(ctx, last)
			if err != nil {
				return err
			}
			p.Archive.Partitions = max(p.Archive.Partitions, h.Partitions)
			p.restrict(Lane{topic, first.Chain.Partition}.String(), Range{first.First, h.Next}, p.Archive.Only)
		}
	}
	return p.Archive.Only.known(int(p.Archive.Partitions))
}

// logsOf are the logs of a topic, in the order of their records.
func logsOf(ctx context.Context, a *archive.Archive, topic schemas.Topic) ([]archivedLog, error) {
	all, err := a.All(ctx, []schemas.Topic{topic})
	if err != nil {
		return nil, err
	}
	var logs []archivedLog
	for _, objects := range all {
		h, err := a.Header(ctx, objects[0])
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(logs, func(l archivedLog) bool { return l.id == objects[0].Chain.Log })
		if i < 0 {
			i = len(logs)
			logs = append(logs, archivedLog{id: objects[0].Chain.Log, oldest: h.OldestAt()})
		}
		logs[i].chains = append(logs[i].chains, objects)
		if h.Records > 0 && h.OldestAt().Before(logs[i].oldest) {
			logs[i].oldest = h.OldestAt()
		}
	}
	slices.SortFunc(logs, func(x, y archivedLog) int {
		return cmp.Or(x.oldest.Compare(y.oldest), cmp.Compare(x.id.String(), y.id.String()))
	})
	return logs, nil
}

// archiveLane reads a lane from its chain.
type archiveLane struct {
	a     *archive.Archive
	lane  Lane
	chain archive.Chain
	from  time.Time // objects whose records are all older are passed over

	objects []archive.Object
	// parts are segments of bodies whose last segment is to come.
	parts     map[int64]*kgo.Record
	partBytes int
}

// partBytesMax bounds the kept segments of bodies. Beyond it, segments are read again.
const partBytesMax = 64 << 20

func newArchiveLane(a *archive.Archive, p *Progress, l Lane) (*archiveLane, error) {
	s := &archiveLane{a: a, lane: l, chain: archive.Chain{Topic: l.Topic, Partition: l.Partition}, from: p.Selection.From, parts: map[int64]*kgo.Record{}}
	if _, err := hex.Decode(s.chain.Log[:], []byte(p.Archive.Logs[l.Topic.String()])); err != nil {
		return nil, fmt.Errorf("progress: log of %s: %w", l, err)
	}
	return s, nil
}

// readArchive is read from an archive.
func (l *lane) readArchive(ctx context.Context, s *archiveLane, r Range) {
	defer close(l.batches)
	b, bytes := batch{}, 0
	send := func() bool {
		select {
		case l.batches <- b:
			b, bytes = batch{}, 0
			return true
		case <-ctx.Done():
			return false
		}
	}
	b.err = s.each(ctx, r, func(rec *kgo.Record) error {
		whole, err := s.whole(ctx, rec)
		if err != nil || whole == nil {
			return err
		}
		b.records = append(b.records, recordOf(s.lane, whole))
		b.next = whole.Offset + 1
		if bytes += len(whole.Value); bytes >= fetchBytes && !send() {
			return ctx.Err()
		}
		return nil
	})
	if len(b.records) > 0 || b.err != nil {
		send()
	}
}

// each calls yield for the records of a range. A missing object is an error: a replay leaves nothing out silently.
func (s *archiveLane) each(ctx context.Context, r Range, yield func(*kgo.Record) error) (err error) {
	if s.objects, err = s.a.Objects(ctx, s.chain); err != nil {
		return err
	}
	next := int64(-1)
	for i, o := range s.objects {
		if i+1 < len(s.objects) && s.objects[i+1].First <= r.Start {
			continue
		}
		if o.First >= r.End {
			break
		}
		if next >= 0 && o.First != next {
			return fmt.Errorf("the archive has no %s from %d to %d; `coexstream sink archive verify` shows what it has, and --offsets leaves the place out", s.chain, next, o.First-1)
		}
		if next, err = s.object(ctx, o, r, yield); err != nil {
			return err
		}
	}
	if next < r.End {
		return fmt.Errorf("the archive has no %s from %d on, up to %d", s.chain, max(next, r.Start), r.End-1)
	}
	return nil
}

// object reads the records of an object that are in the range. It returns where the object ends.
func (s *archiveLane) object(ctx context.Context, o archive.Object, r Range, yield func(*kgo.Record) error) (next int64, err error) {
	if !s.from.IsZero() {
		h, err := s.a.Header(ctx, o)
		if err != nil {
			return 0, err
		}
		if h.NewestAt().Before(s.from) {
			return h.Next, nil
		}
	}
	h, err := s.a.Read(ctx, o, func(rec *kgo.Record) error {
		if rec.Offset < r.Start || rec.Offset >= r.End {
			return nil
		}
		return yield(rec)
	})
	if err != nil {
		return 0, err
	}
	return h.Next, nil
}

// whole joins segments, as Fetcher.Whole does.
func (s *archiveLane) whole(ctx context.Context, rec *kgo.Record) (*kgo.Record, error) {
	whole, err := kafka.Joined(rec, func(offset int64) (*kgo.Record, error) {
		if part := s.parts[offset]; part != nil {
			delete(s.parts, offset)
			s.partBytes -= len(part.Value)
			return part, nil
		}
		return s.at(ctx, offset)
	})
	switch {
	case err != nil && !kafka.Unreadable(err):
		return nil, err
	case whole == nil:
		if s.partBytes += len(rec.Value); s.partBytes > partBytesMax {
			clear(s.parts)
			s.partBytes = len(rec.Value)
		}
		s.parts[rec.Offset] = rec
	}
	return whole, nil
}

// errFound ends the reading of an object.
var errFound = errors.New("found")

// at reads one record again; nil where it is not there.
func (s *archiveLane) at(ctx context.Context, offset int64) (found *kgo.Record, err error) {
	i, ok := slices.BinarySearchFunc(s.objects, offset, func(o archive.Object, at int64) int { return cmp.Compare(o.First, at) })
	if !ok {
		i--
	}
	if i < 0 {
		return nil, nil
	}
	_, err = s.a.Read(ctx, s.objects[i], func(rec *kgo.Record) error {
		if rec.Offset < offset {
			return nil
		}
		if rec.Offset == offset {
			found = rec
		}
		return errFound
	})
	if err != nil && !errors.Is(err, errFound) {
		return nil, err
	}
	return found, nil
}
