package app

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/ingress/route"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/internal/replay"
	"github.com/coexstream/coexstream/processors/partition"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/syncrequest"
)

// modelled plays a pipeline without Kafka: the inputs of some partitions, their cores, and the times at which each of
// them works. Records for another partition can be read when their transaction has ended.
type modelled struct {
	t      *testing.T
	rng    *rand.Rand
	now    time.Time // the clock of the wall
	parts  []*modelledPartition
	events []fieldEvent // in the order of the commits
}

type modelledPartition struct {
	m        *modelled
	number   int32
	core     *partition.Partition
	space    partition.Workspace
	scanner  *split.Scanner
	logs     map[schemas.Topic][]modelledRecord
	next     map[schemas.Topic]int
	emitted  []partition.Record
	state    map[string][]byte
	contacts []partition.Record
}

type modelledRecord struct {
	key, value []byte
	headers    []partition.Header
	written    time.Time
	behind     map[schemas.Topic]int // how far what goes before the lane of history has to be read first
}

func newModelled(t *testing.T, rng *rand.Rand, partitions int32, now time.Time) *modelled {
	t.Helper()
	m := &modelled{t: t, rng: rng, now: now}
	for i := range partitions {
		p := &modelledPartition{m: m, number: i, scanner: split.NewScanner(split.Limits{}), logs: map[schemas.Topic][]modelledRecord{},
			next: map[schemas.Topic]int{}, state: map[string][]byte{}}
		m.parts = append(m.parts, p)
	}
	for _, p := range m.parts {
		p.restart()
	}
	return m
}

// restart builds the core again from the committed records.
func (p *modelledPartition) restart() {
	cfg := partition.DefaultConfig()
	cfg.Partition, cfg.Partitions = p.number, int32(len(p.m.parts))
	cfg.PartitionOf = func(business []byte) int32 { return kafka.Partition(business, cfg.Partitions) }
	part, err := partition.New(cfg)
	if err != nil {
		p.m.t.Fatal(err)
	}
	for key, value := range p.state {
		if err := part.RestoreState(key, value); err != nil {
			p.m.t.Fatal(err)
		}
	}
	for i := range p.contacts {
		r := &p.contacts[i]
		if err := part.RestoreContact(r.Key, func(name string) []byte { return headerOf(r.Headers, name) }, r.Value == nil); err != nil {
			p.m.t.Fatal(err)
		}
	}
	if err := part.Restored(); err != nil {
		p.m.t.Fatal(err)
	}
	p.core = part
	p.begin()
}

func headerOf(hs []partition.Header, name string) []byte {
	for _, h := range hs {
		if h.Key == name {
			return h.Value
		}
	}
	return nil
}

func (p *modelledPartition) begin() {
	p.space.Reset()
	p.core.Begin(func(r partition.Record) {
		c := partition.Record{Topic: r.Topic, Partition: r.Partition, Key: slices.Clone(r.Key), Value: slices.Clone(r.Value)}
		for _, h := range r.Headers {
			c.Headers = append(c.Headers, partition.Header{Key: h.Key, Value: slices.Clone(h.Value)})
		}
		p.emitted = append(p.emitted, c)
	}, &p.space)
}

// commit ends the transaction.
func (p *modelledPartition) commit() {
	p.core.Flush()
	for _, r := range p.emitted {
		switch r.Topic {
		case schemas.TopicState:
			if r.Value == nil {
				delete(p.state, string(r.Key))
			} else {
				p.state[string(r.Key)] = r.Value
			}
		case schemas.TopicRerouted:
			p.m.parts[r.Partition].write(schemas.TopicRerouted, r.Key, r.Value, r.Headers)
		default:
			if r.Topic == schemas.TopicContacts {
				p.contacts = append(p.contacts, r)
			}
			e := fieldEvent{topic: r.Topic, key: string(r.Key), headers: map[string]string{}, raw: string(r.Value)}
			for _, h := range r.Headers {
				e.headers[h.Key] = string(h.Value)
			}
			p.m.events = append(p.m.events, e)
		}
	}
	p.emitted = p.emitted[:0]
	if p.m.rng.IntN(20) == 0 {
		p.restart()
	} else {
		p.begin()
	}
}

