package partition_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/processors/partition"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// partitions are the partitions of a topic: what one passes on to another reaches it.
type partitions struct {
	t    *testing.T
	all  []*harness
	home map[string]int32 // of a business or a number
	read []int            // how much of its `rerouted` records each has passed on
	// restarts lets every partition begin anew from its state after each step.
	restarts bool
	sent     int
}

// newPartitions makes three: the WABA belongs to 0, the number's id to 1, all else to 2.
func newPartitions(t *testing.T) *partitions {
	t.Helper()
	ps := &partitions{t: t, home: map[string]int32{waba: 0, phone: 1}, read: make([]int, 3)}
	for i := range int32(3) {
		p := newPartition(t)
		p.cfg.Partition, p.cfg.Partitions = i, 3
		p.cfg.PartitionOf = func(business []byte) int32 {
			if at, ok := ps.home[string(business)]; ok {
				return at
			}
			return 2
		}
		p.restart()
		ps.all = append(ps.all, p)
	}
	return ps
}

// feed lets a partition read a record, as the runner does.
func (ps *partitions) feed(at int32, body string, headers map[string]string) {
	ps.t.Helper()
	ps.from(schemas.TopicRawBulk, at, body, headers)
}

func (ps *partitions) from(topic schemas.Topic, at int32, body string, headers map[string]string) {
	ps.t.Helper()
	p := ps.all[at]
	p.raw = append(p.raw, rawRecord{[]byte(body), p.clock})
	o := p.origin(len(p.raw) - 1)
	o.Headers, o.Topic = nil, topic
	for k, v := range headers {
		o.Headers = append(o.Headers, partition.Header{Key: k, Value: []byte(v)})
		switch k {
		case schemas.HeaderReceivedAt:
			ms, err := strconv.ParseInt(v, 10, 64)
			if err != nil {
				ps.t.Fatal(err)
			}
			o.ReceivedAt = time.UnixMilli(ms)
			p.raw[len(p.raw)-1].at = o.ReceivedAt
		case schemas.HeaderOrigin:
			o.Label = []byte(v)
		case schemas.HeaderWABA:
			o.WABA = []byte(v)
		case schemas.HeaderReplay:
			o.Replay = &partition.Replay{ID: []byte(v), Seen: p.clock, Own: headers[schemas.HeaderReplayState] == schemas.StateOwn}
		}
	}
	o.Moved = headers[schemas.HeaderRerouted] == schemas.ReroutedMoved || headers[schemas.HeaderReplayRole] == schemas.RoleMoved
	if o.Replay != nil && !p.core.Replayed(o) {
		ps.t.Fatalf("partition %d left a replayed record out", at)
	}
	b, err := p.scanner.Scan([]byte(body))
	if err != nil {
		ps.t.Fatal(err)
	}
	p.core.Webhook(o, b)
	p.releaseAll()
	p.commit()
	ps.passOn()
}

// passOn delivers the rerouted records.
func (ps *partitions) passOn() {
	for i, p := range ps.all {
		for ps.read[i] < len(p.topics[schemas.TopicRerouted]) {
			r := p.topics[schemas.TopicRerouted][ps.read[i]]
			ps.read[i]++
			if ps.restarts {
				for _, q := range ps.all {
					q.restart()
				}
			}
			if r.value == nil {
				to := ps.all[r.partition]
				to.core.Number(noteOf(ps.t, r))
				to.commit()
				continue
			}
			ps.from(schemas.TopicRerouted, r.partition, string(r.value), r.headers)
		}
	}
}

// noteOf is a note as the runner gives it to a partition.
func noteOf(t *testing.T, r record) *partition.Origin {
	t.Helper()
	ms, err := strconv.ParseInt(r.headers[schemas.HeaderReceivedAt], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	o := &partition.Origin{Topic: schemas.TopicRerouted, Key: []byte(r.key), WABA: []byte(r.headers[schemas.HeaderWABA]), ReceivedAt: time.UnixMilli(ms),
		Unnamed: r.headers[schemas.HeaderRerouted] == schemas.ReroutedKnown}
	if id, ok := r.headers[schemas.HeaderReplay]; ok {
		o.Replay = &partition.Replay{ID: []byte(id)}
	}
	return o
}

// send feeds a webhook where the ingress writes it.
func (ps *partitions) send(body string) {
	ps.t.Helper()
	b, err := split.NewScanner(split.Limits{}).Scan([]byte(body))
	if err != nil {
		ps.t.Fatal(err)
	}
	key := b.Changes[0].WABA
	if len(key) == 0 {
		key = b.Changes[0].PhoneNumberID
	}
	at := ps.all[0].cfg.PartitionOf(key)
	lane := schemas.TopicRawLive
	if strings.Contains(body, `"history":`) {
		lane = schemas.TopicRawBulk
	}
	ps.sent++
	ps.feed(at, body, map[string]string{
		schemas.HeaderReceivedAt: strconv.FormatInt(ps.all[0].clock.UnixMilli(), 10),
		schemas.HeaderOrigin:     fmt.Sprintf("%s/%d/%d", lane, at, ps.sent),
	})
}

func (ps *partitions) wait(d time.Duration) {
	for _, p := range ps.all {
		p.clock = p.clock.Add(d)
	}
}

// syncs returns the records of `syncs` after compaction, by partition.
func (ps *partitions) syncs() []string {
	var all []string
	for i, p := range ps.all {
		newest := map[string]record{}
		for _, r := range p.topics[schemas.TopicSyncs] {
			newest[r.key] = r
		}
		for key, r := range newest {
			if r.value == nil {
				continue
			}
			s := decodeSync(ps.t, r.value)
			all = append(all, fmt.Sprintf("%d %s: %s window %d of WABA %q", i, key, s.State, s.Window, s.WABAID))
		}
	}
	return all
}

// last is the record of `syncs` that was committed last in a partition.
func (ps *partitions) last(at int) record {
	rs := ps.all[at].topics[schemas.TopicSyncs]
	if len(rs) == 0 {
		ps.t.Fatalf("no sync in partition %d", at)
	}
	return rs[len(rs)-1]
}

func decodeSync(t *testing.T, value []byte) schemas.Sync {
	t.Helper()
	p := &harness{t: t, topics: map[schemas.Topic][]record{schemas.TopicSyncs: {{value: value}}}}
	return events[schemas.Sync](p, schemas.TopicSyncs)[0]
}
