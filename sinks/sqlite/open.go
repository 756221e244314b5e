package sqlite

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/coexstream/coexstream/sinks"
)

//go:embed schema.sql
var schema string

//go:embed syncstatus.sql
var syncStatus string

//go:embed assets.sql
var assetsTable string

//go:embed conversation.sql
var conversation string

const (
	applicationID = 0x636f6578 // "coex", in the header of the file
	schemaVersion = 1
	cacheKiB      = 8 << 10
	walKeptBytes  = 64 << 20
)

// ErrForeign reports that a file is a database of another program.
var ErrForeign = errors.New("the file is a database of something else")

// Files returns the names of the additional files of a store, which SQLite makes.
func Files(file string) []string { return []string{file, file + "-wal", file + "-shm"} }

// Store is the file, open for writing. It is a sinks.Target.
type Store struct {
	file  string
	room  Room
	db    *sql.DB
	conn  *sql.Conn // the only one: one step at a time
	turns *turns
	s     statements
}

// Open opens the file, and creates it if necessary. The folder must exist.
func Open(ctx context.Context, file string) (*Store, error) {
	db, err := open(file, fmt.Sprintf("cache_size(-%d)", cacheKiB), "journal_mode(WAL)", "synchronous(NORMAL)", "busy_timeout(10000)", fmt.Sprintf("journal_size_limit(%d)", walKeptBytes))
	if err != nil {
		return nil, err
	}
	st := &Store{file: file, db: db, turns: newTurns()}
	if err := st.begin(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", file, err), st.Close())
	}
	return st, nil
}

func open(file string, pragmas ...string) (*sql.DB, error) {
	path, err := filepath.Abs(file)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	name := url.URL{Scheme: "file", Path: path, RawQuery: url.Values{"_pragma": pragmas}.Encode()}
	db, err := sql.Open("sqlite", name.String())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

func (st *Store) begin(ctx context.Context) (err error) {
	if st.conn, err = st.db.Conn(ctx); err != nil {
		return err
	}
	version, err := versionOf(ctx, st.conn)
	if err != nil {
		return err
	}
	if version == 0 {
		if err := st.step(ctx, true, func() error { return st.create(ctx) }); err != nil {
			return fmt.Errorf("create the tables: %w", err)
		}
	}
	if err := st.addPeople(ctx); err != nil {
		return fmt.Errorf("add the column person: %w", err)
	}
	if err := st.renewSyncStatus(ctx); err != nil {
		return fmt.Errorf("make the view sync_status again: %w", err)
	}
	if err := st.addAssets(ctx); err != nil {
		return fmt.Errorf("add the table assets: %w", err)
	}
	return st.s.prepare(ctx, st.conn)
}

// addAssets adds the table of the assets to a file of a version without it, and the view conversation with them. Programs of that version can still
// write to the file.
func (st *Store) addAssets(ctx context.Context) error {
	var has bool
	if err := st.conn.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'assets')").Scan(&has); err != nil || has {
		return err
	}
	return st.step(ctx, true, func() error {
		_, err := st.conn.ExecContext(ctx, assetsTable+"\nDROP VIEW IF EXISTS conversation;\n"+conversation)
		return err
	})
}

// addPeople adds the column person to a file of a version without it, and fills it where the message is known. Programs of that version can still write
// to the file.
func (st *Store) addPeople(ctx context.Context) error {
	var has bool
	if err := st.conn.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM pragma_table_info('versions') WHERE name = 'person')").Scan(&has); err != nil || has {
		return err
	}
	return st.step(ctx, true, func() error {
		for _, table := range [...]string{"versions", "receipts", "reactions", "notes"} {
			if _, err := st.conn.ExecContext(ctx, "ALTER TABLE "+table+" ADD COLUMN person TEXT NOT NULL DEFAULT ''"); err != nil {
				return err
			}
		}
		for _, table := range [...]string{"versions", "reactions"} {
			if _, err := st.conn.ExecContext(ctx, fmt.Sprintf(`UPDATE %[1]s SET person = m.chat FROM messages m
WHERE m.phone_number_id = %[1]s.phone_number_id AND m.wamid = %[1]s.wamid AND m.group_id = ''`, table)); err != nil {
				return err
			}
		}
		return nil
	})
}

// renewSyncStatus makes the view again in a file of a version without the requests of the desk. Readers and older programs
// need no change: the tables stay as they are.
func (st *Store) renewSyncStatus(ctx context.Context) error {
	var has bool
	if err := st.conn.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM pragma_table_info('sync_status') WHERE name = 'error_code')").Scan(&has); err != nil || has {
		return err
	}
	return st.step(ctx, true, func() error {
		_, err := st.conn.ExecContext(ctx, "DROP VIEW IF EXISTS sync_status;\n"+syncStatus)
		return err
	})
}

// versionOf returns the schema's version; 0: the file is empty.
func versionOf(ctx context.Context, conn *sql.Conn) (version int, err error) {
	var id, tables int
	for pragma, into := range map[string]*int{"PRAGMA user_version": &version, "PRAGMA application_id": &id, "SELECT count(*) FROM sqlite_schema": &tables} {
		if err := conn.QueryRowContext(ctx, pragma).Scan(into); err != nil {
			return 0, err
		}
	}
	switch {
	case tables == 0:
		return 0, nil
	case id != applicationID:
		return 0, ErrForeign
	case version != schemaVersion:
		return 0, fmt.Errorf("its tables are of version %d, and this program writes version %d", version, schemaVersion)
	}
	return version, nil
}

func (st *Store) create(ctx context.Context) error {
	_, err := st.conn.ExecContext(ctx, schema+assetsTable+conversation+syncStatus+fmt.Sprintf("\nPRAGMA application_id = %d; PRAGMA user_version = %d;", applicationID, schemaVersion))
	return err
}

// Close ends a running step, and closes the file.
func (st *Store) Close() error {
	st.turns.take(true)
	defer st.turns.give()
	var errs []error
	if st.conn != nil {
		errs = append(errs, st.s.close(), st.conn.Close())
	}
	return errors.Join(append(errs, st.db.Close())...)
}

// step calls do in one transaction.
func (st *Store) step(ctx context.Context, live bool, do func() error) (err error) {
	st.turns.take(live)
	defer st.turns.give()
	if _, err := st.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if err = do(); err == nil {
		_, err = st.conn.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		// If the outcome of the commit is unknown, there is nothing to undo. The positions then show it.
		_, _ = st.conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		return classified(err)
	}
	return nil
}

// classified separates content that SQLite cannot store from all other errors.
func classified(err error) error {
	var e *sqlite.Error
	if errors.As(err, &e) {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE:
			return fmt.Errorf("%w: %w", sinks.ErrRefused, err)
		}
	}
	return err
}
