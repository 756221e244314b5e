package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/coexstream/coexstream/bench/child"
	"github.com/coexstream/coexstream/bench/compare"
	"github.com/coexstream/coexstream/internal/testing/postgresserver"
	"github.com/coexstream/coexstream/schemas"
)

// Contestants of postgres.
const (
	copyName = "COPY into a bare table"
	rowsName = "upsert each, 2,000 a transaction"
	allName  = "upserts of messages, receipts and chats, one by one"
	// connectName is Kafka Connect on topics like those of the sink.
	connectName = "Kafka Connect, Debezium JDBC sink"
)

// playPostgres lets the sink bring history from the topics into PostgreSQL, all derived tables included. The others write the rows of its
// table messages, and nothing else: by COPY into a table without an index, and by a statement for each row into a table like it.
func playPostgres(ctx context.Context, h *harness) (compare.Outcome, error) {
	messages := 300_000
	if h.o.short {
		messages = 5_000
	}
	p, err := h.newPostgresMatch(ctx, messages)
	if err != nil {
		return compare.Outcome{}, err
	}
	peer := compare.Contestant{Name: connectName, Turn: p.connect, Remark: connectRemark}
	if p.java, p.jars, peer.Skip, err = h.buildConnect(ctx); err != nil {
		return compare.Outcome{}, err
	}
	return h.play(ctx, compare.Match{
		Name:    "postgres",
		Title:   fmt.Sprintf("%s history messages of %d businesses from the topics to PostgreSQL, fsync on, %s", count(messages), backlogBusinesses, h.o.embeddedBroker()),
		Metrics: []compare.Metric{messagesMetric, cpuMessageMetric, rssMetric},
		Contestants: []compare.Contestant{
			{Name: subjectName, Turn: p.sink}, // the first: the others write its rows
			{Name: copyName, Turn: p.turn(p.copy)},
			{Name: rowsName, Turn: p.turn(p.insert)},
			{Name: allName, Turn: p.turn(p.insertAll), Remark: "the tables that the sink derives as well, 2,000 messages a transaction"},
			peer,
		},
		Pairs: []compare.Pair{
			{Metric: messagesMetric.Key, Of: subjectName, To: copyName}, {Metric: messagesMetric.Key, Of: subjectName, To: rowsName},
			{Metric: messagesMetric.Key, Of: subjectName, To: allName},
			{Metric: messagesMetric.Key, Of: subjectName, To: connectName}, {Metric: cpuMessageMetric.Key, Of: subjectName, To: connectName},
		},
		Plot: messagesMetric.Key,
	})
}

type postgresMatch struct {
	h        *harness
	db       *postgresserver.Server
	messages int
	turns    int
	rows     string // file with the rows of messages, as COPY writes them
	receipts string // the same of receipts

	java, jars string // of Kafka Connect
}

// newPostgresMatch starts a server of its own.
func (h *harness) newPostgresMatch(ctx context.Context, messages int) (*postgresMatch, error) {
	db, err := postgresserver.Start(ctx, postgresserver.Config{Fsync: true, Settings: []string{"max_wal_size=4GB"}}, true)
	if err != nil {
		return nil, err
	}
	h.stop.add(db.Close)
	return &postgresMatch{h: h, db: db, messages: messages, rows: h.path("postgres-rows"), receipts: h.path("postgres-receipts")}, nil
}

// filled is a stack whose topics have the history.
func (p *postgresMatch) filled(ctx context.Context) (s *stack, err error) {
	if s, err = p.h.newStack(ctx, "postgres", nil); err != nil {
		return s, err
	}
	if err = s.process(ctx); err == nil {
		_, err = s.simulate(ctx, s.past(backlogBusinesses, p.messages), 0, 0)
	}
	if err == nil {
		err = s.drained(ctx, team{s.proc})
	}
	if err != nil {
		s.close(&err)
	}
	return s, err
}

// migrated is a new database with the tables, and the file with its URL.
func (p *postgresMatch) migrated(ctx context.Context) (url, file string, err error) {
	if url, err = p.fresh(ctx); err != nil {
		return "", "", err
	}
	file = p.h.path("postgres-url")
	if err := os.WriteFile(file, []byte(url), 0o600); err != nil {
		return "", "", err
	}
	_, err = child.Run(ctx, child.Command{Name: "migrate", Args: []string{p.h.binary, "sink", "postgres", "migrate", "--url-file", file}}, nil)
	return url, file, err
}

