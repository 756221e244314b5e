package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/coexstream/coexstream/bench/child"
	"github.com/coexstream/coexstream/bench/compare"
	"github.com/coexstream/coexstream/internal/testing/kafkacluster"
	"github.com/coexstream/coexstream/internal/verify"
	"github.com/coexstream/coexstream/schemas"
)

const streamsName = "Kafka Streams topology"

// playStreams is the processor beside a Kafka Streams topology that splits and resequences the same history exactly
// once, on one Apache Kafka.
func playStreams(ctx context.Context, h *harness) (o compare.Outcome, err error) {
	m := compare.Match{
		Name: "streams", Title: fmt.Sprintf("raw history to ordered events, exactly once, %d MB, Apache Kafka", h.o.backlogBytes/megabyte),
		Metrics: []compare.Metric{messagesMetric, megabytesMetric, cpuMessageMetric, rssMetric},
		Pairs:   []compare.Pair{{Metric: messagesMetric.Key, Of: subjectName, To: streamsName}, {Metric: cpuMessageMetric.Key, Of: subjectName, To: streamsName}},
		Plot:    messagesMetric.Key,
	}
	on, why, err := h.kafka(ctx)
	if err != nil {
		return o, err
	}
	var jars *streams
	if why == "" {
		jars, why, err = h.buildStreams(ctx)
		if err != nil {
			return o, err
		}
	}
	if why != "" {
		m.Contestants = []compare.Contestant{{Name: subjectName, Skip: why}, {Name: streamsName, Skip: why}}
		return h.play(ctx, m)
	}
	turn := func(c crew) func(context.Context) (compare.Sample, error) {
		return func(ctx context.Context) (compare.Sample, error) {
			return h.workOff(ctx, &labour{match: "streams", on: on, crew: c, warm: warmUp, write: func(ctx context.Context, s *stack) (verify.SimulateReport, error) {
				return s.plain(ctx, s.truth, 0, h.o.backlogBytes)
			}})
		}
	}
	m.Contestants = []compare.Contestant{
		{Name: subjectName, Turn: turn(nil)},
		{Name: streamsName, Turn: turn(jars), Remark: "history alone: without live messages, contacts, gaps, several onboardings or what other webhooks bring"},
	}
	return h.play(ctx, m)
}

// warmUp is for the virtual machine for Java, which compiles what it finds used.
func warmUp(ctx context.Context, s *stack) error {
	const share = 4
	_, err := s.plain(ctx, s.truth+".warm", 1<<20, s.h.o.backlogBytes/share)
	return err
}

// plain writes history without what the topology does not know: a chunk_order that starts at 0.
func (s *stack) plain(ctx context.Context, truth string, seed uint64, bytes int64) (verify.SimulateReport, error) {
	w := s.past(backlogBusinesses, int(bytes/bytesPerMessage))
	w.Seed, w.ZeroStart = w.Seed+seed, 0
	own := s.truth
	s.truth = truth
	defer func() { s.truth = own }()
	return s.simulate(ctx, w, 0, 0)
}

// streams is the topology of bench/peers/streams as a crew.
type streams struct {
	java, settings string
	jars           string // folder
}

// buildStreams builds the topology. Why it cannot be built is an answer, too.
func (h *harness) buildStreams(ctx context.Context) (s *streams, why string, err error) {
	const source = "bench/peers/streams"
	settings, err := filepath.Abs(filepath.Join(source, "streams.properties"))
	if err != nil {
		return nil, "", err
	}
	if _, err := os.Stat(settings); errors.Is(err, fs.ErrNotExist) {
		return nil, "its folder " + source + " is not here; run from the root of the repository", nil
	}
	java, target, why, err := h.buildJava(ctx, source, "streams")
	if err != nil || why != "" {
		return nil, why, err
	}
	return &streams{java: java, settings: settings, jars: target}, "", nil
}

// buildJava builds a peer with Maven, and returns the folder of its jars. Why it cannot be built is an answer, too.
func (h *harness) buildJava(ctx context.Context, source, name string) (java, jars, why string, err error) {
	mvn, err := kafkacluster.Maven(ctx)
	if err == nil {
		java, err = kafkacluster.Java(ctx)
	}
	switch {
	case errors.Is(err, kafkacluster.ErrUnavailable):
		return "", "", err.Error(), nil
	case err != nil:
		return "", "", "", err
	}
	fmt.Fprintln(os.Stderr, "building "+source)
	jars = h.path(name + "-target")
	args := []string{mvn, "-B", "-q", "-f", filepath.Join(source, "pom.xml"), "-Dbuild.dir=" + jars, "package", "dependency:copy-dependencies", "-DoutputDirectory=" + jars}
	if _, err := child.Run(ctx, child.Command{Name: "build " + source, Args: args}, nil); err != nil {
		if ctx.Err() != nil {
			return "", "", "", ctx.Err()
		}
		return "", "", strings.Join(strings.Fields(err.Error()), " "), nil
	}
	return java, jars, "", nil
}

func (*streams) output(s *stack) string { return s.sub.prefix + "streams-out" }
func (*streams) group(s *stack) string  { return s.sub.prefix + "streams" }
func (*streams) reads() []schemas.Topic { return []schemas.Topic{schemas.TopicRawBulk} }

func (p *streams) start(ctx context.Context, s *stack) (team, error) {
	if err := s.broker.topic(ctx, p.output(s)); err != nil {
		return nil, err
	}
	s.stop.add(func() error { return p.remove(context.WithoutCancel(ctx), s) })
	running := s.h.path(s.sub.name + "-streams-running")
	proc, err := child.Start(ctx, child.Command{
		Name: "Kafka Streams", CPUs: s.h.o.serverCPUs, Log: s.h.path(s.sub.name + "-streams.log"),
		Args: []string{p.java, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", filepath.Join(p.jars, "*"), "bench.History",
			strings.Join(s.broker.addresses, ","), s.sub.topics(schemas.TopicRawBulk)[0], p.output(s), p.group(s),
			s.h.path(s.sub.name + "-streams-state"), strconv.Itoa(s.broker.replicas), p.settings, running},
		Ready: func(context.Context) error {
			_, err := os.Stat(running)
			return err
		},
	})
	if err != nil {
		return nil, err
	}
	return team{{Process: proc}}, nil
}

// remove deletes the topics, those of the topology's own stores among them.
func (p *streams) remove(ctx context.Context, s *stack) error {
	all, err := s.broker.admin.ListTopics(ctx)
	if err != nil {
		return fmt.Errorf("list the topics of Kafka Streams: %w", err)
	}
	var names []string
	for _, name := range all.Names() {
		if strings.HasPrefix(name, p.group(s)) {
			names = append(names, name)
		}
	}
	deleted, err := s.broker.admin.DeleteTopics(ctx, names...)
	if err == nil {
		err = deleted.Error()
	}
	if err != nil {
		return fmt.Errorf("delete the topics of Kafka Streams: %w", err)
	}
	return nil
}

func (p *streams) check(ctx context.Context, s *stack) (bool, string, error) {
	want, err := readTranscript(s.truth)
	if err != nil {
		return false, "", err
	}
	return want.holds(ctx, s.broker, p.output(s))
}
