package partition_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/processors/partition"
	"github.com/coexstream/coexstream/schemas"
)

func TestChunksLeaveInOrderWhateverTheOrderOfArrival(t *testing.T) {
	p := newPartition(t)
	p.webhook(chunk(0, 3, 100, "m5"))
	p.webhook(chunk(1, 1, 40, "m6"))
	p.webhook(chunk(0, 2, 60, "m3", "m4"))
	if got := p.topics[schemas.TopicHistory]; len(got) != 0 {
		t.Fatalf("%d messages left before their predecessors", len(got))
	}
	p.webhook(chunk(0, 1, 20, "m1", "m2"))
	got := events[schemas.Message](p, schemas.TopicHistory)
	if want := []string{"m1", "m2", "m3", "m4", "m5", "m6"}; !slices.Equal(wamids(got), want) {
		t.Fatalf("left as %v, want %v", wamids(got), want)
	}
	for _, m := range got {
		if !m.Historical || m.Sync == nil || m.Sync.Window != 1 || m.Direction != schemas.DirectionInbound || m.Status != "READ" {
			t.Errorf("%s: historical %v, sync %+v, direction %s, status %s", m.WAMID, m.Historical, m.Sync, m.Direction, m.Status)
		}
		if want := text(m.WAMID); string(m.Original) != want {
			t.Errorf("original of %s is %s, want it verbatim", m.WAMID, m.Original)
		}
	}
}

func TestOrderSurvivesARestartAtAnyMoment(t *testing.T) {
	bodies := []string{
		chunk(0, 2, 100, "m3"), chunk(1, 2, 100, "m5", "m1"), chunk(2, 1, 100, "m6"), chunk(0, 1, 50, "m1", "m2"),
		chunk(0, 2, 100, "m3"), chunk(1, 1, 50, "m4", "m2"),
	}
	want := []string{"m1", "m2", "m3", "m4", "m5", "m6"}
	for at := range bodies {
		p := newPartition(t)
		for i, b := range bodies {
			if i == at {
				// Work of a transaction that did not commit is done again by the next owner of the partition.
				p.send(b)
				p.restart()
				p.feed(len(p.raw) - 1)
				p.commit()
				continue
			}
			p.webhook(b)
		}
		if got := wamids(events[schemas.Message](p, schemas.TopicHistory)); !slices.Equal(got, want) {
			t.Errorf("restart at %d: left as %v, want %v", at, got, want)
		}
		p.restart()
		p.webhook(bodies[0])
		if got := len(p.topics[schemas.TopicHistory]); got != len(want) {
			t.Errorf("restart at %d: a duplicate left after a restart", at)
		}
	}
}

func TestSyncIsDoneWhenTheLastPhaseIsAt100WithoutAHole(t *testing.T) {
	p := newPartition(t)
	p.webhook(chunk(0, 1, 100, "m1"))
	p.webhook(chunk(1, 1, 100, "m2"))
	syncs := events[schemas.Sync](p, schemas.TopicSyncs)
	if last := syncs[len(syncs)-1]; last.State != schemas.SyncRunning {
		t.Fatalf("progress 100 alone ended the sync: %+v", last)
	}
	p.webhook(chunk(2, 2, 100, "m4"))
	p.webhook(chunk(2, 1, 50, "m3"))
	syncs = events[schemas.Sync](p, schemas.TopicSyncs)
	if last := syncs[len(syncs)-1]; last.State != schemas.SyncDone || last.EndReason != schemas.SyncEndComplete || last.Messages != 4 {
		t.Fatalf("sync is %+v, want done", last)
	}
}

// A chunk of a body is not late because another change of the same body stands before it.
func TestChunksOfOneBodyLeaveInOrderWhateverItsOrder(t *testing.T) {
	p := newPartition(t)
	p.webhook(chunk(0, 2, 100, "m2"))
	change := func(order int, id string) string {
		return `{"value":` + value(fmt.Sprintf(`"history":[{"metadata":{"phase":0,"chunk_order":%d,"progress":50},"threads":[{"id":"%s","messages":[%s]}]}]`, order, user, text(id))) + `,"field":"history"}`
	}
	p.webhook(`{"object":"whatsapp_business_account","entry":[{"id":"` + waba + `","time":1772366400,"changes":[` + change(1, "m1") + `,` + change(0, "m0") + `]}]}`)
	got := events[schemas.Message](p, schemas.TopicHistory)
	if !slices.Equal(wamids(got), []string{"m0", "m1", "m2"}) || slices.ContainsFunc(got, func(m schemas.Message) bool { return m.Sync.Late }) {
		t.Errorf("left %v", wamids(got))
	}
}

