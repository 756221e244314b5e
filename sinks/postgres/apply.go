package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks"
)

// Positions is as sinks.Target has it.
func (st *Store) Positions(ctx context.Context, partition int32) (map[schemas.Topic]sinks.Position, error) {
	ctx, cancel := context.WithTimeout(ctx, st.cfg.Timeout)
	defer cancel()
	rows, err := st.pool.Query(ctx, "SELECT topic, next, at, log FROM positions WHERE partition = $1", partition)
	if err != nil {
		return nil, err
	}
	positions := map[schemas.Topic]sinks.Position{}
	var name string
	var p sinks.Position
	var log []byte
	_, err = pgx.ForEachRow(rows, []any{&name, &p.Next, &p.At, &log}, func() error {
		topic, ok := schemas.ParseTopic(name)
		if !ok {
			return nil // of a later version
		}
		copy(p.Log[:], log)
		positions[topic] = p
		return nil
	})
	if err != nil {
		return nil, err
	}
	var version int64
	if err := st.pool.QueryRow(ctx, newestErasure).Scan(&version); err != nil {
		return nil, err
	}
	if version != st.Erasures().Version {
		err = st.readErasures(ctx)
	}
	return positions, err
}

// Apply is as sinks.Target has it.
func (st *Store) Apply(ctx context.Context, b *sinks.Batch) error {
	ctx, cancel := context.WithTimeout(ctx, st.cfg.Timeout)
	defer cancel()
	if !b.Live {
		select {
		case st.backlog <- struct{}{}:
			defer func() { <-st.backlog }()
		case <-ctx.Done():
			return fmt.Errorf("wait for a connection: %w", ctx.Err())
		}
	}
	parts := partsOf(b)
	if !b.Live && st.novelty.holds(b.Partition) {
		err := st.transact(ctx, b, parts, true)
		if !isRepeated(err) {
			st.novelty.learned(b.Partition, true)
			return st.settled(ctx, err)
		}
		st.novelty.learned(b.Partition, false)
	}
	return st.settled(ctx, st.transact(ctx, b, parts, false))
}

// settled is the error of a batch as sinks.Target has it.
func (st *Store) settled(ctx context.Context, err error) error {
	if errors.Is(err, sinks.ErrErased) {
		return errors.Join(err, st.readErasures(ctx))
	}
	return st.classified(ctx, slow(err))
}

// statementTimeout is the SQLSTATE of a statement that the server ended (statement_timeout).
const statementTimeout = "57014"

// slow marks errors of the time limit with sinks.ErrSlow.
func slow(err error) error {
	var e *pgconn.PgError
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &e) && e.Code == statementTimeout {
		return fmt.Errorf("%w: %w", sinks.ErrSlow, err)
	}
	return err
}

// transact writes a batch in one transaction. isNew: its messages and receipts are inserted as new rows where they are many.
func (st *Store) transact(ctx context.Context, b *sinks.Batch, parts []part, isNew bool) error {
	return pgx.BeginTxFunc(ctx, st.pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		// No limit of the server ends a COPY whose client sends nothing more. So it comes before everything that others wait for.
		prepared, err := st.stage(ctx, tx, parts, isNew)
		if err != nil {
			return err
		}
		if err := st.advance(ctx, tx, b); err != nil {
			return err
		}
		return st.put(ctx, tx, prepared)
	})
}

