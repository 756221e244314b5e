package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/replay/replaytest"
	"github.com/coexstream/coexstream/schemas"
)

// The folder of inputs that stand for public reports. Each file is an array of bodies, to be posted in this order.
const casesFolder = "../../schemas/fixtures/cases"

// wabas is the common beginning of the businesses of all cases.
const wabas = "71000000000"

// fieldCases are the cases with the right result for each.
var fieldCases = []struct {
	name        string
	contentType string // of the requests; application/json by default
	right       func(*expect)
}{
	{name: "ycloud-history-rerouted", right: func(x *expect) {
		x.count(schemas.TopicHistory, 12)
		x.count(schemas.TopicOther, 0)
	}},
	{name: "direction-br-ninth-digit", right: func(x *expect) {
		x.message(schemas.TopicHistory, "CASE0201", "direction", "outbound")
		x.message(schemas.TopicHistory, "CASE0202", "direction", "inbound")
	}},
	{name: "direction-no-display-number", right: func(x *expect) {
		x.message(schemas.TopicHistory, "CASE0401", "direction", "outbound")
		x.message(schemas.TopicHistory, "CASE0402", "direction", "inbound")
	}},
	{name: "direction-no-from", right: func(x *expect) {
		x.message(schemas.TopicHistory, "CASE0501", "direction", "outbound")
	}},
	{name: "group-message-thread", right: func(x *expect) {
		x.message(schemas.TopicMessages, "CASE0601", "thread", "GROUPCASE6", "group_id", "GROUPCASE6", "contact.wa_id", "16505550100", "contact.profile_name", "p")
		x.message(schemas.TopicMessages, "CASE0602", "thread", "GROUPCASE6", "contact.wa_id", "16505550101", "contact.profile_name", "")
		x.message(schemas.TopicMessages, "CASE0603", "thread", "GROUPCASE6", "contact.wa_id", "16505550100")
		if keys := x.events.of(schemas.TopicMessages).keys(); !slices.Equal(slices.Compact(keys), []string{"810000000000600/GROUPCASE6"}) {
			x.fail("keys %q", keys)
		}
	}},
	{name: "group-statuses-one-second", right: func(x *expect) {
		x.count(schemas.TopicMessages, 6)
		var contacts []string
		for _, e := range x.events.of(schemas.TopicMessages) {
			contacts = append(contacts, e.get("contact.wa_id")+e.get("contact.user_id"))
		}
		slices.Sort(contacts)
		if want := []string{"16505550100", "16505550101", "16505550102", "US.CASE0", "US.CASE1", "US.CASE2"}; !slices.Equal(contacts, want) {
			x.fail("participants %q, want %q", contacts, want)
		}
	}},
	{name: "contacts-of-one-second", right: func(x *expect) {
		last := map[string]string{}
		for _, e := range x.events.of(schemas.TopicContacts) {
			last[e.key] = e.get("full_name")
		}
		for i := range 6 {
			if got := last[fmt.Sprintf("81000000000090%d/1650555010%d", i, i)]; got != "After" {
				x.fail("contact %d of those added after their removal: %q", i, got)
			}
			if got, ok := last[fmt.Sprintf("81000000000091%d/1650555020%d", i, i)]; got != "" || !ok {
				x.fail("contact %d of those removed after they were added: %q, seen %v", i, got, ok)
			}
		}
		for i := range 4 {
			if got := last[fmt.Sprintf("81000000000092%d/1650555030%d", i, i)]; got != "New" {
				x.fail("contact %d of those without a time: %q", i, got)
			}
		}
	}},
	{name: "echo-with-plus", right: func(x *expect) {
		x.message(schemas.TopicEchoes, "CASE1101", "thread", "16505550100", "contact.wa_id", "16505550100")
		x.message(schemas.TopicMessages, "CASE1102", "thread", "16505550100", "contact.wa_id", "16505550100")
		if a, b := x.events.of(schemas.TopicEchoes).keys(), x.events.of(schemas.TopicMessages).keys(); !slices.Equal(a, b) {
			x.fail("keys %q and %q", a, b)
		}
	}},
	{name: "message-echoes-field", right: func(x *expect) {
		for _, wamid := range []string{"CASE1201", "CASE1202"} {
			x.message(schemas.TopicEchoes, wamid, "direction", "outbound", "thread", "16505550100")
		}
		x.count(schemas.TopicOther, 0)
	}},
	{name: "standby", right: func(x *expect) {
		x.message(schemas.TopicMessages, "CASE1301", "standby", "true")
		x.message(schemas.TopicEchoes, "CASE1302", "standby", "true")
		x.message(schemas.TopicMessages, "CASE1303", "standby", "true", "kind", "status")
		x.count(schemas.TopicOther, 0)
	}},
	{name: "lone-surrogate", right: func(x *expect) {
		x.message(schemas.TopicMessages, "CASE1401")
		x.message(schemas.TopicMessages, "CASE1402")
		x.count(schemas.TopicDLQ, 0)
		for _, e := range x.events.by("CASE1401") {
			if !strings.Contains(e.raw, `"body": "cut \ud83d"`) {
				x.fail("the original was changed: %s", e.raw)
			}
		}
	}},
	{name: "duplicate-key", right: func(x *expect) { // docs/adr/0006: refused
		x.count(schemas.TopicMessages, 0)
		x.count(schemas.TopicDLQ, 1)
		for _, e := range x.events.of(schemas.TopicDLQ) {
			if got := e.headers[schemas.HeaderDLQReason]; got != string(schemas.ReasonJSONDuplicate) {
				x.fail("reason %q", got)
			}
		}
	}},
	{name: "one-odd-shape", right: func(x *expect) {
		x.message(schemas.TopicMessages, "CASE1901")
		x.message(schemas.TopicMessages, "CASE1902")
		x.message(schemas.TopicHistory, "CASE1903")
		letters := x.events.of(schemas.TopicDLQ)
		if len(letters) < 2 {
			x.fail("%d dead letters", len(letters))
		}
		for _, e := range letters {
			if e.headers[schemas.HeaderDLQReason] != string(schemas.ReasonShape) || e.headers[schemas.HeaderDLQChanges] == "" {
				x.fail("dead letter: reason %q, changes %q", e.headers[schemas.HeaderDLQReason], e.headers[schemas.HeaderDLQChanges])
			}
		}
	}},
	{name: "timestamp-microseconds", right: func(x *expect) {
		x.message(schemas.TopicMessages, "CASE2001", "timestamp", "1739230955")
		for _, e := range x.events {
			if got := e.headers[schemas.HeaderCETime]; got != "2025-02-10T23:42:35Z" {
				x.fail("ce_time %q", got)
			}
		}
	}},
	{name: "history-error-in-syncs", right: func(x *expect) {
		syncs := x.events.of(schemas.TopicSyncs)
		if len(syncs) == 0 {
			x.fail("no sync")
			return
		}
		got := syncs[len(syncs)-1].get("errors")
		for _, want := range []string{`"code":131000`, `"phase":0`, `"chunk_order":2`, `"title":"t"`} {
			if !strings.Contains(got, want) {
				x.fail("errors of the sync are %s, without %s", got, want)
			}
		}
		x.message(schemas.TopicHistory, "CASE2301")
		x.message(schemas.TopicHistory, "CASE2302")
	}},
	{name: "reason-no-business", right: func(x *expect) {
		var reasons []string
		for _, e := range x.events.of(schemas.TopicDLQ) {
			reasons = append(reasons, e.headers[schemas.HeaderDLQReason])
		}
		slices.Sort(reasons)
		if want := []string{string(schemas.ReasonEmpty), string(schemas.ReasonNoNumber)}; !slices.Equal(reasons, want) {
			x.fail("reasons %q, want %q", reasons, want)
		}
	}},
	{name: "status-contact", right: func(x *expect) {
		x.message(schemas.TopicMessages, "CASE2501", "thread", "16505550100", "contact.wa_id", "16505550100", "contact.user_id", "US.CASE25", "contact.parent_user_id", "US.ENT.CASE25")
		x.message(schemas.TopicMessages, "CASE2502", "thread", "US.CASE25", "contact.user_id", "US.CASE25")
	}},
	{name: "contact-from-contacts", right: func(x *expect) {
		x.message(schemas.TopicMessages, "CASE2601", "thread", "16505550100", "contact.wa_id", "16505550100", "contact.user_id", "US.CASE26",
			"contact.parent_user_id", "US.ENT.CASE26", "contact.username", "case.twentysix", "contact.profile_name", "n")
		x.message(schemas.TopicMessages, "CASE2602", "thread", "US.CASE27", "contact.user_id", "US.CASE27")
		x.message(schemas.TopicMessages, "CASE2603", "thread", "US.CASE28", "contact.user_id", "US.CASE28")
	}},
	{name: "echo-without-to", right: func(x *expect) {
		x.message(schemas.TopicEchoes, "CASE2701", "thread", "16505550100", "contact.user_id", "US.CASE2700")
	}},
	{name: "user-changed-user-id", right: func(x *expect) {
		x.message(schemas.TopicMessages, "CASE2901", "thread", "US.CASE29", "contact.user_id", "US.CASE29", "kind", "system")
	}},
	{name: "history-errors-then-real", right: func(x *expect) {
		x.count(schemas.TopicHistory, 6)
		for _, wamid := range []string{"CASE3001", "CASE3002", "CASE3003"} {
			var ranks, types []string
			for _, e := range x.events.by(wamid) {
				ranks, types = append(ranks, e.get("rank")), append(types, e.get("type"))
			}
			if !slices.Equal(ranks, []string{"0", "1"}) || types[len(types)-1] != "text" {
				x.fail("%s: ranks %q, types %q", wamid, ranks, types)
			}
		}
	}},
	{name: "partner-added-mid-sync", right: func(x *expect) {
		x.count(schemas.TopicHistory, 3)
		for _, e := range x.events.of(schemas.TopicHistory) {
			x.properties("history", e, "sync.window", "1", "sync.late", "")
		}
		for _, e := range x.events.of(schemas.TopicSyncs) {
			if e.get("window") != "1" || e.get("state") == schemas.SyncOffboarded || strings.Contains(e.raw, `"gaps"`) {
				x.fail("sync %s", e.raw)
			}
		}
	}},
	{name: "field-account-offboarded", right: func(x *expect) {
		x.count(schemas.TopicHistory, 2)
		x.count(schemas.TopicAccount, 1)
		x.count(schemas.TopicOther, 0)
		for _, e := range x.events.of(schemas.TopicAccount) {
			x.properties("account", e, "event", "ACCOUNT_OFFBOARDED")
		}
	}},
	{name: "ycloud-other-events", right: func(x *expect) {
		x.message(schemas.TopicEchoes, "YC1", "direction", "outbound", "thread", "16505550100")
		x.message(schemas.TopicMessages, "YC2", "direction", "inbound", "thread", "16505550100")
		x.count(schemas.TopicContacts, 1)
		x.count(schemas.TopicOther, 0)
	}},
	{name: "content-type", contentType: "text/plain", right: func(x *expect) {
		x.message(schemas.TopicMessages, "CASE3601")
	}},
	{name: "scoped-wamids", right: func(x *expect) {
		x.count(schemas.TopicHistory, 1)
		x.count(schemas.TopicMedia, 1)
		for _, e := range x.events.of(schemas.TopicMedia) {
			x.properties("media", e, "joined", "true", "thread", "16505550100")
		}
	}},
	{name: "thread-split-phone-bsuid", right: func(x *expect) { // docs/webhooks.md says how to join the two
		x.message(schemas.TopicMessages, "CASE3901", "thread", "16505550100", "contact.wa_id", "16505550100", "contact.user_id", "US.CASE3900")
		x.message(schemas.TopicMessages, "CASE3902", "thread", "US.CASE3900", "contact.user_id", "US.CASE3900")
	}},
	// The bare values beside them are of no business that a case could name: the comparison with the replay holds them.
	{name: "bare-value-beside-the-first-webhook", right: func(x *expect) {
		x.count(schemas.TopicMessages, 8)
		x.count(schemas.TopicEchoes, 0)
		for i := range 8 {
			x.message(schemas.TopicMessages, fmt.Sprintf("CASE43%02d", i), "phone_number_id", fmt.Sprintf("8100000000043%02d", i))
		}
	}},
	{name: "old-placeholder", right: func(x *expect) {
		x.count(schemas.TopicMedia, 2)
		for _, e := range x.events.of(schemas.TopicMedia) {
			x.properties(e.get("wamid"), e, "joined", "true")
		}
	}},
}

