package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/bench/child"
	"github.com/coexstream/coexstream/bench/compare"
	"github.com/coexstream/coexstream/schemas"
)

// connectRemark is what the peer leaves out.
const connectRemark = "the table messages alone; a later version replaces an earlier one, also a better one. Measured after the first quarter, when the virtual machine is warm"

const (
	connectSource = "bench/peers/connect"
	connectWarm   = 4 // the share of the rows that comes before the measurement
	connectPoll   = 200 * time.Millisecond
)

// buildConnect builds the worker. Why it cannot be built is an answer, too.
func (h *harness) buildConnect(ctx context.Context) (java, jars, why string, err error) {
	if h.o.short {
		return "", "", "short: starting its virtual machine takes longer than all else", nil
	}
	return h.buildJava(ctx, connectSource, "connect")
}

// connect lets Kafka Connect bring the same history from the topics into a table like messages, with the same indexes.
func (p *postgresMatch) connect(ctx context.Context) (sample compare.Sample, err error) {
	s, err := p.filled(ctx)
	if err != nil {
		return sample, err
	}
	defer s.close(&err)
	owed, err := p.owed(ctx, s)
	if err != nil {
		return sample, err
	}
	conn, _, _, done, err := p.database(ctx)
	if err != nil {
		return sample, err
	}
	defer done(&err)
	// It has no orders of contents.
	if _, err := conn.Exec(ctx, "CREATE TABLE connect (LIKE coexstream.messages INCLUDING ALL); ALTER TABLE connect DROP COLUMN content_order, DROP COLUMN former_chat"); err != nil {
		return sample, err
	}
	proc, runs, err := p.startConnect(ctx, s, conn.Config())
	if err != nil {
		return sample, err
	}
	defer func() { err = errors.Join(err, proc.Stop()) }()
	arrived := func(rows int) (at time.Time, there int, cpu time.Duration, err error) {
		for {
			was := there
			select {
			case <-ctx.Done():
				return at, there, cpu, ctx.Err()
			case <-proc.Done():
				return at, there, cpu, fmt.Errorf("the worker of Kafka Connect ended by itself; see the logs of %s", s.sub.name)
			case <-time.After(connectPoll):
			}
			if err = conn.QueryRow(ctx, "SELECT count(*) FROM connect").Scan(&there); err != nil {
				return at, there, cpu, err
			}
			if there >= rows {
				cpu, err = proc.CPU()
				return time.Now(), there, cpu, err
			}
			if there == was {
				if err := runs(ctx); err != nil {
					return at, there, cpu, err
				}
			}
		}
	}
	begin, first, before, err := arrived(len(owed) / connectWarm)
	if err != nil {
		return sample, err
	}
	end, last, after, err := arrived(len(owed))
	if err != nil {
		return sample, err
	}
	rss, err := proc.PeakRSS()
	if err != nil {
		return sample, err
	}
	verdict, ok, err := holds(ctx, conn, owed)
	return compare.Sample{
		OK: ok, Verdict: verdict,
		Values: map[string]float64{
			messagesMetric.Key: float64(last-first) / end.Sub(begin).Seconds(), cpuMessageMetric.Key: micros(after-before) / float64(max(last-first, 1)),
			rssMetric.Key: float64(rss) / megabyte,
		},
	}, err
}

// startConnect starts a worker of one process with a task for each partition. runs returns why one does not run.
func (p *postgresMatch) startConnect(ctx context.Context, s *stack, db *pgx.ConnConfig) (proc *child.Process, runs func(context.Context) error, err error) {
	api, err := child.FreeAddress()
	if err != nil {
		return nil, nil, err
	}
	worker, err := p.settings(s, "worker", map[string]string{
		"bootstrap.servers": strings.Join(s.broker.addresses, ","), "listeners": "http://" + api,
		"offset.storage.file.filename": p.h.path(s.sub.name + "-connect-offsets"),
	})
	if err != nil {
		return nil, nil, err
	}
	sink, err := p.settings(s, "sink", map[string]string{
		"topics": strings.Join(s.sub.topics(schemas.TopicHistory), ","), "tasks.max": strconv.Itoa(partitions), "collection.name.format": "public.connect",
		// The driver makes one statement of several rows.
		"connection.url":      fmt.Sprintf("jdbc:postgresql://%s:%d/%s?reWriteBatchedInserts=true", db.Host, db.Port, db.Database),
		"connection.username": db.User, "connection.password": db.Password,
	})
	if err != nil {
		return nil, nil, err
	}
	runs = func(ctx context.Context) error { return connectRuns(ctx, api) }
	proc, err = child.Start(ctx, child.Command{
		Name: "Kafka Connect", CPUs: p.h.o.serverCPUs, Log: p.h.path(s.sub.name + "-connect.log"),
		// The heap is that of Kafka's own start script.
		Args:  []string{p.java, "-Xms256m", "-Xmx2g", "-server", "-XX:+UseG1GC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", filepath.Join(p.jars, "*"), "bench.Worker", worker, sink},
		Ready: runs,
	})
	return proc, runs, err
}

