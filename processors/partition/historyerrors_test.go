package partition_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// failedChunk is a history webhook of an element that has errors and may have messages.
func failedChunk(phase, order int, errors, threads string) string {
	return envelope("history", value(fmt.Sprintf(`"history":[{"metadata":{"phase":%d,"chunk_order":%d,"progress":%d},"errors":%s%s}]`,
		phase, order, 10*order, errors, threads)))
}

// lastSync is the newest state of the sync that was committed.
func (p *harness) lastSync() schemas.Sync {
	p.t.Helper()
	all := events[schemas.Sync](p, schemas.TopicSyncs)
	if len(all) == 0 {
		p.t.Fatal("no sync was told")
	}
	return all[len(all)-1]
}

func told(s schemas.Sync) []string {
	var all []string
	for _, e := range s.Errors {
		line := fmt.Sprintf("%d %s", e.Code, e.Title)
		if e.Phase != nil && e.ChunkOrder != nil {
			line += fmt.Sprintf(" %d/%d", *e.Phase, *e.ChunkOrder)
		}
		all = append(all, line)
	}
	return all
}

func TestErrorOfAChunkStandsOnSyncsAndItsPlaceStaysAGap(t *testing.T) {
	p := newPartition(t)
	p.webhook(chunk(0, 1, 10, "m1"))
	body := failedChunk(0, 2, `[{"code":131000,"title":"Something went wrong"},{"code":"131016","message":"Service unavailable"}]`, "")
	p.webhook(body)
	p.webhook(chunk(0, 3, 100, "m3"))
	p.restart()
	p.webhook(body) // again: it is reported once
	s := p.lastSync()
	if got, want := told(s), []string{"131000 Something went wrong 0/2", "131016 Service unavailable 0/2"}; !slices.Equal(got, want) {
		t.Fatalf("errors are %q, want %q", got, want)
	}
	if !s.Errors[0].At.Equal(start) || s.ErrorsOmitted != 0 {
		t.Errorf("error at %v, %d omitted", s.Errors[0].At, s.ErrorsOmitted)
	}
	if g := s.Phases[0].Gaps; len(g) != 1 || g[0].From != 2 || g[0].To != 2 || s.ChunksHeld != 1 || s.ChunksDuplicate != 1 {
		t.Errorf("sync is %+v", s)
	}
	others := events[schemas.Other](p, schemas.TopicOther)
	if len(others) != 1 || others[0].Field != "history" || !strings.HasPrefix(string(others[0].Original), `{"metadata":{"phase":0,"chunk_order":2`) {
		t.Errorf("on other: %+v, want the element, verbatim", others)
	}
	p.tick(historyOf(&p.cfg).GapTimeout + time.Minute)
	p.webhook(chunk(0, 2, 20, "m2"))
	if got := wamids(events[schemas.Message](p, schemas.TopicHistory)); !slices.Equal(got, []string{"m1", "m3", "m2"}) {
		t.Errorf("left %v", got)
	}
	if s := p.lastSync(); len(s.Phases[0].Gaps) != 0 || len(s.Errors) != 2 {
		t.Errorf("after the chunk came: %+v", s)
	}
}

