package split

import (
	"fmt"
	"strings"
	"testing"
)

// Quirks that vendors document or that were seen in production, as far as they concern parsing. Cases of one quirk that
// differ only in spelling must give equal results.

// first is the first message of the first thread of the first chunk.
func first(b *Body) Message { return b.Changes[0].History[0].Threads[0].Messages[0] }

func eq(t *testing.T, what string, got []byte, want string) {
	t.Helper()
	if string(got) != want {
		t.Errorf("%s is %q, want %q", what, got, want)
	}
}

func TestHistoryIsCutIntoChunksThreadsAndMessages(t *testing.T) {
	b := mustScan(t, samples["history"])
	c := b.Changes[0]
	eq(t, "WABA", c.WABA, "102290129340398")
	eq(t, "field", c.Field, "history")
	eq(t, "phone_number_id", c.PhoneNumberID, "106540352242922")
	eq(t, "display_phone_number", c.DisplayPhoneNumber, "15550783881")
	if c.EntryTime != 1739212624 || len(c.History) != 2 || len(c.History[0].Threads) != 2 || len(c.History[0].Threads[0].Messages) != 3 {
		t.Fatalf("cut wrongly:\n%s", dump(b))
	}
	e := c.History[0]
	if !e.HasPhase || !e.HasChunkOrder || !e.HasProgress || e.Phase != 0 || e.ChunkOrder != 1 || e.Progress != 55 {
		t.Errorf("chunk position is %+v", e)
	}
	m := first(b)
	eq(t, "id", m.ID, "wamid.A1")
	eq(t, "from", m.From, "15550783881")
	eq(t, "to", m.To, "16505551234")
	eq(t, "type", m.Type, "text")
	eq(t, "status", m.Status, "READ")
	if m.Timestamp != 1739230955 {
		t.Errorf("timestamp is %d", m.Timestamp)
	}
	if want := `{"from":"15550783881","to":"16505551234","id":"wamid.A1"`; !strings.HasPrefix(string(m.Raw), want) || !strings.HasSuffix(string(m.Raw), `"from_me":true}}`) {
		t.Errorf("raw is %q", m.Raw)
	}
}

func TestObjectKeysComeInAnyOrder(t *testing.T) {
	a := mustScan(t, `{"object":"whatsapp_business_account","entry":[{"id":"W","time":5,"changes":[{"field":"history","value":{"metadata":{"phone_number_id":"P"},"history":[{"metadata":{"phase":1},"threads":[{"id":"T","messages":[{"id":"m"}]}]}]}}]}]}`)
	b := mustScan(t, `{"entry":[{"changes":[{"value":{"history":[{"threads":[{"messages":[{"id":"m"}],"id":"T"}],"metadata":{"phase":1}}],"metadata":{"phone_number_id":"P"}},"field":"history"}],"time":5,"id":"W"}],"object":"whatsapp_business_account"}`)
	if d := diffLines(dump(b, verbatimFields...), dump(a, verbatimFields...)); d != "" {
		t.Error(d)
	}
}

func TestEscapedKeysAreTheSameKeys(t *testing.T) {
	b := mustScan(t, `{"\u006fbject":"whatsapp\u005fbusiness_account","\u0065ntry":[{"i\u0064":"\u0057","chan\u0067es":[{"fi\u0065ld":"h\u0069story","v\u0061lue":{"hist\u006fry":[]}}]}]}`)
	eq(t, "WABA", b.Changes[0].WABA, "W")
	eq(t, "field", b.Changes[0].Field, "history")
}

func TestNonASCIIOnTheWireStaysAsItIsWritten(t *testing.T) {
	b := mustScan(t, samples["history"])
	if !strings.Contains(string(first(b).Raw), `Ol\u00e1 \ud83d\ude0a \"hi\"\n`) {
		t.Errorf("raw is %q", first(b).Raw)
	}
	c := mustScan(t, samples["contacts"]).Changes[0].StateSync[2]
	eq(t, "full name, decoded", c.FullName, "Jörg 😊😊!")
	eq(t, "first name, decoded", c.FirstName, "\"\\/\b\f\n\r\t\x00")
}

