package replay

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/archive"
	"github.com/coexstream/coexstream/internal/contentcoding"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// Config says how to run a replay.
type Config struct {
	Connection kafka.Connection
	// Archive has the source where the progress says so.
	Archive *archive.Archive
	// DryRun counts and writes nothing.
	DryRun bool
	Pace   Pace
	Split  split.Limits
	Decode contentcoding.Limits
	// Verify checks the signature of a record: nil when it is right, ErrUnsigned when there is none. Not called
	// unless the progress says so.
	Verify func(*Record) error
	// Save keeps the progress, durably. Checkpoints come at every CheckpointEvery and at the end.
	Save            func(*Progress) error
	CheckpointEvery time.Duration
	Watch           Watch
	Now             func() time.Time
}

// Watch gets the progress of a run.
type Watch interface {
	Begin(what string, total int64)
	Add(n int64)
	Say(line string)
	End()
}

// ErrUnsigned says that a record has no signature.
var ErrUnsigned = errors.New("not signed")

// Limits of the records between two waits for acknowledgements.
const (
	batchBodies = 2000
	batchBytes  = 8 << 20
	failuresMax = 10 // wrong signatures that are reported one by one
)

// Offsets restricts a replay to ranges of single lanes, by Lane.String.
type Offsets map[string]Range

// Plan fixes the ranges of a replay: from the given start, or the given ranges, to the end of each lane
// as it is now.
func Plan(ctx context.Context, conn kafka.Connection, p *Progress, only Offsets, now time.Time) error {
	p.Version, p.AsOf, p.Ranges, p.Next = progressVersion, now, map[string]Range{}, map[string]int64{}
	from := kafka.FromStart()
	if !p.Selection.From.IsZero() {
		from = kafka.FromTime(p.Selection.From)
	}
	names := map[string]schemas.Topic{}
	topics := make([]string, 0, 2)
	for _, t := range rawTopics() {
		names[t.Name(p.Source)] = t
		topics = append(topics, t.Name(p.Source))
	}
	reader, err := kafka.NewReader(conn, topics)
	if err != nil {
		return err
	}
	defer reader.Close()
	ranges, err := reader.Ranges(ctx, from)
	if err != nil {
		return err
	}
	for tp, r := range ranges {
		l := Lane{names[tp.Topic], tp.ID}.String()
		p.restrict(l, Range{r.Start, r.End}, only)
	}
	return only.known(len(ranges) / len(topics))
}

// restrict notes the part of a lane that is wanted.
func (p *Progress) restrict(lane string, got Range, only Offsets) {
	if only != nil {
		o, ok := only[lane]
		if !ok {
			return
		}
		got.Start = max(got.Start, o.Start)
		if o.End > 0 {
			got.End = min(got.End, o.End)
		}
	}
	if got.Start < got.End {
		p.Ranges[lane] = got
	}
}

// known holds that there are the lanes.
func (o Offsets) known(partitions int) error {
	for l := range o {
		if t, ok := laneNamed(l); !ok || int(t.Partition) >= partitions {
			return fmt.Errorf("no lane %q: there are raw.live/0 to raw.bulk/%d", l, partitions-1)
		}
	}
	return nil
}

// laneNamed is the lane of a name that Lane.String gave.
func laneNamed(name string) (Lane, bool) {
	var l Lane
	for _, t := range rawTopics() {
		if n, err := fmt.Sscanf(name, t.String()+"/%d", &l.Partition); n == 1 && err == nil && l.Partition >= 0 {
			l.Topic = t
			return l, l.String() == name
		}
	}
	return l, false
}

// Run replays the rest of p, and keeps p up to date. When it returns, with or without an error, another Run continues
// from the last checkpoint that Save kept.
func Run(ctx context.Context, cfg Config, p *Progress) error {
	cl, err := kgo.NewClient(cfg.Connection.Franz()...)
	if err != nil {
		return fmt.Errorf("connect to %v: %w", cfg.Connection.Brokers, err)
	}
	defer cl.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &run{cfg: &cfg, p: p, scanner: split.NewScanner(cfg.Split), saved: cfg.Now()}
	if !cfg.DryRun {
		if err := r.aim(ctx, cl); err != nil {
			return err
		}
		defer r.out.close()
	}
	if err := r.target.Know(p.Numbers); err != nil {
		return fmt.Errorf("progress: %w", err)
	}
	done, total := p.Offsets()
	cfg.Watch.Begin("replay", total)
	defer cfg.Watch.End()
	cfg.Watch.Add(done)
	if err := r.all(ctx, kafka.NewFetcher(cl)); err != nil {
		return err
	}
	if err := r.checkpoint(ctx); err != nil {
		return err
	}
	if !cfg.DryRun {
		for _, partition := range p.Touched {
			r.out.add(r.target.End(partition, p.EndAt()))
		}
		if err := r.out.flush(ctx); err != nil {
			return fmt.Errorf("end markers: %w", err)
		}
	}
	p.Done, p.Numbers = true, nil
	return cfg.Save(p)
}

