package tables

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// personHash is what an erasure keeps of an id, as ADR 0035 has it.
func personHash(number, id string) []byte {
	sum := sha256.Sum256([]byte("coexstream\x00" + number + "\x00" + id))
	return sum[:]
}

// Rows of people who were erased are not lost. They are a fault where they are there, and so are rows of later events that are missing.
func TestErasedRowsAreNotLostAndMayNotComeBack(t *testing.T) {
	erasing := Dialect{Name: "postgres", Window: "window", Unix: SQLite.Unix, Erases: true}
	const until = 1000 // seconds
	message := func(wamid, user string, at int64) string {
		return fmt.Sprintf(`{"phone_number_id":"n","wamid":%q,"kind":"message","rank":1,"thread":%q,"contact":{"wa_id":%q},"direction":"inbound","timestamp":%d,"type":"text","historical":true,"status":"read","original":{}}`, wamid, user, user, at)
	}
	reaction := `{"phone_number_id":"n","wamid":"r1","kind":"reaction","group_id":"g","thread":"g","contact":{"wa_id":"7"},"direction":"inbound","from":"7","timestamp":500,"type":"reaction","original":{"type":"reaction","reaction":{"message_id":"2","emoji":"x"}}}`
	inGroup := `{"phone_number_id":"n","wamid":"2","kind":"message","rank":1,"group_id":"g","thread":"g","contact":{"wa_id":"5521987654321"},"direction":"inbound","from":"5521987654321","timestamp":400,"type":"text","historical":true,"original":{}}`
	for _, c := range []struct {
		what   string
		number string // of the erasure
		there  []string
		want   string // lost, unexpected, erased of messages; lost of reactions
	}{
		{"all is gone", "n", []string{"3", "4"}, "0 0 2; 0"},
		{"gone at all numbers", "", []string{"3", "4"}, "0 0 2; 0"},
		{"an erased one is back", "n", []string{"1", "3", "4"}, "0 1 1; 0"},
		{"a later one is missing", "n", []string{"4"}, "1 0 2; 0"},
		{"another one is missing", "n", []string{"3"}, "1 0 2; 0"},
		{"erased at another number", "other", []string{"3", "4"}, "2 0 0; 1"},
	} {
		t.Run(c.what, func(t *testing.T) {
			db := held(t, c.there...)
			if _, err := db.Exec("CREATE TABLE erased (person blob, erased_at timestamp)"); err != nil {
				t.Fatal(err)
			}
			if _, err := db.Exec("INSERT INTO erased VALUES (?, ?)", personHash(c.number, "552187654321"), time.Unix(until, 0).UTC()); err != nil {
				t.Fatal(err)
			}
			want := newRows()
			var err error
			if want.erasures, err = readErasures(t.Context(), db, erasing); err != nil || len(want.erasures) != 1 {
				t.Fatalf("%d erasures, %v", len(want.erasures), err)
			}
			for id, value := range map[string]string{
				"1": message("1", "5521987654321", until-1), "2": inGroup, "3": message("3", "552187654321", until+1), "4": message("4", "49170", 5), "5": reaction,
			} {
				if err := want.add(schemas.TopicHistory, record(schemas.TypeHistory, id, value)); err != nil {
					t.Fatal(err)
				}
			}
			var v Verdict
			if err := v.judge(t.Context(), Config{DB: db, Dialect: erasing, SamplesMax: 9}, want, nil); err != nil {
				t.Fatal(err)
			}
			m, r := v.Tables[0], v.Tables[3]
			if got := fmt.Sprintf("%d %d %d; %d", m.Lost, m.Unexpected, m.Erased, r.Lost); m.Table != messages || r.Table != reactions || got != c.want {
				t.Errorf("%s: %s, want %s; %s", c.what, got, c.want, strings.Join(v.Samples, ", "))
			}
		})
	}
}

// A status whose row names nobody is not found by an erasure, and is not judged. One whose row or message id contains the person's is a fault.
func TestAStatusThatNamesNobodyIsNotJudged(t *testing.T) {
	erasing := Dialect{Name: "postgres", Window: "window", Unix: SQLite.Unix, Erases: true}
	for _, c := range []struct{ wamid, person, want string }{
		{"wamid.HBgLMTY1MDU1NTEyMzQVAgARGBI0OTRFMjI2QTAxRTQ5QzVDM0YA", "", "0 1"}, // of 16505551234
		{"wamid.HBgLMTU1NTQzMzI3MjcVAgARGBI0OTRFMjI2QTAxRTQ5QzVDM0YA", "", "1 0"},
		{"x", "", "1 0"},
		{"x", "16505551234", "0 1"},
	} {
		db := held(t)
		if _, err := db.Exec("CREATE TABLE erased (person blob, erased_at timestamp); INSERT INTO receipts VALUES ('n', ?, '', 'read', ?)", c.wamid, c.person); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec("INSERT INTO erased VALUES (?, ?)", personHash("n", "16505551234"), time.Unix(1000, 0).UTC()); err != nil {
			t.Fatal(err)
		}
		rows := newRows()
		var err error
		if rows.erasures, err = readErasures(t.Context(), db, erasing); err != nil {
			t.Fatal(err)
		}
		value := fmt.Sprintf(`{"phone_number_id":"n","wamid":%q,"kind":"status","thread":"16505551234","contact":{"wa_id":"16505551234"},"direction":"outbound","timestamp":5,"status":"read","original":{}}`, c.wamid)
		if err := rows.add(schemas.TopicMessages, record(schemas.TypeStatus, "id", value)); err != nil {
			t.Fatal(err)
		}
		var v Verdict
		if err := v.judge(t.Context(), Config{DB: db, Dialect: erasing, SamplesMax: 9}, rows, nil); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%d %d", v.Tables[2].Unjudged, v.Tables[2].Unexpected); got != c.want {
			t.Errorf("%+v: unjudged, unexpected: %s", c, got)
		}
	}
}

// An entry of the address book, and its removal, are about the person of the key and of the headers.
func TestErasuresCoverTheAddressBook(t *testing.T) {
	all := erasures{[32]byte(personHash("n", "49170")): 1_000_000}
	for value, want := range map[string]bool{
		`{"phone_number_id":"n","id":"X.1","phone_number":"49170","timestamp_ms":999999}`:   true,
		`{"phone_number_id":"n","id":"49170","timestamp_ms":1000001}`:                       false,
		`{"phone_number_id":"n","id":"49171","phone_number":"49171","timestamp_ms":999999}`: false,
	} {
		r := newRows()
		r.erasures = all
		rec := record(schemas.TypeContact, "id", value)
		rec.Key = []byte("n/X.1")
		if err := r.add(schemas.TopicContacts, rec); err != nil {
			t.Fatal(err)
		}
		if got := r.erased != nil; got != want {
			t.Errorf("%s: erased %v, want %v", value, got, want)
		}
	}
}
