package archived

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/internal/verify"
	"github.com/coexstream/coexstream/schemas"
)

// Config says what to judge.
type Config struct {
	URL        string // of the archive
	Topics     []schemas.Topic
	Snapshots  bool // of compacted topics
	Connection kafka.Connection
	Prefix     string // of the topics' names
	TruthFile  string // empty: bodies are not judged

	Wait       time.Duration // maximum wait for a chain that does not grow
	Poll       time.Duration // pause between two looks
	SamplesMax int           // of each kind of fault in each topic

	Progress verify.Progress // nil: silent
}

// Check compares an archive with the topics and with the truth. It waits until the archive has the records that the topics have now.
func Check(ctx context.Context, cfg Config) (*Verdict, error) {
	v, err := check(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("check the archive %s: %w", address(cfg.URL), err)
	}
	return v, nil
}

func check(ctx context.Context, cfg Config) (v *Verdict, err error) {
	if cfg.Progress == nil {
		cfg.Progress = verify.Silent()
	}
	cfg.Progress.Begin("archive", 0)
	defer cfg.Progress.End()
	b, err := openBucket(ctx, cfg.URL)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	cl, err := kgo.NewClient(cfg.Connection.Franz()...)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	bodies, err := readBodies(cfg.TruthFile)
	if err != nil {
		return nil, err
	}
	c := &checking{cfg: cfg, bucket: b, fetcher: kafka.NewFetcher(cl), bodies: bodies, v: &Verdict{Archive: address(cfg.URL), Bodies: bodies.owed}}
	for _, topic := range cfg.Topics {
		if topic.Compacted() && !cfg.Snapshots {
			continue
		}
		if err := c.topic(ctx, topic); err != nil {
			return nil, fmt.Errorf("%s: %w", topic, err)
		}
	}
	c.missingBodies()
	return c.v, nil
}

// sayEvery is the pause between two lines about a wait.
const sayEvery = 10 * time.Second

// checking is a running check.
type checking struct {
	cfg     Config
	bucket  bucket
	fetcher *kafka.Fetcher
	bodies  *bodies
	v       *Verdict
}

func (c *checking) topic(ctx context.Context, topic schemas.Topic) error {
	full := topic.Name(c.cfg.Prefix)
	partitions, err := c.fetcher.Partitions(ctx, full)
	if err != nil {
		return err
	}
	slices.Sort(partitions)
	id := c.fetcher.TopicID(full)
	a := &account{v: c.v, t: &TopicVerdict{Topic: topic.String()}, samples: c.cfg.SamplesMax, sampled: map[string]int{}, progress: c.cfg.Progress}
	for _, p := range partitions {
		if err := c.partition(ctx, a, topic, p, hex.EncodeToString(id[:])); err != nil {
			return fmt.Errorf("partition %d: %w", p, err)
		}
	}
	slices.Sort(c.v.Samples)
	c.v.Topics = append(c.v.Topics, *a.t)
	return nil
}

// partition judges all chains of a partition.
func (c *checking) partition(ctx context.Context, a *account, topic schemas.Topic, id int32, log string) error {
	p, err := c.read(ctx, topic.Name(c.cfg.Prefix), id)
	if err != nil {
		return err
	}
	chains, err := c.wait(ctx, topic, id, log, p)
	if err != nil {
		return err
	}
	present := false
	for i, ch := range chains {
		j := newJoiner(c.bodies)
		take := func(r *record) {
			if topic.Raw() {
				if err := j.take(r); err != nil {
					a.fault(&a.t.Damaged, "segments", "%d@%d: %v", id, r.offset, err)
				}
			}
		}
		switch {
		case ch.log == log && ch.snapshot == "":
			present = true
			err = a.compare(ctx, c.bucket, ch, p, take)
		case ch.log == log && (i+1 == len(chains) || chains[i+1].log != log):
			present = true
			err = a.snapshot(ctx, c.bucket, ch, p)
		default:
			_, err = a.read(ctx, c.bucket, ch, take)
		}
		if err != nil {
			return err
		}
	}
	if !present && len(p.due) > 0 {
		a.t.Owed += len(p.due)
		for _, e := range p.due {
			a.fault(&a.t.Lost, "lost", "%d@%d", id, e.offset)
		}
	}
	return nil
}