func TestEntriesChangesAndHistoryAreArrays(t *testing.T) {
	b := mustScan(t, samples["mixed fields"])
	var got []string
	for _, c := range b.Changes {
		got = append(got, fmt.Sprintf("%d.%d %s %s", c.Entry, c.Index, c.WABA, c.Field))
	}
	want := []string{"0.0 W1 history", "0.1 W1 smb_message_echoes", "1.0 W2 template_category_update"}
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		t.Errorf("changes are %q, want %q", got, want)
	}
}

func TestPartnerEventOfAPortfolioNamesItsWABAInTheValue(t *testing.T) {
	c := mustScan(t, samples["account"]).Changes[0]
	eq(t, "WABA", c.WABA, "102290129340398")
	eq(t, "entry id", c.EntryID, "9998887776")
	eq(t, "event", c.AccountEvent, "PARTNER_REMOVED")
	eq(t, "phone number", c.PhoneNumber, "15550783881")
	if c.EntryTime != 1739212624 {
		t.Errorf("time is %d", c.EntryTime)
	}
}

func TestWABAIsTheEntryWhereWABAInfoIsEmpty(t *testing.T) {
	for _, info := range []string{`{}`, `null`, `"x"`, `{"waba_id":""}`, `{"waba_id":null}`, `{"waba_id":[]}`} {
		c := mustScan(t, inMeta(`{"waba_info":`+info+`}`)).Changes[0]
		eq(t, "WABA with waba_info "+info, c.WABA, "W")
	}
}

func TestChunkPositionIsAnIntegerOrANumericString(t *testing.T) {
	for _, c := range []struct {
		json string
		want int32
		has  bool
	}{
		{`0`, 0, true}, {`"0"`, 0, true}, {`2`, 2, true}, {`"2"`, 2, true}, {`"2.0"`, 2, true}, {`2.00`, 2, true},
		{`2147483647`, 2147483647, true}, {`"007"`, 7, true}, {`"\u0037"`, 7, true},
		{`2147483648`, 0, false}, {`99999999999999999999`, 0, false}, {`-1`, 0, false}, {`"-1"`, 0, false}, {`1.5`, 0, false},
		{`1E+2`, 100, true}, {`1.0`, 1, true}, {`100e-2`, 1, true}, {`"1e2"`, 100, true}, {`1e0`, 1, true}, {`0.5e1`, 5, true}, {`2.147483647E9`, 2147483647, true},
		{`-0`, 0, true}, {`0e9`, 0, true}, {`-0.0E+3`, 0, true}, {`"00000000000000000000000007"`, 7, true},
		{`2.147483648E9`, 0, false}, {`1e99999999999999999999`, 0, false}, {`1e-1`, 0, false}, {`15e-1`, 0, false}, {`-1e0`, 0, false}, {`"-1e2"`, 0, false},
		{`"1e"`, 0, false}, {`"e1"`, 0, false}, {`"1e1.0"`, 0, false}, {`""`, 0, false}, {`" 1"`, 1, true}, {`"+1 "`, 1, true}, {`"1."`, 0, false}, {`".5"`, 0, false}, {`"x"`, 0, false},
		{`"1.5x"`, 0, false}, {`null`, 0, false}, {`true`, 0, false}, {`[1]`, 0, false}, {`{"phase":1}`, 0, false},
	} {
		e := mustScan(t, inMeta(fmt.Sprintf(`{"history":[{"metadata":{"phase":%s,"chunk_order":%[1]s,"progress":%[1]s}}]}`, c.json))).Changes[0].History[0]
		got := fmt.Sprint(e.Phase, e.HasPhase, e.ChunkOrder, e.HasChunkOrder, e.Progress, e.HasProgress)
		if want := fmt.Sprint(c.want, c.has, c.want, c.has, c.want, c.has); got != want {
			t.Errorf("%s: got %s, want %s", c.json, got, want)
		}
	}
}