func TestDeclinedHistoryIsToldOnSyncs(t *testing.T) {
	for name, body := range map[string]string{
		"enveloped": envelope("history", value(`"history":[{"errors":[{"code":2593109,"title":"History sync is turned off"}]}]`)),
		"bare":      value(`"history":[{"errors":[{"code":2593109,"title":"History sync is turned off"}]}]`),
		"360dialog": `{"id":"e1","event":"history","data":{"id":"` + waba + `",` + tenant + `,"history":[{"errors":[{"code":2593109}]}]}}`,
	} {
		p := newPartition(t)
		p.webhook(body)
		p.webhook(body)
		syncs := events[schemas.Sync](p, schemas.TopicSyncs)
		if len(syncs) != 1 || syncs[0].State != schemas.SyncDeclined || !strings.Contains(string(syncs[0].Error), "2593109") {
			t.Errorf("%s: syncs are %+v, want one that is declined", name, syncs)
		}
	}
}

func TestHoleIsGivenUpAfterTheGapTimeoutAndItsChunkLeavesLate(t *testing.T) {
	p := newPartition(t)
	p.webhook(chunk(0, 1, 10, "m1"))
	p.webhook(chunk(0, 3, 30, "m3"))
	p.tick(historyOf(&p.cfg).GapTimeout - time.Minute)
	if got := wamids(events[schemas.Message](p, schemas.TopicHistory)); !slices.Equal(got, []string{"m1"}) {
		t.Fatalf("left before the gap timeout: %v", got)
	}
	p.restart() // waiting survives
	p.tick(2 * time.Minute)
	p.webhook(chunk(0, 2, 20, "m2"))
	got := events[schemas.Message](p, schemas.TopicHistory)
	if !slices.Equal(wamids(got), []string{"m1", "m3", "m2"}) || !got[2].Sync.Late || got[1].Sync.Late {
		t.Fatalf("left %v (late: %v)", wamids(got), got[len(got)-1].Sync.Late)
	}
}

// The counter rises once for each gap. A late chunk does not lower it, and neither a restart nor a replay raises it again.
func TestEachGapIsCountedOnce(t *testing.T) {
	p := newPartition(t)
	gaps := func(want int64, when string) {
		t.Helper()
		if got := p.gaps; got != want {
			t.Errorf("%d gaps are counted %s, want %d", got, when, want)
		}
	}
	p.webhook(chunk(0, 1, 10, "m1"))
	p.webhook(chunk(0, 3, 30, "m3"))
	p.tick(historyOf(&p.cfg).GapTimeout + time.Minute)
	gaps(1, "after the gap timeout")
	p.webhook(chunk(0, 2, 20, "m2"))
	p.webhook(chunk(0, 6, 60, "m6"))
	p.tick(historyOf(&p.cfg).GapTimeout + time.Minute)
	gaps(2, "after a filled and a second gap")
	p.restart()
	p.tick(time.Minute)
	gaps(2, "after a restart")
	for offset := range len(p.raw) {
		p.again("r", offset, p.clock)
	}
	p.tick(historyOf(&p.cfg).GapTimeout + time.Minute)
	p.endOfAgain("r", p.clock)
	gaps(2, "after a replay")
}

func TestOffboardingOpensANewWindow(t *testing.T) {
	p := newPartition(t)
	p.webhook(chunk(0, 1, 100, "m1"))
	p.clock = p.clock.Add(time.Hour)
	p.webhook(`{"object":"whatsapp_business_account","entry":[{"id":"` + waba + `","time":` + unixText(p.clock) + `,"changes":[{"field":"account_update","value":{"phone_number":"` + biz + `","event":"PARTNER_REMOVED"}}]}]}`)
	p.clock = p.clock.Add(time.Hour)
	p.webhook(chunk(0, 1, 100, "m1", "m2"))
	got := events[schemas.Message](p, schemas.TopicHistory)
	if !slices.Equal(wamids(got), []string{"m1", "m1", "m2"}) || got[1].Sync.Window != 2 {
		t.Fatalf("left %v, the second in window %d; want the message again in window 2", wamids(got), got[1].Sync.Window)
	}
	account := events[schemas.Account](p, schemas.TopicAccount)
	if len(account) != 1 || account[0].Event != "PARTNER_REMOVED" {
		t.Errorf("account events are %+v", account)
	}
}

