package app

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/ingress/route"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/internal/replay"
	"github.com/coexstream/coexstream/processors/directory"
	"github.com/coexstream/coexstream/processors/history"
	"github.com/coexstream/coexstream/processors/partition"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/fixtures"
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
		at := m.parts[kafka.Partition(key, int32(len(m.parts)))]
		at.write(topic, key, []byte(post.body), []partition.Header{
			{Key: schemas.HeaderReceivedAt, Value: strconv.AppendInt(nil, post.at.UnixMilli(), 10)},
			{Key: schemas.HeaderSource, Value: []byte("meta")},
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

// modelledBusiness is a business in a random log, with its last webhook for each way to its partition.
type modelledBusiness struct {
	waba, number, display string
	posts                 []modelledPost // of late
	chunks, others        []time.Time    // when webhooks with history came, and others
}

// modelledPost is a webhook of a business: its content without the envelope.
type modelledPost struct {
	at    time.Time
	way   modelledWay
	value string
}

var wamidIn = regexp.MustCompile(`wamid\.[A-Za-z0-9=+/]+`)

// alike reports whether two webhooks may come in any order. They go one way; or they are live, and where they tell the same message
// they say the same of it.
func (a *modelledPost) alike(b *modelledPost) bool {
	switch {
	case a.way == wayAway || b.way == wayAway:
		return false
	case a.way == b.way || a.value == b.value && max(a.way, b.way) == wayBare:
		return true
	case max(a.way, b.way) != wayBare:
		return false
	}
	for _, id := range wamidIn.FindAllString(a.value, -1) {
		if strings.Contains(b.value, id) {
			return false
		}
	}
	return true
}

// modelledWay is how a webhook reaches the partition of its business.
type modelledWay int

const (
	wayLive modelledWay = iota // by raw.live, and names its WABA first
	wayBare                    // by raw.live, and names the number alone
	wayBulk                    // by raw.bulk, and names its WABA first
	wayAway                    // any other: it is read elsewhere first
)

// modelledLog is a random log of all examples that there are: each posted as it is, as the value alone, or with the entries
// of another; of some businesses at a time. Webhooks of one business that go different ways are some seconds apart: of those
// that are not, docs/adr/0014-replay.md says what may differ. Only bare values come within a millisecond of others, and of the
// first ones of their number. No chunk that is rerouted comes within seconds of the end of a wait of its sync.
type modelledLog struct {
	t     *testing.T
	rng   *rand.Rand
	start time.Time
	at    time.Time
	posts []posted
	// contacts: bare values may change them. Whether the number and its WABA are of one partition, and so of one table, depends
	// on how many partitions there are.
	contacts bool
}

func (l *modelledLog) fill() {
	var pool []*modelledBusiness
	for i := range 1 + l.rng.IntN(6) {
		pool = append(pool, &modelledBusiness{
			waba: fmt.Sprintf("72%011d", l.rng.IntN(1000)*10+i), number: fmt.Sprintf("82%011d", l.rng.IntN(1000)*10+i),
			display: fmt.Sprintf("1555%07d", l.rng.IntN(1000)*10+i),
		})
	}
	type example struct {
		body string
		of   *modelledBusiness
	}
	var examples []example
	for _, f := range fixtures.All() {
		b := pool[l.rng.IntN(len(pool))]
		// Native events name the business by its number alone: no two businesses may have the same.
		body := strings.NewReplacer("102290129340398", b.waba, "106540352242922", b.number, "15550783881", b.display).Replace(string(f.Body))
		examples = append(examples, example{body, b})
	}
	files, err := filepath.Glob(casesFolder + "/*.json")
	if err != nil {
		l.t.Fatal(err)
	}
	for _, file := range files {
		b := &modelledBusiness{}
		for _, body := range caseBodies(l.t, strings.TrimSuffix(filepath.Base(file), ".json"), l.at) {
			examples = append(examples, example{body, b})
		}
	}
	l.rng.Shuffle(len(examples), func(i, j int) { examples[i], examples[j] = examples[j], examples[i] })
	for _, e := range examples[:1+l.rng.IntN(len(examples))] {
		if l.at.Sub(l.start) > 20*time.Hour {
			break // a repetition is dropped for a day
		}
		topic, key := route.LaneAndKey([]byte(e.body))
		way := wayLive
		if topic == schemas.TopicRawBulk {
			way = wayBulk
		}
		if len(key) == 0 || strings.Count(e.body, `"id": "`+string(key)+`"`)+strings.Count(e.body, `"id":"`+string(key)+`"`) != 1 {
			way = wayAway
		}
		value, single := bareOf(e.body)
		single = single && !strings.Contains(e.body, `standby"`) && (l.contacts || !strings.Contains(value, `"state_sync"`))
		switch n := l.rng.IntN(9); {
		case n == 0 && single:
			l.post(value, wayOfBare(value), e.of)
		case n == 1 && single: // beside the same in its envelope, in any order
			if l.rng.IntN(2) == 0 {
				l.post(value, wayOfBare(value), e.of)
				l.post(e.body, way, e.of)
			} else {
				l.post(e.body, way, e.of)
				l.post(value, wayOfBare(value), e.of)
			}
		case n == 2:
			with := examples[l.rng.IntN(len(examples))]
			if body, ok := joinedOf(with.body, e.body); ok {
				l.post(body, wayAway, with.of, e.of)
			}
		default:
			l.post(e.body, way, e.of)
		}
	}
}

func wayOfBare(value string) modelledWay {
	if topic, _ := route.LaneAndKey([]byte(value)); topic == schemas.TopicRawBulk || strings.Contains(value, `"state_sync"`) {
		return wayAway
	}
	return wayBare
}

func (l *modelledLog) post(body string, way modelledWay, of ...*modelledBusiness) {
	switch n := l.rng.IntN(20); {
	case n < 14:
		l.at = l.at.Add(time.Duration(l.rng.IntN(4)) * time.Millisecond)
	case n < 18:
		l.at = l.at.Add(time.Duration(l.rng.IntN(20000)) * time.Millisecond)
	default:
		l.at = l.at.Add(time.Duration(l.rng.IntN(180)) * time.Minute)
	}
	p := modelledPost{way: way, value: body}
	if value, ok := bareOf(body); ok {
		p.value = value
	}
	for _, b := range of {
		for i := range b.posts {
			if apart := b.posts[i].at.Add(3 * modelledLag); l.at.Before(apart) && !p.alike(&b.posts[i]) {
				l.at = apart
			}
		}
	}
	past := strings.Contains(body, `"history"`)
	if past {
		l.avoidDeadlines(way, of)
	}
	p.at = l.at
	for _, b := range of {
		if past {
			b.chunks = append(b.chunks, l.at)
		} else {
			b.others = append(b.others, l.at)
		}
		b.posts = slices.DeleteFunc(b.posts, func(q modelledPost) bool { return l.at.Sub(q.at) > 3*modelledLag })
		b.posts = append(b.posts, p)
	}
	l.posts = append(l.posts, posted{body, l.at})
}

// avoidDeadlines moves the next webhook with history behind the latency of a wait that has just ended: of its sync, where it is
// rerouted, or of a follow-up for its placeholder. It may be processed before the end of the wait at first, and in a replay it
// is processed behind it.
func (l *modelledLog) avoidDeadlines(way modelledWay, of []*modelledBusiness) {
	c, hold := history.DefaultConfig(), partition.DefaultConfig().Media.Hold
	for _, b := range of {
		for again := true; again; {
			again = false
			behind := func(came []time.Time, waits ...time.Duration) {
				for _, at := range came {
					for _, wait := range waits {
						if since := l.at.Sub(at.Add(wait)); since >= 0 && since < 3*modelledLag {
							l.at, again = at.Add(wait+3*modelledLag), true
						}
					}
				}
			}
			behind(b.others, hold)
			if way == wayAway {
				behind(b.chunks, c.GapTimeout, c.PhaseHold, c.QuietTime, c.Ceiling)
			}
		}
	}
}

// bareOf is the value of a body's only change.
func bareOf(body string) (string, bool) {
	var b struct {
		Entry []struct {
			Changes []struct {
				Value json.RawMessage `json:"value"`
			} `json:"changes"`
		} `json:"entry"`
	}
	if json.Unmarshal([]byte(body), &b) != nil || len(b.Entry) != 1 || len(b.Entry[0].Changes) != 1 {
		return "", false
	}
	v := string(b.Entry[0].Changes[0].Value)
	return v, strings.Contains(v, `"messaging_product"`)
}

// joinedOf is a body with the entries of two.
func joinedOf(first, second string) (string, bool) {
	var a, b struct {
		Object string            `json:"object"`
		Entry  []json.RawMessage `json:"entry"`
	}
	if json.Unmarshal([]byte(first), &a) != nil || json.Unmarshal([]byte(second), &b) != nil || a.Object == "" || b.Object == "" {
		return "", false
	}
	var all []string
	for _, e := range slices.Concat(a.Entry, b.Entry) {
		all = append(all, string(e))
	}
	return `{"object":"` + a.Object + `","entry":[` + strings.Join(all, ",") + `]}`, true
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

var (
	interleavings     = flag.Int("interleavings", 60, "how many random logs are played")
	interleavingsSeed = flag.Uint64("interleavings-seed", 1, "seed of the random logs; 0: a new one")
)

// In any order of the partitions, the first run and replays of its log give the same events: ids, times, and values.
// This holds for the same number of partitions and for others. A bare value may come at any time.
func TestFirstRunAndReplaysAgreeInEveryInterleaving(t *testing.T) {
	t.Parallel()
	seed := *interleavingsSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	for _, differed := range []struct{ seed, log uint64 }{{1796070187403799426, 47}} {
		firstRunAndReplaysAgree(t, differed.seed, differed.log)
	}
	for log := range uint64(*interleavings) {
		firstRunAndReplaysAgree(t, seed, log)
	}
}

func firstRunAndReplaysAgree(t *testing.T, seed, log uint64) {
	rng := rand.New(rand.NewPCG(seed, log))
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	partitions, others := int32(1+rng.IntN(7)), int32(1+rng.IntN(7))
	l := &modelledLog{t: t, rng: rng, start: start, at: start, contacts: others == partitions}
	l.fill()
	first := newModelled(t, rng, partitions, start)
	first.first(l.posts)
	want := first.consumed()
	for _, n := range []int32{partitions, others} {
		again := newModelled(t, rng, n, first.now)
		again.replay(first)
		differences := differ(want, again.consumed())
		if len(differences) == 0 {
			continue
		}
		t.Errorf("run again with -interleavings-seed=%d: log %d of %d posts, in %d partitions and in %d", seed, log, len(l.posts), partitions, n)
		for _, d := range differences[:min(len(differences), 6)] {
			t.Logf("%.1500s", d)
		}
	}
}

// docs/webhooks.md, H26: after an onboarding a number is its WABA's again, of few numbers with the event, and of many with the number's
// next webhook.
func TestFirstRunAndReplaysAgreeOnANumberThatCameBackToAWABAOfManyNumbers(t *testing.T) {
	t.Parallel()
	const home, other = "7100", "7200"
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	in := func(waba, field, value string, at time.Time) string {
		return fmt.Sprintf(`{"object":"whatsapp_business_account","entry":[{"id":"%s","time":%d,"changes":[{"field":"%s","value":%s}]}]}`, waba, at.Unix(), field, value)
	}
	message := func(number int, id string, at time.Time) string {
		return fmt.Sprintf(`{"messaging_product":"whatsapp","metadata":{"phone_number_id":"81%02d","display_phone_number":"155500090%02d"},"messages":[{"from":"16505551234","id":"wamid.%s","timestamp":"%d","type":"text","text":{"body":"b"}}]}`, number, number, id, at.Unix())
	}
	for _, numbers := range []int{1, 4, 5, 9} {
		for seed := range uint64(6) {
			var posts []posted
			post := func(after time.Duration, body func(at time.Time) string) {
				at := start.Add(after)
				posts = append(posts, posted{body(at), at})
			}
			for i := range numbers {
				post(time.Duration(i)*time.Second, func(at time.Time) string {
					return in(home, "messages", message(i, fmt.Sprint("first", i), at), at)
				})
			}
			post(time.Hour, func(at time.Time) string { return in(other, "messages", message(0, "away", at), at) })
			post(2*time.Hour, func(at time.Time) string { return message(0, "bare.away", at) })
			post(3*time.Hour, func(at time.Time) string { return in(home, "account_update", `{"event":"PARTNER_ADDED"}`, at) })
			post(4*time.Hour, func(at time.Time) string { return message(0, "bare.added", at) })
			post(5*time.Hour, func(at time.Time) string { return in(home, "messages", message(0, "back", at), at) })
			post(6*time.Hour, func(at time.Time) string { return message(0, "bare.back", at) })

			rng := rand.New(rand.NewPCG(seed, uint64(numbers)))
			first := newModelled(t, rng, 3, start)
			first.first(posts)
			for _, partitions := range []int32{3, 5} {
				again := newModelled(t, rng, partitions, first.now)
				again.replay(first)
				for _, d := range differ(first.consumed(), again.consumed()) {
					t.Errorf("%d numbers, seed %d, %d partitions: %.400s", numbers, seed, partitions, d)
				}
			}
			whose := map[string]string{"bare.away": other, "bare.added": home, "bare.back": home}
			if numbers > directory.NamedAtOnceMax {
				whose["bare.added"] = other
			}
			for _, e := range first.events {
				for id, want := range whose {
					if strings.Contains(e.raw, `"wamid":"wamid.`+id+`"`) {
						delete(whose, id)
						if !strings.Contains(e.raw, `"waba_id":"`+want+`"`) {
							t.Errorf("%d numbers, seed %d: %s is not of %s: %.300s", numbers, seed, id, want, e.raw)
						}
					}
				}
			}
			if len(whose) > 0 {
				t.Errorf("%d numbers, seed %d: no events of %v", numbers, seed, whose)
			}
		}
	}
}

// docs/webhooks.md, H17: a chunk and a live webhook of one message come by two lanes, and either may be read first.
func TestWhatWasJustWrittenStaysLiveInEveryInterleaving(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	const user, biz = "16505551234", "15550783881"
	change := func(field, parts string) string {
		return `{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"field":"` + field + `","value":{"messaging_product":"whatsapp",
			"metadata":{"display_phone_number":"` + biz + `","phone_number_id":"106540352242922"},` + parts + `}}]}]}`
	}
	at := strconv.FormatInt(start.Unix(), 10)
	item := func(from, to string) string {
		return `[{"from":"` + from + `","to":"` + to + `","id":"wamid.X","timestamp":"` + at + `","type":"image","image":{"id":"1"}}]`
	}
	for field, test := range map[string]struct {
		live  string
		topic schemas.Topic
	}{
		"messages":           {change("messages", `"messages":`+item(user, biz)), schemas.TopicMessages},
		"smb_message_echoes": {change("smb_message_echoes", `"message_echoes":`+item(biz, user)), schemas.TopicEchoes},
		"echoes, messages":   {change("messages", `"message_echoes":`+item(biz, user)), schemas.TopicEchoes},
	} {
		chunk := change("history", `"history":[{"metadata":{"phase":0,"chunk_order":1,"progress":10},"threads":[{"id":"`+user+
			`","messages":[{"from":"`+user+`","id":"wamid.X","timestamp":"`+at+`","type":"media_placeholder"}]}]}]`)
		for _, posts := range [][]posted{
			{{chunk, start}, {test.live, start.Add(time.Millisecond)}}, {{test.live, start}, {chunk, start.Add(time.Millisecond)}},
			{{chunk, start}, {test.live, start.Add(time.Minute)}},
		} {
			for seed := range uint64(8) {
				rng := rand.New(rand.NewPCG(seed, 0))
				first := newModelled(t, rng, 2, start)
				first.first(posts)
				again := newModelled(t, rng, 3, first.now)
				again.replay(first)
				for _, d := range differ(first.consumed(), again.consumed()) {
					t.Errorf("%s, seed %d: %.300s", field, seed, d)
				}
				n := 0
				for _, e := range again.events {
					if e.topic == test.topic {
						n++
					}
				}
				if n != 1 {
					t.Errorf("%s, seed %d: %d events on %s", field, seed, n, test.topic)
				}
			}
		}
	}
}

// differ is what stands in one list alone; both are sorted.
func differ(first, second []string) (differences []string) {
	count := map[string]int{}
	for _, s := range first {
		count[s]++
	}
	for _, s := range second {
		count[s]--
	}
	for s, n := range count {
		switch {
		case n > 0:
			differences = append(differences, fmt.Sprintf("%d times less in the replay: %s", n, s))
		case n < 0:
			differences = append(differences, fmt.Sprintf("%d times more in the replay: %s", -n, s))
		}
	}
	slices.Sort(differences)
	return differences
}
