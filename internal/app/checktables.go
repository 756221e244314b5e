package app

import (
	"context"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/internal/verify"
	"github.com/coexstream/coexstream/internal/verify/tables"
)

// checkedTables are the tables that check compares with the topics.
type checkedTables struct {
	sqlite   string
	postgres bool
}

func (t *checkedTables) configs(ctx context.Context, cfg *config.Config, c *verify.CheckConfig, conn kafka.Connection) (all []tables.Config, err error) {
	shared := tables.Config{Connection: conn, Prefix: c.Prefix, Wait: c.Wait, Poll: c.Poll, SamplesMax: c.SamplesMax}
	if t.sqlite != "" {
		if _, err := os.Stat(t.sqlite); err != nil {
			return nil, err
		}
		path, err := filepath.Abs(t.sqlite)
		if err != nil {
			return nil, err
		}
		one := shared
		one.Dialect = tables.SQLite
		name := url.URL{Scheme: "file", Path: path, RawQuery: url.Values{"_pragma": {"query_only(1)", "busy_timeout(10000)"}}.Encode()}
		if one.DB, err = sql.Open("sqlite", name.String()); err != nil {
			return nil, err
		}
		if age := cfg.Sink.SQLite.Retention; age > 0 {
			one.Before = time.Now().Add(-age)
		}
		all = append(all, one)
	}
	if t.postgres {
		if err := haveURL(cfg); err != nil {
			return nil, err
		}
		pc, err := pgx.ParseConfig(cfg.Sink.Postgres.URL)
		if err != nil {
			return nil, usagef("sink.postgres.url cannot be read")
		}
		schema := pgx.Identifier{cfg.Sink.Postgres.Schema}.Sanitize()
		one := shared
		one.Dialect = tables.PostgreSQL
		one.DB = stdlib.OpenDB(*pc, stdlib.OptionAfterConnect(func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, "SET search_path = "+schema+"; SET default_transaction_read_only = on")
			return err
		}))
		if err := one.DB.PingContext(ctx); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}