// Live goes before history: the event that ends an onboarding may be processed before anything else of its number.
func TestOffboardingThatIsProcessedBeforeTheFirstChunkOpensANewWindow(t *testing.T) {
	for _, tt := range []struct {
		name, phone string
		between     func(*harness)
		want        []int32
	}{
		{"of the number", biz, func(*harness) {}, []int32{1, 2}},
		{"of all numbers", "", func(*harness) {}, []int32{1, 2}},
		{"of another number", "15550000000", func(*harness) {}, []int32{1, 1}},
		{"and a restart", biz, (*harness).restart, []int32{1, 2}},
		{"and one chunk later than the other", biz, func(p *harness) { p.core.Pass(p.clock.Add(12 * time.Hour)); p.commit(); p.restart() }, []int32{1, 2}},
		{"long ago", biz, func(p *harness) { p.core.Pass(p.clock.Add(48 * time.Hour)); p.commit(); p.restart() }, []int32{1, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPartition(t)
			first := p.clock
			p.clock = first.Add(time.Hour)
			p.webhook(`{"object":"whatsapp_business_account","entry":[{"id":"` + waba + `","time":` + unixText(p.clock) +
				`,"changes":[{"field":"account_update","value":{"phone_number":"` + tt.phone + `","event":"ACCOUNT_OFFBOARDED"}}]}]}`)
			tt.between(p)
			p.clock = first
			p.webhook(chunk(0, 1, 100, "m1"))
			p.clock = first.Add(2 * time.Hour)
			p.webhook(chunk(0, 1, 100, "m1", "m2"))
			var windows []int32
			for _, m := range events[schemas.Message](p, schemas.TopicHistory) {
				if len(windows) == 0 || m.WAMID == "m2" {
					windows = append(windows, m.Sync.Window)
				}
			}
			if !slices.Equal(windows, tt.want) {
				t.Errorf("left in windows %v, want %v", windows, tt.want)
			}
		})
	}
}

func TestPortfolioIDIsResolvedToTheWABA(t *testing.T) {
	p := newPartition(t)
	p.webhook(chunk(0, 1, 100, "m1"))
	p.clock = p.clock.Add(time.Hour)
	p.webhook(`{"object":"whatsapp_business_account","entry":[{"id":"900000000000001","time":` + unixText(p.clock) + `,"changes":[{"field":"account_update","value":{"event":"PARTNER_REMOVED","waba_info":{"waba_id":"` + waba + `","owner_business_id":"900000000000001"}}}]}]}`)
	p.clock = p.clock.Add(time.Hour)
	p.webhook(chunk(0, 1, 100, "m1"))
	a := events[schemas.Account](p, schemas.TopicAccount)
	if len(a) != 1 || a[0].WABAID != waba || a[0].EntryID != "900000000000001" {
		t.Fatalf("account events are %+v", a)
	}
	if got := events[schemas.Message](p, schemas.TopicHistory); len(got) != 2 || got[1].Sync.Window != 2 {
		t.Fatalf("the portfolio's event did not part the onboardings of the WABA: %v", wamids(got))
	}
}

func TestPlaceholderAndContentOfOneMessageBothLeave(t *testing.T) {
	p := newPartition(t)
	place := `{"from":"` + user + `","id":"m1","timestamp":"1772300000","type":"media_placeholder"}`
	body := strings.Replace(chunk(0, 1, 50, "m1"), text("m1"), place, 1)
	p.webhook(body)
	p.webhook(chunk(0, 2, 100, "m1"))
	p.webhook(chunk(1, 1, 100, "m1"))
	got := events[schemas.Message](p, schemas.TopicHistory)
	if len(got) != 2 || got[0].Type != "media_placeholder" || got[1].Type != "text" {
		t.Fatalf("left %d messages: %+v", len(got), got)
	}
	ids := p.topics[schemas.TopicHistory]
	if ids[0].headers[schemas.HeaderCEID] == ids[1].headers[schemas.HeaderCEID] {
		t.Error("two versions of a message have one ce_id")
	}
}