// connectRuns asks the worker whether the connector and its tasks run.
func connectRuns(ctx context.Context, api string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+api+"/connectors/postgres/status", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	var status struct {
		Tasks []struct{ State, Trace string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&status); err != nil {
		return err
	}
	if len(status.Tasks) < partitions {
		return fmt.Errorf("the worker of Kafka Connect has %d tasks of %d", len(status.Tasks), partitions)
	}
	for _, t := range status.Tasks {
		if t.State != "RUNNING" {
			return fmt.Errorf("a task of Kafka Connect is %s: %s", t.State, t.Trace)
		}
	}
	return nil
}

// settings writes the file of a peer's settings with more at its end.
func (p *postgresMatch) settings(s *stack, name string, more map[string]string) (path string, err error) {
	b, err := os.ReadFile(filepath.Join(connectSource, name+".properties"))
	if err != nil {
		return "", err
	}
	for key, value := range more {
		b = fmt.Appendf(b, "%s=%s\n", key, value)
	}
	path = p.h.path(s.sub.name + "-" + name + ".properties")
	return path, os.WriteFile(path, b, 0o600)
}

type messageKey struct{ number, wamid string }

var originals = maphash.MakeSeed()

// owed reads the topic. It returns a hash of the last original of each message.
func (p *postgresMatch) owed(ctx context.Context, s *stack) (map[messageKey]uint64, error) {
	ends, err := s.broker.admin.ListCommittedOffsets(ctx, s.sub.topics(schemas.TopicHistory)...)
	if err != nil {
		return nil, err
	}
	left := map[int32]int64{}
	for _, partitions := range ends {
		for n, end := range partitions {
			if end.Offset > 0 {
				left[n] = end.Offset
			}
		}
	}
	cl, err := kgo.NewClient(
		kgo.SeedBrokers(s.broker.addresses...), kgo.ClientID("bench-owed"), kgo.ConsumeTopics(s.sub.topics(schemas.TopicHistory)...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
	)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	owed := map[messageKey]uint64{}
	for len(left) > 0 {
		fetches := cl.PollFetches(ctx)
		if err := errors.Join(ctx.Err(), fetches.Err()); err != nil {
			return nil, err
		}
		var bad error
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
			if r.Attrs.IsControl() {
				return
			}
			var e struct {
				Number   string          `json:"phone_number_id"`
				WAMID    string          `json:"wamid"`
				Original json.RawMessage `json:"original"`
			}
			if err := json.Unmarshal(r.Value, &e); err != nil {
				bad = err
			}
			owed[messageKey{e.Number, e.WAMID}] = maphash.Bytes(originals, e.Original)
		})
		if bad != nil {
			return nil, bad
		}
	}
	return owed, nil
}

// holds compares the rows with the topic.
func holds(ctx context.Context, conn *pgx.Conn, owed map[messageKey]uint64) (verdict string, ok bool, err error) {
	rows, err := conn.Query(ctx, "SELECT phone_number_id, wamid, original FROM connect")
	if err != nil {
		return "", false, err
	}
	there, wrong := 0, 0
	var key messageKey
	var original string
	if _, err := pgx.ForEachRow(rows, []any{&key.number, &key.wamid, &original}, func() error {
		there++
		if want, known := owed[key]; !known || want != maphash.String(originals, original) {
			wrong++
		}
		return nil
	}); err != nil {
		return "", false, err
	}
	lost := len(owed) - there + wrong
	return fmt.Sprintf("%s rows, %d lost, %d wrong", count(there), lost, wrong), there > 0 && lost == 0 && wrong == 0, nil
}
