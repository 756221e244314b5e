package tables

import (
	"context"
	"crypto/sha256"
	"database/sql"
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
		if id = clean(id); id == "" {
			continue
		}
		for _, of := range [...]string{number, ""} { // an erasure can be for all numbers
			if until, ok := all[sha256.Sum256([]byte("coexstream\x00"+of+"\x00"+judge.Spelling(id)))]; ok && at <= until {
				return true
			}
		}
	}
	return false
}

// goneWithAMessage reports whether an erasure may have removed a row that no erased event is about: what others did with an erased message.
func (r *rows) goneWithAMessage(table, key string) bool {
	switch table {
	case versions, receipts, reactions:
		if parts := strings.SplitN(key, " ", 3); len(parts) == 3 && r.erased != nil {
			return r.erased.of[messages][parts[0]+" "+parts[1]] != nil
		}
	}
	return false
}

// judgeErased counts the rows of erased events. One that is there, and that no later event explains, is back.
func (r *rows) judgeErased(table string, have map[string]string, back func(key string)) (gone int) {
	if r.erased == nil {
		return 0
	}
	for key := range r.erased.of[table] {
		if r.of[table][key] != nil {
			continue
		}
		if _, ok := have[key]; ok {
			back(key)
		} else {
			gone++
		}
	}
	return gone
}
