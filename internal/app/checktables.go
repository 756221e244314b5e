package app

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/spf13/cobra"

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

// checked is the outcome of a check with tables, as JSON.
type checked struct {
	verify.Verdict
	Sinks []*tables.Verdict `json:"sinks,omitempty"`
}

func (a *app) check(cmd *cobra.Command, c verify.CheckConfig, beside []tables.Config, output string) (err error) {
	defer func() {
		for i := range beside {
			err = errors.Join(err, beside[i].DB.Close())
		}
	}()
	if !a.environmentSets("GOGC") {
		// The memory of a long check has no pointers, so a collection is cheap.
		debug.SetGCPercent(collectEarlyPercent)
	}
	verdict, err := verify.Check(cmd.Context(), c, verify.NewProgress(cmd.ErrOrStderr(), isTerminal(a.io.Err)))
	if err != nil {
		return err
	}
	all, ok := checked{Verdict: verdict}, verdict.OK()
	for i := range beside {
		v, err := tables.Check(cmd.Context(), beside[i])
		if err != nil {
			return err
		}
		all.Sinks, ok = append(all.Sinks, v), ok && v.OK()
	}
	if output == "json" {
		err = writeJSON(cmd.OutOrStdout(), all)
	} else {
		err = verdict.WriteTable(cmd.OutOrStdout())
		for _, v := range all.Sinks {
			err = errors.Join(err, v.WriteTable(cmd.OutOrStdout()))
		}
	}
	if err != nil {
		return err
	}
	if !ok {
		return errFaults
	}
	return nil
}
