package webhook_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/webhook"
	"github.com/coexstream/coexstream/sinks/webhook/queue"
)

// topics are logs in memory. They are a sinks.Log.
type topics struct {
	optional   bool // the topics that may be missing are there
	partitions int32

	mu    sync.Mutex
	logs  map[queue.Place][]*kgo.Record
	start map[queue.Place]int64
	bad   map[queue.Place]error // a place that cannot be read
	lent  map[loan][]byte       // the memory of the last fetch, which the next one of the same reader overwrites
	err   error
	id    byte
	// damaged is the place of a damaged batch, with its offset.
	damaged map[queue.Place]int64
	away    map[int32]error // of partitions that cannot be read
}

// loan names a reader, by its context, and a place.
type loan struct {
	reader context.Context
	place  queue.Place
}

func newTopics(partitions int32) *topics {
	return &topics{partitions: partitions, logs: map[queue.Place][]*kgo.Record{}, start: map[queue.Place]int64{}, bad: map[queue.Place]error{}, lent: map[loan][]byte{}, id: 1}
}

func (l *topics) Partitions(context.Context) (all []int32, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := range l.partitions {
		all = append(all, p)
	}
	return all, l.err
}

func (l *topics) each(offset func(queue.Place) int64) (map[schemas.Topic]map[int32]int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[schemas.Topic]map[int32]int64{}
	for _, topic := range sinks.TableTopics() {
		if sinks.Optional(topic) && !l.optional {
			continue
		}
		all[topic] = map[int32]int64{}
		for p := range l.partitions {
			all[topic][p] = offset(queue.Place{Topic: topic, Partition: p})
		}
	}
	return all, l.err
}

func (l *topics) Starts(context.Context, []int32) (map[schemas.Topic]map[int32]int64, error) {
	return l.each(func(p queue.Place) int64 { return l.start[p] })
}

func (l *topics) Ends(context.Context, []int32) (map[schemas.Topic]map[int32]int64, error) {
	return l.each(func(p queue.Place) int64 { return int64(len(l.logs[p])) })
}

// Fetch lends the memory of the records until the next fetch of the place: nobody may keep it.
func (l *topics) Fetch(ctx context.Context, topic schemas.Topic, partition int32, offset int64, bytesMax int32) (kafka.Fetched, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	place := queue.Place{Topic: topic, Partition: partition}
	log, start := l.logs[place], l.start[place]
	got := kafka.Fetched{Next: offset, LogStart: start}
	switch {
	case l.err != nil:
		return got, l.err
	case l.away[partition] != nil:
		return got, l.away[partition]
	case l.bad[place] != nil:
		return got, l.bad[place]
	case offset < start || offset > int64(len(log)):
		return got, kafka.ErrOffsetGone
	}
	damaged, isDamaged := l.damaged[place]
	for _, r := range log[offset:] {
		if isDamaged && r.Offset == damaged {
			if len(got.Records) == 0 {
				return got, fmt.Errorf("fetch %s/%d@%d: %w", topic, partition, offset, kafka.ErrDamaged)
			}
			break
		}
		if len(got.Records) > 0 && bytesMax < int32(len(r.Value)) {
			break
		}
		bytesMax -= int32(len(r.Value))
		got.Records, got.Next = append(got.Records, r), r.Offset+1
	}
	last := loan{ctx, place}
	for i := range l.lent[last] {
		l.lent[last][i] = '!'
	}
	var memory []byte
	lend := func(b []byte) []byte {
		if len(b) == 0 {
			return b
		}
		memory = append(memory, b...)
		return memory[len(memory)-len(b):]
	}
	n := 0
	for _, r := range got.Records {
		n += len(r.Key) + len(r.Value)
		for _, h := range r.Headers {
			n += len(h.Value)
		}
	}
	memory = make([]byte, 0, n)
	for i, r := range got.Records {
		copied := *r
		copied.Key, copied.Value, copied.Headers = lend(r.Key), lend(r.Value), nil
		for _, h := range r.Headers {
			copied.Headers = append(copied.Headers, kgo.RecordHeader{Key: h.Key, Value: lend(h.Value)})
		}
		got.Records[i] = &copied
	}
	l.lent[last] = memory
	return got, nil
}

func (l *topics) ID(schemas.Topic) [16]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return [16]byte{l.id}
}

func (l *topics) Name(topic schemas.Topic) string { return topic.Name("coex.") }

