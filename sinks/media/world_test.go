package media_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/archive"
	"github.com/coexstream/coexstream/internal/graph"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/internal/testing/fakegraph"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/event"
	"github.com/coexstream/coexstream/schemas/provider"
	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/media"
	"github.com/coexstream/coexstream/sinks/media/plan"
	"github.com/coexstream/coexstream/sinks/webhook/queue"
)

// errKilled is the error of every call of a process that was killed.
var errKilled = errors.New("killed")

// fault kills the process at its nth call to the outside: before the call has an effect, or after it.
type fault struct {
	mu     sync.Mutex
	at     int
	after  bool
	calls  int
	killed bool
	kill   func()
}

// call counts a call, and makes it unless the process is dead.
func (f *fault) call(effect func() error) error {
	f.mu.Lock()
	if f.killed {
		f.mu.Unlock()
		return errKilled
	}
	f.calls++
	now := f.calls == f.at
	if now {
		f.killed = true
	}
	f.mu.Unlock()
	if !now {
		return effect()
	}
	if f.after {
		_ = effect()
	}
	f.kill()
	return errKilled
}

// logs are logs in memory. They outlive a process.
type logs struct {
	mu     sync.Mutex
	logs   map[queue.Place][]*kgo.Record
	starts map[queue.Place]int64
	id     byte
}

func newLogs() *logs {
	return &logs{logs: map[queue.Place][]*kgo.Record{}, starts: map[queue.Place]int64{}, id: 1}
}

func (l *logs) add(topic schemas.Topic, r *kgo.Record) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := queue.Place{Topic: topic, Partition: r.Partition}
	r.Offset = int64(len(l.logs[at]))
	l.logs[at] = append(l.logs[at], r)
	return r.Offset
}

func (l *logs) assets(t testing.TB) (all []event.Event) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for at, log := range l.logs {
		if at.Topic != schemas.TopicAssets {
			continue
		}
		for _, r := range log {
			e, err := event.Read(schemas.TopicAssets, r.Key, r.Headers, r.Value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, e)
		}
	}
	return all
}

// view is the logs as one process reads them.
type view struct {
	*logs
	f *fault
}

func (v view) Partitions(context.Context) ([]int32, error) {
	return []int32{0, 1}, v.f.call(func() error { return nil })
}

func (v view) each(offset func(queue.Place) int64) (map[schemas.Topic]map[int32]int64, error) {
	all := map[schemas.Topic]map[int32]int64{}
	err := v.f.call(func() error {
		v.mu.Lock()
		defer v.mu.Unlock()
		for _, topic := range media.Topics() {
			all[topic] = map[int32]int64{}
			for p := range int32(2) {
				all[topic][p] = offset(queue.Place{Topic: topic, Partition: p})
			}
		}
		return nil
	})
	return all, err
}

func (v view) Starts(context.Context, []int32) (map[schemas.Topic]map[int32]int64, error) {
	return v.each(func(p queue.Place) int64 { return v.starts[p] })
}

func (v view) Ends(context.Context, []int32) (map[schemas.Topic]map[int32]int64, error) {
	return v.each(func(p queue.Place) int64 { return int64(len(v.logs.logs[p])) })
}

func (v view) Fetch(_ context.Context, topic schemas.Topic, partition int32, offset int64, _ int32) (got kafka.Fetched, err error) {
	err = v.f.call(func() error {
		v.mu.Lock()
		defer v.mu.Unlock()
		at := queue.Place{Topic: topic, Partition: partition}
		log := v.logs.logs[at]
		got = kafka.Fetched{Next: offset, LogStart: v.starts[at]}
		if offset < v.starts[at] || offset > int64(len(log)) {
			return kafka.ErrOffsetGone
		}
		for _, r := range log[offset:min(int64(len(log)), offset+3)] { // a few records in each fetch
			copied := *r
			copied.Value = slices.Clone(r.Value)
			got.Records, got.Next = append(got.Records, &copied), r.Offset+1
		}
		return nil
	})
	return got, err
}

func (v view) ID(schemas.Topic) [16]byte {
	v.mu.Lock()
	defer v.mu.Unlock()
	return [16]byte{v.id}
}

