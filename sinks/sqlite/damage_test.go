package sqlite_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/embedded"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/internal/testing/freeport"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/sinktest"
)

// The embedded broker is damaged while it runs, and repairs itself at its next start.
func TestASinkContinuesBehindTheQuarantineOfTheEmbeddedBroker(t *testing.T) {
	t.Parallel()
	cfg := embedded.DefaultConfig(t.TempDir())
	addrs, err := freeport.Addresses(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Listen, cfg.SyncWrites = addrs[0], false
	b := broker(t, cfg)
	var names []string
	for _, topic := range sinks.TableTopics() {
		names = append(names, topic.Name("coex."))
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	if _, err := kadm.NewClient(cl).CreateTopics(t.Context(), 1, 1, nil, names...); err != nil {
		t.Fatal(err)
	}
	w := sinktest.NewWorld(1, 200, 0)
	ends := map[schemas.Topic]int64{}
	for _, topic := range sinks.TableTopics() {
		for _, r := range w.Log(topic, 0) {
			record := *r
			record.Topic = topic.Name("coex.")
			if err := cl.ProduceSync(t.Context(), &record).FirstErr(); err != nil { // each in a batch of its own
				t.Fatal(err)
			}
			ends[topic]++
		}
	}
	const damaged = 5
	for _, topic := range []schemas.Topic{schemas.TopicMessages, schemas.TopicHistory} {
		flip(t, cfg.Dir, topic, damaged)
	}

	st, _ := opened(t)
	s, stop := startSink(t, b.Addr(), st)
	upTo := func(want map[schemas.Topic]int64) {
		t.Helper()
		for end := time.Now().Add(3 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
			positions, err := st.Positions(t.Context(), 0)
			missing := ""
			for topic, next := range want {
				if got := positions[topic].Next; got != next {
					missing += fmt.Sprintf(" %s is at %d, want %d;", topic, got, next)
				}
			}
			if err == nil && missing == "" {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%v,%s ready: %v", err, missing, s.Ready())
			}
		}
	}
	want := map[schemas.Topic]int64{}
	for topic, end := range ends {
		want[topic] = end
	}
	want[schemas.TopicMessages], want[schemas.TopicHistory] = damaged, damaged
	upTo(want)
	for end := time.Now().Add(3 * time.Minute); !errors.Is(s.Ready(), kafka.ErrDamaged); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("ready: %v", s.Ready())
		}
	}
	stop() // both restart together, as in up
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}

	b = broker(t, cfg)
	s, stop = startSink(t, b.Addr(), st)
	upTo(ends)
	if err := s.Ready(); err != nil {
		t.Errorf("ready: %v", err)
	}
	stop()
	list, err := embedded.Quarantined(cfg.Dir)
	if err != nil || len(list) != 2 || !list[0].Lost || !list[1].Lost {
		t.Errorf("in quarantine: %+v, %v", list, err)
	}
}

func broker(t *testing.T, cfg embedded.Config) *embedded.Broker {
	t.Helper()
	b, err := embedded.Open(cfg, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() }) // once more does nothing
	return b
}

func startSink(t *testing.T, addr string, target sinks.Target) (s *sinks.Sink, stop func()) {
	t.Helper()
	conn := kafka.Connection{Brokers: []string{addr}, ClientID: "test", DialTimeout: 5 * time.Second, RequestTimeout: 10 * time.Second}
	log, err := sinks.NewKafkaLog(conn, "coex.")
	if err != nil {
		t.Fatal(err)
	}
	c := sinks.DefaultConfig()
	c.Name = "sqlite"
	s, err = sinks.New(c, sinks.Deps{Log: log, Target: target, Registerer: prometheus.NewRegistry(), Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	return s, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		log.Close()
	}
}

// flip changes a byte of the records of the batch at an offset.
func flip(t *testing.T, dir string, topic schemas.Topic, offset int64) {
	t.Helper()
	const header, length = 61, 8
	file := filepath.Join(dir, "partitions", topic.Name("coex.")+"-0", "0.dat")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for int64(binary.BigEndian.Uint64(b[at:])) != offset {
		at += 12 + int(binary.BigEndian.Uint32(b[at+length:]))
	}
	b[at+header+1] ^= 0x55
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := f.WriteAt(b[at+header+1:at+header+2], int64(at+header+1)); err != nil {
		t.Fatal(err)
	}
}
