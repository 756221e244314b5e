package postgres

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/event"
	"github.com/coexstream/coexstream/sinks/merge"
)

// Person is somebody whose data is to be erased.
type Person struct {
	ID     string // phone number in digits, or business-scoped user id
	Number string // business number; empty: all of the schema
}

// Erased is what an erasure removed.
type Erased struct {
	IDs     []PersonID   `json:"ids"`     // all ids of the person that were found
	Removed []RemovedRow `json:"removed"` // rows, by table
	// Mentions are rows that stay, and hold one of the ids somewhere in their text.
	Mentions []RemovedRow `json:"mentions"`
}

// PersonID is an id of the person at a business number.
type PersonID struct {
	Number string `json:"phone_number_id"`
	ID     string `json:"id"`
}

// RemovedRow counts rows of a table.
type RemovedRow struct {
	Table string `json:"table"`
	Rows  int64  `json:"rows"`
}

// Erase removes what the tables hold of a person, in one transaction. The person's other ids are found by the links of contacts, at each number
// apart: ids are never linked across numbers. Messages of a chat go with the chat, both sides; of a group, those that the person sent.
//
// The table erased keeps a hash of each id, so that earlier events do not bring the person back. It fails with
// ErrRebuilding beside a rebuild.
//
// A rehearsal reports the rows that would be removed, and removes nothing.
func Erase(ctx context.Context, url, schema string, p Person, rehearsal bool) (done *Erased, err error) {
	conn, err := connect(ctx, url, schema)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	if err := checkVersion(ctx, conn, schema); err != nil {
		return nil, err
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	// A rebuild does not know of erasures that come during it.
	if err := lockRebuild(ctx, tx, schema, "pg_try_advisory_xact_lock_shared"); err != nil {
		return nil, err
	}
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1, $2)", int32(lockOf(schema)), erasureLock); err != nil {
		return nil, err
	}
	if err := lockAll(ctx, tx, schema); err != nil {
		return nil, err
	}
	e := erasing{ctx: ctx, tx: tx}
	done, err = e.erase(p)
	if err != nil || rehearsal {
		return done, err
	}
	return done, tx.Commit(ctx)
}

type erasing struct {
	ctx context.Context
	tx  pgx.Tx
	err error
}

// The temporary tables of an erasure: who, and which messages.
const erasingTables = `CREATE TEMPORARY TABLE person (phone_number_id text COLLATE "C", id text COLLATE "C", chat text COLLATE "C") ON COMMIT DROP;
CREATE TEMPORARY TABLE gone (phone_number_id text COLLATE "C", wamid text COLLATE "C", chat text COLLATE "C") ON COMMIT DROP;`