func (v view) Name(topic schemas.Topic) string { return topic.Name("coex.") }

// offsets are the committed offsets of the group. They outlive a process.
type offsets struct {
	mu  sync.Mutex
	all map[schemas.Topic]map[int32]sinks.Committed
}

type member struct {
	*offsets
	f *fault
}

func (m member) Run(ctx context.Context, own, disown func([]int32), _ func(error)) error {
	own([]int32{0, 1})
	<-ctx.Done()
	disown([]int32{0, 1})
	return nil
}

func (m member) Committed(context.Context, []int32) (map[schemas.Topic]map[int32]sinks.Committed, error) {
	all := map[schemas.Topic]map[int32]sinks.Committed{}
	err := m.f.call(func() error {
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, topic := range media.Topics() {
			all[topic] = map[int32]sinks.Committed{}
			for p := range int32(2) {
				all[topic][p] = sinks.Committed{Next: -1}
				if c, ok := m.all[topic][p]; ok {
					all[topic][p] = c
				}
			}
		}
		return nil
	})
	return all, err
}

func (m member) Commit(_ context.Context, given map[schemas.Topic]map[int32]sinks.Committed) error {
	return m.f.call(func() error {
		m.mu.Lock()
		defer m.mu.Unlock()
		for topic, partitions := range given {
			if m.all[topic] == nil {
				m.all[topic] = map[int32]sinks.Committed{}
			}
			for p, c := range partitions {
				m.all[topic][p] = c
			}
		}
		return nil
	})
}

func (m member) Leased(time.Time) bool {
	m.f.mu.Lock()
	defer m.f.mu.Unlock()
	return !m.f.killed
}

// publisher writes to the logs.
type publisher struct {
	logs *logs
	f    *fault
}

func (p publisher) Publish(_ context.Context, r *kgo.Record) (offset int64, err error) {
	err = p.f.call(func() error {
		copied := *r
		offset = p.logs.add(schemas.TopicAssets, &copied)
		return nil
	})
	return offset, err
}

// bucket is a folder.
type bucket struct {
	archive.Contents
	f    *fault
	mu   *sync.Mutex
	err  *error // of every call
	kept *int   // contents that were written
}

func (b bucket) broken() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return *b.err
}

func (b bucket) Keep(ctx context.Context, name string, content io.ReadSeeker) error {
	if err := b.broken(); err != nil {
		return err
	}
	return b.f.call(func() error {
		err := b.Contents.Keep(ctx, name, content)
		if err == nil {
			b.mu.Lock()
			*b.kept++
			b.mu.Unlock()
		}
		return err
	})
}

func (b bucket) Bytes(ctx context.Context, name string) (n int64, err error) {
	if err := b.broken(); err != nil {
		return 0, err
	}
	err = b.f.call(func() error {
		n, err = b.Contents.Bytes(ctx, name)
		return err
	})
	return n, err
}

// meta is the fake as the provider of a source.
type meta struct {
	client *graph.Client
	loader *graph.Downloader
	token  func(waba string) (graph.Token, error)
	f      *fault
}

func (m meta) Token(_ context.Context, waba, _ string) (token graph.Token, err error) {
	return m.token(waba)
}

func (m meta) Media(ctx context.Context, token graph.Token, id, number string) (found graph.Media, err error) {
	err = m.f.call(func() error {
		found, err = m.client.Media(ctx, token, id, number)
		return err
	})
	return found, err
}

func (m meta) Open(ctx context.Context, token graph.Token, address string, offset int64, validator string) (c *graph.Content, err error) {
	err = m.f.call(func() error {
		c, err = m.loader.Open(ctx, token, address, offset, validator)
		return err
	})
	return c, err
}

// world is everything that outlives a process.
type world struct {
	t       testing.TB
	logs    *logs
	offsets *offsets
	fake    *fakegraph.Server
	dir     string
	folder  archive.Contents
	hosts   []string
	cfg     media.Config
	now     func() time.Time
	mu      sync.Mutex
	broken  error
	kept    int
	tokens  map[string]string // by WABA
	calls   int               // of the last process
}

