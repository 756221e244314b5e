package replay

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// Target is the destination of a replay.
type Target struct {
	ID         string // of the replay
	Partitions int32
	// SameLayout: the target has as many partitions as the source, so a record keeps its own.
	SameLayout bool
	// OwnState: the target is the source, whose processors separate the replay from live records.
	OwnState bool

	numbers numbers
}

// Placed is a copy with its partition.
type Placed struct {
	Partition int32
	Time      time.Time
	Key       []byte
	Value     []byte
	Headers   []Header
}

// Copies returns the copies of a record: one for its own partition, and one for each other partition that has a
// business of the body. So nothing has to be rerouted, and time is one in each partition. A body with only a number
// goes to the partition of the number's WABA, if that is settled. body is nil if it could not be split.
func (t *Target) Copies(r *Record, body *split.Body) []Placed {
	headers := t.headers(r)
	alone := bare(body)
	if alone != nil {
		if waba := t.waba(r, alone); waba != "" {
			headers = append(headers, Header{schemas.HeaderWABA, []byte(waba)})
			return []Placed{{kafka.Partition([]byte(waba), t.Partitions), r.Time, r.Key, r.Value, headers}}
		}
	}
	own := t.home(r, body)
	copies := []Placed{{own, r.Time, r.Key, r.Value, headers}}
	if body == nil {
		return copies
	}
	done := []int32{own}
	for i := range body.Changes {
		business := businessOf(&body.Changes[i])
		if len(business) == 0 {
			continue
		}
		p := kafka.Partition(business, t.Partitions)
		if slices.Contains(done, p) {
			continue
		}
		done = append(done, p)
		extra := append(slices.Clone(headers), Header{schemas.HeaderReplayRole, []byte(schemas.RoleExtra)})
		copies = append(copies, Placed{p, r.Time, r.Key, r.Value, extra})
	}
	if alone != nil {
		copies = append(copies, t.movedOf(r, alone)...)
	}
	return copies
}

// businessOf returns the key that decides the partition: the WABA, or the number where the envelope names no WABA.
func businessOf(c *split.Change) []byte {
	if len(c.WABA) > 0 {
		return c.WABA
	}
	return c.PhoneNumberID
}

func (t *Target) home(r *Record, body *split.Body) int32 {
	if t.SameLayout {
		return r.Lane.Partition
	}
	if len(r.Key) > 0 {
		return kafka.Partition(r.Key, t.Partitions)
	}
	if body != nil {
		for i := range body.Changes {
			if b := businessOf(&body.Changes[i]); len(b) > 0 {
				return kafka.Partition(b, t.Partitions)
			}
		}
	}
	return 0
}

// headers returns the headers of the record and those of the replay.
func (t *Target) headers(r *Record) []Header {
	hs := make([]Header, 0, len(r.Headers)+5)
	for _, h := range r.Headers {
		if h.Key != schemas.HeaderOrigin && h.Key != schemas.HeaderWABA && !strings.HasPrefix(h.Key, schemas.HeaderReplay) {
			hs = append(hs, h)
		}
	}
	hs = append(hs,
		Header{schemas.HeaderOrigin, r.Origin()},
		Header{schemas.HeaderReplay, []byte(t.ID)},
		Header{schemas.HeaderReplayHops, strconv.AppendInt(nil, int64(r.Hops()+1), 10)})
	return t.state(hs)
}

func (t *Target) state(hs []Header) []Header {
	if t.OwnState {
		hs = append(hs, Header{schemas.HeaderReplayState, []byte(schemas.StateOwn)})
	}
	return hs
}

// End is the marker after the last record of a partition. Everything received before at was replayed.
func (t *Target) End(partition int32, at time.Time) Placed {
	return Placed{Partition: partition, Time: at, Headers: t.state([]Header{
		{schemas.HeaderReceivedAt, strconv.AppendInt(nil, at.UnixMilli(), 10)},
		{schemas.HeaderReplay, []byte(t.ID)},
		{schemas.HeaderReplayRole, []byte(schemas.RoleEnd)},
	})}
}
