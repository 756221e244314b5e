package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/coexstream/coexstream/sinks"
)

// ShadowOf is the schema in which a rebuild fills its tables.
func ShadowOf(schema string) string { return schema + "_rebuild" }

// replaced are all tables with their keys.
func replaced() []*table {
	return append([]*table{
		{name: "positions", key: []string{"topic", "partition"}},
		{name: "threads", key: []string{"phone_number_id", "chat"}},
	}, tables...)
}

// ErrRebuilding says that somebody else rebuilds the tables, or erases somebody.
var ErrRebuilding = errors.New("a rebuild or an erasure of these tables runs")

// These stand beside the partitions among the locks of a schema. Erasures share the first with each other, and have the second one by one.
const (
	rebuildLock = -1
	erasureLock = -2
)

// Shadow is the second schema while a rebuild fills it. One process has it at a time.
type Shadow struct {
	conn   *pgx.Conn
	schema string
	former bool // it was there before
}

// OpenShadow makes the second schema, or takes the one that an interrupted rebuild left. The schema itself stays as it is. It fails with
// ErrRebuilding while another process has the shadow, and with ErrNotMigrated where there are no tables to rebuild.
func OpenShadow(ctx context.Context, url, schema string) (*Shadow, error) {
	conn, err := connect(ctx, url, schema)
	if err != nil {
		return nil, err
	}
	sh := &Shadow{conn: conn, schema: schema}
	if err := sh.open(ctx, url); err != nil {
		return nil, errors.Join(err, sh.Close(ctx))
	}
	return sh, nil
}

func (sh *Shadow) open(ctx context.Context, url string) error {
	if err := checkVersion(ctx, sh.conn, sh.schema); err != nil {
		return err
	}
	// The connection has the lock, and rests while the shadow is filled.
	if _, err := sh.conn.Exec(ctx, "SET idle_session_timeout = 0"); err != nil {
		return err
	}
	if err := lockRebuild(ctx, sh.conn, sh.schema, "pg_try_advisory_lock"); err != nil {
		return err
	}
	if err := sh.conn.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)", sh.Name()).Scan(&sh.former); err != nil {
		return err
	}
	for {
		if _, err := Migrate(ctx, url, sh.Name()); err != nil {
			return err
		}
		if done, err := sh.forget(ctx); err != nil || done {
			return err
		}
	}
}

// forget lets the shadow leave out who was erased. One that was filled without knowing it is dropped, and done is false.
func (sh *Shadow) forget(ctx context.Context) (done bool, err error) {
	erased, from := pgx.Identifier{sh.Name(), "erased"}.Sanitize(), pgx.Identifier{sh.schema, "erased"}.Sanitize()
	if sh.former {
		known := false
		err := sh.conn.QueryRow(ctx, fmt.Sprintf("SELECT NOT EXISTS (SELECT person, version FROM %s EXCEPT SELECT person, version FROM %s)", from, erased)).Scan(&known)
		if err != nil || known {
			return known, err
		}
		sh.former = false
		return false, sh.Drop(ctx)
	}
	_, err = sh.conn.Exec(ctx, fmt.Sprintf("INSERT INTO %s (person, erased_at, version) SELECT person, erased_at, version FROM %s", erased, from))
	return true, err
}

// lockRebuild keeps other rebuilds away, or names the one that runs.
func lockRebuild(ctx context.Context, db interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}, schema, try string) error {
	lock, got := int32(lockOf(schema)), false
	if err := db.QueryRow(ctx, "SELECT "+try+"($1, $2)", lock, rebuildLock).Scan(&got); err != nil || got {
		return err
	}
	var holder string
	err := db.QueryRow(ctx, `SELECT format('server process %s since %s', a.pid, date_trunc('second', a.backend_start)) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND l.classid::bigint = $1 AND l.objid::bigint = $2`,
		int64(uint32(lock)), int64(uint32(0xffff_ffff))).Scan(&holder)
	if errors.Is(err, pgx.ErrNoRows) {
		holder = "it ends just now"
	} else if err != nil {
		return err
	}
	return fmt.Errorf("schema %s: %w (%s)", schema, ErrRebuilding, holder)
}