const waba, number = "102290129340398", "106540352242922"

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{
		t: t, logs: newLogs(), offsets: &offsets{all: map[schemas.Topic]map[int32]sinks.Committed{}}, fake: fakegraph.New(), dir: t.TempDir(), now: time.Now,
		cfg: media.DefaultConfig(), tokens: map[string]string{waba: "EAAtoken-of-the-business"},
	}
	t.Cleanup(w.fake.Close)
	bucketDir := filepath.Join(w.dir, "bucket")
	if err := os.Mkdir(bucketDir, 0o700); err != nil {
		t.Fatal(err)
	}
	contents, err := archive.OpenContents(t.Context(), "file://"+bucketDir, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	w.folder, w.hosts = contents, []string{w.fake.URL}
	w.cfg.Dir = filepath.Join(w.dir, "downloads")
	w.cfg.RetryMin, w.cfg.RetryMax, w.cfg.Poll, w.cfg.Settle = time.Millisecond, 20*time.Millisecond, 2*time.Millisecond, 5*time.Millisecond
	w.cfg.RequestsMax, w.cfg.CutPatience = 1e6, 100*time.Millisecond
	return w
}

// process is a sink at work.
type process struct {
	sink   *media.Sink
	reg    *prometheus.Registry
	fault  *fault
	cancel context.CancelFunc
	ended  chan error
}

// begin starts a process. It dies at its nth call; 0: never.
func (w *world) begin(at int, after bool) *process {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	p := &process{fault: &fault{at: at, after: after, kill: cancel}, cancel: cancel, ended: make(chan error, 1), reg: prometheus.NewRegistry()}
	client, err := graph.New(graph.Config{Provider: provider.Default(), Address: w.fake.URL, Timeout: 5 * time.Second, Now: w.now})
	if err != nil {
		w.t.Fatal(err)
	}
	loader, err := graph.NewDownloader(graph.DownloadConfig{Provider: provider.Default(), Hosts: w.hosts, Quiet: 5 * time.Second, Now: w.now})
	if err != nil {
		w.t.Fatal(err)
	}
	from := meta{client, loader, func(waba string) (graph.Token, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		token, ok := graph.NewToken(w.tokens[waba])
		if !ok {
			return token, errors.New("there is no token")
		}
		return token, nil
	}, p.fault}
	p.sink, err = media.New(w.cfg, media.Deps{
		Log: view{w.logs, p.fault}, Group: member{w.offsets, p.fault}, Bucket: bucket{w.folder, p.fault, &w.mu, &w.broken, &w.kept}, Publisher: publisher{w.logs, p.fault},
		Provider: func(source string) media.Provider {
			if source == "ycloud" {
				return nil
			}
			return from
		},
		Registerer: p.reg, Logger: slog.New(slog.DiscardHandler), Now: w.now,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	go func() { p.ended <- p.sink.Run(ctx) }()
	return p
}

// stop ends a process, and waits for it.
func (w *world) stop(p *process) {
	w.t.Helper()
	p.cancel()
	if err := <-p.ended; err != nil {
		w.t.Error(err)
	}
	w.calls = p.fault.calls
}

// until waits for a condition.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// outcomes runs a process until there are so many outcomes.
func (w *world) outcomes(n int) map[string]*schemas.Asset {
	w.t.Helper()
	p := w.begin(0, false)
	until(w.t, fmt.Sprintf("%d outcomes", n), func() bool { return len(w.logs.assets(w.t)) >= n })
	w.stop(p)
	return w.byID()
}

// byID are the outcomes by the id of the asset. Each has one record.
func (w *world) byID() map[string]*schemas.Asset {
	w.t.Helper()
	all := map[string]*schemas.Asset{}
	for _, e := range w.logs.assets(w.t) {
		if all[e.Asset.MediaID] != nil {
			w.t.Errorf("asset %s has two records", e.Asset.MediaID)
		}
		all[e.Asset.MediaID] = e.Asset
	}
	return all
}

// named changes the message of an asset.
type change func(m *schemas.Message, object map[string]any, r *kgo.Record)

// message adds an event that names an asset, with the right hash.
func (w *world) message(topic schemas.Topic, id string, content []byte, changes ...change) {
	sum := sha256.Sum256(content)
	m := schemas.Message{
		WABAID: waba, PhoneNumberID: number, DisplayPhoneNumber: "15550783881", Kind: schemas.KindMessage, WAMID: "wamid." + id, Thread: "16505551234",
		Direction: schemas.DirectionInbound, Timestamp: 1_772_000_000, Type: "image",
	}
	object := map[string]any{"id": id, "mime_type": "image/jpeg", "sha256": base64.StdEncoding.EncodeToString(sum[:])}
	ceType := schemas.TypeMessage
	switch topic {
	case schemas.TopicMedia:
		joined := true
		ceType, m.Historical, m.Joined, m.Kind = schemas.TypeMedia, true, &joined, schemas.KindMedia
	case schemas.TopicEchoes:
		ceType, m.Direction = schemas.TypeEcho, schemas.DirectionOutbound
	default:
	}
	r := &kgo.Record{Key: []byte(number + "/x")}
	for _, h := range [][2]string{
		{schemas.HeaderCESpecVersion, "1.0"}, {schemas.HeaderCEID, "event-" + id}, {schemas.HeaderCEType, ceType}, {schemas.HeaderCESource, "/whatsapp/" + waba + "/" + number},
		{schemas.HeaderCETime, "2026-03-01T12:00:00Z"}, {schemas.HeaderReceivedAt, fmt.Sprint(w.now().UnixMilli())}, {schemas.HeaderSource, "meta"},
		{schemas.HeaderOrigin, "coex.raw.live/0/7#0.0"},
	} {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: h[0], Value: []byte(h[1])})
	}
	for _, c := range changes {
		c(&m, object, r)
	}
	original, err := json.Marshal(map[string]any{"id": m.WAMID, "type": m.Type, m.Type: object})
	if err != nil {
		w.t.Fatal(err)
	}
	m.Original = original
	r.Value = m.AppendJSON(nil)
	w.logs.add(topic, r)
}

