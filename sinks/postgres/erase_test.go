package postgres_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/sinks/postgres"
)

// wamidOf is a wamid as WhatsApp makes them.
func wamidOf(user, token string) string {
	b := append([]byte{0x1c, 0x18, byte(len(user))}, user...)
	b = append(b, 0x15, 0x02, 0x00, 0x12, 0x18, byte(len(token)))
	return "wamid." + base64.StdEncoding.EncodeToString(append(append(b, token...), 0))
}

func TestAnErasureRemovesThePersonAndNobodyElse(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	st := opened(t, url)
	message := func(number, thread, wamid, contact, more string) string {
		return fmt.Sprintf(`{"waba_id":"1","phone_number_id":"%s","kind":"message","rank":1,"wamid":"%s","thread":"%s","contact":%s,"direction":"inbound","timestamp":20,"type":"text","historical":false%s,"original":{"text":{"body":"of %s"}}}`, number, wamid, thread, contact, more, wamid)
	}
	ada, bea := `{"wa_id":"491701","user_id":"DE.1","profile_name":"Ada"}`, `{"wa_id":"491702","profile_name":"Bea"}`
	sent := wamidOf("491701", "3EB0C5F4A1B2C3D4E5F6")
	other := wamidOf("491702", "3EB0C5F4A1B2C3D4E5F6")
	values := []string{
		message("2", "491701", "a1", ada, ""),
		message("2", "DE.1", "a2", `{"user_id":"DE.1"}`, ""),
		strings.Replace(message("2", "491701", "a3", ada, ""), "inbound", "outbound", 1),
		message("2", "g", "g1", ada, `,"group_id":"g"`),
		message("2", "g", "g2", bea, `,"group_id":"g"`),
		message("2", "491702", "b1", bea, ""),
		message("3", "491701", "c1", `{"wa_id":"491701"}`, ""),
		strings.Replace(strings.Replace(message("2", "491702", "b2", bea, ""), "of b2", "call 491701", 1), `"timestamp":20`, `"timestamp":21`, 1),
		`{"waba_id":"1","phone_number_id":"2","kind":"status","wamid":"` + sent + `","thread":"491701","direction":"outbound","timestamp":25,"status":"read","historical":false,"original":{}}`,
		`{"waba_id":"1","phone_number_id":"2","kind":"status","wamid":"` + other + `","thread":"491702","direction":"outbound","timestamp":25,"status":"read","historical":false,"original":{}}`,
		strings.Replace(message("2", "491702", "r1", ada, ""), `"kind":"message","rank":1`, `"kind":"reaction","rank":1`, 1),
	}
	values[10] = strings.Replace(strings.Replace(values[10], `"type":"text"`, `"type":"reaction"`, 1), `{"text":{"body":"of r1"}}`, `{"reaction":{"message_id":"b1","emoji":"+"}}`, 1)
	edit := strings.Replace(message("2", "491702", "v1", bea, `,"original_wamid":"later"`), `"kind":"message","rank":1`, `"kind":"edit","rank":2`, 1)
	values = append(values, strings.Replace(strings.Replace(edit, `"type":"text"`, `"type":"edit"`, 1), "of v1", "call 491701", 1))                             // before its message
	for wamid, original := range map[string]string{"o1": `{"to":"491701","edit":{}}`, "o2": `{"from":"491701","edit":{}}`, "o3": `{"to":"491702","edit":{}}`} { // edits that wait
		waits := strings.Replace(strings.Replace(edit, `"v1"`, `"e`+wamid+`"`, 1), `"later"`, `"`+wamid+`"`, 1)
		values = append(values, strings.Replace(waits, `{"text":{"body":"of v1"}}`, original, 1))
	}
	if err := st.Apply(t.Context(), batchOf(t, -1, 20, values...)); err != nil {
		t.Fatal(err)
	}
	// Outcomes of assets: of a message in a group, of one that is not there, of others with the same content, and with the person's number in a name.
	asset := func(id, thread, wamid, object, more string) string {
		return fmt.Sprintf(`{"waba_id":"1","phone_number_id":"2","event_id":"%s","event_type":"t","thread":"%s","wamid":"%s","object":"%s","timestamp":20,"historical":false,"media_id":"4","type":"image",`+
			`"state":"stored","expires_at":"2026-03-08T12:00:00Z","at":"2026-03-01T12:00:00Z"%s}`, id, thread, wamid, object, more)
	}
	if err := st.Apply(t.Context(), batchOf(t, 20, 40,
		asset("a-g1", "g", "g1", "only hers", `,"group_id":"g","contact":{"wa_id":"491701"}`), asset("a-x", "DE.1", "never came", "shared", ""),
		asset("a-b1", "491702", "b1", "shared", ""), asset("a-g2", "g", "g2", "his", `,"filename":"491701.jpg","group_id":"g","contact":{"wa_id":"491702"}`),
	)); err != nil {
		t.Fatal(err)
	}
	// A sink of a version before wrote these: their content alone says whom they are about.
	if n, err := connected(t, url).Exec(t.Context(), "UPDATE versions SET person = '' WHERE wamid LIKE 'o%'"); err != nil || n.RowsAffected() != 3 {
		t.Fatal(n, err)
	}
	before := contentOf(t, url).Lines()
	rehearsed, err := postgres.Erase(t.Context(), url, schema, postgres.Person{ID: "491701", Number: "2"}, true)
	if err != nil {
		t.Fatal(err)
	}
	if after := contentOf(t, url).Lines(); strings.Join(before, "\n") != strings.Join(after, "\n") {
		t.Error("a rehearsal changed the tables")
	}
	done, err := postgres.Erase(t.Context(), url, schema, postgres.Person{ID: "491701", Number: "2"}, false)
	if err != nil {
		t.Fatal(err)
	}
	want := "[{messages 4} {versions 2} {receipts 1} {reactions 1} {assets 2} {notes 0} {contacts 2} {threads 2} {letters 0}] [{messages 1} {versions 1} {receipts 0} {reactions 0} {assets 1} {notes 0} {letters 0}] [2/491701 2/DE.1]"
	for _, d := range []*postgres.Erased{rehearsed, done} {
		if strings.Join(d.Objects, " ") != "only hers" {
			t.Errorf("objects without a row: %q", d.Objects)
		}
		if got := fmt.Sprint(d.Removed, d.Mentions, d.IDs); got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	}
	left := strings.Join(contentOf(t, url).Lines(), "\n")
	for _, gone := range []string{"message 2 a1", "message 2 a2", "message 2 a3", "message 2 g1", sent, "contact 2 491701", "contact 2 DE.1", `thread 2 "491701"`, "reaction 2 b1", "message 2 o1 ", "message 2 o2 ", "asset 2 a-g1", "asset 2 a-x"} {
		if strings.Contains(left, gone) {
			t.Errorf("%s is left", gone)
		}
	}
	for _, kept := range []string{"message 2 g2", "message 2 b1", "message 2 b2", "message 2 o3 ", other, "asset 2 a-b1", "asset 2 a-g2", "message 3 c1", "contact 2 491702", `thread 2 "g" messages 1 last g2`, `thread 2 "491702" messages 2`, `thread 3 "491701"`} {
		if !strings.Contains(left, kept) {
			t.Errorf("%s is gone", kept)
		}
	}
	if _, err := postgres.Erase(t.Context(), url, schema, postgres.Person{ID: "491701", Number: "99"}, false); err == nil {
		t.Error("a number that is not there is no error")
	}
	// At all numbers, by the other id.
	if _, err := postgres.Erase(t.Context(), url, schema, postgres.Person{ID: "491701"}, false); err != nil {
		t.Fatal(err)
	}
	if left := strings.Join(contentOf(t, url).Lines(), "\n"); strings.Contains(left, "message 3 c1") {
		t.Error("message 3 c1 is left")
	}
}

