package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

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
	// Objects are the contents of assets in the bucket that no row names any more. They are still there.
	Objects []string `json:"objects"`
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
// A rehearsal reports the rows that would be removed, and removes nothing. With ErrNotCounted, the result is there too.
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
	if !rehearsal {
		if err := lockAll(ctx, tx, schema); err != nil {
			return nil, err
		}
	}
	e := erasing{ctx: ctx, tx: tx}
	if done, err = e.erase(p); err != nil {
		return nil, err
	}
	if !rehearsal {
		if err := tx.Commit(ctx); err != nil {
			return nil, err
		}
	}
	// The search takes long. Sinks wait for the transaction of an erasure, and not for this.
	if done.Mentions, err = mentions(ctx, conn, idsOf(spellings(done.IDs))); err != nil {
		return done, errors.Join(ErrNotCounted, err)
	}
	return done, nil
}

// ErrNotCounted means that an erasure, or its rehearsal, is complete, but the rows that mention the person were not counted.
var ErrNotCounted = errors.New("the rows that mention the person were not counted")

// mentions counts the rows that hold one of the ids.
func mentions(ctx context.Context, conn *pgx.Conn, ids []string) (all []RemovedRow, err error) {
	for _, look := range []struct{ table, query string }{
		{"messages", "SELECT count(*) FROM messages WHERE strpos(original, $1) > 0"},
		{"versions", "SELECT count(*) FROM versions WHERE strpos(original, $1) > 0"},
		{"receipts", "SELECT count(*) FROM receipts WHERE strpos(failed_original, $1) > 0"},
		{"reactions", "SELECT count(*) FROM reactions WHERE strpos(original, $1) > 0"},
		{"assets", "SELECT count(*) FROM assets WHERE strpos(filename, $1) > 0"},
		{"notes", "SELECT count(*) FROM notes WHERE strpos(original, $1) > 0"},
		{"letters", "SELECT count(*) FROM letters WHERE position(convert_to($1, 'UTF8') IN COALESCE(value, '')) > 0"},
	} {
		for _, id := range ids {
			var n int64
			if err := conn.QueryRow(ctx, look.query, id).Scan(&n); err != nil {
				return nil, fmt.Errorf("count the rows of %s that mention the person: %w", look.table, err)
			}
			all = count(all, look.table, n)
		}
	}
	return all, nil
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
	all := spellings(done.IDs)
	for _, id := range all {
		e.exec("INSERT INTO person VALUES ($1, $2, $3)", id.Number, id.ID, merge.ChatOf(id.ID))
	}
	e.exec("ANALYZE person")
	// The long searches come first: from here to the first write, a rehearsal locks no row.
	unnamed, named, letters := e.unnamed(all), e.named(all), e.letters(all)
	e.complete(unnamed)
	e.exec(`INSERT INTO gone SELECT m.phone_number_id, m.wamid, m.chat FROM messages m JOIN person p ON p.phone_number_id = m.phone_number_id AND p.chat = m.chat
UNION SELECT m.phone_number_id, m.wamid, m.chat FROM messages m JOIN person p ON p.phone_number_id = m.phone_number_id
WHERE m.wa_id = p.id OR m.user_id = p.id OR m.group_id <> '' AND m.direction = 'inbound' AND m.sender = p.id
UNION SELECT v.phone_number_id, v.wamid, '' FROM versions v JOIN person p ON p.phone_number_id = v.phone_number_id AND p.chat = v.person
UNION SELECT r.phone_number_id, r.wamid, '' FROM receipts r JOIN person p ON p.phone_number_id = r.phone_number_id AND p.chat = r.person WHERE r.participant = ''`)
	for _, key := range named {
		e.exec("INSERT INTO gone VALUES ($1, $2, '')", key.Number, key.WAMID)
	}
	e.exec("CREATE INDEX ON gone (phone_number_id, wamid)")
	e.exec("ANALYZE gone")
	of := " t USING gone g WHERE t.phone_number_id = g.phone_number_id AND t.wamid = g.wamid"
	ofPerson := func(column, same string) string {
		return " t USING person p WHERE t.phone_number_id = p.phone_number_id AND t." + column + " = p." + same
	}
	objects := e.objects(of, ofPerson("person", "chat"))
	for _, step := range []struct{ table, query string }{
		{"messages", "DELETE FROM messages" + of},
		{"versions", "DELETE FROM versions" + of},
		{"receipts", "DELETE FROM receipts" + of},
		{"receipts", "DELETE FROM receipts" + ofPerson("person", "chat")},
		{"receipts", "DELETE FROM receipts" + ofPerson("participant", "id")},
		{"reactions", "DELETE FROM reactions" + of},
		{"reactions", "DELETE FROM reactions" + ofPerson("person", "chat")},
		{"reactions", "DELETE FROM reactions" + ofPerson("sender", "id")},
		{"assets", "DELETE FROM assets" + of},
		{"assets", "DELETE FROM assets" + ofPerson("person", "chat")},
		{"notes", "DELETE FROM notes" + ofPerson("person", "chat")},
		{"notes", "DELETE FROM notes" + ofPerson("thread", "id")},
		{"contacts", "DELETE FROM contacts" + ofPerson("id", "id")},
		{"threads", "DELETE FROM threads" + ofPerson("chat", "chat")},
	} {
		done.Removed = count(done.Removed, step.table, e.exec(step.query))
	}
	done.Removed = count(done.Removed, "letters", e.exec("DELETE FROM letters WHERE ctid = ANY ($1::text[]::tid[])", letters))
	done.Objects = e.left(objects)
	e.groups()
	e.remember(p, done.IDs)
	return done, e.err
}

// objects are the contents of the assets that are about the person.
func (e *erasing) objects(conditions ...string) (all []string) {
	for _, of := range conditions {
		tables, where, _ := strings.Cut(strings.TrimPrefix(of, " t USING "), " WHERE ")
		e.rows(fmt.Sprintf("SELECT DISTINCT t.object FROM assets t, %s WHERE t.object <> '' AND %s", tables, where), nil, func(row pgx.CollectableRow) error {
			var object string
			err := row.Scan(&object)
			all = append(all, object)
			return err
		})
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// left are the contents that no asset of anybody else has.
func (e *erasing) left(objects []string) (left []string) {
	e.rows("SELECT o FROM unnest($1::text[]) AS n (o) WHERE NOT EXISTS (SELECT FROM assets a WHERE a.object = o) ORDER BY 1", []any{objects}, func(row pgx.CollectableRow) error {
		var object string
		err := row.Scan(&object)
		left = append(left, object)
		return err
	})
	return left
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

func (e *erasing) keys(query string, args ...any) (all []merge.MessageKey) {
	e.rows(query, args, func(row pgx.CollectableRow) error {
		var key merge.MessageKey
		err := row.Scan(&key.Number, &key.WAMID)
		all = append(all, key)
		return err
	})
	return all
}

// rows calls take for each row.
func (e *erasing) rows(query string, args []any, take func(pgx.CollectableRow) error) {
	if e.err != nil {
		return
	}
	rows, _ := e.tx.Query(e.ctx, query, args...)
	for rows.Next() {
		if e.err = take(rows); e.err != nil {
			break
		}
	}
	rows.Close()
	if e.err == nil {
		e.err = rows.Err()
	}
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