// text adds an event without an asset.
func (w *world) text(id string) {
	w.message(schemas.TopicMessages, id, nil, func(m *schemas.Message, object map[string]any, _ *kgo.Record) {
		m.Type = "text"
		clear(object)
		object["body"] = "hello"
	})
}

// received sets the time of receipt.
func received(at time.Time) change {
	return header(schemas.HeaderReceivedAt, fmt.Sprint(at.UnixMilli()))
}

func header(key, value string) change {
	return func(_ *schemas.Message, _ map[string]any, r *kgo.Record) {
		for i := range r.Headers {
			if r.Headers[i].Key == key {
				r.Headers[i].Value = []byte(value)
			}
		}
	}
}

func property(key string, value any) change {
	return func(_ *schemas.Message, object map[string]any, _ *kgo.Record) { object[key] = value }
}

func business(waba string) change {
	return func(m *schemas.Message, _ map[string]any, _ *kgo.Record) { m.WABAID = waba }
}

func hash(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// content is a JPEG, as far as the first bytes go.
func content(n int, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7) ^ seed ^ byte(i>>8)
	}
	copy(b, "\xff\xd8\xff\xe0")
	return b
}

// stored holds that a content is in the bucket.
func (w *world) stored(a *schemas.Asset, want []byte) {
	w.t.Helper()
	if a == nil || a.State != schemas.AssetStored || a.SHA256 != hash(want) || a.Bytes != int64(len(want)) || a.Object != plan.ObjectName(hash(want)) {
		w.t.Fatalf("the outcome is %+v", a)
	}
	r, err := w.folder.Open(w.t.Context(), a.Object, -1)
	if err != nil {
		w.t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil || string(got) != string(want) {
		w.t.Fatalf("%d bytes are in the bucket, want %d (%v)", len(got), len(want), err)
	}
}

// missing holds that an asset is missing for a reason.
func (w *world) missing(a *schemas.Asset, reason string) {
	w.t.Helper()
	if a == nil || a.State != schemas.AssetMissing || a.Reason != reason || a.Object != "" {
		w.t.Errorf("the outcome is %+v, want %s", a, reason)
	}
}