// A case's file is the whole of it: no input of the folder is left out of the table.
func TestEveryCaseOfTheFolderIsPosted(t *testing.T) {
	files, err := filepath.Glob(casesFolder + "/*.json")
	if err != nil || len(files) != len(fieldCases) {
		t.Fatalf("%d files, %d cases, err %v", len(files), len(fieldCases), err)
	}
	for _, c := range fieldCases {
		if !slices.Contains(files, filepath.Join(casesFolder, c.name+".json")) {
			t.Errorf("%s has no file", c.name)
		}
	}
}

var caseTime = regexp.MustCompile(`"now([+-][0-9]+)"`)

// caseBodies are the bodies of a case. `now+30` stands for that time, in Unix seconds.
func caseBodies(t *testing.T, name string, now time.Time) (bodies []string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(casesFolder, name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var raw []json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		raw = []json.RawMessage{bytes.TrimSpace(b)} // one body
	}
	for _, r := range raw {
		bodies = append(bodies, caseTime.ReplaceAllStringFunc(string(r), func(s string) string {
			seconds, err := strconv.Atoi(caseTime.FindStringSubmatch(s)[1])
			if err != nil {
				t.Fatal(err)
			}
			return fmt.Sprintf(`"%d"`, now.Unix()+int64(seconds))
		}))
	}
	return bodies
}