func TestErrorsOfAHistoryStandOnSyncsWhereverTheyStand(t *testing.T) {
	threads := `,"threads":[{"id":"` + user + `","messages":[` + text("m2") + `]}]`
	thread := func(ofThread, ofChunk string) string {
		return envelope("history", value(`"history":[{"metadata":{"phase":0,"chunk_order":2},"threads":[{`+ofThread+`}]`+ofChunk+`}]`))
	}
	for name, test := range map[string]struct {
		body            string
		want            []string
		left, originals int
	}{
		"of the value":                            {envelope("history", value(`"errors":[{"code":131000,"title":"t"}]`)), []string{"131000 t"}, 1, 1},
		"beside messages":                         {failedChunk(0, 2, `[{"code":131000,"title":"t"},{"code":1}]`, threads), []string{"131000 t 0/2", "1  0/2"}, 2, 2},
		"one without its array":                   {failedChunk(0, 2, `{"code":131000,"title":"t"}`, ""), []string{"131000 t 0/2"}, 1, 1},
		"without a code":                          {failedChunk(0, 2, `[{"title":7}]`, ""), []string{"0  0/2"}, 1, 1},
		"of no known kind":                        {failedChunk(0, 2, `"it failed"`, ""), []string{"0  0/2"}, 1, 1},
		"in data of 360dialog":                    {`{"id":"e1","event":"history","data":{"id":"` + waba + `",` + tenant + `,"errors":[{"code":131000,"title":"t"}]}}`, []string{"131000 t"}, 1, 1},
		"of the value and a chunk":                {envelope("history", value(`"errors":[{"code":5}],"history":[{"metadata":{"phase":0,"chunk_order":2},"errors":[{"code":6}]}]`)), []string{"6  0/2", "5 "}, 1, 2},
		"of a thread":                             {thread(`"errors":[{"code":131000,"title":"t"}]`, ""), []string{"131000 t 0/2"}, 1, 1},
		"of chunk and thread":                     {thread(`"error":{"code":7}`, `,"errors":[ {"code":131000,"title":"t"} ]`), []string{"7  0/2", "131000 t 0/2"}, 1, 2},
		"error, without an s":                     {thread("", `,"error":{"code":131000,"title":"t"}`), []string{"131000 t 0/2"}, 1, 1},
		"error of the value":                      {envelope("history", value(`"error":{"code":131000,"title":"t"}`)), []string{"131000 t"}, 1, 1},
		"quoted code of the value":                {envelope("history", value(`"error":{"code":"131000","message":"t"}`)), []string{"131000 t"}, 1, 1},
		"error, with an array":                    {envelope("history", value(`"error":[{"code":131000,"title":"t"},{"code":1}]`)), []string{"131000 t", "1 "}, 1, 2},
		"errors, without an array":                {envelope("history", value(`"errors":{"code":131000,"title":"t"}`)), []string{"131000 t"}, 1, 1},
		"both of the value":                       {envelope("history", value(`"error":{"code":5},"errors":[{"code":6}]`)), []string{"5 ", "6 "}, 1, 2},
		"beside the value":                        {besideValue("history", value(`"history":[]`), `"error":{"code":131000,"title":"t"}`), []string{"131000 t"}, 1, 1},
		"errors beside the value":                 {besideValue("history", value(`"history":[]`), `"errors":[{"code":131000,"title":"t"}]`), []string{"131000 t"}, 1, 1},
		"beside a value of chunks":                {besideValue("history", value(`"history":[{"metadata":{"phase":0,"chunk_order":2}`+threads+`}]`), `"error":{"code":5}`), []string{"5 "}, 2, 1},
		"error in data":                           {`{"id":"e1","event":"history","data":{"id":"` + waba + `",` + tenant + `,"error":{"code":131000,"title":"t"}}}`, []string{"131000 t"}, 1, 1},
		"error of a value as text":                {envelope("history", value(`"error":"it failed"`)), []string{"0 "}, 1, 1},
		"none":                                    {failedChunk(0, 2, `[]`, ""), nil, 1, 0},
		"null":                                    {failedChunk(0, 2, `null`, ""), nil, 1, 0},
		"of the value under a field that is live": {envelope("messages", value(`"errors":[{"code":130429,"title":"t"}]`)), nil, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPartition(t)
			p.webhook(chunk(0, 1, 10, "m1"))
			p.webhook(test.body)
			p.webhook(test.body)
			s := p.lastSync()
			if got := told(s); !slices.Equal(got, test.want) {
				t.Errorf("errors are %q, want %q", got, test.want)
			}
			if got := len(events[schemas.Message](p, schemas.TopicHistory)); got != test.left || s.State != schemas.SyncRunning {
				t.Errorf("%d messages left, want %d; the sync is %s", got, test.left, s.State)
			}
			if got := len(p.topics[schemas.TopicOther]) + len(p.topics[schemas.TopicMessages]); got != test.originals {
				t.Errorf("%d errors verbatim on other and messages, want %d", got, test.originals)
			}
		})
	}
}

