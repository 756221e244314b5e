package postgres

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/event"
	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/merge"
)

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
		for _, id := range spellings(all[i : i+1]) {
			for _, found := range e.keys(`SELECT id, linked_id FROM contacts WHERE phone_number_id = $1
AND (id = $2 OR chat = $3 OR linked_id = $2 OR phone_number = $2 OR user_id = $2)`, id.Number, id.ID, merge.ChatOf(id.ID)) {
				add(id.Number, found.Number)
				add(id.Number, found.WAMID)
			}
		}
	}
	return all
}

// spellings returns ids with the other spellings of phone numbers.
func spellings(ids []PersonID) (all []PersonID) {
	for _, id := range ids {
		for _, spelling := range [...]string{id.ID, merge.OtherSpelling(id.ID)} {
			if one := (PersonID{id.Number, spelling}); spelling != "" && !slices.Contains(all, one) {
				all = append(all, one)
			}
		}
	}
	return all
}

// named are messages whose wamid holds an id of the person: those that were sent through the API need not have anything else that says so.
func (e *erasing) named(ids []PersonID) (all []merge.MessageKey) {
	for _, p := range ids {
		if len(p.ID) > 0xff {
			continue
		}
		// The id begins at a boundary of base64, behind three bytes, of which the last is its length.
		head := base64.StdEncoding.EncodeToString(append([]byte{0x1c, 0x18, byte(len(p.ID))}, p.ID[:len(p.ID)/3*3]...))
		for _, table := range []string{"messages", "receipts", "versions", "reactions"} {
			for _, key := range e.keys("SELECT DISTINCT phone_number_id, wamid FROM "+table+" WHERE phone_number_id = $1 AND starts_with(wamid, $2)", p.Number, "wamid."+head) {
				if w, ok := schemas.ParseWAMID([]byte(key.WAMID)); ok && string(w.User()) == p.ID {
					all = append(all, key)
				}
			}
		}
	}
	return all
}

// unnamedRows are rows of a table that have no person and are about one.
type unnamedRows struct {
	table, chat string
	ctids       []string
}

// unnamed finds the person in the content of rows that have no person: sinks of a version before wrote them.
func (e *erasing) unnamed(ids []PersonID) (all []unnamedRows) {
	for _, p := range ids {
		for _, in := range [...]struct{ table, content string }{{"versions", "original"}, {"receipts", "failed_original"}, {"reactions", "original"}, {"notes", "original"}} {
			found := unnamedRows{table: in.table, chat: merge.ChatOf(p.ID)}
			e.rows(fmt.Sprintf("SELECT ctid::text, %s FROM %s WHERE phone_number_id = $1 AND person = '' AND strpos(%[1]s, $2) > 0", in.content, in.table), []any{p.Number, p.ID}, func(row pgx.CollectableRow) error {
				var at, content string
				err := row.Scan(&at, &content)
				if err == nil && names(content, p.ID) {
					found.ctids = append(found.ctids, at)
				}
				return err
			})
			if len(found.ctids) > 0 {
				all = append(all, found)
			}
		}
	}
	return all
}

// complete gives rows their person.
func (e *erasing) complete(all []unnamedRows) {
	for _, u := range all {
		e.exec(fmt.Sprintf("UPDATE %s SET person = $1 WHERE ctid = ANY ($2::text[]::tid[]) AND person = ''", u.table), u.chat, u.ctids)
	}
}

// names reports whether an object of a webhook names somebody as its sender or recipient.
func names(original, id string) bool {
	for _, name := range [...]string{"from", "from_user_id", "to", "to_user_id", "recipient_id", "recipient_user_id"} {
		if who := event.String(event.Member([]byte(original), name)); who != "" && merge.ChatOf(who) == merge.ChatOf(id) {
			return true
		}
	}
	return false
}

// letters finds the records that were set aside and are about the person. Of one that is no event the key counts.
func (e *erasing) letters(ids []PersonID) (found []string) {
	for _, id := range idsOf(ids) {
		e.rows(`SELECT ctid::text, topic, record_key, headers, value FROM letters
WHERE position(convert_to($1, 'UTF8') IN COALESCE(record_key, '') || '/'::bytea || COALESCE(value, '')) > 0 OR topic IN ('media', 'assets')`, []any{id}, func(row pgx.CollectableRow) error {
			var at, name, headers string
			var key, value []byte
			err := row.Scan(&at, &name, &key, &headers, &value)
			if err == nil && isAbout(ids, name, key, headers, value) && !slices.Contains(found, at) {
				found = append(found, at)
			}
			return err
		})
	}
	return found
}

func isAbout(ids []PersonID, name string, key []byte, headers string, value []byte) bool {
	topic, _ := schemas.ParseTopic(name)
	var pairs [][2]string
	_ = json.Unmarshal([]byte(headers), &pairs) // they are as encodeLetter wrote them
	list := make([]sinks.Header, 0, len(pairs))
	for _, p := range pairs {
		list = append(list, sinks.Header{Key: p[0], Value: []byte(p[1])})
	}
	people := merge.PeopleOfKey(topic, key, 0)
	if ev, err := event.Read(topic, key, list, value); err == nil {
		people = merge.PeopleOf(&ev)
	}
	return slices.ContainsFunc(people.IDs, func(id string) bool {
		return slices.ContainsFunc(ids, func(p PersonID) bool {
			return p.Number == people.Number && merge.ChatOf(p.ID) == merge.ChatOf(id)
		})
	})
}