// businessesOf are the WABA ids that stand in the bodies of a case.
func businessesOf(bodies []string) map[string]bool {
	found := map[string]bool{}
	for _, id := range regexp.MustCompile(wabas+`[0-9]{4}`).FindAllString(strings.Join(bodies, " "), -1) {
		found[id] = true
	}
	return found
}

// eventsOf are the events of some businesses under a prefix, dead letters among them.
func eventsOf(t *testing.T, brokers, prefix string) (all []fieldEvent) {
	t.Helper()
	for _, topic := range replaytest.Topics() {
		for _, r := range committed(t, brokers, topic.Name(prefix)) {
			e := fieldEvent{topic: topic, key: string(r.Key), headers: map[string]string{}, raw: string(r.Value)}
			for _, h := range r.Headers {
				e.headers[h.Key] = string(h.Value)
			}
			if len(r.Value) > 0 && topic != schemas.TopicDLQ {
				if err := json.Unmarshal(r.Value, &e.value); err != nil {
					t.Fatalf("%s: %v: %s", topic, err, r.Value)
				}
			}
			e.ceType = e.headers[schemas.HeaderCEType]
			all = append(all, e)
		}
	}
	return all
}

// Every input that once gave a wrong result gives the right one, from the webhook to the topics. A replay of them all
// into another prefix gives the same events.
func TestCasesOfTheFieldComeOutRight(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("SKIP: runs the binary and waits for gaps and media")
	}
	waits := []string{"--set", "processor.history.phase_hold=1s", "--set", "processor.history.gap_timeout=2s", "--set", "processor.media.hold=3s"}
	up := startUp(t, t.TempDir(), append(waits, eachBodyOnce...)...)
	defer up.signal(syscall.SIGTERM)
	url, secret := up.credentials()
	now := time.Now()
	businesses := make([]map[string]bool, len(fieldCases))
	for i, c := range fieldCases {
		bodies := caseBodies(t, c.name, now)
		businesses[i] = businessesOf(bodies)
		for k, body := range bodies {
			contentType := c.contentType
			if contentType == "" {
				contentType = "application/json"
			}
			if status := postAs(t, url, secret, contentType, body); status != http.StatusOK {
				t.Errorf("%s, body %d was answered with %d", c.name, k, status)
			}
		}
	}
	brokers := up.running().Defaults["kafka.brokers"]
	right := func(prefix string) {
		settles(t, "cases under "+prefix, func() (wrong []string) {
			all := eventsOf(t, brokers, prefix)
			for i, c := range fieldCases {
				x := &expect{}
				for _, e := range all {
					if e.ofBusinesses(businesses[i]) {
						x.events = append(x.events, e)
					}
				}
				c.right(x)
				for _, w := range x.wrong {
					wrong = append(wrong, c.name+": "+w)
				}
			}
			for _, e := range all {
				if strings.HasSuffix(e.key, "/") {
					wrong = append(wrong, fmt.Sprintf("key %q of %s is that of everybody without an id", e.key, e.topic))
				}
			}
			return wrong
		})
	}
	right("coex.")
	if t.Failed() {
		return
	}
	if out, code := up.run("topics", "create", "--prefix", "again.", "--partitions", "7"); code != ExitOK {
		t.Fatalf("topics create: %d\n%s", code, out)
	}
	stop := up.beside(append([]string{"process", "--prefix", "again.", "--set", "processor.group_id=again", "--set", "admin.listen="}, waits...)...)
	defer stop()
	if out, code := up.run("replay", "--to", "again."); code != ExitOK {
		t.Fatalf("replay: %d\n%s", code, out)
	}
	right("again.")
	settles(t, "coex. and again.", func() []string { return sameEvents(eventsOf(t, brokers, "coex."), eventsOf(t, brokers, "again.")) })
}