func (p *modelledPartition) write(topic schemas.Topic, key, value []byte, headers []partition.Header) {
	r := modelledRecord{key: key, value: value, headers: headers, written: p.m.now}
	if topic == schemas.TopicRawBulk {
		r.behind = map[schemas.Topic]int{}
		for _, before := range []schemas.Topic{schemas.TopicRawLive, schemas.TopicRerouted} {
			r.behind[before] = len(p.logs[before])
		}
	}
	p.logs[topic] = append(p.logs[topic], r)
}

// readable are the inputs of which the partition may read something now.
func (p *modelledPartition) readable() (topics []schemas.Topic) {
	for _, topic := range schemas.Inputs() {
		if p.next[topic] == len(p.logs[topic]) {
			continue
		}
		ready := true
		for before, end := range p.logs[topic][p.next[topic]].behind {
			ready = ready && p.next[before] >= end
		}
		if ready {
			topics = append(topics, topic)
		}
	}
	return topics
}

// read processes the next record of an input.
func (p *modelledPartition) read(topic schemas.Topic) {
	offset := p.next[topic]
	p.next[topic]++
	o := p.origin(topic, offset)
	if topic == schemas.TopicRawBulk {
		p.core.PassFor(o, o.ReceivedAt)
		p.release()
	}
	switch {
	case topic == schemas.TopicRerouted && o.Value == nil:
		p.core.Number(o)
		return
	case o.Replay != nil && !p.core.Replayed(o):
		p.release()
		return
	}
	if string(o.Source) == syncrequest.Source {
		p.core.SyncRequest(o)
		p.release()
		return
	}
	body, err := p.scanner.Scan(slices.Clone(o.Value))
	if err != nil {
		p.core.DeadLetter(o, err.(*split.Error).Reason, "") //nolint:errorlint // Scan promises this type
		return
	}
	p.core.Webhook(o, body)
	p.release()
}

func (p *modelledPartition) release() {
	for {
		h, ok := p.core.NextHeld()
		if !ok {
			return
		}
		o := p.origin(h.Ref().Topic, int(h.Ref().Offset))
		body, err := p.scanner.Scan(slices.Clone(o.Value))
		if err != nil {
			p.m.t.Fatal(err)
		}
		h.Release(o, body)
	}
}

func (p *modelledPartition) origin(topic schemas.Topic, offset int) *partition.Origin {
	r := p.logs[topic][offset]
	o := &partition.Origin{Topic: topic, Offset: int64(offset), Key: r.key, Value: r.value, Headers: r.headers,
		Label: fmt.Appendf(nil, "%s/%d/%d", topic, p.number, offset)}
	for _, h := range r.headers {
		switch h.Key {
		case schemas.HeaderReceivedAt:
			ms, err := strconv.ParseInt(string(h.Value), 10, 64)
			if err != nil {
				p.m.t.Fatal(err)
			}
			o.ReceivedAt, o.Received = time.UnixMilli(ms), h.Value
		case schemas.HeaderSource:
			o.Source = h.Value
		case schemas.HeaderOrigin:
			o.Label = h.Value
		case schemas.HeaderWABA:
			o.WABA = h.Value
		case schemas.HeaderRerouted:
			o.Moved, o.Unnamed = string(h.Value) == schemas.ReroutedMoved, string(h.Value) == schemas.ReroutedKnown
		case schemas.HeaderReplay, schemas.HeaderReplayRole:
			if o.Replay == nil {
				o.Replay = &partition.Replay{Seen: p.m.now}
			}
			if h.Key == schemas.HeaderReplay {
				o.Replay.ID = h.Value
			}
			o.Moved = o.Moved || string(h.Value) == schemas.RoleMoved
			o.Replay.Extra = o.Replay.Extra || string(h.Value) == schemas.RoleExtra
			o.Replay.End = o.Replay.End || string(h.Value) == schemas.RoleEnd
		}
	}
	return o
}

