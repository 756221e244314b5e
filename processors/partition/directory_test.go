package partition_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/processors/directory"
	"github.com/coexstream/coexstream/schemas"
)

func bareDecline() string {
	return value(`"history":[{"errors":[{"code":2593109,"title":"off"}]}]`)
}

func oneContact() string {
	return envelope("smb_app_state_sync", value(`"state_sync":[{"type":"contact","action":"add","contact":{"full_name":"A","phone_number":"`+user+`"},"metadata":{"timestamp":"1772300000"}}]`))
}

func TestABareDeclineIsTheKnownNumbersInItsPartition(t *testing.T) {
	right := []string{"0 " + phone + `: declined window 1 of WABA "` + waba + `"`}
	for name, play := range map[string]func(*partitions){
		"known before": func(ps *partitions) { ps.send(oneContact()); ps.wait(time.Hour); ps.send(bareDecline()) },
		"known after":  func(ps *partitions) { ps.send(bareDecline()); ps.wait(time.Hour); ps.send(oneContact()) },
		"again": func(ps *partitions) {
			ps.send(bareDecline())
			ps.send(oneContact())
			ps.wait(time.Minute)
			ps.send(bareDecline())
			ps.send(envelope("history", bareDecline()))
		},
		"in the value's errors": func(ps *partitions) { ps.send(oneContact()); ps.send(value(`"errors":[{"code":2593109}]`)) },
		"without an array": func(ps *partitions) {
			ps.send(value(`"history":[{"errors":{"code":"2593109"}}]`))
			ps.send(oneContact())
		},
	} {
		for _, restarts := range []bool{false, true} {
			t.Run(fmt.Sprint(name, restarts), func(t *testing.T) {
				ps := newPartitions(t)
				ps.restarts = restarts
				play(ps)
				if got := ps.syncs(); !slices.Equal(got, right) {
					t.Errorf("syncs are %q, want %q", got, right)
				}
				if name == "known before" && len(ps.all[1].topics[schemas.TopicSyncs]) != 0 {
					t.Error("the partition of the number's id told a sync")
				}
			})
		}
	}
}

func TestABareDeclineOfANumberThatNobodyKnowsIsTold(t *testing.T) {
	ps := newPartitions(t)
	ps.send(bareDecline())
	if got, want := ps.syncs(), []string{"1 " + phone + `: declined window 1 of WABA ""`}; !slices.Equal(got, want) {
		t.Errorf("syncs are %q, want %q", got, want)
	}
}

// The tombstone must not be the last that a consumer of all partitions hears of a number.
func TestASyncThatRunsIsToldAgainAfterTheTombstoneOfAnEarlierDecline(t *testing.T) {
	ps := newPartitions(t)
	ps.send(bareDecline())
	ps.wait(time.Hour)
	ps.send(chunk(0, 1, 100, "m1"))
	if got, want := ps.syncs(), []string{"0 " + phone + `: running window 1 of WABA "` + waba + `"`}; !slices.Equal(got, want) {
		t.Errorf("syncs are %q, want %q", got, want)
	}
	if r := ps.last(1); r.value != nil || r.headers[schemas.HeaderCEType] != schemas.TypeSyncRemoved {
		t.Errorf("the last record of the number's partition is %s %s", r.headers[schemas.HeaderCEType], r.value)
	}
	told := ps.all[0].topics[schemas.TopicSyncs]
	if len(told) != 2 || string(told[0].value) != string(told[1].value) || told[0].headers[schemas.HeaderCEID] == told[1].headers[schemas.HeaderCEID] {
		t.Errorf("%d records of the sync: want it twice, as two events", len(told))
	}
	for i, p := range ps.all {
		if n := len(p.topics[schemas.TopicOther]) + len(p.topics[schemas.TopicDLQ]); n != 0 {
			t.Errorf("partition %d: %d records on other and dlq", i, n)
		}
	}
}

func TestOtherBareValuesOfAKnownNumberAreItsWABAs(t *testing.T) {
	ps := newPartitions(t)
	ps.restarts = true
	ps.send(oneContact())
	ps.wait(time.Hour)
	ps.send(chunk(0, 1, 50, "m1"))
	ps.send(value(`"history":[{"metadata":{"phase":0,"chunk_order":3,"progress":100},"threads":[{"id":"` + user + `","messages":[` + text("m3") + `]}]}]`))
	ps.send(value(`"messages":[` + text("live") + `]`))
	ps.send(chunk(0, 2, 50, "m2"))
	if got := wamids(events[schemas.Message](ps.all[0], schemas.TopicHistory)); !slices.Equal(got, []string{"m1", "m2", "m3"}) {
		t.Errorf("history is %v", got)
	}
	live := events[schemas.Message](ps.all[0], schemas.TopicMessages)
	if len(live) != 1 || live[0].WABAID != waba {
		t.Errorf("messages are %+v", live)
	}
}

