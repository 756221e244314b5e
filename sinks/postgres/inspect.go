package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/coexstream/coexstream/sinks"
)

// connect is a connection for a command, which sees the schema alone.
func connect(ctx context.Context, url, schema string) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, withoutPassword(err)
	}
	cfg.RuntimeParams["application_name"] = "coexstream"
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, "SET search_path = "+pgx.Identifier{schema}.Sanitize()); err != nil {
		return nil, errors.Join(err, conn.Close(ctx))
	}
	return conn, nil
}

// Inspect reads where a schema stands. It may be written meanwhile.
func Inspect(ctx context.Context, url, schema string, lettersMax int) (in *sinks.Inspection, version int64, err error) {
	conn, err := connect(ctx, url, schema)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	if version, err = versionOf(ctx, conn, schema); err != nil {
		return nil, 0, err
	}
	if version == 0 {
		return nil, 0, fmt.Errorf("the schema %s has no tables: %w", schema, ErrNotMigrated)
	}
	in = &sinks.Inspection{}
	var p sinks.TopicPosition
	var l sinks.SetAside
	rows, _ := conn.Query(ctx, "SELECT topic, partition, next, at FROM positions ORDER BY topic, partition") // its error is that of the rows
	_, err = pgx.ForEachRow(rows, []any{&p.Topic, &p.Partition, &p.Next, &p.At}, func() error {
		in.Positions = append(in.Positions, p)
		return nil
	})
	if err != nil {
		return nil, version, err
	}
	rows, _ = conn.Query(ctx, "SELECT topic, partition, record_offset, at, reason FROM letters ORDER BY at DESC, topic, partition, record_offset DESC LIMIT $1", lettersMax)
	_, err = pgx.ForEachRow(rows, []any{&l.Topic, &l.Partition, &l.Offset, &l.At, &l.Reason}, func() error {
		in.Letters = append(in.Letters, l)
		return nil
	})
	if err != nil {
		return nil, version, err
	}
	return in, version, conn.QueryRow(ctx, `SELECT (SELECT count(*) FROM letters),
(SELECT COALESCE(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind IN ('r', 'm'))`,
		pgx.Identifier{schema}.Sanitize()).Scan(&in.LetterSum, &in.Bytes)
}