func TestErrorsOfAHistoryAreOfTheWindowInWhichTheyCame(t *testing.T) {
	p := newPartition(t)
	p.webhook(failedChunk(0, 1, `[{"code":131000}]`, ""))
	p.clock = p.clock.Add(time.Hour)
	p.webhook(accountEvent("PARTNER_REMOVED", biz, p.clock))
	p.clock = p.clock.Add(time.Hour)
	p.webhook(chunk(0, 1, 100, "m1"))
	s := events[schemas.Sync](p, schemas.TopicSyncs)
	if first, last := s[len(s)-2], s[len(s)-1]; first.Window != 1 || len(first.Errors) != 1 || last.Window != 2 || len(last.Errors) != 0 {
		t.Errorf("syncs are %+v", s)
	}
}

func TestADeclineCountsWhereverItStands(t *testing.T) {
	const decline = `{"code":2593109,"title":"off"}`
	for name, body := range map[string]string{
		"second error":             envelope("history", value(`"history":[{"errors":[{"code":131000,"title":"t"},`+decline+`]}]`)),
		"quoted code":              envelope("history", value(`"history":[{"errors":[{"code":"2593109"}]}]`)),
		"one without its array":    envelope("history", value(`"history":[{"errors":`+decline+`}]`)),
		"error without an s":       envelope("history", value(`"history":[{"error":`+decline+`}]`)),
		"of a thread":              envelope("history", value(`"history":[{"metadata":{"phase":0,"chunk_order":1},"threads":[{"errors":[`+decline+`]}]}]`)),
		"of a message":             envelope("history", value(`"history":[{"metadata":{"phase":0,"chunk_order":1},"threads":[{"id":"`+user+`","messages":[{"from":"`+user+`","id":"m1","type":"errors","errors":[{"code":1},`+decline+`]}]}]}]`)),
		"of a message, error":      envelope("history", value(`"history":[{"metadata":{"phase":0,"chunk_order":1},"threads":[{"id":"`+user+`","messages":[{"id":"m1","error":{"code":"2593109"}}]}]}]`)),
		"of a second thread":       envelope("history", value(`"history":[{"errors":[{"code":1}],"threads":[{"id":"`+user+`","messages":[`+text("m1")+`]},{"error":`+decline+`}]}]`)),
		"error of the value":       envelope("history", value(`"errors":[`+decline+`]`)),
		"under another field":      envelope("messages", value(`"errors":[`+decline+`]`)),
		"data of 360dialog":        `{"id":"e1","event":"history","data":{"id":"` + waba + `",` + tenant + `,"errors":[` + decline + `]}}`,
		"value.error":              envelope("history", value(`"error":`+decline)),
		"value.error, quoted code": envelope("history", value(`"error":{"code":"2593109"}`)),
		"value.error, an array":    envelope("history", value(`"error":[`+decline+`]`)),
		"value.error, live field":  envelope("messages", value(`"error":`+decline)),
		"value.errors, an object":  envelope("history", value(`"errors":`+decline)),
		"value, both names":        envelope("history", value(`"errors":[{"code":1}],"error":`+decline)),
		"error beside the value":   besideValue("history", value(`"history":[]`), `"error":`+decline),
		"errors beside the value":  besideValue("history", value(`"history":[]`), `"errors":[`+decline+`]`),
		"beside a value of chunks": besideValue("history", value(`"history":[{"metadata":{"phase":0,"chunk_order":1},"threads":[{"id":"`+user+`","messages":[`+text("m1")+`]}]}]`), `"error":`+decline),
		"error in data":            `{"id":"e1","event":"history","data":{"id":"` + waba + `",` + tenant + `,"error":` + decline + `}}`,
		"bare value.error":         value(`"error":` + decline),
		"bare error of the value":  value(`"errors":[` + decline + `]`),
		"bare second error":        value(`"history":[{"errors":[{"code":1},` + decline + `]}]`),
		"of the metadata":          envelope("history", value(`"history":[{"metadata":{"phase":0,"errors":[`+decline+`]}}]`)),
		"history is an object":     envelope("history", value(`"history":{"errors":[`+decline+`]}`)),
		"history is its error":     envelope("history", value(`"history":{"error":`+decline+`}`)),
		"bare history, an object":  value(`"history":{"errors":[` + decline + `]}`),
		"beside the changes":       strings.Replace(envelope("history", value(`"history":[]`)), `"time":`, `"errors":[`+decline+`],"time":`, 1),
		"behind the changes":       strings.Replace(envelope("account_update", value(`"event":"PARTNER_ADDED"`)), `"field":"account_update"}]`, `"field":"account_update"}],"error":`+decline, 1),
		"beside the entries":       strings.Replace(envelope("history", value(`"history":[]`)), `"entry":`, `"errors":[`+decline+`],"entry":`, 1),
		"second element":           envelope("history", value(`"history":[{"metadata":{"phase":0,"chunk_order":1,"progress":1}},{"errors":[`+decline+`]}]`)),
		"beside messages":          failedChunk(0, 1, `[`+decline+`]`, `,"threads":[{"id":"`+user+`","messages":[`+text("m1")+`]}]`),
		"before a chunk of a body": envelope("history", value(`"history":[{"errors":[`+decline+`]},{"metadata":{"phase":0,"chunk_order":1},"threads":[{"id":"`+user+`","messages":[`+text("m1")+`]}]}]`)),
	} {
		t.Run(name, func(t *testing.T) {
			p := newPartition(t)
			p.webhook(body)
			p.clock = p.clock.Add(time.Minute)
			p.webhook(body)
			s := p.lastSync()
			if s.State != schemas.SyncDeclined || s.Window != 1 || !strings.Contains(string(s.Error), "2593109") || s.Error[0] != '[' {
				t.Errorf("sync is %s in window %d, error %s", s.State, s.Window, s.Error)
			}
			want := 0
			if strings.Contains(body, `"m1"`) {
				want = 1
			}
			if got := len(events[schemas.Message](p, schemas.TopicHistory)); got != want {
				t.Errorf("%d messages left, want %d", got, want)
			}
			p.restart()
			p.tick(time.Minute)
			if again := p.lastSync(); again.State != schemas.SyncDeclined {
				t.Errorf("after a restart it is %s", again.State)
			}
		})
	}
}