// read reads the records that a partition has now.
func (c *checking) read(ctx context.Context, topic string, id int32) (*partition, error) {
	starts, err := c.fetcher.Starts(ctx, []string{topic}, []int32{id})
	if err != nil {
		return nil, err
	}
	p := &partition{start: starts[topic][id]}
	return p, c.fetcher.ReadAll(ctx, topic, id, p.start, func(r *kgo.Record) error {
		rec := &record{offset: r.Offset, timestamp: r.Timestamp.UnixMilli(), key: r.Key, value: r.Value}
		for _, h := range r.Headers {
			rec.headers = append(rec.headers, pair{h.Key, h.Value})
		}
		p.due = append(p.due, entry{r.Offset, rec.digest()})
		c.cfg.Progress.Add(0) // a long topic is read before its objects are counted
		return nil
	})
}

// wait lists the chains of a partition when its present one has all due records. It gives up when that did not grow for Config.Wait.
func (c *checking) wait(ctx context.Context, topic schemas.Topic, id int32, log string, p *partition) ([]*chain, error) {
	want := p.start
	if len(p.due) > 0 {
		want = p.due[len(p.due)-1].offset + 1
	}
	most, until, said := int64(-1), time.Time{}, time.Now()
	for {
		chains, err := c.chains(ctx, topic, id)
		if err != nil {
			return nil, err
		}
		next := int64(-1)
		complete := false
		for _, ch := range chains {
			if ch.log == log {
				h, err := peek(ctx, c.bucket, ch.objects[len(ch.objects)-1])
				if errors.Is(err, errDamaged) {
					return chains, nil // the verdict says so
				}
				if err != nil {
					return nil, err
				}
				next, complete = h.Next, h.Complete
			}
		}
		if topic.Compacted() && complete || !topic.Compacted() && (next >= want || len(p.due) == 0) {
			return chains, nil
		}
		if next > most || until.IsZero() {
			most, until = next, time.Now().Add(c.cfg.Wait)
		}
		now := time.Now()
		if now.After(until) {
			return chains, nil
		}
		if now.Sub(said) >= sayEvery {
			said = now
			c.cfg.Progress.Say(fmt.Sprintf("the archive of %s/%d is at offset %d of %d, waiting for %s more", topic, id, max(next, p.start), want, until.Sub(now).Round(time.Second)))
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(c.cfg.Poll):
		}
	}
}

func (c *checking) chains(ctx context.Context, topic schemas.Topic, id int32) ([]*chain, error) {
	names, err := c.bucket.list(ctx, fmt.Sprintf("%s/%04d/", topic.Name(c.cfg.Prefix), id))
	if err != nil {
		return nil, err
	}
	var objects []name
	for _, full := range names {
		if n, ok := parseName(full); ok {
			objects = append(objects, n)
		}
	}
	return chainsOf(objects), nil
}

func (c *checking) missingBodies() {
	c.v.Missing = len(c.bodies.missing)
	var all []int
	for _, i := range c.bodies.missing {
		all = append(all, i)
	}
	slices.Sort(all)
	c.v.Faults += len(all)
	for _, i := range all[:min(len(all), c.cfg.SamplesMax)] {
		c.v.Samples = append(c.v.Samples, fmt.Sprintf("raw: lost: body %d of the truth", i))
	}
}

// Topics are those that an archive has by default.
func Topics() []schemas.Topic {
	return slices.DeleteFunc(schemas.Topics(), func(t schemas.Topic) bool { return t == schemas.TopicRerouted })
}
