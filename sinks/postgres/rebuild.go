package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// ShadowOf is the schema in which a rebuild fills its tables.
func ShadowOf(schema string) string { return schema + "_rebuild" }

// Changed is what a rebuild does to a table.
type Changed struct {
	Table   string `json:"table"`
	Rows    int64  `json:"rows"` // of the new content
	Removed int64  `json:"removed"`
	Added   int64  `json:"added"`
	Updated int64  `json:"updated"`
}

// replaced are all tables with their keys.
func replaced() []*table {
	return append([]*table{
		{name: "positions", key: []string{"topic", "partition"}},
		{name: "threads", key: []string{"phone_number_id", "chat"}},
	}, tables...)
}

// Replace gives a schema the rows of its shadow, positions included, and drops the shadow. It is one transaction:
// readers see the former rows until its end, and sinks wait. Afterwards sinks find the new positions, and continue from
// there. Only rows that differ are written.
//
// A rehearsal reports the changes, and changes nothing.
func Replace(ctx context.Context, url, schema string, rehearsal bool) (all []Changed, err error) {
	conn, err := connect(ctx, url, schema)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	tx, err := conn.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	shadow := ShadowOf(schema)
	if err := lockAll(ctx, tx, schema, shadow); err != nil {
		return nil, err
	}
	for _, t := range replaced() {
		c, err := t.replace(ctx, tx, schema, shadow)
		if err != nil {
			return nil, fmt.Errorf("replace the rows of %s: %w", t.name, err)
		}
		all = append(all, c)
	}
	if rehearsal {
		return all, nil
	}
	if _, err := tx.Exec(ctx, fmt.Sprintf("DROP SCHEMA %s CASCADE", pgx.Identifier{shadow}.Sanitize())); err != nil {
		return nil, err
	}
	return all, tx.Commit(ctx)
}

// lockAll takes the locks of all partitions that one of the schemas knows.
func lockAll(ctx context.Context, tx pgx.Tx, schema string, others ...string) error {
	var from strings.Builder
	for _, s := range append([]string{schema}, others...) {
		if from.Len() > 0 {
			from.WriteString(" UNION ")
		}
		fmt.Fprintf(&from, "SELECT partition FROM %s", pgx.Identifier{s, "positions"}.Sanitize())
	}
	_, err := tx.Exec(ctx, fmt.Sprintf("SELECT pg_advisory_xact_lock(%d, partition) FROM (SELECT partition FROM (%s) p ORDER BY partition) q", lockOf(schema), from.String()))
	return err
}

func (t *table) replace(ctx context.Context, tx pgx.Tx, schema, shadow string) (c Changed, err error) {
	to, from := pgx.Identifier{schema, t.name}.Sanitize(), pgx.Identifier{shadow, t.name}.Sanitize()
	var columns []string
	rows, _ := tx.Query(ctx, "SELECT column_name::text FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2 AND column_name <> $3 ORDER BY ordinal_position", shadow, t.name, t.former)
	if columns, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
		return c, err
	}
	each := func(format, separator string, names []string) string {
		parts := make([]string, len(names))
		for i, name := range names {
			parts[i] = strings.ReplaceAll(format, "%", pgx.Identifier{name}.Sanitize())
		}
		return strings.Join(parts, separator)
	}
	same := each("s.% = t.%", " AND ", t.key)
	c.Table = t.name
	for _, step := range []struct {
		n     *int64
		query string
	}{
		{&c.Removed, fmt.Sprintf("DELETE FROM %s t WHERE NOT EXISTS (SELECT FROM %s s WHERE %s)", to, from, same)},
		{&c.Updated, fmt.Sprintf("UPDATE %s t SET %s FROM %s s WHERE %s AND (%s) IS DISTINCT FROM (%s)", to, each("% = s.%", ", ", columns), from, same, each("s.%", ", ", columns), each("t.%", ", ", columns))},
		{&c.Added, fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s s WHERE NOT EXISTS (SELECT FROM %s t WHERE %s)", to, each("%", ", ", columns), each("s.%", ", ", columns), from, to, same)},
	} {
		done, err := tx.Exec(ctx, step.query)
		if err != nil {
			return c, err
		}
		*step.n = done.RowsAffected()
	}
	return c, tx.QueryRow(ctx, "SELECT count(*) FROM "+to).Scan(&c.Rows)
}

// ReadAgain lets the sinks read the topics from their beginnings, over the existing rows. First it removes values that
// only the compacted topics have: values that these topics no longer have were removed there.
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

// DropShadow removes what a rebuild left that was not finished.
func DropShadow(ctx context.Context, url, schema string) (err error) {
	conn, err := connect(ctx, url, schema)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, fmt.Sprintf("DROP SCHEMA IF EXISTS %s CASCADE", pgx.Identifier{ShadowOf(schema)}.Sanitize()))
	return errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
}