func TestInOnePartitionABareDeclineFindsItsNumber(t *testing.T) {
	for _, first := range []string{"number", "decline"} {
		ps := newPartitions(t)
		ps.home[phone] = 0
		ps.restarts = true
		if first == "number" {
			ps.send(oneContact())
		}
		ps.send(bareDecline())
		ps.send(oneContact())
		if got, want := ps.syncs(), []string{"0 " + phone + `: declined window 1 of WABA "` + waba + `"`}; !slices.Equal(got, want) {
			t.Errorf("%s first: syncs are %q, want %q", first, got, want)
		}
	}
}

// A replay writes each body where its business is. The WABA of a number that names itself alone it may have read before.
func TestABareDeclineThatIsReplayedIsTheKnownNumbers(t *testing.T) {
	right := []string{"0 " + phone + `: declined window 1 of WABA "` + waba + `"`}
	replayed := func(n int, more ...string) map[string]string {
		hs := map[string]string{
			schemas.HeaderReplay: "r", schemas.HeaderOrigin: fmt.Sprintf("raw.bulk/9/%d", n),
			schemas.HeaderReceivedAt: strconv.FormatInt(start.Add(time.Duration(n)*time.Minute).UnixMilli(), 10),
		}
		for i := 0; i < len(more); i += 2 {
			hs[more[i]] = more[i+1]
		}
		return hs
	}
	moved := func(n int) map[string]string {
		return replayed(n, schemas.HeaderWABA, waba, schemas.HeaderReplayRole, schemas.RoleMoved)
	}
	for name, play := range map[string]func(*partitions){
		"known to the replay": func(ps *partitions) {
			ps.feed(0, oneContact(), replayed(1))
			ps.feed(0, bareDecline(), replayed(2, schemas.HeaderWABA, waba))
		},
		"known of late": func(ps *partitions) {
			ps.feed(0, oneContact(), replayed(1))
			ps.feed(1, bareDecline(), replayed(2))
			ps.feed(0, bareDecline(), moved(2))
		},
		"known of late, and read elsewhere later": func(ps *partitions) {
			ps.feed(0, oneContact(), replayed(1))
			ps.feed(0, bareDecline(), moved(2))
			ps.feed(1, bareDecline(), replayed(2))
		},
		"known after": func(ps *partitions) {
			ps.feed(1, bareDecline(), replayed(1))
			ps.feed(0, oneContact(), replayed(2))
			ps.feed(0, bareDecline(), moved(1))
		},
		"known after the replay": func(ps *partitions) {
			ps.feed(1, bareDecline(), replayed(1))
			ps.wait(time.Hour)
			ps.send(oneContact())
		},
		"after the end of its copy": func(ps *partitions) {
			ps.feed(0, oneContact(), replayed(1))
			ps.feed(0, bareDecline(), moved(2))
			ps.all[0].endOfReplay("r", start.Add(time.Hour), start)
			ps.all[0].commit()
			ps.feed(1, bareDecline(), replayed(2))
		},
	} {
		for _, restarts := range []bool{false, true} {
			t.Run(fmt.Sprint(name, restarts), func(t *testing.T) {
				ps := newPartitions(t)
				ps.restarts = restarts
				play(ps)
				if got := ps.syncs(); !slices.Equal(got, right) {
					t.Errorf("syncs are %q, want %q", got, right)
				}
				if got := ps.last(0).headers[schemas.HeaderReplay]; got != "r" && name != "known after the replay" {
					t.Errorf("the sync names the replay %q", got)
				}
				if strings.HasPrefix(name, "after the end") && ps.all[0].core.Replaying(start) {
					t.Error("what another partition passed on opened the replay again")
				}
			})
		}
	}
	// Into the same topics: neither the live sync nor its place changes.
	ps := newPartitions(t)
	ps.send(oneContact())
	ps.send(bareDecline())
	before := len(ps.all[0].topics[schemas.TopicSyncs]) + len(ps.all[1].topics[schemas.TopicSyncs])
	ps.feed(0, oneContact(), replayed(1, schemas.HeaderReplayState, schemas.StateOwn))
	ps.feed(1, bareDecline(), replayed(2, schemas.HeaderReplayState, schemas.StateOwn))
	ps.feed(0, bareDecline(), replayed(3, schemas.HeaderReplayState, schemas.StateOwn, schemas.HeaderWABA, waba))
	if after := len(ps.all[0].topics[schemas.TopicSyncs]) + len(ps.all[1].topics[schemas.TopicSyncs]); after != before {
		t.Errorf("%d records of syncs after the replay, %d before it", after, before)
	}
	if got := ps.syncs(); !slices.Equal(got, right) {
		t.Errorf("syncs are %q, want %q", got, right)
	}
}