func TestChunkOrderMayBeMissing(t *testing.T) {
	e := mustScan(t, inMeta(`{"history":[{"metadata":{"phase":1,"progress":3},"threads":[]},{}]}`)).Changes[0].History
	if e[0].HasChunkOrder || !e[0].HasPhase || e[1].HasPhase || e[1].HasProgress {
		t.Errorf("got %+v", e)
	}
}

func TestHistoryStatusIsKeptInItsCase(t *testing.T) {
	ms := mustScan(t, samples["history"]).Changes[0].History[0].Threads[0].Messages
	eq(t, "status", ms[0].Status, "READ")
	eq(t, "status", ms[2].Status, "read")
}

func TestFromMeIsAbsentFalseOrTrue(t *testing.T) {
	for json, want := range map[string]FromMe{
		`{}`: FromMeAbsent, `{"from_me":true}`: FromMeTrue, `{"from_me":false}`: FromMeFalse, `{"from_me":"true"}`: FromMeTrue,
		`{"from_me":"false"}`: FromMeFalse, `{"from_me":null}`: FromMeAbsent, `{"from_me":1}`: FromMeAbsent, `{"from_me":"yes"}`: FromMeAbsent,
		`null`: FromMeAbsent, `"READ"`: FromMeAbsent,
	} {
		b := mustScan(t, inMeta(`{"history":[{"threads":[{"messages":[{"id":"m","history_context":`+json+`}]}]}]}`))
		if got := first(b).FromMe; got != want {
			t.Errorf("%s: got %d, want %d", json, got, want)
		}
	}
}

// Meta's sample of a thread has history_context inside text. It is valid, in an odd place, and says
// nothing about the message.
func TestHistoryContextInsideTextIsContent(t *testing.T) {
	b := mustScan(t, inMeta(`{"history":[{"threads":[{"messages":[{"id":"m","text":{"body":"x","history_context":{"status":"DELIVERED"}}}]}]}]}`))
	if m := first(b); m.Status != nil || !strings.Contains(string(m.Raw), "DELIVERED") {
		t.Errorf("got %+v", m)
	}
}

func TestDeclineAsABareValue(t *testing.T) {
	b := mustScan(t, samples["history declined"])
	c := b.Changes[0]
	if b.Envelope != EnvelopeBare || len(b.Changes) != 1 || len(c.History) != 1 {
		t.Fatalf("got\n%s", dump(b))
	}
	eq(t, "field", c.Field, "history")
	eq(t, "phone_number_id", c.PhoneNumberID, "106540352242922")
	if c.WABA != nil || c.Raw != nil {
		t.Errorf("WABA %q and raw %q of a value that has none", c.WABA, c.Raw)
	}
	if !strings.HasPrefix(string(c.History[0].Errors), `[{"code":2593109,`) {
		t.Errorf("errors are %q", c.History[0].Errors)
	}
}

func TestDeclineInData(t *testing.T) {
	b := mustScan(t, samples["360dialog declined"])
	c := b.Changes[0]
	if b.Envelope != EnvelopeWrapped || !strings.Contains(string(c.History[0].Errors), "2593109") {
		t.Fatalf("got\n%s", dump(b))
	}
	eq(t, "WABA", c.WABA, "102290129340398")
}

func TestErrorsOfAHistoryElementAreVerbatim(t *testing.T) {
	for _, errs := range []string{
		`[]`, `null`, `"x"`, `[{"title":"x"},{"code":5},{"code":6}]`, `[{"code":"7"}]`, `{"code":8}`, `[1,{"code":9}]`,
	} {
		e := mustScan(t, inMeta(`{"history":[{"errors":`+errs+`}]}`)).Changes[0].History[0]
		if (errs == "null") != (e.Errors == nil) || errs != "null" && string(e.Errors) != errs {
			t.Errorf("%s: errors are %q", errs, e.Errors)
		}
	}
}

func TestMediaFollowUpUnderFieldHistory(t *testing.T) {
	c := mustScan(t, samples["media follow-up"]).Changes[0]
	if len(c.Messages) != 1 || len(c.Echoes) != 1 || len(c.History) != 0 {
		t.Fatalf("got %+v", c)
	}
	eq(t, "field", c.Field, "history")
	eq(t, "message", c.Messages[0].ID, "wamid.A2")
	eq(t, "echo", c.Echoes[0].ID, "wamid.A9")
}