// fresh makes a new database.
func (p *postgresMatch) fresh(ctx context.Context) (url string, err error) {
	p.turns++
	if url, err = p.db.NewDatabase(ctx, fmt.Sprintf("turn%d", p.turns)); err != nil {
		return "", err
	}
	return url, p.exec(ctx, "CHECKPOINT")
}

func (p *postgresMatch) exec(ctx context.Context, query string) error {
	conn, err := pgx.Connect(ctx, p.db.URL("postgres"))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, query)
	return errors.Join(err, conn.Close(ctx))
}

// database returns a connection to a migrated database, its URL, and the file with the URL. done closes one and drops the other.
func (p *postgresMatch) database(ctx context.Context) (conn *pgx.Conn, url, file string, done func(*error), err error) {
	if url, file, err = p.migrated(ctx); err != nil {
		return nil, "", "", nil, err
	}
	if conn, err = pgx.Connect(ctx, url); err != nil {
		p.dropped(ctx, &err)
		return nil, "", "", nil, err
	}
	return conn, url, file, func(err *error) {
		*err = errors.Join(*err, conn.Close(ctx))
		p.dropped(ctx, err)
	}, nil
}

// dropped gives the disk back.
func (p *postgresMatch) dropped(ctx context.Context, err *error) {
	*err = errors.Join(*err, p.exec(context.WithoutCancel(ctx), fmt.Sprintf("DROP DATABASE turn%d WITH (FORCE)", p.turns)))
}

func (p *postgresMatch) sink(ctx context.Context) (sample compare.Sample, err error) {
	s, err := p.filled(ctx)
	if err != nil {
		return sample, err
	}
	defer s.close(&err)
	conn, url, file, done, err := p.database(ctx)
	if err != nil {
		return sample, err
	}
	defer done(&err)
	total, err := historyEnd(ctx, s)
	if err != nil {
		return sample, err
	}
	begin := time.Now()
	role, err := p.start(ctx, s, file)
	if err != nil {
		return sample, err
	}
	defer func() { err = errors.Join(err, role.Stop()) }()
	if err := loaded(ctx, conn, role, total); err != nil {
		return sample, err
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
	var there int64
	if err := conn.QueryRow(ctx, "SELECT count(*) FROM coexstream.messages").Scan(&there); err != nil {
		return sample, err
	}
	if err := p.keep(ctx, conn); err != nil {
		return sample, err
	}
	verdict, ok := p.judged(ctx, s, url)
	return compare.Sample{
		OK: ok, Verdict: verdict,
		Values: map[string]float64{
			messagesMetric.Key: float64(there) / took.Seconds(), cpuMessageMetric.Key: micros(cpu) / float64(max(there, 1)), rssMetric.Key: float64(rss) / megabyte,
		},
	}, nil
}

// start starts the sink.
func (p *postgresMatch) start(ctx context.Context, s *stack, urlFile string) (*role, error) {
	return s.sub.start(ctx, "sink postgres", "--url-file", urlFile, "--group-id", s.sub.prefix+"sink")
}

// historyEnd is the sum of the ends of the partitions of history.
func historyEnd(ctx context.Context, s *stack) (total int64, err error) {
	ends, err := s.broker.admin.ListCommittedOffsets(ctx, s.sub.topics(schemas.TopicHistory)...)
	for _, partitions := range ends {
		for _, end := range partitions {
			total += end.Offset
		}
	}
	return total, err
}

// loaded returns when the tables have all of history.
func loaded(ctx context.Context, conn *pgx.Conn, sink *role, total int64) error {
	for read := int64(0); read < total; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-sink.Done():
			return errors.New("the sink ended by itself; see its log")
		case <-time.After(drainPoll):
		}
		if err := conn.QueryRow(ctx, "SELECT COALESCE(sum(next), 0)::bigint FROM coexstream.positions WHERE topic = 'history'").Scan(&read); err != nil {
			return err
		}
	}
	return nil
}

