package tables

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
)

// Dialect has the queries of a database.
type Dialect struct {
	Name string
	// Window is the column of sync_status with the number of the window.
	Window string
	// Unix is an expression for a column with a time as Unix seconds.
	Unix func(column string) string
	// Erases says that there is a table of people who were erased.
	Erases bool
}

// SQLite and PostgreSQL are the databases of the sinks.
var (
	SQLite     = Dialect{Name: "sqlite", Window: "window", Unix: func(column string) string { return column }}
	PostgreSQL = Dialect{Name: "postgres", Window: "sync_window", Unix: func(column string) string { return "extract(epoch FROM " + column + ")::bigint" }, Erases: true}
)

// found contains the present rows: by table, then by key.
type found map[string]map[string]string

func (f found) put(table, value string, key ...string) {
	if f[table] == nil {
		f[table] = map[string]string{}
	}
	f[table][strings.Join(key, " ")] = value
}

// line is a message of a chat.
type line struct {
	wamid string
	at    int64
	seen  bool
}

// chat is a chat computed from the messages of the tables.
func chatOf(lines []line) string {
	slices.SortFunc(lines, func(a, b line) int {
		if a.at != b.at {
			return int(b.at - a.at)
		}
		return strings.Compare(b.wamid, a.wamid)
	})
	const unreadMax = 1000
	unread := 0
	for unread < len(lines) && unread < unreadMax && !lines[unread].seen {
		unread++
	}
	return fmt.Sprintf("%d messages, last %s at %d, %d unread", len(lines), lines[0].wamid, lines[0].at, unread)
}

// read reads all rows to judge, and the chats of the messages.
func read(ctx context.Context, db *sql.DB, d Dialect) (have found, chats map[string]string, err error) {
	have = found{}
	lines := map[string][]line{}
	var a, b, c, v string
	var gone, historical bool
	var n, unread, at, onboarded, requested, deadline, code int64
	var status, by, state, reason, sum, object string
	for _, table := range []struct {
		query string
		into  []any
		row   func()
	}{
		{"SELECT phone_number_id, wamid, chat, original, historical, direction, " + d.Unix("sort_at") + " FROM messages", []any{&a, &b, &c, &v, &historical, new(string), &at}, nil},
		{"SELECT phone_number_id, wamid, what, original FROM versions", []any{&a, &b, &c, &v}, func() {
			if c == "media" {
				b = tokenOf(b)
			}
			have.put(versions, hash([]byte(v)), a, b, c)
		}},
		{"SELECT phone_number_id, wamid, participant, status FROM receipts", []any{&a, &b, &c, &v}, func() { have.put(receipts, v, a, b, c) }},
		{"SELECT phone_number_id, wamid, sender, emoji FROM reactions", []any{&a, &b, &c, &v}, func() { have.put(reactions, v, a, b, c) }},
		{"SELECT phone_number_id, id, full_name, removed FROM contacts WHERE in_book OR removed", []any{&a, &b, &v, &gone}, func() {
			value := fmt.Sprint("removed ", gone)
			if !gone {
				value += " " + v
			}
			have.put(contacts, value, a, b)
		}},
		{"SELECT event_id FROM notes", []any{&a}, func() { have.put(notes, "", a) }},
		{"SELECT phone_number_id, event_id, state, reason, sha256, object, bytes FROM assets", []any{&a, &b, &state, &reason, &sum, &object, &n}, func() {
			have.put(assets, assetText(state, reason, sum, object, n), a, b)
		}},
		{"SELECT phone_number_id, chat, messages, last_wamid, " + d.Unix("last_at") + ", unread FROM threads", []any{&a, &b, &n, &c, &at, &unread}, func() {
			have.put(threads, fmt.Sprintf("%d messages, last %s at %d, %d unread", n, c, at, unread), a, b)
		}},
		{d.syncQuery(), []any{&a, &b, &c, &status, &n, &onboarded, &requested, &deadline, &by, &code}, func() {
			have.put(syncs, syncText(c, status, n, onboarded, requested, deadline, by, code), a, b)
		}},
	} {
		row := table.row
		if row == nil {
			direction, _ := table.into[5].(*string)
			row = func() {
				have.put(messages, hash([]byte(v)), a, b)
				if c != "" {
					lines[a+" "+c] = append(lines[a+" "+c], line{b, at, historical || *direction != "inbound"})
				}
			}
		}
		if err := each(ctx, db, table.query, table.into, row); err != nil {
			return nil, nil, err
		}
	}
	chats = map[string]string{}
	for key, all := range lines {
		chats[key] = chatOf(all)
	}
	return have, chats, nil
}

func each(ctx context.Context, db *sql.DB, query string, into []any, row func()) error {
	result, err := db.QueryContext(ctx, query)
	if err != nil {
		return fmt.Errorf("%s: %w", query, err)
	}
	defer func() { _ = result.Close() }() // its error is that of Err
	for result.Next() {
		if err := result.Scan(into...); err != nil {
			return fmt.Errorf("%s: %w", query, err)
		}
		row()
	}
	return result.Err()
}
