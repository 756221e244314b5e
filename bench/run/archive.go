package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/coexstream/coexstream/bench/child"
	"github.com/coexstream/coexstream/bench/compare"
	"github.com/coexstream/coexstream/internal/archive"
	"github.com/coexstream/coexstream/schemas"
)

// Contestants of archive.
const (
	toFolderName     = "coexstream, folder"
	parquetName      = "coexstream, folder, Parquet"
	toS3Name         = "coexstream, S3"
	folderUploadName = "plain uploads, folder"
	s3UploadName     = "plain uploads, S3"
)

var archivedMetric = compare.Metric{Key: "archived", Title: "archived", Unit: "messages/s", More: true}

// playArchive lets the sink bring history from its topic into a folder and an S3 server. The plain uploads write the objects that it made of
// the same messages, one after the other: they read no topic and compress nothing.
func playArchive(ctx context.Context, h *harness) (o compare.Outcome, err error) {
	m := &archiveMatch{h: h, messages: 1_000_000}
	if h.o.short {
		m.messages = 10_000
	}
	defer m.close(&err)
	if err := credentials(); err != nil {
		return o, err
	}
	return h.play(ctx, compare.Match{
		Name:    "archive",
		Title:   fmt.Sprintf("%s history messages of %d businesses from the topic to the archive, %s", count(m.messages), backlogBusinesses, h.o.embeddedBroker()),
		Metrics: []compare.Metric{archivedMetric, cpuMessageMetric, rssMetric},
		Contestants: []compare.Contestant{
			{Name: toFolderName, Turn: m.folder(nil), Remark: "fsync of each object and of its folder"}, // the first: the uploads take its objects
			{Name: parquetName, Turn: m.folder([]string{"--set", "sink.archive.parquet=history"})},
			{Name: folderUploadName, Turn: m.upload(func(context.Context) (string, error) { return m.fresh() }), Remark: "the same objects, with the same fsync"},
			{Name: toS3Name, Turn: m.s3, Remark: "a server in memory, on the same machine"},
			{Name: s3UploadName, Turn: m.upload(m.bucket), Remark: "the same objects"},
		},
		Pairs: []compare.Pair{
			{Metric: archivedMetric.Key, Of: toFolderName, To: folderUploadName}, {Metric: archivedMetric.Key, Of: toS3Name, To: s3UploadName},
			{Metric: archivedMetric.Key, Of: parquetName, To: toFolderName},
		},
		Plot: archivedMetric.Key,
	})
}

type archiveMatch struct {
	h        *harness
	messages int
	stack    *stack // nil before the first turn
	events   int64  // of the topic
	objects  [][]byte
	turns    int
	server   *child.Process // the S3 server; nil: it was not needed yet
	address  string
	stop     stops
}

func (m *archiveMatch) close(err *error) {
	m.stop.all(err)
	if m.stack != nil {
		m.stack.close(err)
	}
}

// build brings the messages into the topic.
func (m *archiveMatch) build(ctx context.Context) (err error) {
	if m.stack, err = m.h.newStack(ctx, "archive", nil); err != nil {
		return err
	}
	if _, err := m.stack.simulate(ctx, m.stack.past(backlogBusinesses, m.messages), 0, 0); err != nil {
		return err
	}
	if err := m.stack.process(ctx); err != nil {
		return err
	}
	if err := m.stack.drained(ctx, team{m.stack.proc}); err != nil {
		return err
	}
	v, err := m.stack.check(ctx)
	if err == nil && !v.OK() {
		err = errors.New(verdictOf(&v))
	}
	for _, topic := range v.Topics {
		if topic.Topic == schemas.TopicHistory.String() {
			m.events = int64(topic.Seen)
		}
	}
	if err == nil && m.events == 0 {
		err = errors.New("the topic has no history")
	}
	err = errors.Join(err, m.stack.proc.Stop())
	m.stack.proc = nil
	return err
}

// fresh is the URL of an empty folder.
func (m *archiveMatch) fresh() (string, error) {
	m.turns++
	dir := m.h.path(fmt.Sprintf("archive-%d", m.turns))
	m.stop.add(func() error { return os.RemoveAll(dir) })
	return (&url.URL{Scheme: "file", Path: dir}).String(), os.MkdirAll(dir, 0o700)
}

// bucket is the URL of an empty part of the S3 server.
func (m *archiveMatch) bucket(ctx context.Context) (string, error) {
	if m.server == nil {
		address, err := child.FreeAddress()
		if err != nil {
			return "", err
		}
		m.server, err = child.Start(ctx, child.Command{
			Name: "S3 server", Args: []string{m.h.self, "s3", "-listen", address}, CPUs: m.h.o.brokerCPUs, Log: m.h.path("archive-s3.log"), Ready: child.Listening(address),
		})
		if err != nil {
			return "", err
		}
		m.stop.add(m.server.Stop)
		m.address = address
	}
	m.turns++
	return fmt.Sprintf("s3://archive?region=any&use_path_style=true&endpoint=%s&prefix=%s", url.QueryEscape("http://"+m.address), url.QueryEscape(fmt.Sprintf("turn-%d/", m.turns))), nil
}

// credentials are those of the S3 server, which looks at none. The roles inherit them.
func credentials() (err error) {
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_EC2_METADATA_DISABLED": "true"} {
		err = errors.Join(err, os.Setenv(name, value))
	}
	return err
}