func TestThreadKeyedByBSUIDWhereThereIsNoPhoneNumber(t *testing.T) {
	p := newPartition(t)
	body := strings.Replace(chunk(0, 1, 100, "m1"), `"id":"`+user+`","messages"`, `"id":"","context":{"wa_id":"","user_id":"US.13491208655302741918","username":"pablo"},"messages"`, 1)
	p.webhook(body)
	got := events[schemas.Message](p, schemas.TopicHistory)
	if len(got) != 1 || got[0].Thread != "US.13491208655302741918" || got[0].Contact == nil || got[0].Contact.Username != "pablo" {
		t.Fatalf("event is %+v", got)
	}
	if key := p.topics[schemas.TopicHistory][0].key; key != phone+"/US.13491208655302741918" {
		t.Errorf("key is %q", key)
	}
}

func TestHistoryStatusOfEitherCaseIsToldInUpperCase(t *testing.T) {
	for _, status := range []string{"DELIVERED", "ERROR", "PENDING", "PLAYED", "READ", "SENT"} {
		for _, written := range []string{status, strings.ToLower(status)} {
			p := newPartition(t)
			p.webhook(strings.Replace(chunk(0, 1, 100, "m1"), `{"status":"read"}`, `{"status":"`+written+`"}`, 1))
			got := events[schemas.Message](p, schemas.TopicHistory)
			if len(got) != 1 || got[0].Status != status || !strings.Contains(string(got[0].Original), `{"status":"`+written+`"}`) {
				t.Errorf("%s: history is %+v", written, got)
			}
		}
	}
}

func TestMessagesOfAChunkLeaveInTheOrderOfTheDocument(t *testing.T) {
	p := newPartition(t)
	newestFirst := strings.Replace(chunk(0, 1, 100, "new", "old"), `"1772300000"`, `"1772300999"`, 1)
	p.webhook(newestFirst)
	if got := wamids(events[schemas.Message](p, schemas.TopicHistory)); !slices.Equal(got, []string{"new", "old"}) {
		t.Fatalf("left as %v", got)
	}
}

func TestAChunkOfThousandsOfMessagesLeavesWhole(t *testing.T) {
	p := newPartition(t)
	ids := make([]string, 5000)
	for i := range ids {
		ids[i] = fmt.Sprintf("m%04d", i)
	}
	p.webhook(chunk(0, 1, 100, ids...))
	if got := wamids(events[schemas.Message](p, schemas.TopicHistory)); !slices.Equal(got, ids) {
		t.Fatalf("%d messages left", len(got))
	}
}

func TestDirectionIsFromMeElseWhoSent(t *testing.T) {
	for _, c := range []struct{ message, want string }{
		{`"from":"` + biz + `"`, schemas.DirectionOutbound},
		{`"from":"+1 555-078-3881"`, schemas.DirectionOutbound},
		{`"from":"` + user + `"`, schemas.DirectionInbound},
		{`"from":"` + user + `","history_context":{"from_me":true}`, schemas.DirectionOutbound},
		{`"from":"` + biz + `","history_context":{"from_me":false}`, schemas.DirectionInbound},
		{`"from":"US.13491208655302741918"`, schemas.DirectionInbound},
		{`"text":{}`, schemas.DirectionUnknown},
	} {
		p := newPartition(t)
		p.webhook(strings.Replace(chunk(0, 1, 100, "m1"), text("m1"), `{"id":"m1","timestamp":"1772300000","type":"text",`+c.message+`}`, 1))
		if got := events[schemas.Message](p, schemas.TopicHistory); len(got) != 1 || got[0].Direction != c.want {
			t.Errorf("%s: %+v, want %s", c.message, got, c.want)
		}
	}
}

func TestSilenceTellsNothing(t *testing.T) {
	p := newPartition(t)
	p.webhook(echo("w1", "text", `"text":{"body":"hi"}`, p.clock))
	p.tick(30 * 24 * time.Hour)
	if n := len(p.topics[schemas.TopicSyncs]); n != 0 {
		t.Fatalf("%d syncs were told of a number that sent no history", n)
	}
}

