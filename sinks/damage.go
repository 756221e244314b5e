package sinks

import (
	"cmp"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// damagedAgain is the interval at which a damaged batch is read again.
const damagedAgain = 3 * time.Second

// Damage has the damaged batches that a sink waits for. A damaged batch stops its topic of its partition alone, and nothing is
// skipped: the sink continues when the batch can be read, or when a repair has put another one in its place (ADR 0057).
//
// It is safe for concurrent use.
type Damage struct {
	name   string // of the sink
	logger *slog.Logger
	now    func() time.Time

	mu sync.Mutex
	at map[damagePlace]damagedBatch
}

type damagePlace struct {
	topic     schemas.Topic
	partition int32
}

type damagedBatch struct {
	err   error
	again time.Time // when it is read again
}

// NewDamage returns an empty one for a sink.
func NewDamage(name string, logger *slog.Logger, now func() time.Time) *Damage {
	return &Damage{name: name, logger: logger, now: now, at: map[damagePlace]damagedBatch{}}
}

// Waits reports whether the next batch is damaged, and not to be read yet.
func (d *Damage) Waits(topic schemas.Topic, partition int32) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	b, ok := d.at[damagePlace{topic, partition}]
	return ok && d.now().Before(b.again)
}

// Found records the error of a read: an ErrDamaged.
func (d *Damage) Found(topic schemas.Topic, partition int32, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	place := damagePlace{topic, partition}
	if _, known := d.at[place]; !known {
		d.logger.Error("a batch of a log is damaged; the sink waits with its topic", "sink", d.name, "topic", topic.String(), "partition", partition, "error", err)
	}
	d.at[place] = damagedBatch{err, d.now().Add(damagedAgain)}
}

// Passed records that a topic of a partition could be read, and reports whether it waited. from is the offset of the read, to the
// next one.
func (d *Damage) Passed(topic schemas.Topic, partition int32, from, to int64) (waited bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	place := damagePlace{topic, partition}
	if _, waited = d.at[place]; waited {
		delete(d.at, place)
		d.logger.Warn("the sink continues at a batch that was damaged", "sink", d.name, "topic", topic.String(), "partition", partition, "from", from, "to", to)
	}
	return waited
}

// Has reports whether the next batch is damaged, as far as known.
func (d *Damage) Has(topic schemas.Topic, partition int32) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.at[damagePlace{topic, partition}]
	return ok
}

// Forget removes the places of topics of a partition, all of them if no topic is given.
func (d *Damage) Forget(partition int32, topics ...schemas.Topic) {
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.at, func(place damagePlace, _ damagedBatch) bool {
		return place.partition == partition && (len(topics) == 0 || slices.Contains(topics, place.topic))
	})
}

// Batches returns how many damaged batches the sink waits for.
func (d *Damage) Batches() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.at)
}

// Err returns the error of the first of them, nil if there are none.
func (d *Damage) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.at) == 0 {
		return nil
	}
	first := slices.MinFunc(slices.Collect(maps.Keys(d.at)), func(a, b damagePlace) int {
		return cmp.Or(cmp.Compare(a.partition, b.partition), cmp.Compare(a.topic, b.topic))
	})
	return d.at[first].err
}
