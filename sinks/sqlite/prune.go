package sqlite

import (
	"context"
	"database/sql"
	"time"
)

// pruneRows is the number of rows of a table that one step examines.
const pruneRows = 500

// Pruned counts the rows that a sweep removed.
type Pruned struct {
	Messages int64
	Others   int64 // receipts, versions, reactions and assets, also those without a message, and notes
}

// Prune removes messages that are older than a time, with their receipts, versions and reactions. It removes those
// without a message, assets and notes by their own time. Account events stay. It examines all rows, in small steps between
// those of the sink, and pauses for as long as it works. The rows that an unfinished sweep removed stay removed.
func (st *Store) Prune(ctx context.Context, before time.Time) (p Pruned, err error) {
	cut := before.Unix()
	sweeps := []func(context.Context, int64) (int64, error){
		func(ctx context.Context, from int64) (int64, error) { return st.pruneMessages(ctx, cut, from, &p) },
	}
	for _, s := range []struct{ table, old string }{
		{"receipts", "max(t.sent_at, t.delivered_at, t.read_at, t.played_at, t.failed_at) BETWEEN 1 AND ?3 - 1 AND " + withoutMessage},
		{"versions", "t.at BETWEEN 1 AND ?3 - 1 AND " + withoutMessage},
		{"reactions", "t.at BETWEEN 1 AND ?3 - 1 AND " + withoutMessage},
		{"assets", "CASE t.message_at WHEN 0 THEN t.at / 1000 ELSE t.message_at END BETWEEN 1 AND ?3 - 1"},
		{"notes", "t.at BETWEEN 1 AND ?3 - 1 AND t.topic <> 'account'"},
	} {
		sweeps = append(sweeps, func(ctx context.Context, from int64) (int64, error) {
			return st.pruneTable(ctx, s.table, s.old, cut, from, &p)
		})
	}
	for _, sweep := range sweeps {
		for next := int64(0); next >= 0 && err == nil; {
			began := time.Now()
			if next, err = sweep(ctx, next); err == nil {
				err = rest(ctx, time.Since(began))
			}
		}
		if err != nil {
			return p, err
		}
	}
	return p, nil
}

// withoutMessage holds for rows about a message that does not exist. An unknown time, 0, is no reason to remove a row.
const withoutMessage = "NOT EXISTS (SELECT 1 FROM messages m WHERE m.phone_number_id = t.phone_number_id AND m.wamid = t.wamid)"

func rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// pruneMessages takes one step behind a row, and returns the last row that it examined; -1: the end.
func (st *Store) pruneMessages(ctx context.Context, cut, from int64, p *Pruned) (next int64, err error) {
	removed := Pruned{}
	err = st.step(ctx, false, func() error {
		type message struct {
			row   int64
			chat  chat
			wamid string
			old   bool
		}
		rows, err := st.conn.QueryContext(ctx, "SELECT rowid, phone_number_id, wamid, chat, sort_at < ? FROM messages WHERE rowid > ? ORDER BY rowid LIMIT ?", cut, from, pruneRows)
		if err != nil {
			return err
		}
		var old []message
		next = -1
		seen := 0
		for rows.Next() {
			var m message
			if err := rows.Scan(&m.row, &m.chat.number, &m.wamid, &m.chat.name, &m.old); err != nil {
				_ = rows.Close() // the first error counts
				return err
			}
			if seen++; seen == pruneRows {
				next = m.row
			}
			if m.old {
				old = append(old, m)
			}
		}
		if err := rows.Err(); err != nil {
			return err
		}
		w := writing{ctx: ctx, s: &st.s, chats: map[chat]int{}}
		for _, m := range old {
			removed.Messages += w.exec(st.s.pruneMessage, m.row)
			for _, stmt := range []*sql.Stmt{st.s.pruneReceipts, st.s.pruneVersions, st.s.pruneReactions} {
				removed.Others += w.exec(stmt, m.chat.number, m.wamid)
			}
			w.chats[m.chat]--
		}
		w.threads()
		return w.err
	})
	if err != nil {
		return from, err
	}
	p.Messages, p.Others = p.Messages+removed.Messages, p.Others+removed.Others
	return next, nil
}

// pruneTable is pruneMessages for another table.
func (st *Store) pruneTable(ctx context.Context, table, old string, cut, from int64, p *Pruned) (next int64, err error) {
	removed := int64(0)
	err = st.step(ctx, false, func() error {
		var last, seen int64
		if err := st.conn.QueryRowContext(ctx, "SELECT COALESCE(max(rowid), 0), count(*) FROM (SELECT rowid FROM "+table+" WHERE rowid > ? ORDER BY rowid LIMIT ?)", from, pruneRows).Scan(&last, &seen); err != nil {
			return err
		}
		if next = last; seen < pruneRows {
			next = -1
		}
		if seen == 0 {
			return nil
		}
		done, err := st.conn.ExecContext(ctx, "DELETE FROM "+table+" AS t WHERE t.rowid > ?1 AND t.rowid <= ?2 AND "+old, from, last, cut)
		if err != nil {
			return err
		}
		removed, err = done.RowsAffected()
		return err
	})
	if err != nil {
		return from, err
	}
	p.Others += removed
	return next, nil
}
