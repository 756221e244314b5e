package postgres

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/coexstream/coexstream/internal/invalid"
	"github.com/coexstream/coexstream/sinks"
)

// Config is how a store reaches its database.
type Config struct {
	// URL is asked for at each new connection, so that a password can change while the process runs.
	URL            func() string
	Schema         string
	ConnectionsMax int           // 2 or more leave one to live events
	Timeout        time.Duration // of a transaction
}

const connectionsMax = 1000

// Validate names the first key with an invalid value.
func (c *Config) Validate() error {
	switch {
	case c.URL == nil || c.URL() == "":
		return invalid.Value("URL", "", "the URL of a database")
	case c.Schema == "":
		return invalid.Value("Schema", c.Schema, "a name")
	case c.ConnectionsMax < 1 || c.ConnectionsMax > connectionsMax:
		return invalid.Value("ConnectionsMax", c.ConnectionsMax, "1 to %d", connectionsMax)
	case c.Timeout <= 0:
		return invalid.Value("Timeout", c.Timeout, "more than 0")
	}
	_, err := pgx.ParseConfig(c.URL())
	return withoutPassword(err)
}

// Store is a schema, open for writing. It is a sinks.Target.
type Store struct {
	cfg     Config
	pool    *pgxpool.Pool
	lock    int32
	backlog chan struct{} // places of transactions that are not live
	texts   map[*table]statements
	novelty novelty

	over context.Context // ends with the connections
	end  context.CancelFunc

	erasures atomic.Pointer[sinks.Erasures] // the newest that were seen
}

// Open prepares a store. It connects when it is used: the database may be away, and the schema may be made later.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	pc, err := pgxpool.ParseConfig(cfg.URL())
	if err != nil {
		return nil, withoutPassword(err)
	}
	st := &Store{cfg: cfg, lock: int32(lockOf(cfg.Schema)), backlog: make(chan struct{}, max(1, cfg.ConnectionsMax-1)), texts: prepared(), novelty: novelty{of: map[int32]assumption{}}}
	st.erasures.Store(&sinks.Erasures{})
	st.over, st.end = context.WithCancel(context.WithoutCancel(ctx))
	if pc.ConnConfig.RuntimeParams["application_name"] == "" {
		pc.ConnConfig.RuntimeParams["application_name"] = "coexstream sink"
	}
	pc.MaxConns, pc.MinConns = int32(cfg.ConnectionsMax), 0
	if pc.ConnConfig.ConnectTimeout <= 0 {
		pc.ConnConfig.ConnectTimeout = cfg.Timeout
	}
	// A connection that rests while its host is cut off is known to be dead before it is used.
	dialer := &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: restMax, Interval: restMax / probes, Count: probes}}
	pc.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		return dial(ctx, st.over, dialer, network, address)
	}
	pc.BeforeConnect = st.beforeConnect
	pc.AfterConnect = st.afterConnect
	if st.pool, err = pgxpool.NewWithConfig(ctx, pc); err != nil {
		return nil, withoutPassword(err)
	}
	return st, nil
}

// beforeConnect takes the newest password.
func (st *Store) beforeConnect(_ context.Context, cc *pgx.ConnConfig) error {
	now, err := pgx.ParseConfig(st.cfg.URL())
	if err != nil {
		return withoutPassword(err)
	}
	cc.User, cc.Password = now.User, now.Password
	return nil
}

// session is what a connection sets. Rows are looked up one by one: a plan that was made when a table was small must not read all of it later.
//
// The limits end what a process leaves behind on the server that is suspended or whose host is cut off, so that others continue: a statement
// that nobody waits for any more, a transaction between two statements, and a connection whose other end answers no probe.
const session = `SET search_path = %s; SET jit = off; SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
SET enable_bitmapscan = off; SET timezone = 'UTC'; SET statement_timeout = %[2]d; SET idle_in_transaction_session_timeout = %[2]d;
SET tcp_user_timeout = %[2]d; SET tcp_keepalives_idle = %[3]d; SET tcp_keepalives_interval = %[3]d; SET tcp_keepalives_count = %[4]d; %[5]s`

// A commit need not wait for the disk: a crash of the database undoes the last transactions whole, rows and positions
// together, and in their order. The sink then reads the events of these positions again. The URL can set another value.
const (
	waitsForDisk = "synchronous_commit"
	doNotWait    = "SET synchronous_commit = off;\n"
)

const (
	probes  = 3                // that a connection may leave without an answer
	restMax = 15 * time.Second // after which the first is sent
)

// afterConnect prepares a connection. The pool does not end it with the attempt that asked for the connection, so it has a limit of its own.
func (st *Store) afterConnect(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, st.cfg.Timeout)
	defer cancel()
	var more strings.Builder
	if conn.Config().RuntimeParams[waitsForDisk] == "" {
		more.WriteString(doNotWait)
	}
	for _, t := range tables {
		more.WriteString(t.createStage() + ";\n")
	}
	limit := max(1, st.cfg.Timeout.Milliseconds())
	probe := max(1, int64(st.cfg.Timeout.Seconds())/(probes+1)) // in seconds
	if _, err := conn.Exec(ctx, fmt.Sprintf(session, pgx.Identifier{st.cfg.Schema}.Sanitize(), limit, probe, probes, more.String())); err != nil {
		return fmt.Errorf("prepare a connection: %w", err)
	}
	return checkVersion(ctx, conn, st.cfg.Schema)
}

// ErrNotMigrated says that the tables are not there, or are those of an older program.
var ErrNotMigrated = errors.New("run `coexstream sink postgres migrate`")

func checkVersion(ctx context.Context, conn *pgx.Conn, schema string) error {
	version, err := versionOf(ctx, conn, schema)
	if err != nil {
		return err
	}
	if version < Version {
		return fmt.Errorf("the tables of schema %s have version %d, and this program needs %d: %w", schema, version, Version, ErrNotMigrated)
	}
	return nil
}

func versionOf(ctx context.Context, conn *pgx.Conn, schema string) (version int64, err error) {
	err = conn.QueryRow(ctx, fmt.Sprintf("SELECT COALESCE(max(version_id), 0) FROM %s WHERE is_applied", pgx.Identifier{schema, versionTable}.Sanitize()),
		pgx.QueryExecModeSimpleProtocol).Scan(&version)
	var e *pgconn.PgError
	if errors.As(err, &e) && (e.Code == "42P01" || e.Code == "3F000") {
		return 0, nil
	}
	return version, err
}

// lockOf is the number of a schema's advisory locks.
func lockOf(schema string) int64 {
	h := fnv.New32a()
	_, _ = h.Write([]byte("coexstream " + schema))
	return int64(int32(h.Sum32()))
}

// withoutPassword leaves out what pgx quotes of a URL that it cannot read.
func withoutPassword(err error) error {
	var bad *pgconn.ParseConfigError
	if errors.As(err, &bad) {
		return errors.New("the URL of the database cannot be read; it looks like postgres://user:password@host:5432/database?sslmode=verify-full")
	}
	return err
}