func TestContactTimestampIsAStringOrAnIntegerInSecondsOrMilliseconds(t *testing.T) {
	for json, want := range map[string]int64{
		`"1739321024"`: 1739321024000, `1739321024`: 1739321024000, `1739321024123`: 1739321024123, `"1739321024123"`: 1739321024123,
		`99999999999`: 99999999999000, `100000000000`: 100000000000, `"1739321024.5"`: 1739321024000, `1.739321024E9`: 1739321024000, `"1.739321024123e+12"`: 1739321024123, `17393210240e-1`: 1739321024000, `0`: 0, `null`: 0, `-5`: 0, `"soon"`: 0, `{}`: 0,
	} {
		c := mustScan(t, inMeta(`{"state_sync":[{"metadata":{"timestamp":`+json+`}}]}`)).Changes[0].StateSync[0]
		if c.TimestampMS != want {
			t.Errorf("%s: got %d, want %d", json, c.TimestampMS, want)
		}
	}
}

func TestContactVersionIsSometimesThere(t *testing.T) {
	cs := mustScan(t, samples["contacts"]).Changes[0].StateSync
	if cs[0].Version != 0 || cs[1].Version != 3 || cs[2].Version != 4 {
		t.Errorf("versions are %d, %d, %d", cs[0].Version, cs[1].Version, cs[2].Version)
	}
}

func TestContactRemoveCarriesNoNames(t *testing.T) {
	c := mustScan(t, samples["contacts"]).Changes[0].StateSync[1]
	eq(t, "action", c.Action, "remove")
	eq(t, "phone number", c.PhoneNumber, "16505551235")
	eq(t, "user id", c.UserID, "US.1")
	if c.FullName != nil || c.FirstName != nil {
		t.Errorf("names are %q and %q", c.FullName, c.FirstName)
	}
}

func TestMessageTimestampIsInSeconds(t *testing.T) {
	for json, want := range map[string]int64{
		`"1739230955"`: 1739230955, `1739230955`: 1739230955, `1739230955123`: 1739230955, `"1739230955123"`: 1739230955,
		`1739230955.9`: 1739230955, `" 1739230955 "`: 1739230955, `"\u002b1739230955"`: 1739230955, `"+-5"`: 0, `"+"`: 0, `" "`: 0, `""`: 0, `null`: 0, `"2026-01-01"`: 0, `100000000000`: 100000000, `99999999999`: 99999999999, `9999999999999999999`: 0,
	} {
		b := mustScan(t, inMeta(`{"messages":[{"id":"m","timestamp":`+json+`}]}`))
		if got := b.Changes[0].Messages[0].Timestamp; got != want {
			t.Errorf("%s: got %d, want %d", json, got, want)
		}
	}
}

func TestEditAndRevokeNameTheirMessage(t *testing.T) {
	es := mustScan(t, samples["echoes"]).Changes[0].Echoes
	eq(t, "revoked", es[1].OriginalID, "wamid.E1")
	eq(t, "edited", es[2].OriginalID, "wamid.E0")
	if es[0].OriginalID != nil {
		t.Errorf("a text names %q", es[0].OriginalID)
	}
}

func TestUnsupportedMessageAndStatusesAreCut(t *testing.T) {
	c := mustScan(t, samples["messages and statuses"]).Changes[0]
	eq(t, "type", c.Messages[0].Type, "unsupported")
	eq(t, "from_user_id", c.Messages[0].FromUserID, "US.2")
	eq(t, "status", c.Statuses[0].Status, "delivered")
	eq(t, "recipient", c.Statuses[0].RecipientID, "16505551234")
	eq(t, "recipient's user id", c.Statuses[0].RecipientUserID, "US.2")
	if len(c.Profiles) != 1 {
		t.Fatalf("%d profiles", len(c.Profiles))
	}
	eq(t, "profile", c.Profiles[0].Raw, `{"profile":{"name":"Kerry"},"wa_id":"16505551234","user_id":"US.2"}`)
	eq(t, "profile's number", c.Profiles[0].WaID, "16505551234")
	eq(t, "profile's user id", c.Profiles[0].UserID, "US.2")
	eq(t, "profile's name", c.Profiles[0].Name, "Kerry")
	eq(t, "errors", c.Errors, `[{"code":130429}]`)
}

