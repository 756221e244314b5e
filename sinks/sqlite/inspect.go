package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/coexstream/coexstream/sinks"
)

// Inspect reads the positions of a file, which may be written meanwhile. Without a file, the error is fs.ErrNotExist.
func Inspect(ctx context.Context, file string, lettersMax int) (*sinks.Inspection, error) {
	if _, err := os.Stat(file); err != nil {
		return nil, err
	}
	db, err := open(file, "query_only(1)", "busy_timeout(10000)")
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	defer func() { _ = conn.Close() }()
	if version, err := versionOf(ctx, conn); err != nil || version == 0 {
		return nil, fmt.Errorf("open %s: %w", file, errors.Join(err, errEmpty(version, err)))
	}
	in := &sinks.Inspection{}
	for _, name := range Files(file) {
		if info, err := os.Stat(name); err == nil {
			in.Bytes += info.Size()
		}
	}
	err = errors.Join(
		each(ctx, conn, "SELECT topic, partition, next, at FROM positions ORDER BY topic, partition", func(rows *sql.Rows) error {
			var p sinks.TopicPosition
			var at int64
			err := rows.Scan(&p.Topic, &p.Partition, &p.Next, &at)
			p.At = time.UnixMilli(at)
			in.Positions = append(in.Positions, p)
			return err
		}),
		each(ctx, conn, fmt.Sprintf(`SELECT topic, partition, "offset", at, reason FROM letters ORDER BY at DESC, topic, partition, "offset" DESC LIMIT %d`, lettersMax), func(rows *sql.Rows) error {
			var l sinks.SetAside
			var at int64
			err := rows.Scan(&l.Topic, &l.Partition, &l.Offset, &at, &l.Reason)
			l.At = time.UnixMilli(at)
			in.Letters = append(in.Letters, l)
			return err
		}),
		conn.QueryRowContext(ctx, "SELECT count(*) FROM letters").Scan(&in.LetterSum),
	)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	return in, nil
}

func errEmpty(version int, err error) error {
	if version == 0 && err == nil {
		return errors.New("it has no tables yet")
	}
	return nil
}

func each(ctx context.Context, conn *sql.Conn, query string, row func(*sql.Rows) error) error {
	rows, err := conn.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := row(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
