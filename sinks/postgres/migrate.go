package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var embedded embed.FS

const (
	// Version is that of the tables which this program needs. It works with every later one.
	Version = 7
	// versionTable says which migrations a schema has seen.
	versionTable = "migrations"
)

// Migrated is what a migration did.
type Migrated struct {
	From, To int64
	Steps    []string // names of the migrations
}

// Migrate makes the schema and brings its tables to this program's version. Several at once wait for each other.
func Migrate(ctx context.Context, url, schema string) (*Migrated, error) {
	migrations, err := fs.Sub(embedded, "migrations")
	if err != nil {
		return nil, err
	}
	return migrate(ctx, url, schema, migrations)
}

func migrate(ctx context.Context, url, schema string, migrations fs.FS) (done *Migrated, err error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, withoutPassword(err)
	}
	cfg.RuntimeParams["application_name"] = "coexstream migrate"
	name := pgx.Identifier{schema}.Sanitize()
	db := stdlib.OpenDB(*cfg, stdlib.OptionAfterConnect(func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, fmt.Sprintf("SET search_path = %s; SET lock_timeout = %d", name, lockWait.Milliseconds()))
		return err
	}))
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := makeSchema(ctx, db, schema); err != nil {
		return nil, fmt.Errorf("make the schema %s: %w", schema, err)
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(lockOf(schema)), lock.WithLockTimeout(1, 300), lock.WithUnlockTimeout(1, 30)) // seconds, attempts
	if err != nil {
		return nil, err
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, migrations,
		goose.WithTableName(versionTable), goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return nil, err
	}
	done = &Migrated{}
	err = letOthersFirst(ctx, func() (err error) {
		done.From, err = p.GetDBVersion(ctx)
		return err
	})
	if err == nil {
		err = letOthersFirst(ctx, func() error {
			results, err := p.Up(ctx)
			if partial := (*goose.PartialError)(nil); errors.As(err, &partial) {
				results = partial.Applied
			}
			for _, r := range results {
				done.Steps = append(done.Steps, r.Source.Path)
			}
			return err
		})
	}
	if err == nil {
		err = letOthersFirst(ctx, func() (err error) {
			done.To, err = p.GetDBVersion(ctx)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("migrate the schema %s: %w", schema, err)
	}
	return done, nil
}

// A statement that waits for the lock of a table keeps all others from it. So it waits for a moment only, and lets them go first.
const (
	lockWait     = time.Second
	lockPause    = 2 * time.Second
	lockAttempts = 100
)

// letOthersFirst repeats what others keep from a lock.
func letOthersFirst(ctx context.Context, do func() error) error {
	for attempt := 1; ; attempt++ {
		err := do()
		if err == nil || !isLocked(err) || attempt == lockAttempts {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lockPause):
		}
	}
}

// isLocked reports whether others used what a migration needs alone.
func isLocked(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == "55P03" || e.Code == "40P01") // lock_timeout, deadlock
}

// makeSchema makes the schema where it is not there. Where it is, the right to make schemas is not needed.
func makeSchema(ctx context.Context, db *sql.DB, schema string) error {
	var there bool
	if err := db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)", schema).Scan(&there); err != nil || there {
		return err
	}
	name := pgx.Identifier{schema}.Sanitize()
	// One transaction. IF NOT EXISTS alone fails where another session creates the schema at the same time.
	_, err := db.ExecContext(ctx, fmt.Sprintf("SET LOCAL lock_timeout = 0; SELECT pg_advisory_xact_lock(%[2]d); CREATE SCHEMA IF NOT EXISTS %[1]s; COMMENT ON SCHEMA %[1]s IS 'Events of WhatsApp, written by coexstream'", name, lockOf(schema)))
	return err
}