func TestUserIDsStandBesidePhoneNumbers(t *testing.T) {
	th := mustScan(t, samples["history"]).Changes[0].History[0].Threads[1]
	eq(t, "wa_id", th.WaID, "12125557890")
	eq(t, "user_id", th.UserID, "US.13491208655302741918")
	eq(t, "parent_user_id", th.ParentUserID, "US.ENT.1")
	eq(t, "username", th.Username, "@jane")
	eq(t, "country_code", th.CountryCode, "US")

	// The phone number may be empty or absent, or the user id stand in its place.
	b := mustScan(t, inMeta(`{"messages":[{"from":"","from_user_id":"US.1","id":"a"},{"from":"CC.ENT.9","id":"b"}],"history":[{"threads":[{"id":"","context":{"user_id":"US.1"}}]}]}`))
	if m := b.Changes[0].Messages; len(m[0].From) != 0 || string(m[0].FromUserID) != "US.1" || string(m[1].From) != "CC.ENT.9" {
		t.Errorf("got %+v", m)
	}
}

func TestIDsMayBeNumbers(t *testing.T) {
	b := mustScan(t, samples["numbers for ids"])
	c := b.Changes[0]
	eq(t, "WABA", c.WABA, "102290129340398")
	eq(t, "phone_number_id", c.PhoneNumberID, "106540352242922")
	eq(t, "display_phone_number", c.DisplayPhoneNumber, "15550783881")
	eq(t, "id", c.Messages[0].ID, "5")
	eq(t, "from", c.Messages[0].From, "16505551234")
	for _, json := range []string{`1.5e3`, `-1`, `1.0`, `true`, `null`, `["5"]`} {
		m := mustScan(t, inMeta(`{"messages":[{"id":`+json+`}]}`)).Changes[0].Messages[0]
		if m.ID != nil {
			t.Errorf("id %s came out as %q", json, m.ID)
		}
	}
}

func TestUnknownFieldsAndTypesNeverFailABatch(t *testing.T) {
	b := mustScan(t, samples["odd kinds"])
	if len(b.Changes) != 3 || len(b.Changes[0].History) != 3 {
		t.Fatalf("got\n%s", dump(b))
	}
	if m := b.Changes[0].History[2].Threads[0].Messages[1]; m.Status != nil || m.FromMe != FromMeTrue {
		t.Errorf("got %+v", m)
	}
	if c := b.Changes[1]; c.Field != nil || c.Value != nil || string(c.Raw) != `{"field":7,"value":"v"}` {
		t.Errorf("got %+v", c)
	}
}

// An unknown field may use the name messages for anything. It passes verbatim, together with its neighbours.
func TestForeignFieldMayUseOurNames(t *testing.T) {
	b := mustScan(t, samples["mixed fields"])
	c := b.Changes[2]
	if c.Messages != nil || string(c.Raw) != `{"field":"template_category_update","value":{"messages":7,"new_category":"MARKETING"}}` {
		t.Errorf("got %+v", c)
	}
	if len(b.Changes[1].Echoes) != 1 {
		t.Errorf("its neighbour lost its echoes: %+v", b.Changes[1])
	}
	after := mustScan(t, `{"object":"whatsapp_business_account","entry":[{"id":"W","changes":[{"field":"flows","value":{"messages":7}},{"field":"messages","value":{"messages":[{"id":"m"}]}}]}]}`)
	if len(after.Changes[1].Messages) != 1 {
		t.Errorf("the change after it lost its message: %+v", after.Changes[1])
	}
	d := mustScan(t, `{"event":"channel_created","data":{"id":"W","history":"none","messages":[{"id":"m"}]}}`).Changes[0]
	if d.Messages != nil || string(d.WABA) != "W" {
		t.Errorf("got %+v", d)
	}
}

