package tables

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/verify/judge"
	"github.com/coexstream/coexstream/schemas"
)

// erasures are the people who were erased from the tables, by the hash of an id, and until when: in Unix milliseconds.
type erasures map[[sha256.Size]byte]int64

// readErasures reads the table erased. Tables of a dialect without erasures have none.
func readErasures(ctx context.Context, db *sql.DB, d Dialect) (erasures, error) {
	if !d.Erases {
		return nil, nil
	}
	all := erasures{}
	var person []byte
	var at time.Time
	err := each(ctx, db, "SELECT person, erased_at FROM erased", []any{&person, &at}, func() {
		var hash [sha256.Size]byte
		copy(hash[:], person)
		all[hash] = at.UnixMilli()
	})
	return all, err
}

// cover reports whether an event is about somebody who was erased later. received is in Unix milliseconds.
func (all erasures) cover(topic schemas.Topic, rec *kgo.Record, e *event, header map[string]string, received int64) bool {
	if len(all) == 0 {
		return false
	}
	number, at, ids := clean(e.PhoneNumberID), e.Timestamp*1000, []string{e.Contact.WaID, e.Contact.UserID}
	switch topic {
	case schemas.TopicContacts:
		var id string
		number, id, _ = strings.Cut(string(rec.Key), "/")
		number = clean(number)
		at, _ = strconv.ParseInt(header[schemas.HeaderContactTimestamp], 10, 64) // without one, the receipt counts
		ids = []string{id, header[schemas.HeaderContactPhone], header[schemas.HeaderContactUserID], header[schemas.HeaderContactLinked]}
		if len(rec.Value) > 0 {
			at, ids = e.TimestampMS, append(ids, e.ID, e.PhoneNumber, e.UserID)
		}
	case schemas.TopicSyncs, schemas.TopicAccount, schemas.TopicOther:
		return false
	default:
		switch {
		case e.GroupID == "":
			ids = append(ids, e.Thread)
		case e.Direction == schemas.DirectionInbound:
			ids = append(ids, e.From)
		}
		if strings.Join(ids, "") == "" && e.GroupID == "" {
			if w, ok := schemas.ParseWAMID([]byte(e.WAMID)); ok {
				ids = append(ids, string(w.User()))
			}
		}
	}
	if at <= 0 || received > 0 && received < at {
		at = received
	}
	for _, id := range ids {
		if at <= all.until(number, clean(id)) {
			return true
		}
	}
	return false
}

// until is the time of the erasure of somebody at a number. Nobody was erased: before all events.
func (all erasures) until(number, id string) int64 {
	latest := int64(math.MinInt64)
	if id == "" {
		return latest
	}
	for _, of := range [...]string{number, ""} { // an erasure can be for all numbers
		if until, ok := all[sha256.Sum256([]byte("coexstream\x00"+of+"\x00"+judge.Spelling(id)))]; ok {
			latest = max(latest, until)
		}
	}
	return latest
}

// readNobody reads which receipts of erased events do not say whom they are about.
func (r *rows) readNobody(ctx context.Context, db *sql.DB) error {
	if r.erased == nil {
		return nil
	}
	r.nobody = map[string]bool{}
	var number, wamid string
	return each(ctx, db, "SELECT phone_number_id, wamid FROM receipts WHERE participant = '' AND person = ''", []any{&number, &wamid}, func() {
		if key := number + " " + wamid + " "; r.erased.of[receipts][key] != nil {
			r.nobody[key] = true
		}
	})
}

// goneWithAMessage reports whether an erasure may have removed a row that no erased event is about: what others did with a message, of which the
// tables held a part of the person's.
func (r *rows) goneWithAMessage(table, key string) bool {
	switch table {
	case versions, receipts, reactions:
	default:
		return false
	}
	parts := strings.SplitN(key, " ", 3)
	if len(parts) < 3 || r.erased == nil {
		return false
	}
	if r.erased.targets == nil {
		r.erased.targets = r.erased.messageKeys()
	}
	return r.erased.targets[parts[0]+" "+parts[1]]
}

// messageKeys are the messages that the rows are about.
func (r *rows) messageKeys() map[string]bool {
	keys := map[string]bool{}
	for _, table := range []string{messages, versions, receipts, reactions} {
		for key := range r.of[table] {
			if parts := strings.SplitN(key, " ", 3); len(parts) > 1 {
				keys[parts[0]+" "+parts[1]] = true
			}
		}
	}
	return keys
}

// judgeErased counts the rows of erased events in a verdict. One that is there, and that no later event explains, is back.
func (r *rows) judgeErased(t *TableVerdict, have map[string]string, back func(key string)) {
	if r.erased == nil {
		return
	}
	for key := range r.erased.of[t.Table] {
		_, there := have[key]
		switch {
		case r.of[t.Table][key] != nil:
		case !there:
			t.Erased++
		case r.namesNobody(t.Table, key):
			t.Unjudged++
		default:
			back(key)
		}
	}
}

// namesNobody reports whether a row has nothing of the person whom its events are about, so that no erasure finds it. It is the status of a message that
// was sent through the API and has an id without the person's. A sink of an earlier version wrote it.
func (r *rows) namesNobody(table, key string) bool {
	parts := strings.SplitN(key, " ", 3)
	if table != receipts || len(parts) < 3 || !r.nobody[key] || r.erased.of[messages][parts[0]+" "+parts[1]] != nil {
		return false
	}
	w, ok := schemas.ParseWAMID([]byte(parts[1]))
	return !ok || r.erasures.until(parts[0], string(w.User())) == math.MinInt64
}
