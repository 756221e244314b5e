package processors

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/coexstream/coexstream/schemas"
)

// attemptsGroup returns the group whose committed offsets are the notes. They are offsets with metadata of a group
// without members. A note has to be durable before the work that it describes, so it cannot be in the transaction of
// this work. If notes cannot be written, sessions continue without them.
func attemptsGroup(group string) string { return group + "-attempts" }

// noteTimeout bounds one read or write of notes.
const noteTimeout = 2 * time.Second

// noteLog stores notes by partition.
type noteLog interface {
	read(ctx context.Context) (map[int32]attempt, error)
	write(ctx context.Context, notes map[int32]attempt) error
}

// attempts stores the notes in Kafka. It implements noteLog.
type attempts struct {
	adm   *kadm.Client
	group string
	topic string // raw.bulk; it has one note per partition
}

func (a *attempts) read(ctx context.Context) (map[int32]attempt, error) {
	ctx, cancel := context.WithTimeout(ctx, noteTimeout)
	defer cancel()
	offsets, err := a.adm.FetchOffsets(ctx, a.group)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return nil, fmt.Errorf("read the notes of earlier sessions: %w", err)
	}
	all := map[int32]attempt{}
	for partition, o := range offsets[a.topic] {
		var note attempt
		if o.Err == nil && json.Unmarshal([]byte(o.Metadata), &note) == nil {
			all[partition] = note
		}
	}
	return all, nil
}

// ofBulk is the index of raw.bulk in attempt.At. A note is committed at this offset. An offset beyond the end of the
// log would look like a log that was cut.
var ofBulk = slices.Index(schemas.Inputs(), schemas.TopicRawBulk)

func (a *attempts) write(ctx context.Context, notes map[int32]attempt) error {
	offsets := kadm.Offsets{}
	for partition, note := range notes {
		metadata, err := json.Marshal(note)
		if err != nil {
			return fmt.Errorf("note of an attempt: %w", err)
		}
		offsets.Add(kadm.Offset{Topic: a.topic, Partition: partition, At: note.At[ofBulk], LeaderEpoch: -1, Metadata: string(metadata)})
	}
	ctx, cancel := context.WithTimeout(ctx, noteTimeout)
	defer cancel()
	done, err := a.adm.CommitOffsets(ctx, a.group, offsets)
	if err == nil {
		err = done.Error()
	}
	if err != nil {
		return fmt.Errorf("note of an attempt: %w", err)
	}
	return nil
}

// notebook has the processor's notes of partitions across sessions; mu guards own. A note that could not be written at
// the end of a session still counts, unless another session has begun since.
type notebook struct {
	mu  sync.Mutex
	own map[int32]attempt // the latest note of this process
}

func newNotebook() *notebook { return &notebook{own: map[int32]attempt{}} }

// begin notes that the session by begins at places, and returns the new notes.
func (b *notebook) begin(ctx context.Context, log noteLog, by string, places map[int32]beginning) (map[int32]attempt, error) {
	before, err := log.read(ctx)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	now := make(map[int32]attempt, len(places))
	for partition, at := range places {
		note := before[partition]
		if own, ok := b.own[partition]; ok && own.By == note.By {
			note = own
		}
		now[partition] = note.begun(at, by)
		b.own[partition] = now[partition]
	}
	b.mu.Unlock()
	return now, log.write(ctx, now)
}

// change changes the note of a partition in memory only.
func (b *notebook) change(partition int32, do func(attempt) attempt) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if own, ok := b.own[partition]; ok {
		b.own[partition] = do(own)
	}
}

// alone notes that a piece will be processed alone. over reports that the piece has failed often enough; then nothing
// is noted. A note that cannot be written does not count.
func (b *notebook) alone(ctx context.Context, log noteLog, partition int32, what piece) (over bool) {
	b.mu.Lock()
	before, ok := b.own[partition]
	b.mu.Unlock()
	if !ok {
		return false
	}
	note, over := before.alone(what)
	if !over && log.write(ctx, map[int32]attempt{partition: note}) != nil {
		return false // even if it was written, the note in memory counts
	}
	b.change(partition, func(attempt) attempt { return note })
	return over
}

// relax notes that a lane needs no more care.
func (b *notebook) relax(ctx context.Context, log noteLog, partition int32, l lane) error {
	b.mu.Lock()
	note, ok := b.own[partition]
	if ok {
		note = note.relaxed(l)
		b.own[partition] = note
	}
	b.mu.Unlock()
	if !ok {
		return nil
	}
	return log.write(ctx, map[int32]attempt{partition: note})
}

// end notes that the session's work on partitions ends; nil: on all. It skips partitions with which another session has
// begun.
func (b *notebook) end(ctx context.Context, log noteLog, by string, partitions []int32, how outcome) error {
	b.mu.Lock()
	ended := map[int32]attempt{}
	for partition, own := range b.own {
		if own.By == by && (partitions == nil || slices.Contains(partitions, partition)) {
			b.own[partition] = own.ended(how)
			ended[partition] = b.own[partition]
		}
	}
	b.mu.Unlock()
	if len(ended) == 0 {
		return nil
	}
	now, err := log.read(ctx)
	if err != nil {
		return err
	}
	for partition := range ended {
		if now[partition].By != by {
			delete(ended, partition)
		}
	}
	if len(ended) == 0 {
		return nil
	}
	return log.write(ctx, ended)
}