// docs/webhooks.md, H14.
func TestErrorsOutsideOfAChangeWithoutANumberAreOnOther(t *testing.T) {
	for name, body := range map[string]string{
		"alone in an entry": `{"object":"whatsapp_business_account","entry":[{"id":"` + waba + `","errors":[{"code":2593109}]}]}`,
		"beside an account": `{"object":"whatsapp_business_account","entry":[{"id":"` + waba + `","errors":[{"code":2593109}],"changes":[{"field":"account_update","value":{"event":"PARTNER_ADDED"}}]}]}`,
		"at the root":       `{"object":"whatsapp_business_account","error":{"code":2593109},"entry":[{"id":"` + waba + `","changes":[{"field":"account_update","value":{"event":"PARTNER_ADDED"}}]}]}`,
		"at the root, beside an entry without changes":      `{"object":"whatsapp_business_account","entry":[{"id":"` + waba + `"}],"errors":[{"code":2593109}]}`,
		"at the root, beside an entry with null as changes": `{"object":"whatsapp_business_account","errors":[{"code":2593109}],"entry":[{"id":"` + waba + `","changes":null}]}`,
		"at the root, beside an entry with no change":       `{"object":"whatsapp_business_account","entry":[{"id":"` + waba + `","changes":[]}],"error":{"code":2593109}}`,
		"in a change without a value":                       `{"object":"whatsapp_business_account","entry":[{"id":"` + waba + `","changes":[{"field":"errors","errors":[{"code":2593109}]}]}]}`,
		"none, beside a change":                             `{"object":"whatsapp_business_account","errors":[],"entry":[{"id":"` + waba + `","errors":{},"changes":[{"field":"account_update","value":{"event":"PARTNER_ADDED"}}]}]}`,
	} {
		p := newPartition(t)
		p.webhook(body)
		p.webhook(body)
		want := 1
		if strings.HasPrefix(name, "none") {
			want = 0
		}
		got := events[schemas.Other](p, schemas.TopicOther)
		if len(got) != want || len(p.topics[schemas.TopicDLQ]) != 0 {
			t.Errorf("%s: other is %+v, and %d letters", name, got, len(p.topics[schemas.TopicDLQ]))
		} else if want == 1 && (got[0].PhoneNumberID != "" || got[0].WABAID != waba || got[0].Field != "errors" || !strings.Contains(string(got[0].Original), "2593109")) {
			t.Errorf("%s: other is %+v", name, got)
		}
	}
}