// judged lets check compare the topics with the sent webhooks, and the tables with the topics.
func (p *postgresMatch) judged(ctx context.Context, s *stack, url string) (verdict string, ok bool) {
	out, err := child.Run(ctx, child.Command{
		Name: "check", Env: []string{"COEXSTREAM_SINK_POSTGRES_URL=" + url},
		Args: []string{p.h.binary, "check", "--config", s.sub.config, "--truth", s.truth, "--secret", secret, "--postgres"},
	}, nil)
	var last []string
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "OK") || strings.HasPrefix(line, "FAIL") || strings.HasPrefix(line, "postgres tables:") {
			last = append(last, strings.TrimSpace(line))
		}
	}
	if err != nil {
		last = append(last, err.Error())
	}
	return strings.Join(last, "; "), err == nil
}

// keep writes the rows into files.
func (p *postgresMatch) keep(ctx context.Context, conn *pgx.Conn) error {
	for table, path := range map[string]string{"messages": p.rows, "receipts": p.receipts} {
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		_, err = conn.PgConn().CopyTo(ctx, f, "COPY coexstream."+table+" TO STDOUT (FORMAT binary)")
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// turn gives the rows to a way of writing them.
func (p *postgresMatch) turn(write func(ctx context.Context, conn *pgx.Conn, rows [][][]byte) error) func(context.Context) (compare.Sample, error) {
	return func(ctx context.Context) (sample compare.Sample, err error) {
		rows, err := readTuples(p.rows)
		if err != nil {
			return sample, err
		}
		conn, _, _, done, err := p.database(ctx)
		if err != nil {
			return sample, err
		}
		defer done(&err)
		if _, err := conn.Exec(ctx, `CREATE TABLE bare (LIKE coexstream.messages); CREATE TABLE indexed (LIKE coexstream.messages INCLUDING ALL);
CREATE TABLE receipts (LIKE coexstream.receipts INCLUDING ALL); CREATE TABLE chats (LIKE coexstream.threads INCLUDING ALL)`); err != nil {
			return sample, err
		}
		begin := time.Now()
		if err := write(ctx, conn, rows); err != nil {
			return sample, err
		}
		took := time.Since(begin)
		var there int
		if err := conn.QueryRow(ctx, "SELECT (SELECT count(*) FROM bare) + (SELECT count(*) FROM indexed)").Scan(&there); err != nil {
			return sample, err
		}
		return compare.Sample{
			OK: there == len(rows) && there > 0, Verdict: fmt.Sprintf("%s rows", count(there)),
			Values: map[string]float64{messagesMetric.Key: float64(there) / took.Seconds()},
		}, nil
	}
}

func readTuples(path string) ([][][]byte, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return tuples(content)
}

const copyHeaderBytes = 19

// tuples cuts what COPY wrote into rows and columns. A nil column is NULL.
func tuples(b []byte) (rows [][][]byte, err error) {
	short := errors.New("the rows are cut short")
	if len(b) < copyHeaderBytes {
		return nil, short
	}
	for b = b[copyHeaderBytes:]; ; {
		if len(b) < 2 {
			return nil, short
		}
		n := int(int16(binary.BigEndian.Uint16(b)))
		if b = b[2:]; n < 0 {
			return rows, nil
		}
		row := make([][]byte, n)
		for i := range row {
			if len(b) < 4 {
				return nil, short
			}
			size := int(int32(binary.BigEndian.Uint32(b)))
			if b = b[4:]; size < 0 {
				continue
			}
			if len(b) < size {
				return nil, short
			}
			row[i], b = b[:size], b[size:]
		}
		rows = append(rows, row)
	}
}

// copy writes 5,000 rows a transaction, as the sink does.
func (p *postgresMatch) copy(ctx context.Context, conn *pgx.Conn, rows [][][]byte) error {
	const perTransaction = 5000
	for len(rows) > 0 {
		some := rows[:min(perTransaction, len(rows))]
		rows = rows[len(some):]
		var b bytes.Buffer
		b.WriteString("PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00")
		for _, row := range some {
			_ = binary.Write(&b, binary.BigEndian, int16(len(row))) // a buffer takes everything
			for _, v := range row {
				if v == nil {
					_ = binary.Write(&b, binary.BigEndian, int32(-1))
					continue
				}
				_ = binary.Write(&b, binary.BigEndian, int32(len(v)))
				b.Write(v)
			}
		}
		b.WriteString("\xff\xff")
		if _, err := conn.PgConn().CopyFrom(ctx, io.Reader(&b), "COPY bare FROM STDIN (FORMAT binary)"); err != nil {
			return err
		}
	}
	return nil
}
