package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// table describes how rows of a table are written.
type table struct {
	name    string
	key     []string
	columns []string // the others
	order   string   // the column that decides, of a table with one register
}

var (
	messages = table{"messages", []string{"phone_number_id", "wamid"}, []string{
		"event_id", "kind", "type", "thread", "chat", "group_id", "wa_id", "user_id", "direction", "sender", "recipient", "at", "sort_at",
		"historical", "standby", "window", "text", "original", "content_order",
	}, "content_order"}
	versions  = table{"versions", []string{"phone_number_id", "wamid", "what"}, []string{"event_id", "at", "type", "text", "original", "version_order", "person"}, "version_order"}
	reactions = table{"reactions", []string{"phone_number_id", "wamid", "sender"}, []string{"event_id", "at", "type", "emoji", "original", "emoji_order", "person"}, "emoji_order"}
	syncs     = table{"syncs", []string{"phone_number_id", "window", "partition"}, []string{
		"waba_id", "state", "end_reason", "progress", "messages", "chunks_held", "opened_at", "last_chunk_at", "ended_at", "removed", "value", "sync_order",
	}, "sync_order"}
	notes = table{"notes", []string{"event_id"}, []string{
		"topic", "kind", "waba_id", "phone_number_id", "display_phone_number", "thread", "at", "text", "original", "note_order", "person",
	}, "note_order"}
	assets = table{"assets", []string{"phone_number_id", "event_id"}, []string{
		"waba_id", "wamid", "thread", "person", "media_id", "type", "mime_type", "detected_type", "filename", "state", "reason", "detail", "sha256", "bytes", "object",
		"message_at", "expires_at", "at", "asset_order",
	}, "asset_order"}
	receipts = table{"receipts", []string{"phone_number_id", "wamid", "participant"}, []string{
		"status", "sent_at", "delivered_at", "read_at", "played_at", "failed_event_id", "failed_at", "failed_type", "failed_original", "failed_order", "person",
	}, ""}
	contacts = table{"contacts", []string{"phone_number_id", "id"}, []string{
		"chat", "in_book", "full_name", "first_name", "book_username", "phone_number", "user_id", "parent_user_id", "changed_at", "original", "removed", "book_order",
		"profile_name", "username", "country_code", "profile_order", "linked_id", "link_order",
	}, ""}
	numbers    = table{"numbers", []string{"phone_number_id"}, []string{"waba_id", "display_phone_number", "event", "waba_order", "display_order", "event_order"}, ""}
	businesses = table{"businesses", []string{"waba_id"}, []string{"event", "event_order"}, ""}
)

// insert inserts a row, and keeps an existing one.
func (t *table) insert() string {
	all := append(append([]string{}, t.key...), t.columns...)
	return fmt.Sprintf("INSERT INTO %s (%s) VALUES (?%s) ON CONFLICT (%s) DO NOTHING", t.name, strings.Join(all, ", "), strings.Repeat(", ?", len(all)-1), strings.Join(t.key, ", "))
}

// newer writes a row unless the existing one has a greater order, or the same.
func (t *table) newer() string {
	return strings.Replace(t.insert(), "DO NOTHING", "DO UPDATE SET "+t.assign("excluded.%s")+fmt.Sprintf(" WHERE excluded.%s > %s.%s", t.order, t.name, t.order), 1)
}

// read reads the columns that are not the key.
func (t *table) read(columns ...string) string {
	if len(columns) == 0 {
		columns = t.columns
	}
	return fmt.Sprintf("SELECT %s FROM %s WHERE %s", strings.Join(columns, ", "), t.name, strings.Join(t.key, " = ? AND ")+" = ?")
}

// update updates the columns of an existing row.
func (t *table) update() string {
	return fmt.Sprintf("UPDATE %s SET %s WHERE %s", t.name, t.assign("?"), strings.Join(t.key, " = ? AND ")+" = ?")
}

func (t *table) assign(value string) string {
	set := make([]string, len(t.columns))
	for i, c := range t.columns {
		set[i] = c + " = " + strings.ReplaceAll(value, "%s", c)
	}
	return strings.Join(set, ", ")
}

// statements are prepared on the one connection.
type statements struct {
	positions, advance, begin, letter *sql.Stmt

	messageInsert, messageRead, messageUpdate *sql.Stmt
	receipt, contact, number, business        joined
	version, reaction, sync, note, asset      *sql.Stmt
	walk, thread, threadGone                  *sql.Stmt

	pruneMessage, pruneReceipts, pruneVersions, pruneReactions *sql.Stmt

	all []*sql.Stmt
}

// joined are the statements of a table whose rows have several registers: they are read, joined and written.
type joined struct{ insert, read, update *sql.Stmt }

func (s *statements) prepare(ctx context.Context, conn *sql.Conn) error {
	for _, p := range []struct {
		into *(*sql.Stmt)
		text string
	}{
		{&s.positions, "SELECT topic, next, at, log FROM positions WHERE partition = ?"},
		{&s.advance, "UPDATE positions SET next = ?, at = ?, log = ? WHERE topic = ? AND partition = ? AND next = ?"},
		{&s.begin, "INSERT INTO positions (topic, partition, next, at, log) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"},
		{&s.letter, `INSERT INTO letters (topic, partition, "offset", at, reason, record_key, headers, value) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`},
		{&s.messageInsert, messages.insert()},
		{&s.messageRead, messages.read("chat", "content_order")},
		{&s.messageUpdate, messages.update()},
		{&s.receipt.insert, receipts.insert()}, {&s.receipt.read, receipts.read()}, {&s.receipt.update, receipts.update()},
		{&s.contact.insert, contacts.insert()}, {&s.contact.read, contacts.read()}, {&s.contact.update, contacts.update()},
		{&s.number.insert, numbers.insert()}, {&s.number.read, numbers.read()}, {&s.number.update, numbers.update()},
		{&s.business.insert, businesses.insert()}, {&s.business.read, businesses.read()}, {&s.business.update, businesses.update()},
		{&s.version, versions.newer()}, {&s.reaction, reactions.newer()}, {&s.sync, syncs.newer()}, {&s.note, notes.newer()}, {&s.asset, assets.newer()},
		{&s.walk, "SELECT wamid, direction, historical, sort_at FROM messages WHERE phone_number_id = ? AND chat = ? ORDER BY sort_at DESC, wamid DESC"},
		{&s.thread, `INSERT INTO threads (phone_number_id, chat, messages, last_wamid, last_at, unread, unread_since) VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET messages = threads.messages + excluded.messages, last_wamid = excluded.last_wamid, last_at = excluded.last_at,
			unread = excluded.unread, unread_since = excluded.unread_since`},
		{&s.threadGone, "DELETE FROM threads WHERE phone_number_id = ? AND chat = ?"},
		{&s.pruneMessage, "DELETE FROM messages WHERE rowid = ?"},
		{&s.pruneReceipts, "DELETE FROM receipts WHERE phone_number_id = ? AND wamid = ?"},
		{&s.pruneVersions, "DELETE FROM versions WHERE phone_number_id = ? AND wamid = ?"},
		{&s.pruneReactions, "DELETE FROM reactions WHERE phone_number_id = ? AND wamid = ?"},
	} {
		stmt, err := conn.PrepareContext(ctx, p.text)
		if err != nil {
			return fmt.Errorf("prepare %q: %w", p.text, err)
		}
		*p.into = stmt
		s.all = append(s.all, stmt)
	}
	return nil
}

func (s *statements) close() error {
	var errs []error
	for _, stmt := range s.all {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(errs...)
}