// A replay, or an owner that was away, sees months pass within a transaction.
func TestASyncThatEndsAndIsForgottenAtOnceIsTold(t *testing.T) {
	p := newPartition(t)
	p.webhook(chunk(0, 1, 50, "m1"))
	p.tick(365 * 24 * time.Hour)
	told := events[schemas.Sync](p, schemas.TopicSyncs)
	if last := told[len(told)-1]; last.State != schemas.SyncDone || last.EndReason != schemas.SyncEndQuiet {
		t.Errorf("the last of %d states is %s, %s", len(told), last.State, last.EndReason)
	}
}

// An event that concerns the onboarding before parts nothing, also as long as no time has passed since.
func TestAnEventOfTheOnboardingBeforeLetsNoEchoWait(t *testing.T) {
	for _, passed := range []bool{false, true} {
		p := newPartition(t)
		p.webhook(chunk(0, 1, 100, "m1"))
		p.clock = p.clock.Add(7 * time.Hour) // the sync is done
		p.tick(0)
		p.webhook(accountEvent("PARTNER_REMOVED", "", start.Add(-24*time.Hour)))
		if passed {
			p.tick(time.Second)
		}
		p.webhook(echo("w1", "image", `"image":{"id":"1"}`, start.Add(-48*time.Hour)))
		if got := events[schemas.Message](p, schemas.TopicEchoes); len(got) != 1 || got[0].Historical {
			t.Errorf("time has passed %v: echoes are %+v", passed, got)
		}
	}
}

// TestAChunkThatLeavesInPartsIsTheSame: if a transaction has no room for a whole chunk, the rest follows in others, by
// any owner, in its order, and before any other chunk.
func TestAChunkThatLeavesInPartsIsTheSame(t *testing.T) {
	const messages = 700
	long := func(prefix string) (ids []string) {
		for i := range messages {
			ids = append(ids, fmt.Sprintf("%s%03d", prefix, i))
		}
		ids[messages/2] = ids[3] // one that is known already
		return ids
	}
	bodies := []string{chunk(0, 3, 100, "z1", "z2"), chunk(0, 2, 60, long("b")...), chunk(0, 1, 30, long("a")...)}
	whole := newPartition(t)
	for _, b := range bodies {
		whole.webhook(b)
	}
	want := whole.topics[schemas.TopicHistory]

	p := newPartition(t)
	transactions, afterOne := 0, 0
	bound := func() {
		transactions++
		p.core.Bound(partition.Turn{Items: 1})
	}
	feed := func(offset int) {
		o := p.origin(offset)
		body, err := p.scanner.Scan(append([]byte{}, p.raw[offset].body...))
		if err != nil {
			t.Fatal(err)
		}
		p.core.Webhook(o, body)
	}
	for i, b := range bodies {
		p.raw = append(p.raw, rawRecord{[]byte(b), p.clock})
		bound()
		feed(i)
		p.commit()
		if i == len(bodies)-1 {
			afterOne = len(p.topics[schemas.TopicHistory])
		}
		for {
			// The uncommitted part is done again, after it.
			bound()
			h, ok := p.core.NextHeld()
			if !ok {
				break
			}
			body, err := p.scanner.Scan(append([]byte{}, p.raw[h.Ref().Offset].body...))
			if err != nil {
				t.Fatal(err)
			}
			h.Release(p.origin(int(h.Ref().Offset)), body)
			if transactions%3 == 0 {
				p.restart()
				continue
			}
			p.commit()
			if transactions%4 == 0 {
				p.restart()
			}
		}
	}
	if afterOne == 0 || afterOne >= messages {
		t.Errorf("%d messages left in one transaction", afterOne)
	}
	got := p.topics[schemas.TopicHistory]
	if len(got) != len(want) || len(got) != 2*(messages-1)+2 {
		t.Fatalf("%d events, whole chunks give %d", len(got), len(want))
	}
	for i := range got {
		if got[i].key != want[i].key || string(got[i].value) != string(want[i].value) || !maps.Equal(got[i].headers, want[i].headers) {
			t.Fatalf("event %d is %s, want %s", i, got[i].value, want[i].value)
		}
	}
	syncOf := func(p *harness) schemas.Sync {
		all := events[schemas.Sync](p, schemas.TopicSyncs)
		return all[len(all)-1]
	}
	if a, b := syncOf(p), syncOf(whole); a.Messages != b.Messages || a.Duplicates != b.Duplicates || a.Duplicates != 2 {
		t.Errorf("the sync counts %d messages and %d duplicates, want %d and %d", a.Messages, a.Duplicates, b.Messages, b.Duplicates)
	}
}