// add appends a record, and gives it its offset.
func (l *topics) add(topic schemas.Topic, r *kgo.Record) *kgo.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	place := queue.Place{Topic: topic, Partition: r.Partition}
	r.Topic, r.Offset = l.Name(topic), int64(len(l.logs[place]))
	l.logs[place] = append(l.logs[place], r)
	return r
}

// group is a consumer group in memory, with one member.
type group struct {
	partitions []int32

	mu      sync.Mutex
	offsets map[schemas.Topic]map[int32]sinks.Committed
	commits int
	err     error
	dead    bool // the member was killed: nothing that it does has an effect
	latency time.Duration
}

func newGroup(partitions int32) *group {
	g := &group{offsets: map[schemas.Topic]map[int32]sinks.Committed{}, latency: 5 * time.Millisecond}
	for p := range partitions {
		g.partitions = append(g.partitions, p)
	}
	return g
}

func (g *group) Run(ctx context.Context, own, disown func([]int32), _ func(error)) error {
	own(g.partitions)
	<-ctx.Done()
	disown(g.partitions)
	return nil
}

func (g *group) Committed(context.Context, []int32) (map[schemas.Topic]map[int32]sinks.Committed, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := map[schemas.Topic]map[int32]sinks.Committed{schemas.TopicAssets: {}}
	for topic, partitions := range g.offsets {
		all[topic] = map[int32]sinks.Committed{}
		for p, c := range partitions {
			all[topic][p] = c
		}
	}
	return all, g.err
}

func (g *group) Commit(_ context.Context, offsets map[schemas.Topic]map[int32]sinks.Committed) error {
	time.Sleep(g.latency)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err != nil || g.dead {
		return fmt.Errorf("refused: %w", g.err)
	}
	g.commits++
	for topic, partitions := range offsets {
		if g.offsets[topic] == nil {
			g.offsets[topic] = map[int32]sinks.Committed{}
		}
		for p, c := range partitions {
			g.offsets[topic][p] = c
		}
	}
	return nil
}

func (g *group) Leased(time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !g.dead
}

// successor is the group as another process finds it after this member was killed.
func (g *group) successor() *group {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.dead = true
	next := newGroup(int32(len(g.partitions)))
	next.latency = g.latency
	for topic, partitions := range g.offsets {
		next.offsets[topic] = maps.Clone(partitions)
	}
	return next
}

// kept are letters in memory.
type kept struct {
	mu  sync.Mutex
	all []*queue.Letter
	err error
}

func (k *kept) Keep(_ context.Context, _ string, l *queue.Letter, _ time.Time) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err != nil {
		return k.err
	}
	k.all = append(k.all, l)
	return nil
}

func (k *kept) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.all)
}

// message is a live message of a business; changes may alter it.
func message(business, n int, partition int32, changes ...func(*schemas.Message, *kgo.Record)) *kgo.Record {
	m := schemas.Message{
		WABAID: fmt.Sprintf("waba%d", business), PhoneNumberID: fmt.Sprintf("number%d", business), DisplayPhoneNumber: "15550001234", Kind: schemas.KindMessage,
		WAMID: fmt.Sprintf("wamid.%d.%d", business, n), Thread: "15550005678", Direction: schemas.DirectionInbound, From: "15550005678", Timestamp: 1_772_000_000 + int64(n), Type: "text",
		Original: json.RawMessage(fmt.Sprintf(`{"from":"15550005678","id":"wamid.%d.%d","timestamp":"%d","type":"text","text":{"body":"<&> %d"}}`, business, n, 1_772_000_000+n, n)),
	}
	r := &kgo.Record{Partition: partition, Key: []byte(m.PhoneNumberID + "/" + m.Thread)}
	r.Headers = []kgo.RecordHeader{
		{Key: schemas.HeaderCESpecVersion, Value: []byte("1.0")}, {Key: schemas.HeaderCEID, Value: []byte(fmt.Sprintf("%d-%d", business, n))},
		{Key: schemas.HeaderCEType, Value: []byte(schemas.TypeMessage)}, {Key: schemas.HeaderCESource, Value: []byte("/whatsapp/" + m.WABAID + "/" + m.PhoneNumberID)},
		{Key: schemas.HeaderCETime, Value: []byte("2026-03-01T12:00:00Z")}, {Key: schemas.HeaderCESubject, Value: []byte(m.WAMID)},
		{Key: schemas.HeaderReceivedAt, Value: []byte("1772366400000")}, {Key: schemas.HeaderOrigin, Value: []byte("raw.live/0/1#0.0")},
	}
	for _, change := range changes {
		change(&m, r)
	}
	r.Value = m.AppendJSON(nil)
	return r
}