// A value, a chunk, or an envelope that names no number and holds errors alone has no sync that they could stand on.
func TestErrorsWithoutANumberAreOnOtherUnderTheirField(t *testing.T) {
	const failure = `[{"code":2593109}]`
	for name, test := range map[string]struct{ field, body string }{
		"in a value of history":        {"history", envelope("history", `{"errors":`+failure+`}`)},
		"in a value of messages":       {"messages", envelope("messages", `{"messaging_product":"whatsapp","errors":`+failure+`}`)},
		"in a chunk":                   {"history", envelope("history", `{"history":[{"errors":`+failure+`}]}`)},
		"in a thread":                  {"history", envelope("history", `{"history":[{"threads":[{"id":"`+user+`","errors":`+failure+`}]}]}`)},
		"beside a value":               {"history", besideValue("history", `{"metadata":{}}`, `"errors":`+failure)},
		"in data":                      {"history", `{"id":"e","event":"history","data":{"id":"` + waba + `","errors":` + failure + `}}`},
		"beside data":                  {"history", `{"id":"e","event":"history","data":{"id":"` + waba + `"},"errors":` + failure + `}`},
		"beside data of another field": {"flows", `{"id":"e","event":"flows","data":{"id":"` + waba + `"},"error":{"code":2593109}}`},
		"in a chunk of YCloud":         {"history", `{"id":"e","type":"whatsapp.smb.history","wabaId":"` + waba + `","errors":` + failure + `}`},
	} {
		p := newPartition(t)
		p.webhook(test.body)
		p.webhook(test.body)
		got := events[schemas.Other](p, schemas.TopicOther)
		if len(got) != 1 || len(p.topics[schemas.TopicDLQ]) != 0 || got[0].WABAID != waba || got[0].Field != test.field || !strings.Contains(string(got[0].Original), "2593109") {
			t.Errorf("%s: other is %+v, and %d letters", name, got, len(p.topics[schemas.TopicDLQ]))
		}
	}
}

// Odd parts beside them make a letter, as everywhere.
func TestErrorsWithoutANumberBesideAnOddPartLeave(t *testing.T) {
	p := newPartition(t)
	p.webhook(envelope("history", `{"history":[7,{"errors":[{"code":2593109}]}]}`))
	if l := p.theLetter(); l.headers[schemas.HeaderDLQReason] != string(schemas.ReasonShape) || l.headers[schemas.HeaderDLQPlaces] != "0.0.history.0" {
		t.Errorf("letter has %v", l.headers)
	}
	if got := events[schemas.Other](p, schemas.TopicOther); len(got) != 1 {
		t.Errorf("other is %+v", got)
	}
}