func TestTheDirectoryIsARecordOfSomeBytesForEachNumber(t *testing.T) {
	ps := newPartitions(t)
	ps.send(oneContact())
	ps.send(chunk(0, 1, 100, "m1"))
	notes := ps.all[0].topics[schemas.TopicRerouted]
	if len(notes) != 1 || notes[0].partition != 1 || notes[0].key != phone || notes[0].value != nil {
		t.Errorf("notes are %+v, want one, without a value", notes)
	}
	state := ps.all[1].topics[schemas.TopicState]
	if len(state) != 1 || state[0].key != "d|"+phone || len(state[0].value) > 2*len(waba)+16 {
		t.Errorf("state of the number's partition is %+v", state)
	}
}

func TestABareDeclineFollowsANumberToAnotherWABA(t *testing.T) {
	ps := newPartitions(t)
	ps.restarts = true
	elsewhere := func(body string) string { return strings.ReplaceAll(body, waba, "200000000000002") }
	ps.send(oneContact())
	ps.send(elsewhere(oneContact()))
	ps.wait(time.Hour)
	ps.send(accountEvent("PARTNER_ADDED", "", ps.all[0].clock)) // back again
	ps.wait(time.Hour)
	ps.send(bareDecline())
	if got, want := ps.syncs(), []string{"0 " + phone + `: declined window 1 of WABA "` + waba + `"`}; !slices.Equal(got, want) {
		t.Errorf("syncs are %q, want %q", got, want)
	}
}

// Whether the note about a number overtakes a bare value, or the other way about, a consumer sees the same.
func TestABareValueIsItsWABAsOnlyWhereTheNumberWasNamedLongBefore(t *testing.T) {
	message := func(id string) string { return value(`"messages":[` + text(id) + `]`) }
	for _, c := range []struct {
		name string
		play func(*partitions)
		want string // the WABA of the message, and where it left
	}{
		{"in the millisecond of the first", func(ps *partitions) { ps.send(oneContact()); ps.send(message("m")) }, "1 "},
		{"before it", func(ps *partitions) { ps.send(message("m")); ps.send(oneContact()) }, "1 "},
		{"a moment too soon", func(ps *partitions) {
			ps.send(oneContact())
			ps.wait(directory.Settled - time.Millisecond)
			ps.send(message("m"))
		}, "1 "},
		{"settled", func(ps *partitions) { ps.send(oneContact()); ps.wait(directory.Settled); ps.send(message("m")) }, "0 " + waba},
		{"named by history alone", func(ps *partitions) { ps.send(chunk(0, 1, 100, "m1")); ps.wait(time.Hour); ps.send(message("m")) }, "1 "},
		{"received before, and read later", func(ps *partitions) {
			at := ps.all[0].clock
			ps.send(oneContact())
			ps.wait(time.Hour)
			ps.feed(1, message("m"), map[string]string{schemas.HeaderReceivedAt: strconv.FormatInt(at.UnixMilli(), 10), schemas.HeaderOrigin: "raw.live/1/99"})
		}, "1 "},
		{"named earlier than it was told at first", func(ps *partitions) {
			at := ps.all[0].clock
			ps.wait(time.Hour)
			ps.send(oneContact())
			ps.feed(0, envelope("messages", value(`"messages":[`+text("x")+`]`)), map[string]string{schemas.HeaderReceivedAt: strconv.FormatInt(at.UnixMilli(), 10), schemas.HeaderOrigin: "raw.live/0/99"})
			ps.send(message("m"))
		}, "0 " + waba},
	} {
		for _, restarts := range []bool{false, true} {
			ps := newPartitions(t)
			ps.restarts = restarts
			c.play(ps)
			var got []string
			for i, p := range ps.all {
				for _, m := range events[schemas.Message](p, schemas.TopicMessages) {
					if m.WAMID == "m" {
						got = append(got, fmt.Sprint(i, " ", m.WABAID))
					}
				}
			}
			if !slices.Equal(got, []string{c.want}) {
				t.Errorf("%s: the message left as %q, want %q", c.name, got, c.want)
			}
		}
	}
}