func (m *archiveMatch) folder(args []string) func(context.Context) (compare.Sample, error) {
	return func(ctx context.Context) (compare.Sample, error) {
		address, err := m.fresh()
		if err != nil {
			return compare.Sample{}, err
		}
		sample, err := m.sink(ctx, address, args)
		if err == nil && m.objects == nil {
			err = m.keep(ctx, address)
		}
		return sample, err
	}
}

func (m *archiveMatch) s3(ctx context.Context) (compare.Sample, error) {
	address, err := m.bucket(ctx)
	if err != nil {
		return compare.Sample{}, err
	}
	return m.sink(ctx, address, nil)
}

// sink archives the topic, and lets the program verify the archive.
func (m *archiveMatch) sink(ctx context.Context, address string, more []string) (sample compare.Sample, err error) {
	if m.stack == nil {
		if err := m.build(ctx); err != nil {
			return sample, err
		}
	}
	sub := m.stack.sub
	args := append([]string{"--url", address, "--group-id", fmt.Sprint(sub.prefix, "archive-", m.turns), "--set", "sink.archive.topics=history", "--set", "sink.archive.rotation=1s"}, more...)
	begin := time.Now()
	role, err := sub.start(ctx, "sink archive", args...)
	if err != nil {
		return sample, err
	}
	defer func() { err = errors.Join(err, role.Stop()) }()
	for done := 0.0; done < float64(m.events); {
		select {
		case <-ctx.Done():
			return sample, ctx.Err()
		case <-role.Done():
			return sample, fmt.Errorf("the sink ended by itself; see the logs of %s", sub.name)
		case <-time.After(drainPoll):
		}
		if done, err = role.metric(ctx, "coexstream_archive_records_total", ""); err != nil {
			return sample, err
		}
	}
	took := time.Since(begin)
	cpu, err := role.CPU()
	if err != nil {
		return sample, err
	}
	rss, err := role.PeakRSS()
	if err != nil {
		return sample, err
	}
	out, err := child.Run(ctx, child.Command{Name: "verify", Args: []string{m.h.binary, "sink", "archive", "verify", "history", "--config", sub.config, "--url", address, "--output", "json"}}, nil)
	var found struct {
		Records, Objects int64
		Faults           int
	}
	if err := errors.Join(err, json.Unmarshal(out, &found)); err != nil {
		return sample, err
	}
	return compare.Sample{
		OK:      found.Faults == 0 && found.Records == m.events,
		Verdict: fmt.Sprintf("%s records in %s objects, %d faults", count(int(found.Records)), count(int(found.Objects)), found.Faults),
		Values: map[string]float64{
			archivedMetric.Key: float64(m.events) / took.Seconds(), cpuMessageMetric.Key: micros(cpu) / float64(max(m.events, 1)), rssMetric.Key: float64(rss) / megabyte,
		},
	}, nil
}

// keep reads the objects of an archive into memory.
func (m *archiveMatch) keep(ctx context.Context, address string) error {
	bucket, err := archive.Open(ctx, address, time.Minute)
	if err != nil {
		return err
	}
	a := &archive.Archive{Bucket: bucket, Prefix: m.stack.sub.prefix}
	all, err := a.All(ctx, []schemas.Topic{schemas.TopicHistory})
	for _, objects := range all {
		for _, o := range objects {
			content, readErr := read(ctx, bucket, o.Name(a.Prefix))
			err = errors.Join(err, readErr)
			m.objects = append(m.objects, content)
		}
	}
	return errors.Join(err, bucket.Close())
}

func read(ctx context.Context, from archive.Bucket, name string) ([]byte, error) {
	r, err := from.Open(ctx, name, -1)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(r)
	return content, errors.Join(err, r.Close())
}

// upload writes the objects, one after the other.
func (m *archiveMatch) upload(to func(context.Context) (string, error)) func(context.Context) (compare.Sample, error) {
	return func(ctx context.Context) (sample compare.Sample, err error) {
		address, err := to(ctx)
		if err != nil {
			return sample, err
		}
		bucket, err := archive.Open(ctx, address, time.Minute)
		if err != nil {
			return sample, err
		}
		defer func() { err = errors.Join(err, bucket.Close()) }()
		begin, bytes := time.Now(), 0
		for i, object := range m.objects {
			if err := bucket.Replace(ctx, fmt.Sprintf("%020d", i), object); err != nil {
				return sample, err
			}
			bytes += len(object)
		}
		took := time.Since(begin)
		return compare.Sample{
			OK: bytes > 0, Verdict: fmt.Sprintf("%d objects, %.1f MB", len(m.objects), float64(bytes)/megabyte),
			Values: map[string]float64{archivedMetric.Key: float64(m.events) / took.Seconds()},
		}, nil
	}
}

// runS3 is an S3 server that keeps its objects in memory, in a process of its own.
func runS3(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("s3", flag.ContinueOnError)
	listen := f.String("listen", "", "")
	if err := f.Parse(args); err != nil {
		return err
	}
	ctx, cancel := untilOrphaned(ctx)
	defer cancel()
	backend := s3mem.New()
	if err := backend.CreateBucket("archive"); err != nil {
		return err
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: gofakes3.New(backend).Server(), ReadHeaderTimeout: time.Minute}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
