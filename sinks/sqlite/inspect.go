package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"
)

// Inspection is where a file stands.
type Inspection struct {
	Positions []TopicPosition // by topic and partition
	Letters   []SetAside      // the newest first, at most as many as were asked for
	LetterSum int64           // of all letters
}

// TopicPosition is where a topic of a partition is read on.
type TopicPosition struct {
	Topic     string // without the prefix
	Partition int32
	Next      int64
	At        time.Time // when the position was written
}

// SetAside is a letter without its record.
type SetAside struct {
	Topic     string
	Partition int32
	Offset    int64
	At        time.Time
	Reason    string
}

// Inspect reads where a file stands; it may be written meanwhile. The error is one of fs.ErrNotExist where there is none.
func Inspect(ctx context.Context, file string, lettersMax int) (*Inspection, error) {
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
	in := &Inspection{}
	err = errors.Join(
		each(ctx, conn, "SELECT topic, partition, next, at FROM positions ORDER BY topic, partition", func(rows *sql.Rows) error {
			var p TopicPosition
			var at int64
			err := rows.Scan(&p.Topic, &p.Partition, &p.Next, &at)
			p.At = time.UnixMilli(at)
			in.Positions = append(in.Positions, p)
			return err
		}),
		each(ctx, conn, fmt.Sprintf(`SELECT topic, partition, "offset", at, reason FROM letters ORDER BY at DESC, topic, partition, "offset" DESC LIMIT %d`, lettersMax), func(rows *sql.Rows) error {
			var l SetAside
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
