package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// rowsPerTransaction is the size of a transaction of sinks that write row by row.
const rowsPerTransaction = 2000

// statement is a prepared one of a table, whose arguments are the columns of a row as COPY has them.
type statement struct {
	conn    *pgx.Conn
	name    string
	formats []int16
}

func prepare(ctx context.Context, conn *pgx.Conn, name string, columns int, text string) (*statement, error) {
	places, formats := make([]string, columns), make([]int16, columns)
	for i := range places {
		places[i], formats[i] = fmt.Sprintf("$%d", i+1), 1
	}
	_, err := conn.Prepare(ctx, name, fmt.Sprintf(text, strings.Join(places, ", ")))
	return &statement{conn, name, formats}, err
}

func (s *statement) exec(ctx context.Context, row [][]byte) error {
	return s.conn.PgConn().ExecPrepared(ctx, s.name, row, s.formats, nil).Read().Err
}

// each calls write for each row, in transactions.
func each(ctx context.Context, conn *pgx.Conn, rows [][][]byte, write func(row [][]byte) error) error {
	for len(rows) > 0 {
		some := rows[:min(rowsPerTransaction, len(rows))]
		rows = rows[len(some):]
		if _, err := conn.Exec(ctx, "BEGIN"); err != nil {
			return err
		}
		for _, row := range some {
			if err := write(row); err != nil {
				return err
			}
		}
		if _, err := conn.Exec(ctx, "COMMIT"); err != nil {
			return err
		}
	}
	return nil
}

func prepareMessage(ctx context.Context, conn *pgx.Conn, columns int) (*statement, error) {
	return prepare(ctx, conn, "message", columns, `INSERT INTO indexed VALUES (%s) ON CONFLICT (phone_number_id, wamid)
DO UPDATE SET content_order = excluded.content_order, original = excluded.original, text = excluded.text WHERE excluded.content_order > indexed.content_order`)
}

// insert writes each message with a statement of its own, as sinks do that know nothing of batches.
func (p *postgresMatch) insert(ctx context.Context, conn *pgx.Conn, rows [][][]byte) error {
	message, err := prepareMessage(ctx, conn, len(rows[0]))
	if err != nil {
		return err
	}
	return each(ctx, conn, rows, func(row [][]byte) error { return message.exec(ctx, row) })
}

// insertAll writes each message, its receipt and its chat with a statement each.
func (p *postgresMatch) insertAll(ctx context.Context, conn *pgx.Conn, rows [][][]byte) error {
	all, err := readTuples(p.receipts)
	if err != nil {
		return err
	}
	receipts := make(map[messageKey][][]byte, len(all))
	for _, row := range all {
		receipts[messageKey{string(row[0]), string(row[1])}] = row
	}
	message, err := prepareMessage(ctx, conn, len(rows[0]))
	if err != nil {
		return err
	}
	receipt, err := prepare(ctx, conn, "receipt", len(all[0]), `INSERT INTO receipts AS t VALUES (%s) ON CONFLICT (phone_number_id, wamid, participant)
DO UPDATE SET status = excluded.status, status_order = excluded.status_order WHERE excluded.status_order > t.status_order`)
	if err != nil {
		return err
	}
	const number, wamid, chat, sortAt = 0, 1, 6, 14 // columns of messages
	counted, err := prepare(ctx, conn, "chat", 4, `INSERT INTO chats AS t (phone_number_id, chat, last_wamid, last_at, messages, unread) VALUES (%s, 1, 0)
ON CONFLICT (phone_number_id, chat) DO UPDATE SET messages = t.messages + 1,
last_wamid = CASE WHEN excluded.last_at > t.last_at THEN excluded.last_wamid ELSE t.last_wamid END, last_at = GREATEST(t.last_at, excluded.last_at)`)
	if err != nil {
		return err
	}
	return each(ctx, conn, rows, func(row [][]byte) error {
		if err := message.exec(ctx, row); err != nil {
			return err
		}
		if r := receipts[messageKey{string(row[number]), string(row[wamid])}]; r != nil {
			if err := receipt.exec(ctx, r); err != nil {
				return err
			}
		}
		return counted.exec(ctx, [][]byte{row[number], row[chat], row[wamid], row[sortAt]})
	})
}