type run struct {
	cfg     *Config
	p       *Progress
	scanner *split.Scanner
	target  Target
	out     *writer
	pace    Pace
	failed  int
	told    bool // the expiry of copies was reported
	// retention of the target's raw.bulk; 0: no end.
	retention time.Duration
	saved     time.Time
	passed    map[string]int64 // since the last checkpoint
}

// aim looks at the target.
func (r *run) aim(ctx context.Context, cl *kgo.Client) error {
	count := func(prefix string) (int32, error) {
		reader, err := kafka.NewReader(r.cfg.Connection, []string{schemas.TopicRawBulk.Name(prefix)})
		if err != nil {
			return 0, err
		}
		defer reader.Close()
		ranges, err := reader.Ranges(ctx, kafka.FromEnd())
		return int32(len(ranges)), err
	}
	source, err := r.sourcePartitions(count)
	if err != nil {
		return err
	}
	target, err := count(r.p.Target)
	if err != nil {
		return fmt.Errorf("target: %w; create its topics with `coexstream topics create --prefix %s`", err, r.p.Target)
	}
	r.target = Target{ID: r.p.ID, Partitions: target, SameLayout: source == target, OwnState: r.p.Source == r.p.Target && !r.p.Fresh}
	r.out = newWriter(&r.cfg.Connection, schemas.TopicRawBulk.Name(r.p.Target))
	r.pace = r.cfg.Pace
	r.retention, err = retention(ctx, cl, schemas.TopicRawBulk.Name(r.p.Target))
	return err
}

func (r *run) sourcePartitions(count func(prefix string) (int32, error)) (int32, error) {
	if r.p.Archive != nil {
		return r.p.Archive.Partitions, nil
	}
	return count(r.p.Source)
}

// retention is how long a topic keeps records; 0: for ever, or unknown.
func retention(ctx context.Context, cl *kgo.Client, topic string) (time.Duration, error) {
	got, err := kadm.NewClient(cl).DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return 0, fmt.Errorf("describe the configuration of %s: %w", topic, err)
	}
	for _, rc := range got {
		for _, c := range rc.Configs {
			if c.Key != "retention.ms" || c.Value == nil {
				continue
			}
			if ms, err := strconv.ParseInt(*c.Value, 10, 64); err == nil && ms > 0 && ms < math.MaxInt64/int64(time.Millisecond) {
				return time.Duration(ms) * time.Millisecond, nil
			}
		}
	}
	return 0, nil
}

// expiring warns once when copies are so old that the broker may remove them before they are processed: they keep
// their timestamps, by which retention counts.
func (r *run) expiring(rec *Record) {
	if r.retention == 0 || r.told || r.cfg.Now().Sub(rec.Time) < r.retention {
		return
	}
	r.told = true
	r.cfg.Watch.Say(fmt.Sprintf("records are older than what %s keeps (%v): the broker may remove the copies before they are processed; "+
		"raise its retention.ms for the time of the replay", schemas.TopicRawBulk.Name(r.p.Target), r.retention))
}

