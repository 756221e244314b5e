package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/coexstream/coexstream/sinks"
)

// Shadow is the second file while a rebuild fills it beside the first one.
type Shadow struct {
	file  string // the first one
	store *Store
}

// OpenShadow makes the second file, and removes the rest of an interrupted rebuild. The first file must have tables of this version.
// The caller lets one process at a time call it.
func OpenShadow(ctx context.Context, file string) (sh *Shadow, err error) {
	if _, err := Inspect(ctx, file, 0); err != nil {
		return nil, err
	}
	sh = &Shadow{file: file}
	if err := sh.remove(); err != nil {
		return nil, err
	}
	if sh.store, err = Open(ctx, sh.Name()); err != nil {
		return nil, errors.Join(err, sh.remove())
	}
	return sh, nil
}

// Name is that of the second file.
func (sh *Shadow) Name() string { return sh.file + ".rebuild" }

// remove removes the second file.
func (sh *Shadow) remove() (err error) {
	for _, name := range Files(sh.Name()) {
		if e := os.Remove(name); !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// Store is the second file.
func (sh *Shadow) Store() *Store { return sh.store }

// Close removes the second file.
func (sh *Shadow) Close() error { return errors.Join(sh.store.Close(), sh.remove()) }

// Replace gives the first file the rows of the second one, positions included. It is one transaction: readers see the former rows
// until its end, and the sink waits. Afterwards the sink finds the new positions, and continues from there. Only rows that differ are
// written.
//
// finish is called when the sink waits. It returns when the second file has all records of the topics and nobody writes to it any more,
// so that no row is lost that a reader has seen.
func (sh *Shadow) Replace(ctx context.Context, finish func(context.Context) error) ([]sinks.Changed, error) {
	return sh.both(ctx, func(conn *sql.Conn) (all []sinks.Changed, err error) {
		// A write to the first file alone locks it, and leaves the second one to its writer.
		if _, err := conn.ExecContext(ctx, "BEGIN; UPDATE main.positions SET next = next WHERE false"); err != nil {
			return nil, err
		}
		if err = finish(ctx); err == nil {
			all, err = sh.each(ctx, conn, (*twin).replace)
		}
		if err == nil {
			_, err = conn.ExecContext(ctx, "COMMIT")
		}
		return all, err
	})
}

// Compare counts what Replace would change. Nothing is written and nobody waits.
func (sh *Shadow) Compare(ctx context.Context) ([]sinks.Changed, error) {
	return sh.both(ctx, func(conn *sql.Conn) ([]sinks.Changed, error) {
		if _, err := conn.ExecContext(ctx, "BEGIN"); err != nil {
			return nil, err
		}
		return sh.each(ctx, conn, (*twin).compare)
	})
}

// both opens the first file with the second one beside it.
func (sh *Shadow) both(ctx context.Context, do func(*sql.Conn) ([]sinks.Changed, error)) (all []sinks.Changed, err error) {
	db, err := open(sh.file, fmt.Sprintf("cache_size(-%d)", cacheKiB), "busy_timeout(10000)")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	second, err := filepath.Abs(sh.Name())
	if err != nil {
		return nil, err
	}
	if _, err := conn.ExecContext(ctx, "ATTACH ? AS shadow", second); err != nil {
		return nil, err
	}
	defer func() { _, _ = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK") }() // there is nothing to undo after the commit
	if all, err = do(conn); err != nil {
		return nil, fmt.Errorf("rebuild %s: %w", sh.file, err)
	}
	return all, nil
}

func (sh *Shadow) each(ctx context.Context, conn *sql.Conn, do func(*twin, context.Context, *sql.Conn) (sinks.Changed, error)) (all []sinks.Changed, err error) {
	var names []string
	if err := each(ctx, conn, "SELECT name FROM shadow.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid", func(rows *sql.Rows) error {
		var name string
		err := rows.Scan(&name)
		names = append(names, name)
		return err
	}); err != nil {
		return nil, err
	}
	for _, name := range names {
		t, err := columnsOf(ctx, conn, name)
		if err != nil {
			return nil, err
		}
		c, err := do(t, ctx, conn)
		if err != nil {
			return nil, fmt.Errorf("replace the rows of %s: %w", name, err)
		}
		all = append(all, c)
	}
	return all, nil
}

// twin is a table of both files: t is its row in the first one, s in the second one.
type twin struct {
	name     string // quoted
	columns  []string
	same     string // they have the same key
	differs  string // another column differs
	updates  string
	conflict string // the columns of the key
}

func columnsOf(ctx context.Context, conn *sql.Conn, name string) (*twin, error) {
	t := &twin{name: quoted(name)}
	var key, same, differ, updates []string
	err := each(ctx, conn, "SELECT name, pk FROM pragma_table_info("+quotedText(name)+", 'shadow') ORDER BY cid", func(rows *sql.Rows) error {
		var column string
		var pk int
		if err := rows.Scan(&column, &pk); err != nil {
			return err
		}
		c := quoted(column)
		t.columns = append(t.columns, c)
		if pk > 0 {
			key, same = append(key, c), append(same, fmt.Sprintf("s.%[1]s = t.%[1]s", c))
			return nil
		}
		differ, updates = append(differ, fmt.Sprintf("s.%[1]s IS NOT t.%[1]s", c)), append(updates, fmt.Sprintf("%[1]s = excluded.%[1]s", c))
		return nil
	})
	t.same, t.differs, t.updates, t.conflict = strings.Join(same, " AND "), strings.Join(differ, " OR "), strings.Join(updates, ", "), strings.Join(key, ", ")
	return t, err
}

func quoted(name string) string     { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
func quotedText(name string) string { return "'" + strings.ReplaceAll(name, "'", "''") + "'" }

func (t *twin) replace(ctx context.Context, conn *sql.Conn) (c sinks.Changed, err error) {
	if c, err = t.compare(ctx, conn); err != nil {
		return c, err
	}
	if c.Removed > 0 {
		if _, err := conn.ExecContext(ctx, fmt.Sprintf("DELETE FROM main.%[1]s AS t WHERE NOT EXISTS (SELECT 1 FROM shadow.%[1]s s WHERE %[2]s)", t.name, t.same)); err != nil {
			return c, err
		}
	}
	if c.Added+c.Updated > 0 {
		columns := strings.Join(t.columns, ", ")
		if _, err := conn.ExecContext(ctx, fmt.Sprintf(`INSERT INTO main.%[1]s (%[2]s) SELECT %[2]s FROM shadow.%[1]s s
WHERE NOT EXISTS (SELECT 1 FROM main.%[1]s t WHERE %[3]s AND NOT (%[4]s)) ON CONFLICT (%[5]s) DO UPDATE SET %[6]s`, t.name, columns, t.same, t.differs, t.conflict, t.updates)); err != nil {
			return c, err
		}
	}
	return c, nil
}

func (t *twin) compare(ctx context.Context, conn *sql.Conn) (c sinks.Changed, err error) {
	c.Table = strings.Trim(t.name, `"`)
	return c, conn.QueryRowContext(ctx, fmt.Sprintf(`SELECT (SELECT count(*) FROM shadow.%[1]s),
(SELECT count(*) FROM main.%[1]s t WHERE NOT EXISTS (SELECT 1 FROM shadow.%[1]s s WHERE %[2]s)),
(SELECT count(*) FROM main.%[1]s t JOIN shadow.%[1]s s ON %[2]s WHERE %[3]s),
(SELECT count(*) FROM shadow.%[1]s s WHERE NOT EXISTS (SELECT 1 FROM main.%[1]s t WHERE %[2]s))`, t.name, t.same, t.differs)).Scan(&c.Rows, &c.Removed, &c.Updated, &c.Added)
}