// Name is that of the second schema.
func (sh *Shadow) Name() string { return ShadowOf(sh.schema) }

// Close lets others rebuild. The second schema stays, and the next rebuild continues with it.
func (sh *Shadow) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewellMax)
	defer cancel()
	// The server releases the locks of a closed connection a moment later. After an error it does the same.
	_, _ = sh.conn.Exec(ctx, "SELECT pg_advisory_unlock_all()")
	return sh.conn.Close(ctx)
}

// Drop removes the second schema.
func (sh *Shadow) Drop(ctx context.Context) error {
	_, err := sh.conn.Exec(ctx, sh.dropping())
	return err
}

func (sh *Shadow) dropping() string {
	return fmt.Sprintf("DROP SCHEMA IF EXISTS %s CASCADE", pgx.Identifier{sh.Name()}.Sanitize())
}

// Replace gives the schema the rows of its shadow, positions included, and drops the shadow. It is one transaction:
// readers see the former rows until its end, and sinks wait. Afterwards sinks find the new positions, and continue from
// there. Only rows that differ are written.
//
// finish is called when sinks wait. It returns when the shadow has all records of the topics and nobody writes to it any more, so that
// no row is lost that a reader has seen.
func (sh *Shadow) Replace(ctx context.Context, finish func(context.Context) error) (all []sinks.Changed, err error) {
	return all, pgx.BeginFunc(ctx, sh.conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL idle_in_transaction_session_timeout = 0"); err != nil {
			return err
		}
		if err := lockAll(ctx, tx, sh.schema, sh.Name()); err != nil {
			return err
		}
		if err := finish(ctx); err != nil {
			return err
		}
		if all, err = sh.each(ctx, tx, (*table).replace); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, sh.dropping())
		return err
	})
}

// Compare counts what Replace would change. Nothing is written and nobody waits. A shadow that was made for it is dropped.
func (sh *Shadow) Compare(ctx context.Context) (all []sinks.Changed, err error) {
	err = pgx.BeginTxFunc(ctx, sh.conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) (err error) {
		all, err = sh.each(ctx, tx, (*table).compare)
		return err
	})
	if err == nil && !sh.former {
		err = sh.Drop(ctx)
	}
	return all, err
}

func (sh *Shadow) each(ctx context.Context, tx pgx.Tx, do func(*table, context.Context, pgx.Tx, *difference) (sinks.Changed, error)) (all []sinks.Changed, err error) {
	for _, t := range replaced() {
		d, err := t.differ(ctx, tx, sh.schema, sh.Name())
		if err != nil {
			return nil, err
		}
		c, err := do(t, ctx, tx, d)
		if err != nil {
			return nil, fmt.Errorf("replace the rows of %s: %w", t.name, err)
		}
		c.Table = t.name
		all = append(all, c)
	}
	return all, nil
}

// lockAll takes the locks of all partitions that one of the schemas knows, and keeps others from making their first position.
func lockAll(ctx context.Context, tx pgx.Tx, schema string, others ...string) error {
	var from strings.Builder
	for _, s := range append([]string{schema}, others...) {
		if from.Len() > 0 {
			from.WriteString(" UNION ")
		}
		fmt.Fprintf(&from, "SELECT partition FROM %s", pgx.Identifier{s, "positions"}.Sanitize())
	}
	if _, err := tx.Exec(ctx, fmt.Sprintf("SELECT pg_advisory_xact_lock(%d, partition) FROM (SELECT partition FROM (%s) p ORDER BY partition) q", lockOf(schema), from.String())); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, fmt.Sprintf("LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE", pgx.Identifier{schema, "positions"}.Sanitize()))
	return err
}