const (
	someSecret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr"
	anotherSecret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDC2FVsBQIhrsc"
	metaSecret    = "0123456789abcdef0123456789abcdef"
)

// endpoints parses lines of an endpoint, whose name, URL and secret need not be there.
func endpoints(t testing.TB, lines ...string) webhook.Endpoints {
	t.Helper()
	text := "endpoints:\n"
	for _, l := range lines {
		if !strings.Contains(l, "name:") {
			l = "name: crm\n" + l
		}
		if !strings.Contains(l, "url:") {
			l += "\nurl: https://crm.example.com/hooks"
		}
		if !strings.Contains(l, "secrets:") {
			secret := someSecret
			if strings.Contains(l, "format: meta") {
				secret = metaSecret
			}
			l += "\nsecrets: [{id: a, value: " + secret + "}]"
		}
		text += "  - " + strings.ReplaceAll(strings.TrimSpace(l), "\n", "\n    ") + "\n"
	}
	es, err := webhook.Parse([]byte(text))
	if err == nil {
		err = es.Load(nil)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return es
}

// run is a sink with what it works with.
type run struct {
	t       testing.TB
	log     *topics
	mu      sync.Mutex
	groups  map[string]*group // under mu
	letters *kept
	lines   lines
	to      http.RoundTripper
	reg     *prometheus.Registry
	sink    *webhook.Sink
	cancel  context.CancelFunc
	ended   chan error
}

// lines are those of a log.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// count is how many lines contain a text.
func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

// newRun prepares a sink. groups may be those of a former one.
func newRun(t testing.TB, log *topics, to http.RoundTripper, es webhook.Endpoints, change ...func(*webhook.Config)) *run {
	t.Helper()
	r := &run{t: t, log: log, groups: map[string]*group{}, letters: &kept{}, to: to}
	r.begin(es, change...)
	return r
}

func (r *run) begin(es webhook.Endpoints, change ...func(*webhook.Config)) {
	r.t.Helper()
	cfg := webhook.DefaultConfig()
	for _, c := range change {
		c(&cfg)
	}
	r.reg = prometheus.NewRegistry()
	var err error
	r.sink, err = webhook.New(cfg, webhook.Deps{
		Log: r.log, Letters: r.letters, Registerer: r.reg, Logger: slog.New(slog.NewTextHandler(&r.lines, nil)), Now: time.Now, Transport: r.to,
		Group: func(name string) (webhook.Group, error) { return r.group(name), nil },
	}, es)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	r.cancel, r.ended = cancel, make(chan error, 1)
	go func() { r.ended <- r.sink.Run(ctx) }()
}

// group is the group of an endpoint.
func (r *run) group(name string) *group {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.groups[name] == nil {
		r.groups[name] = newGroup(r.log.partitions)
	}
	return r.groups[name]
}

func (r *run) stop() {
	r.t.Helper()
	r.cancel()
	if err := <-r.ended; err != nil {
		r.t.Error(err)
	}
}

// kill ends the sink so that nothing which it does from now on has an effect, and prepares the groups for another one.
func (r *run) kill() {
	r.t.Helper()
	r.mu.Lock()
	for name, g := range r.groups {
		r.groups[name] = g.successor()
	}
	r.mu.Unlock()
	r.stop()
}

// metric is the value of a metric of the only endpoint.
func (r *run) metric(name string, labels ...string) float64 {
	r.t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	sum, found := 0.0, false
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			var have []string
			for _, l := range m.GetLabel() {
				have = append(have, l.GetName()+"="+l.GetValue())
			}
			if slices.ContainsFunc(labels, func(l string) bool { return !slices.Contains(have, l) }) {
				continue
			}
			found = true
			sum += m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	if !found {
		r.t.Fatalf("no metric %s %v", name, labels)
	}
	return sum
}

// inOrder holds that the first occurrence of each event of a business comes in the order of sending, and counts repetitions.
func inOrder(t testing.TB, of map[string][]string) (repeated int) {
	t.Helper()
	for business, ids := range of {
		last, seen := -1, map[string]bool{}
		for _, id := range ids {
			if seen[id] {
				repeated++
				continue
			}
			seen[id] = true
			var b, n int
			if _, err := fmt.Sscanf(id, "%d-%d", &b, &n); err != nil {
				t.Fatal(err)
			}
			if n < last {
				t.Errorf("%s: %s comes after %d", business, id, last)
			}
			last = max(last, n)
		}
	}
	return repeated
}