// An event of many numbers names each with its next live webhook: one note, after any earlier webhook.
func TestAnOnboardingNamesEachOfManyNumbersWithItsNextWebhook(t *testing.T) {
	const other = "200000000000002"
	elsewhere := func(body string) string { return strings.ReplaceAll(body, waba, other) }
	for _, restarts := range []bool{false, true} {
		for _, numbers := range []int{directory.NamedAtOnceMax, directory.NamedAtOnceMax + 1} {
			ps := newPartitions(t)
			ps.restarts = restarts
			added := func() string { return accountEvent("PARTNER_ADDED", "", ps.all[0].clock) }
			of := func(id string) string { return strings.ReplaceAll(oneContact(), phone, id) }
			notes := func(id string) (n int) {
				for _, r := range ps.all[0].topics[schemas.TopicRerouted] {
					if r.key == id && r.value == nil {
						n++
					}
				}
				return n
			}
			ps.send(oneContact())
			for i := range numbers - 1 {
				ps.send(of(fmt.Sprintf("30000000000000%d", i)))
			}
			ps.wait(time.Hour)
			ps.send(elsewhere(oneContact()))
			ps.wait(time.Hour)
			for range 3 {
				ps.send(added())
				ps.wait(time.Minute)
			}
			atOnce := 1
			if numbers <= directory.NamedAtOnceMax {
				atOnce += 3
			}
			if got := notes(phone); got != atOnce {
				t.Errorf("%d numbers: %d notes about one after the events, want %d", numbers, got, atOnce)
			}
			for range 3 {
				ps.send(strings.ReplaceAll(oneContact(), "1772300000", unixText(ps.all[0].clock)))
				ps.wait(directory.Settled)
			}
			if numbers > directory.NamedAtOnceMax {
				atOnce++
			}
			if got := notes(phone); got != atOnce {
				t.Errorf("%d numbers: %d notes about one after its webhooks, want %d", numbers, got, atOnce)
			}
			ps.send(value(`"messages":[` + text("m") + `]`))
			if got := events[schemas.Message](ps.all[0], schemas.TopicMessages); len(got) != 1 || got[0].WABAID != waba {
				t.Errorf("%d numbers: messages of the WABA to which the number came back are %+v", numbers, got)
			}
		}
	}
}

// A removal may come late, after the number has moved to another WABA: it does not take it back.
func TestARemovalDoesNotTakeANumberBack(t *testing.T) {
	ps := newPartitions(t)
	ps.send(oneContact())
	ps.wait(time.Minute)
	ps.send(strings.ReplaceAll(oneContact(), waba, "200000000000002"))
	ps.wait(time.Minute)
	ps.send(accountEvent("PARTNER_REMOVED", "", ps.all[0].clock))
	ps.wait(time.Hour)
	ps.send(value(`"messages":[` + text("m") + `]`))
	if got := events[schemas.Message](ps.all[2], schemas.TopicMessages); len(got) != 1 || got[0].WABAID != "200000000000002" {
		t.Errorf("messages of the other WABA are %+v", got)
	}
}

// One message, bare and in its envelope, are two events of one id, whether or not one partition handles both.
func TestABareCopyIsKnownAgainByItself(t *testing.T) {
	for _, home := range []int32{0, 1} {
		ps := newPartitions(t)
		ps.home[phone] = home
		bare := value(`"messages":[` + text("m") + `]`)
		for range 2 {
			ps.send(bare)
			ps.send(envelope("messages", bare))
		}
		var ids []string
		for _, p := range ps.all {
			for _, r := range p.topics[schemas.TopicMessages] {
				ids = append(ids, r.headers[schemas.HeaderCEID])
			}
		}
		if len(ids) != 2 || ids[0] != ids[1] {
			t.Errorf("number in partition %d: ids %q, want one twice", home, ids)
		}
	}
}

// A state record must not change the bytes.
func TestTheErrorsOfADeclineStayVerbatimAfterARestart(t *testing.T) {
	errs := `[ {"code": 2593109,  "title": "off"} ]`
	p := newPartition(t)
	p.webhook(envelope("history", value(`"history":[{"errors":`+errs+`}]`)))
	p.restart()
	p.webhook(accountEvent("PARTNER_APP_INSTALLED", "", p.clock))
	p.webhook(envelope("history", value(`"history":[{"errors":`+errs+`},{"errors":[{"code":1}]}]`)))
	told := p.topics[schemas.TopicSyncs]
	for _, r := range told {
		if !strings.Contains(string(r.value), `"error":`+errs) {
			t.Errorf("the sync is %s", r.value)
		}
	}
	if len(told) < 2 {
		t.Errorf("%d records of syncs: the restart was not tried", len(told))
	}
}