// all reads, chooses and writes.
func (r *run) all(ctx context.Context, f *kafka.Fetcher) error {
	merge, lanes := NewMerge(), []*lane{}
	r.passed = map[string]int64{}
	for _, l := range r.lanes() {
		name := l.String()
		ln := &lane{name: name, batches: make(chan batch)}
		lanes = append(lanes, ln)
		wanted := Range{r.p.From(name), r.p.Ranges[name].End}
		if r.p.Archive == nil {
			go ln.read(ctx, f, l.Topic.Name(r.p.Source), l, wanted)
			continue
		}
		source, err := newArchiveLane(r.cfg.Archive, r.p, l)
		if err != nil {
			return err
		}
		go ln.readArchive(ctx, source, wanted)
	}
	offer := func(i int) error {
		rec, err := lanes[i].take(ctx)
		if err != nil {
			return err
		}
		if rec != nil {
			merge.Offer(i, rec)
		} else {
			r.passed[lanes[i].name] = r.p.Ranges[lanes[i].name].End
		}
		return nil
	}
	for i := range lanes {
		if err := offer(i); err != nil {
			return err
		}
	}
	bodiesMax, bytesMax := r.cfg.Pace.Batch(batchBodies, batchBytes)
	for {
		i, rec, ok := merge.Next()
		if !ok {
			return nil
		}
		if err := r.one(rec); err != nil {
			return err
		}
		r.passed[lanes[i].name] = rec.Offset + 1
		r.cfg.Watch.Add(1)
		if r.out != nil && (r.out.bodies >= bodiesMax || r.out.bytes >= bytesMax) || r.cfg.Now().Sub(r.saved) >= r.cfg.CheckpointEvery {
			if err := r.checkpoint(ctx); err != nil {
				return err
			}
		}
		if err := offer(i); err != nil {
			return err
		}
	}
}

func (r *run) lanes() []Lane {
	var ls []Lane
	for name := range r.p.Ranges {
		if l, ok := laneNamed(name); ok && r.p.From(name) < r.p.Ranges[name].End {
			ls = append(ls, l)
		}
	}
	// Of records of one millisecond the live lane's go first, as a processor has it.
	slices.SortFunc(ls, func(a, b Lane) int {
		if a.Topic != b.Topic {
			return int(a.Topic) - int(b.Topic)
		}
		return int(a.Partition - b.Partition)
	})
	return ls
}

// one decides on a record and adds its copies to the next write.
func (r *run) one(rec *Record) error {
	c := &r.p.Counts
	c.Read.add(len(rec.Value))
	if v := r.p.Selection.Before(rec); v != Taken {
		c.LeftOut(v)
		return nil
	}
	body := r.split(rec)
	moved := r.target.Learn(rec, body)
	defer func() { r.add(moved) }()
	if v := r.p.Selection.Content(rec, body); v != Taken {
		c.LeftOut(v)
		return nil
	}
	if r.p.Verify {
		switch err := r.cfg.Verify(rec); {
		case err == nil:
			c.Verified++
		case errors.Is(err, ErrUnsigned):
			c.Unsigned++
		default:
			if c.Unverified == nil {
				c.Unverified = map[string]int64{}
			}
			c.Unverified[string(rec.Header(schemas.HeaderSource))]++
			if r.failed++; r.failed <= failuresMax {
				r.cfg.Watch.Say(fmt.Sprintf("%s/%d: left out: %v", rec.Lane, rec.Offset, err))
			}
			return nil
		}
	}
	c.Take(rec, body)
	if r.out == nil {
		return nil
	}
	r.expiring(rec)
	r.add(r.target.Copies(rec, body))
	return nil
}

// add adds copies to the next write.
func (r *run) add(copies []Placed) {
	if r.out == nil {
		return
	}
	for _, p := range copies {
		r.out.add(p)
		r.p.Touch(p.Partition)
		r.p.Counts.Written++
	}
}

// split cuts a body; nil when that cannot be done.
func (r *run) split(rec *Record) *split.Body {
	value := rec.Value
	if enc := rec.Header(schemas.HeaderContentEncoding); len(enc) > 0 {
		decoded, err := contentcoding.Decode(nil, enc, value, r.cfg.Decode)
		if err != nil {
			return nil
		}
		value = decoded
	}
	body, err := r.scanner.Scan(value)
	if err != nil {
		return nil
	}
	return body
}

// checkpoint writes the added copies, keeps the progress, and rests as the rate cap says.
func (r *run) checkpoint(ctx context.Context) error {
	var rest time.Duration
	if r.out != nil {
		bodies, bytes := r.out.bodies, r.out.bytes
		if err := r.out.flush(ctx); err != nil {
			return err
		}
		rest = r.pace.Wrote(r.cfg.Now(), bodies, bytes)
	}
	for name, next := range r.passed {
		r.p.Passed(name, next)
	}
	clear(r.passed)
	if now := r.cfg.Now(); now.Sub(r.saved) >= r.cfg.CheckpointEvery || rest > 0 {
		r.saved = now
		r.p.Numbers = r.target.Numbers()
		if err := r.cfg.Save(r.p); err != nil {
			return err
		}
	}
	if rest <= 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(rest):
		return nil
	}
}