func Test360DialogQuotesPhaseAndProgressButNotChunkOrder(t *testing.T) {
	b := mustScan(t, samples["360dialog history"])
	c := b.Changes[0]
	if b.Envelope != EnvelopeWrapped || len(b.Changes) != 1 {
		t.Fatalf("got\n%s", dump(b))
	}
	eq(t, "event id", b.EventID, "evt-1")
	eq(t, "WABA", c.WABA, "102290129340398")
	eq(t, "field", c.Field, "history")
	if e := c.History[0]; e.Phase != 1 || e.ChunkOrder != 4 || e.Progress != 70 || !e.HasPhase || !e.HasChunkOrder || !e.HasProgress {
		t.Errorf("chunk position is %+v", e)
	}
	if !strings.HasPrefix(string(c.Value), `{"id":"102290129340398"`) || c.Raw != nil {
		t.Errorf("value is %q, raw is %q", c.Value, c.Raw)
	}
}

func TestYCloudEventIsAChunkOfOneMessageWithoutOrder(t *testing.T) {
	b := mustScan(t, samples["ycloud inbound"])
	if b.Envelope != EnvelopeNative || len(b.Changes) != 1 {
		t.Fatalf("got\n%s", dump(b))
	}
	c := b.Changes[0]
	eq(t, "event id", b.EventID, "evt_y1")
	eq(t, "field", c.Field, "history")
	eq(t, "WABA", c.WABA, "W9")
	eq(t, "number", c.DisplayPhoneNumber, "573009998877")
	e := c.History[0]
	if e.HasChunkOrder || !e.HasPhase || e.Phase != 1 || !e.HasProgress || e.Progress != 40 {
		t.Errorf("chunk position is %+v", e)
	}
	eq(t, "thread", e.Threads[0].ID, "573001112233")
	eq(t, "thread's user id", e.Threads[0].UserID, "CO.1")
	eq(t, "thread's user name", e.Threads[0].Username, "andrea")
	m := first(b)
	eq(t, "id", m.ID, "wamid.Y1")
	eq(t, "from", m.From, "573001112233")
	if m.Timestamp != 1772461800 || m.FromMe != FromMeFalse {
		t.Errorf("timestamp %d, from me %d", m.Timestamp, m.FromMe)
	}
	if !strings.HasPrefix(string(m.Raw), `{"id":"63f8"`) || !strings.HasSuffix(string(m.Raw), `}}`) {
		t.Errorf("raw is %q", m.Raw)
	}
}

func TestYCloudMessageOfTheBusiness(t *testing.T) {
	b := mustScan(t, samples["ycloud sent"])
	c, m := b.Changes[0], first(b)
	eq(t, "thread", c.History[0].Threads[0].ID, "573001112233")
	eq(t, "thread's parent user id", c.History[0].Threads[0].ParentUserID, "CO.ENT.1")
	eq(t, "number", c.PhoneNumberID, "573009998877")
	eq(t, "to_user_id", m.ToUserID, "CO.1")
	eq(t, "status", m.Status, "read")
	if m.FromMe != FromMeTrue || m.Timestamp != 1772461801 {
		t.Errorf("from me %d, timestamp %d", m.FromMe, m.Timestamp)
	}
}

func TestYCloudProgressWithoutAMessage(t *testing.T) {
	e := mustScan(t, samples["ycloud progress only"]).Changes[0].History
	if len(e) != 1 || e[0].Phase != 2 || e[0].Progress != 100 || e[0].Threads != nil || !strings.Contains(string(e[0].Errors), "2593109") {
		t.Errorf("got %+v", e)
	}
}

func TestYCloudEventOfAnotherTypeGoesOnVerbatim(t *testing.T) {
	c := mustScan(t, samples["ycloud other"]).Changes[0]
	eq(t, "field", c.Field, "whatsapp.smb.app.state.sync")
	eq(t, "WABA", c.WABA, "W9")
	eq(t, "raw", c.Raw, samples["ycloud other"])
	if c.History != nil {
		t.Errorf("history of %+v", c.History)
	}
}