// An erasure reports its result also where the last count fails.
func TestAnErasureReportsItsResultThoughItsLastCountFails(t *testing.T) {
	t.Parallel()
	url := shared.URL(t)
	if _, err := postgres.Migrate(t.Context(), url, schema); err != nil {
		t.Fatal(err)
	}
	first, second, third := connected(t, url), connected(t, url), connected(t, url)
	waits := func(table string) bool {
		var found bool
		if err := third.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = $1::regclass)", table).Scan(&found); err != nil {
			t.Fatal(err)
		}
		return found
	}
	if _, err := third.Exec(t.Context(), "INSERT INTO numbers VALUES ('2', '', '', '', '', '', '')"); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Exec(t.Context(), "BEGIN; LOCK TABLE erased"); err != nil {
		t.Fatal(err)
	}
	type result struct {
		done *postgres.Erased
		err  error
	}
	erased := make(chan result, 1)
	go func() {
		done, err := postgres.Erase(t.Context(), url, schema, postgres.Person{ID: "491701"}, false)
		erased <- result{done, err}
	}()
	until(t, func() bool { return waits("erased") })
	locked := make(chan error, 1)
	go func() {
		_, err := second.Exec(t.Context(), "BEGIN; LOCK TABLE messages")
		locked <- err
	}()
	until(t, func() bool { return waits("messages") }) // behind the erasure
	if _, err := first.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := <-locked; err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return waits("messages") }) // the count
	if _, err := third.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted AND relation = 'messages'::regclass"); err != nil {
		t.Fatal(err)
	}
	if r := <-erased; r.done == nil || !errors.Is(r.err, postgres.ErrNotCounted) {
		t.Errorf("%+v, err %v", r.done, r.err)
	}
	var known int
	if err := third.QueryRow(t.Context(), "SELECT count(*) FROM erased").Scan(&known); err != nil || known == 0 {
		t.Errorf("%d people are erased, err %v", known, err)
	}
}