func (e *erasing) erase(p Person) (*Erased, error) {
	e.exec(erasingTables)
	done := &Erased{IDs: e.ids(p)}
	for _, id := range done.IDs {
		e.exec("INSERT INTO person VALUES ($1, $2, $3)", id.Number, id.ID, merge.ChatOf(id.ID))
	}
	e.exec("ANALYZE person")
	e.exec(`INSERT INTO gone SELECT m.phone_number_id, m.wamid, m.chat FROM messages m JOIN person p ON p.phone_number_id = m.phone_number_id AND p.chat = m.chat
UNION SELECT m.phone_number_id, m.wamid, m.chat FROM messages m JOIN person p ON p.phone_number_id = m.phone_number_id
WHERE m.group_id <> '' AND (m.wa_id = p.id OR m.user_id = p.id) AND m.direction = 'inbound'`)
	for _, key := range append(e.named(done.IDs), e.waiting(done.IDs)...) {
		e.exec("INSERT INTO gone VALUES ($1, $2, '')", key.Number, key.WAMID)
	}
	e.exec("CREATE INDEX ON gone (phone_number_id, wamid)")
	e.exec("ANALYZE gone")
	of := " t USING gone g WHERE t.phone_number_id = g.phone_number_id AND t.wamid = g.wamid"
	ofPerson := func(column string) string {
		return " t USING person p WHERE t.phone_number_id = p.phone_number_id AND t." + column + " = p.id"
	}
	for _, step := range []struct{ table, query string }{
		{"messages", "DELETE FROM messages" + of},
		{"versions", "DELETE FROM versions" + of},
		{"receipts", "DELETE FROM receipts" + of},
		{"receipts", "DELETE FROM receipts" + ofPerson("participant")},
		{"reactions", "DELETE FROM reactions" + of},
		{"reactions", "DELETE FROM reactions" + ofPerson("sender")},
		{"notes", "DELETE FROM notes t USING person p WHERE t.phone_number_id = p.phone_number_id AND (t.thread = p.id OR t.thread = p.chat)"},
		{"contacts", "DELETE FROM contacts" + ofPerson("id")},
		{"threads", "DELETE FROM threads t USING person p WHERE t.phone_number_id = p.phone_number_id AND t.chat = p.chat"},
	} {
		done.Removed = count(done.Removed, step.table, e.exec(step.query))
	}
	e.groups()
	e.remember(p, done.IDs)
	for _, look := range []struct{ table, query string }{
		{"messages", "SELECT count(*) FROM messages WHERE strpos(original, $1) > 0"},
		{"versions", "SELECT count(*) FROM versions WHERE strpos(original, $1) > 0"},
		{"receipts", "SELECT count(*) FROM receipts WHERE strpos(failed_original, $1) > 0"},
		{"reactions", "SELECT count(*) FROM reactions WHERE strpos(original, $1) > 0"},
		{"notes", "SELECT count(*) FROM notes WHERE strpos(original, $1) > 0"},
		{"letters", "SELECT count(*) FROM letters WHERE position(convert_to($1, 'UTF8') IN COALESCE(value, '')) > 0"},
	} {
		for _, id := range idsOf(done.IDs) {
			var n int64
			e.scan(&n, look.query, id)
			done.Mentions = count(done.Mentions, look.table, n)
		}
	}
	return done, e.err
}

func count(all []RemovedRow, table string, n int64) []RemovedRow {
	if i := slices.IndexFunc(all, func(r RemovedRow) bool { return r.Table == table }); i >= 0 {
		all[i].Rows += n
		return all
	}
	return append(all, RemovedRow{table, n})
}