// difference is the parts of the statements about the rows of a table that differ from those of its shadow.
type difference struct {
	to, from string // s is a row of from, t one of to
	columns  []string
	same     string // they have the same key
	changed  string // the other columns differ
}

func each(format, separator string, names []string) string {
	parts := make([]string, len(names))
	for i, name := range names {
		parts[i] = strings.ReplaceAll(format, "%", pgx.Identifier{name}.Sanitize())
	}
	return strings.Join(parts, separator)
}

// differ finds the columns: those of the shadow, because the table may have more.
func (t *table) differ(ctx context.Context, tx pgx.Tx, schema, shadow string) (*difference, error) {
	rows, _ := tx.Query(ctx, "SELECT column_name::text FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2 AND column_name <> $3 ORDER BY ordinal_position", shadow, t.name, t.former)
	columns, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return &difference{
		to: pgx.Identifier{schema, t.name}.Sanitize(), from: pgx.Identifier{shadow, t.name}.Sanitize(), columns: columns, same: each("s.% = t.%", " AND ", t.key),
		changed: fmt.Sprintf("(%s) IS DISTINCT FROM (%s)", each("s.%", ", ", columns), each("t.%", ", ", columns)),
	}, err
}

func (t *table) replace(ctx context.Context, tx pgx.Tx, d *difference) (c sinks.Changed, err error) {
	for _, step := range []struct {
		n     *int64
		query string
	}{
		{&c.Removed, fmt.Sprintf("DELETE FROM %s t WHERE NOT EXISTS (SELECT FROM %s s WHERE %s)", d.to, d.from, d.same)},
		{&c.Updated, fmt.Sprintf("UPDATE %s t SET %s FROM %s s WHERE %s AND %s", d.to, each("% = s.%", ", ", d.columns), d.from, d.same, d.changed)},
		{&c.Added, fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s s WHERE NOT EXISTS (SELECT FROM %s t WHERE %s)", d.to, each("%", ", ", d.columns), each("s.%", ", ", d.columns), d.from, d.to, d.same)},
	} {
		done, err := tx.Exec(ctx, step.query)
		if err != nil {
			return c, err
		}
		*step.n = done.RowsAffected()
	}
	return c, tx.QueryRow(ctx, "SELECT count(*) FROM "+d.to).Scan(&c.Rows)
}

func (t *table) compare(ctx context.Context, tx pgx.Tx, d *difference) (c sinks.Changed, err error) {
	return c, tx.QueryRow(ctx, fmt.Sprintf(`SELECT (SELECT count(*) FROM %[2]s),
(SELECT count(*) FROM %[1]s t WHERE NOT EXISTS (SELECT FROM %[2]s s WHERE %[3]s)),
(SELECT count(*) FROM %[1]s t JOIN %[2]s s ON %[3]s WHERE %[4]s),
(SELECT count(*) FROM %[2]s s WHERE NOT EXISTS (SELECT FROM %[1]s t WHERE %[3]s))`, d.to, d.from, d.same, d.changed)).Scan(&c.Rows, &c.Removed, &c.Updated, &c.Added)
}

// ReadAgain lets the sinks read the topics from their beginnings, over the existing rows. First it removes values that
// only the compacted topics have: values that these topics no longer have were removed there. It fails with
// ErrRebuilding beside a rebuild, which would undo it.
func ReadAgain(ctx context.Context, url, schema string) (err error) {
	conn, err := connect(ctx, url, schema)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	if err := checkVersion(ctx, conn, schema); err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if err := lockRebuild(ctx, tx, schema, "pg_try_advisory_xact_lock"); err != nil {
			return err
		}
		if err := lockAll(ctx, tx, schema); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `DELETE FROM positions;
DELETE FROM syncs;
UPDATE contacts SET in_book = false, full_name = '', first_name = '', book_username = '', phone_number = '', user_id = '', parent_user_id = '', changed_at = NULL,
  original = '', removed = false, book_order = '' WHERE book_order <> ''`)
		return err
	})
}