// 360dialog's root is to its data what a change of Meta's is to its value.
func TestErrorsBesideTheDataOf360DialogAreThoseOfItsNumber(t *testing.T) {
	wrapped := func(event, data, member string) string {
		return `{"id":"e",` + member + `,"event":"` + event + `","data":{"id":"` + waba + `",` + tenant + data + `}}`
	}
	p := newPartition(t)
	p.webhook(wrapped("history", "", `"errors":[{"code":2593109}]`))
	if s := p.lastSync(); s.State != schemas.SyncDeclined {
		t.Errorf("a decline: sync is %+v", s)
	}
	p = newPartition(t)
	p.webhook(wrapped("history", `,"history":[{"metadata":{"phase":0,"chunk_order":1,"progress":5},"threads":[{"id":"`+user+`","messages":[{"from":"`+user+`","id":"m","timestamp":"1740000000"}]}]}]`, `"error":{"code":131000,"title":"t"}`))
	if s := p.lastSync(); s.State != schemas.SyncRunning || len(s.Errors) != 1 || s.Errors[0].Code != 131000 || len(p.topics[schemas.TopicHistory]) != 1 {
		t.Errorf("another error: sync is %+v, and %d messages", s, len(p.topics[schemas.TopicHistory]))
	}
	p = newPartition(t)
	p.webhook(wrapped("messages", `,"messages":[`+incoming("a", "")+`]`, `"errors":[{"code":131000}]`))
	var kinds []string
	for _, m := range events[schemas.Message](p, schemas.TopicMessages) {
		kinds = append(kinds, m.Kind)
	}
	if !slices.Equal(kinds, []string{schemas.KindMessage, schemas.KindError}) {
		t.Errorf("beside messages: %q", kinds)
	}
}

// besideValue is a change with a member beside its value.
func besideValue(field, value, member string) string {
	return strings.Replace(envelope(field, value), `"field":`, member+`,"field":`, 1)
}

func accountEvent(name, phone string, at time.Time) string {
	return `{"object":"whatsapp_business_account","entry":[{"id":"` + waba + `","time":` + unixText(at) +
		`,"changes":[{"field":"account_update","value":{"phone_number":"` + phone + `","event":"` + name + `"}}]}]}`
}

// docs/webhooks.md, H22: lifecycle events come doubled and late.
func TestPartnerAddedAloneEndsNoSyncThatRuns(t *testing.T) {
	for _, lag := range []bool{false, true} { // the chunk is read after the event although it was received before
		p := newPartition(t)
		added := accountEvent("PARTNER_ADDED", "", p.clock.Add(30*time.Second))
		if lag {
			p.clock = p.clock.Add(30 * time.Second)
			p.webhook(added)
			p.restart()
			p.clock = p.clock.Add(-30 * time.Second)
		}
		p.webhook(chunk(0, 1, 10, "m1"))
		p.clock = p.clock.Add(30 * time.Second)
		p.webhook(added)
		p.clock = p.clock.Add(30 * time.Second)
		p.webhook(chunk(0, 2, 30, "m2"))
		p.webhook(chunk(0, 3, 100, "m3"))
		s := p.lastSync()
		if s.Window != 1 || s.State != schemas.SyncRunning || s.Chunks != 3 || len(s.Phases[0].Gaps) != 0 {
			t.Errorf("sync is %+v", s)
		}
		if got := len(p.topics[schemas.TopicAccount]); got != 1 {
			t.Errorf("%d account events", got)
		}
	}
}

func TestReconnectedAloneEndsASyncThatRuns(t *testing.T) {
	p := newPartition(t)
	p.webhook(chunk(0, 1, 10, "m1"))
	p.clock = p.clock.Add(time.Hour)
	p.webhook(accountEvent("ACCOUNT_RECONNECTED", "", p.clock))
	p.clock = p.clock.Add(time.Hour)
	p.webhook(chunk(0, 1, 10, "m1"))
	if s := p.lastSync(); s.Window != 2 || s.Chunks != 1 {
		t.Errorf("sync is %+v", s)
	}
}

func TestARemovalInAnotherSpellingIsTheNumbers(t *testing.T) {
	for _, phone := range []string{"551187654321", "+55 (11) 98765-4321"} {
		p := newPartition(t)
		own := func(body string) string { return strings.ReplaceAll(body, biz, "5511987654321") }
		p.webhook(own(chunk(0, 1, 100, "m1")))
		p.clock = p.clock.Add(time.Hour)
		p.webhook(accountEvent("PARTNER_REMOVED", phone, p.clock))
		p.clock = p.clock.Add(time.Hour)
		p.webhook(own(chunk(0, 1, 100, "m1")))
		if s := p.lastSync(); s.Window != 2 {
			t.Errorf("%s: window %d, want 2", phone, s.Window)
		}
	}
}