// step lets one partition read one record of one of its inputs, and perhaps end its transaction. late tells which records have
// to be read: any partition that has one is chosen, by chance.
func (m *modelled) step(late func(*modelledRecord) bool) bool {
	type choice struct {
		p     *modelledPartition
		topic schemas.Topic
	}
	var choices []choice
	for _, p := range m.parts {
		topics := p.readable()
		if !slices.ContainsFunc(topics, func(topic schemas.Topic) bool { return late(&p.logs[topic][p.next[topic]]) }) {
			continue
		}
		for _, topic := range topics {
			choices = append(choices, choice{p, topic})
		}
	}
	if len(choices) == 0 {
		return false
	}
	c := choices[m.rng.IntN(len(choices))]
	c.p.read(c.topic)
	if m.rng.IntN(2) == 0 {
		c.p.commit()
	}
	return true
}

// settle lets all be read that was written before a time.
func (m *modelled) settle(before time.Time) {
	for {
		if m.step(func(r *modelledRecord) bool { return !r.written.After(before) }) {
			continue
		}
		commits := false
		for _, p := range m.parts {
			commits = commits || len(p.emitted) > 0
			p.commit()
		}
		if !commits {
			return
		}
	}
}

// modelledLag is how long a record waits at most until it is processed.
const modelledLag = 4 * time.Second

// pass lets the clock come to a time.
func (m *modelled) pass(to time.Time) {
	for range m.rng.IntN(6) {
		m.step(func(*modelledRecord) bool { return true })
	}
	m.settle(to.Add(-modelledLag))
	if to.Sub(m.now) > 2*modelledLag {
		for _, p := range m.parts {
			p.core.Tick(to.Add(-modelledLag))
			p.release()
			p.commit()
		}
		m.settle(to.Add(-modelledLag))
	}
	m.now = to
}

// end lets all be processed, and all leave that waits.
func (m *modelled) end() {
	for range 3 {
		m.pass(m.now.Add(30 * 24 * time.Hour))
	}
}

// posted is a webhook and when it was received.
type posted struct {
	body string
	at   time.Time
}

// first plays posts as they come.
func (m *modelled) first(posts []posted) {
	for _, post := range posts {
		m.pass(post.at)
		topic, key := route.LaneAndKey([]byte(post.body))
		source := "meta"
		if step, err := syncrequest.Decode([]byte(post.body)); err == nil { // as the desk writes it
			topic, key, source = schemas.TopicRawLive, []byte(step.WABAID), syncrequest.Source
		}
		at := m.parts[kafka.Partition(key, int32(len(m.parts)))]
		at.write(topic, key, []byte(post.body), []partition.Header{
			{Key: schemas.HeaderReceivedAt, Value: strconv.AppendInt(nil, post.at.UnixMilli(), 10)},
			{Key: schemas.HeaderSource, Value: []byte(source)},
		})
	}
	m.end()
}

