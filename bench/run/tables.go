package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/coexstream/coexstream/bench/compare"
	"github.com/coexstream/coexstream/bench/load"
)

// importName is the live echo while the sink loads history.
const importName = "live echo, beside an import"

// importMetric is how long the import took.
var importMetric = compare.Metric{Key: "import", Title: "import", Unit: "s"}

// tablesLength is how many times the length of a turn idle echoes are sent: about as many as beside an import.
const tablesLength = 8

// playTables is the live echo until it can be read in PostgreSQL, on an idle system and while the sink loads history.
func playTables(ctx context.Context, h *harness) (compare.Outcome, error) {
	p, err := h.newPostgresMatch(ctx, h.o.importMessages)
	if err != nil {
		return compare.Outcome{}, err
	}
	return h.play(ctx, compare.Match{
		Name: "tables",
		Title: fmt.Sprintf("live echo, HTTP in to readable in PostgreSQL, %d a second, while %s history messages are loaded, fsync on, %s",
			h.o.echoRate, count(h.o.importMessages), h.o.embeddedBroker()),
		Metrics:     []compare.Metric{p50Metric, p99Metric, p999Metric, importMetric},
		Contestants: []compare.Contestant{{Name: idleName, Turn: p.echoesAlone}, {Name: importName, Turn: p.echoesBesideImport}},
		InOrder:     true, // an import leaves no idle machine behind
		Pairs:       []compare.Pair{{Metric: p50Metric.Key, Of: importName, To: idleName}, {Metric: p99Metric.Key, Of: importName, To: idleName}},
		Plot:        p99Metric.Key,
	})
}

func (p *postgresMatch) echoesAlone(ctx context.Context) (sample compare.Sample, err error) {
	s, err := p.h.newStack(ctx, "tables", nil)
	if err != nil {
		return sample, err
	}
	defer s.close(&err)
	if err := s.process(ctx); err != nil {
		return sample, err
	}
	url, file, err := p.migrated(ctx)
	if err != nil {
		return sample, err
	}
	defer p.dropped(ctx, &err)
	role, err := p.start(ctx, s, file)
	if err != nil {
		return sample, err
	}
	defer func() { err = errors.Join(err, role.Stop()) }()
	e, err := watchTables(ctx, s, url)
	if err != nil {
		return sample, err
	}
	defer e.close()
	if err := e.warm(ctx); err != nil {
		return sample, err
	}
	probe, err := e.probe(ctx, tablesLength*p.h.o.turn, nil)
	return compare.Sample{OK: probe.ok, Verdict: probe.verdict, Values: latencyValues(probe.latency)}, err
}

// echoesBesideImport starts the sink on topics that have all of the history, and sends echoes until it is in the tables.
func (p *postgresMatch) echoesBesideImport(ctx context.Context) (sample compare.Sample, err error) {
	s, err := p.filled(ctx)
	if err != nil {
		return sample, err
	}
	defer s.close(&err)
	url, file, err := p.migrated(ctx)
	if err != nil {
		return sample, err
	}
	defer p.dropped(ctx, &err)
	total, err := historyEnd(ctx, s)
	if err != nil {
		return sample, err
	}
	rested()
	e, err := watchTables(ctx, s, url)
	if err != nil {
		return sample, err
	}
	defer e.close()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return sample, err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	begin := time.Now()
	role, err := p.start(ctx, s, file)
	if err != nil {
		return sample, err
	}
	defer func() { err = errors.Join(err, role.Stop()) }()
	if err := e.warm(ctx); err != nil {
		return sample, err
	}
	loading, stop := context.WithCancel(ctx)
	defer stop()
	enough := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		defer close(enough)
		ended <- loaded(loading, conn, role, total)
	}()
	const ages = 24 * time.Hour // it is the end of the import that ends it
	probe, err := e.probe(ctx, ages, enough)
	if err != nil {
		stop()
	}
	if err := errors.Join(err, <-ended); err != nil {
		return sample, err
	}
	took := time.Since(begin)
	verdict, ok := p.judged(ctx, s, url)
	sample = compare.Sample{OK: probe.ok && ok, Verdict: probe.verdict + "; import " + verdict, Values: latencyValues(probe.latency)}
	sample.Values[importMetric.Key] = took.Seconds()
	return sample, nil
}

func watchTables(ctx context.Context, s *stack, url string) (*echoes, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	// A plan that was made while the tables were small must not read all of them later.
	if _, err := conn.Exec(ctx, "SET enable_seqscan = off"); err != nil {
		return nil, errors.Join(err, conn.Close(ctx))
	}
	t := &tables{conn: conn, pending: map[messageKey]load.Identity{}, stop: make(chan struct{}), done: make(chan struct{})}
	e, err := watchEchoesIn(ctx, s, t)
	if err != nil {
		return nil, errors.Join(err, conn.Close(ctx))
	}
	return e, nil
}

// tables looks for the rows of events that the consumer has read.
type tables struct {
	conn *pgx.Conn

	mu      sync.Mutex
	pending map[messageKey]load.Identity

	stop, done chan struct{}
}

// tablesPoll is how often the rows are looked for. It is small beside the latency, and so is the cost of a look.
const tablesPoll = 3 * time.Millisecond

// expect takes the event of an echo.
func (t *tables) expect(id load.Identity, value []byte) {
	var key struct {
		Number string `json:"phone_number_id"`
		WAMID  string `json:"wamid"`
	}
	if err := json.Unmarshal(value, &key); err != nil {
		return // it has no row, and is missed
	}
	t.mu.Lock()
	t.pending[messageKey{key.Number, key.WAMID}] = id
	t.mu.Unlock()
}

func (t *tables) read(ctx context.Context, saw func(at time.Time, ids []load.Identity, err error)) {
	defer close(t.done)
	tick := time.NewTicker(tablesPoll)
	defer tick.Stop()
	for {
		select {
		case <-t.stop:
			return
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		ids, err := t.look(ctx)
		if len(ids) > 0 || err != nil {
			saw(time.Now(), ids, err)
		}
		if err != nil {
			return
		}
	}
}

// look returns the echoes that have a row since the last look.
func (t *tables) look(ctx context.Context) (there []load.Identity, err error) {
	var numbers, wamids []string
	t.mu.Lock()
	for key := range t.pending {
		numbers, wamids = append(numbers, key.number), append(wamids, key.wamid)
	}
	t.mu.Unlock()
	if len(wamids) == 0 {
		return nil, nil
	}
	rows, err := t.conn.Query(ctx, `SELECT k.number, k.wamid FROM unnest($1::text[], $2::text[]) AS k (number, wamid)
CROSS JOIN LATERAL (SELECT FROM coexstream.messages m WHERE m.phone_number_id = k.number AND m.wamid = k.wamid LIMIT 1) found`, numbers, wamids)
	if err != nil {
		return nil, err
	}
	var key messageKey
	_, err = pgx.ForEachRow(rows, []any{&key.number, &key.wamid}, func() error {
		t.mu.Lock()
		defer t.mu.Unlock()
		if id, ok := t.pending[key]; ok {
			there = append(there, id)
			delete(t.pending, key)
		}
		return nil
	})
	return there, err
}

func (t *tables) close() {
	close(t.stop)
	<-t.done
	_ = t.conn.Close(context.Background()) // the database is dropped next
}