func idsOf(all []PersonID) (ids []string) {
	for _, p := range all {
		ids = append(ids, p.ID)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// exec returns the number of written rows. After an error it does nothing.
func (e *erasing) exec(query string, args ...any) int64 {
	if e.err != nil {
		return 0
	}
	done, err := e.tx.Exec(e.ctx, query, args...)
	if err != nil {
		e.err = fmt.Errorf("erase: %w", err)
	}
	return done.RowsAffected()
}

func (e *erasing) scan(into any, query string, args ...any) {
	if e.err == nil {
		e.err = e.tx.QueryRow(e.ctx, query, args...).Scan(into)
	}
}

func (e *erasing) keys(query string, args ...any) (all []merge.MessageKey) {
	if e.err != nil {
		return nil
	}
	rows, _ := e.tx.Query(e.ctx, query, args...)
	all, e.err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (key merge.MessageKey, err error) {
		err = row.Scan(&key.Number, &key.WAMID)
		return key, err
	})
	return all
}

// ids returns the ids of the person at each number: the given one, its spellings, and the ids linked to one of them.
func (e *erasing) ids(p Person) (all []PersonID) {
	add := func(number, id string) {
		if one := (PersonID{number, id}); id != "" && !slices.Contains(all, one) {
			all = append(all, one)
		}
	}
	numbers := e.keys("SELECT phone_number_id, '' FROM numbers WHERE phone_number_id = $1 OR $1 = '' ORDER BY 1", p.Number)
	if len(numbers) == 0 && p.Number != "" && e.err == nil {
		e.err = fmt.Errorf("no business number has the phone_number_id %q", p.Number)
	}
	for _, n := range numbers {
		add(n.Number, p.ID)
	}
	for i := 0; i < len(all) && e.err == nil; i++ { // those that are found are looked at, too
		number, id := all[i].Number, all[i].ID
		for _, found := range e.keys(`SELECT id, linked_id FROM contacts WHERE phone_number_id = $1 AND (id = $2 OR chat = $3 OR linked_id = $2)`, number, id, merge.ChatOf(id)) {
			add(number, found.Number)
			add(number, found.WAMID)
		}
	}
	return all
}

// named are messages whose wamid holds an id of the person: those that were sent through the API have no row that says so.
func (e *erasing) named(ids []PersonID) (all []merge.MessageKey) {
	for _, p := range ids {
		// The id begins at a boundary of base64, behind three bytes, of which the last is its length.
		head := base64.StdEncoding.EncodeToString(append([]byte{0x1c, 0x18, byte(len(p.ID))}, p.ID[:len(p.ID)/3*3]...))
		for _, table := range []string{"receipts", "versions", "reactions"} {
			for _, key := range e.keys("SELECT DISTINCT phone_number_id, wamid FROM "+table+" WHERE phone_number_id = $1 AND starts_with(wamid, $2)", p.Number, "wamid."+head) {
				if w, ok := schemas.ParseWAMID([]byte(key.WAMID)); ok && string(w.User()) == p.ID {
					all = append(all, key)
				}
			}
		}
	}
	return all
}

// waiting are messages that are not there, of which an edit, a revoke, an asset, a reaction or a failure names the person as its sender or recipient.
func (e *erasing) waiting(ids []PersonID) (all []merge.MessageKey) {
	for _, p := range ids {
		for table, column := range map[string]string{"versions": "original", "reactions": "original", "receipts": "failed_original"} {
			if e.err != nil {
				return nil
			}
			rows, _ := e.tx.Query(e.ctx, fmt.Sprintf(`SELECT t.wamid, t.%[2]s FROM %[1]s t WHERE t.phone_number_id = $1 AND strpos(t.%[2]s, $2) > 0
AND NOT EXISTS (SELECT FROM messages m WHERE m.phone_number_id = t.phone_number_id AND m.wamid = t.wamid)`, table, column), p.Number, p.ID)
			var wamid, original string
			_, e.err = pgx.ForEachRow(rows, []any{&wamid, &original}, func() error {
				for _, name := range [...]string{"from", "to", "recipient_id"} {
					if who := event.String(event.Member([]byte(original), name)); who != "" && merge.ChatOf(who) == merge.ChatOf(p.ID) {
						all = append(all, merge.MessageKey{Number: p.Number, WAMID: wamid})
					}
				}
				return nil
			})
		}
	}
	return all
}

// groups works out the groups that lost messages.
func (e *erasing) groups() {
	var numbers, chats []string
	for _, key := range e.keys("SELECT DISTINCT g.phone_number_id, g.chat FROM gone g JOIN threads t ON t.phone_number_id = g.phone_number_id AND t.chat = g.chat") {
		numbers, chats = append(numbers, key.Number), append(chats, key.WAMID)
	}
	if len(chats) == 0 {
		return
	}
	e.exec(`UPDATE threads t SET messages = (SELECT count(*) FROM messages m WHERE m.phone_number_id = t.phone_number_id AND m.chat = t.chat)
FROM unnest($1::text[], $2::text[]) AS c (phone_number_id, chat) WHERE t.phone_number_id = c.phone_number_id AND t.chat = c.chat`, numbers, chats)
	e.exec(walkChats, numbers, chats)
	e.exec(emptyChats, numbers, chats)
}

// String names an id with its number.
func (p PersonID) String() string { return strings.Join([]string{p.Number, p.ID}, "/") }
