package app

import (
	"context"
	"encoding/json"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/desk/office"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
)

// followSyncs gives the records of `syncs` to the desk. It begins again after an error. It waits for the log of the desk, which says which
// numbers are known.
func (s *service) followSyncs(ctx context.Context, conn kafka.Connection, o *office.Office) error {
	const pause = 5 * time.Second
	for o.Ready() != nil {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(100 * time.Millisecond):
		}
	}
	reader, err := s.syncsReader(conn)
	if err != nil {
		return err
	}
	defer reader.Close()
	for ctx.Err() == nil {
		err := reader.Follow(ctx, kafka.FromStart(), func(r *kgo.Record) error {
			if number, sync, ok := s.syncOf(r); ok {
				o.Arrived(number, r.Partition, sync)
			}
			return nil
		})
		if err != nil && ctx.Err() == nil {
			s.log.Warn("the desk cannot follow syncs", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
		}
	}
	return nil
}

func (s *service) syncsReader(conn kafka.Connection) (*kafka.Reader, error) {
	return kafka.NewReader(conn, []string{schemas.TopicSyncs.Name(s.cfg.Kafka.Prefix)})
}

// syncOf reads a record of `syncs`. A tombstone has no sync. An unreadable record is logged.
func (s *service) syncOf(r *kgo.Record) (number string, sync *schemas.Sync, ok bool) {
	if len(r.Value) == 0 {
		return string(r.Key), nil, true
	}
	sync = &schemas.Sync{}
	if err := json.Unmarshal(r.Value, sync); err != nil {
		s.log.Error("a record of syncs cannot be read", "partition", r.Partition, "offset", r.Offset)
		return "", nil, false
	}
	return sync.PhoneNumberID, sync, true
}

// findSyncs reads the topic for the newest records of some numbers.
func (s *service) findSyncs(ctx context.Context, conn kafka.Connection, numbers map[string]bool) (map[string]office.Synced, error) {
	reader, err := s.syncsReader(conn)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	ranges, err := reader.Ranges(ctx, kafka.FromStart())
	if err != nil {
		return nil, err
	}
	found := map[string]office.Synced{}
	return found, reader.ReadRanges(ctx, ranges, func(r *kgo.Record) error {
		if !numbers[string(r.Key)] {
			return nil
		}
		switch number, sync, ok := s.syncOf(r); {
		case ok && sync != nil:
			found[number] = office.Synced{Sync: *sync, Partition: r.Partition}
		case ok && found[number].Partition == r.Partition:
			delete(found, number) // another partition may have one
		}
		return nil
	})
}