// advance locks the partition and moves the positions.
func (st *Store) advance(ctx context.Context, tx pgx.Tx, b *sinks.Batch) error {
	batch := &pgx.Batch{}
	batch.Queue("SELECT pg_advisory_xact_lock($1, $2)", st.lock, b.Partition)
	for _, a := range b.Advances {
		query := "UPDATE positions SET next = $3, at = $4, log = $5 WHERE topic = $1 AND partition = $2 AND next = $6"
		args := []any{a.Topic.String(), b.Partition, a.To.Next, a.To.At.Round(time.Microsecond), a.To.Log[:], a.From}
		if a.From < 0 {
			query, args = "INSERT INTO positions (topic, partition, next, at, log) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING", args[:5]
		}
		batch.Queue(query, args...).Exec(func(done pgconn.CommandTag) error {
			if done.RowsAffected() != 1 {
				return fmt.Errorf("%s/%d from %d: %w", a.Topic, b.Partition, a.From, sinks.ErrFenced)
			}
			return nil
		})
	}
	// Behind the positions: an erasure locks their table, so the first batch of a partition comes before or after it.
	batch.Queue(newestErasure).QueryRow(func(row pgx.Row) error {
		var version int64
		if err := row.Scan(&version); err != nil || version == b.Erasures {
			return err
		}
		return sinks.ErrErased
	})
	return tx.SendBatch(ctx, batch).Close()
}

const (
	// stagedFrom is how many rows go by COPY: fewer are cheaper as arrays, in one round trip for all tables.
	stagedFrom = 50
	// arraysBytesMax is about how much goes as arrays. More would be sent piece by piece, while others wait for the partition.
	arraysBytesMax = 64 << 10
)

// query is a statement that writes the rows of a table.
type query struct {
	table *table
	text  string
	args  []any
	chats *chats // of messages that are inserted as new; nil: the statement returns the chats that changed
}

// stage copies long parts into the tables that only this connection sees, and returns the statements that write all parts.
func (st *Store) stage(ctx context.Context, tx pgx.Tx, parts []part, isNew bool) ([]query, error) {
	queries := make([]query, 0, len(parts))
	room := arraysBytesMax
	for _, p := range parts {
		text := st.texts[p.table]
		if p.rows < stagedFrom {
			if a := p.arrays(); a.size <= room {
				room -= a.size
				queries = append(queries, query{table: p.table, text: text.arrays, args: a.args})
				continue
			}
		}
		if err := p.stage(ctx, tx.Conn(), text.copyIn); err != nil {
			return nil, err
		}
		q := query{table: p.table, text: text.staged}
		if isNew && text.isNew != "" {
			q.text, q.chats = text.isNew, p.chats()
		}
		queries = append(queries, q)
	}
	return queries, nil
}

// put writes the rows of all tables.
func (st *Store) put(ctx context.Context, tx pgx.Tx, queries []query) error {
	batch := &pgx.Batch{}
	var numbersOf, chats []string
	for _, q := range queries {
		queued := batch.Queue(q.text, q.args...)
		if q.table != messages {
			continue
		}
		if c := q.chats; c != nil {
			numbersOf, chats = c.numbers, c.chats
			batch.Queue(addToChats, c.numbers, c.chats, c.messages)
			continue
		}
		queued.Query(func(rows pgx.Rows) error {
			var number, chat string
			_, err := pgx.ForEachRow(rows, []any{&number, &chat}, func() error {
				numbersOf, chats = append(numbersOf, strings.Clone(number)), append(chats, strings.Clone(chat))
				return nil
			})
			return err
		})
	}
	if batch.Len() == 0 {
		return nil
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil || len(chats) == 0 {
		return err
	}
	// A statement of its own: it sees what others wrote into these chats before their rows could be locked.
	batch = &pgx.Batch{}
	batch.Queue(walkChats, numbersOf, chats)
	batch.Queue(emptyChats, numbersOf, chats)
	return tx.SendBatch(ctx, batch).Close()
}

// stage copies the rows into a table.
func (p *part) stage(ctx context.Context, conn *pgx.Conn, copyIn string) error {
	i := 0
	reader := newCopyReader(len(p.table.columns), func(e encoder) bool {
		if i == p.rows {
			return false
		}
		p.encode(e, i)
		i++
		return true
	})
	_, err := conn.PgConn().CopyFrom(ctx, reader, copyIn)
	return err
}

func (p *part) arrays() *arrays {
	a := newArrays(p.table.columns, p.rows)
	for i := range p.rows {
		p.encode(a, i)
	}
	return a
}