// replay plays the raw log of another pipeline.
func (m *modelled) replay(of *modelled) {
	target := replay.Target{ID: "r", Partitions: int32(len(m.parts)), SameLayout: len(m.parts) == len(of.parts)}
	merge := replay.NewMerge()
	var lanes []replay.Lane
	for _, topic := range []schemas.Topic{schemas.TopicRawLive, schemas.TopicRawBulk} {
		for i := range of.parts {
			lanes = append(lanes, replay.Lane{Topic: topic, Partition: int32(i)})
		}
	}
	next := make([]int, len(lanes))
	offer := func(i int) {
		log := of.parts[lanes[i].Partition].logs[lanes[i].Topic]
		if next[i] == len(log) {
			return
		}
		r := log[next[i]]
		rec := &replay.Record{Lane: lanes[i], Offset: int64(next[i]), Time: r.written, Key: r.key, Value: r.value}
		for _, h := range r.headers {
			rec.Headers = append(rec.Headers, replay.Header(h))
		}
		next[i]++
		merge.Offer(i, rec)
	}
	for i := range lanes {
		offer(i)
	}
	scanner := split.NewScanner(split.Limits{})
	touched := map[int32]bool{}
	place := func(c *replay.Placed) {
		var hs []partition.Header
		for _, h := range c.Headers {
			hs = append(hs, partition.Header(h))
		}
		touched[c.Partition] = true
		m.parts[c.Partition].write(schemas.TopicRawBulk, c.Key, c.Value, hs)
	}
	var last time.Time
	for {
		i, rec, ok := merge.Next()
		if !ok {
			break
		}
		last = rec.ReceivedAt()
		body, err := scanner.Scan(slices.Clone(rec.Value))
		if err != nil {
			body = nil
		}
		moved := target.Learn(rec, body)
		copies := slices.Concat(target.Copies(rec, body), moved)
		for k := range copies {
			place(&copies[k])
		}
		for range m.rng.IntN(3) {
			m.step(func(*modelledRecord) bool { return true })
		}
		offer(i)
	}
	for partition := range maps.Clone(touched) {
		end := target.End(partition, last)
		place(&end)
	}
	m.settle(m.now)
	m.end()
}

// consumed is what consumers of all topics have in the end: each event with its id, place in time and value; of a compacted topic
// the newest of each key; and which parts of which kinds were set aside.
func (m *modelled) consumed() []string {
	newest := map[string]string{}
	var all []string
	for _, e := range m.events {
		what := fmt.Sprintf("%s %s %s", e.topic, e.headers[schemas.HeaderCESource], e.key)
		at := e.headers[schemas.HeaderCETime]
		if ms, err := strconv.ParseInt(e.headers[schemas.HeaderReceivedAt], 10, 64); err == nil && at == time.UnixMilli(ms).UTC().Format(time.RFC3339Nano) {
			at = "received" // of two deliveries of it the first to be read tells it
		}
		whole := fmt.Sprintf("%s %s %s %s %s", what, e.headers[schemas.HeaderCEType], e.headers[schemas.HeaderCEID], at, e.raw)
		switch {
		case e.topic == schemas.TopicDLQ:
			// A letter has the body that was processed: the whole one, or the part that was rerouted. Places refer to
			// that body.
			for _, header := range []string{schemas.HeaderDLQPlaces, schemas.HeaderDLQChanges} {
				for place := range strings.SplitSeq(e.headers[header], ",") {
					if path := strings.SplitN(place, ".", 3); len(path) == 3 {
						all = append(all, "set aside: "+path[2])
					}
				}
			}
		case e.topic == schemas.TopicSyncs: // a repeated state has another id
			newest[what] = fmt.Sprintf("%s %s %s", what, e.headers[schemas.HeaderCEType], e.raw)
		case e.topic.Compacted():
			newest[what] = whole
		default:
			all = append(all, whole)
		}
	}
	all = append(all, slices.Collect(maps.Values(newest))...)
	slices.Sort(all)
	return all
}

// repeatedSyncs are the states of syncs that left more than once.
func (m *modelled) repeatedSyncs() (repeated []string) {
	seen := map[string]bool{}
	for _, e := range m.events {
		if e.topic != schemas.TopicSyncs || e.raw == "" {
			continue
		}
		id := e.headers[schemas.HeaderCEID]
		if seen[id] {
			repeated = append(repeated, fmt.Sprintf("%s %s %s", id, e.key, e.raw))
		}
		seen[id] = true
	}
	return repeated
}
