package replay_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/internal/replay"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/syncrequest"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func record(offset int64, at time.Time, headers ...string) *replay.Record {
	r := &replay.Record{Lane: replay.Lane{Topic: schemas.TopicRawLive, Partition: 2}, Offset: offset, Time: at, Key: []byte("1"), Value: []byte("{}")}
	r.Headers = append(r.Headers, replay.Header{Key: schemas.HeaderReceivedAt, Value: fmt.Appendf(nil, "%d", at.UnixMilli())})
	for i := 0; i < len(headers); i += 2 {
		r.Headers = append(r.Headers, replay.Header{Key: headers[i], Value: []byte(headers[i+1])})
	}
	return r
}

func body(t *testing.T, s string) *split.Body {
	t.Helper()
	b, err := split.NewScanner(split.Limits{}).Scan([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const two = `{"object":"whatsapp_business_account","entry":[` +
	`{"id":"10","changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"100"},"messages":[{"id":"wamid.A","from":"1","timestamp":"1","type":"text"}]}}]},` +
	`{"id":"20","changes":[{"field":"history","value":{"metadata":{"phone_number_id":"200"},"history":[{"metadata":{"phase":0,"chunk_order":1,"progress":1},"threads":[{"id":"1","messages":[{"id":"wamid.B","from":"1","timestamp":"1","type":"text"}]}]}]}}]}]}`

func TestAllCriteriaHaveToHoldOfOneChange(t *testing.T) {
	b := body(t, two)
	for name, c := range map[string]struct {
		s    replay.Selection
		want replay.Verdict
	}{
		"nothing":                     {replay.Selection{}, replay.Taken},
		"a business":                  {replay.Selection{WABAs: []string{"20"}}, replay.Taken},
		"one of several":              {replay.Selection{WABAs: []string{"30", "10"}}, replay.Taken},
		"another business":            {replay.Selection{WABAs: []string{"30"}}, replay.Other},
		"a number":                    {replay.Selection{Numbers: []string{"100"}}, replay.Taken},
		"a field":                     {replay.Selection{Fields: []string{"history"}}, replay.Taken},
		"echoes":                      {replay.Selection{Fields: []string{"smb_message_echoes"}}, replay.Other},
		"a message":                   {replay.Selection{WAMIDs: []string{"wamid.A"}}, replay.Taken},
		"a past message":              {replay.Selection{WAMIDs: []string{"wamid.B"}}, replay.Taken},
		"both, but of other changes":  {replay.Selection{WABAs: []string{"10"}, Fields: []string{"history"}}, replay.Other},
		"all of one change":           {replay.Selection{WABAs: []string{"20"}, Fields: []string{"history"}, WAMIDs: []string{"wamid.B"}}, replay.Taken},
		"a message of another number": {replay.Selection{Numbers: []string{"100"}, WAMIDs: []string{"wamid.B"}}, replay.Other},
	} {
		if got := c.s.Content(record(1, start), b); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	if got := (&replay.Selection{WABAs: []string{"1"}}).Content(record(1, start), nil); got != replay.Taken {
		t.Errorf("a body that cannot be split, by its key: %v", got)
	}
	if got := (&replay.Selection{Fields: []string{"history"}}).Content(record(1, start), nil); got != replay.Other {
		t.Errorf("a body that cannot be split, by a field: %v", got)
	}
}

// A request of the desk has a WABA and a number, and is copied to the partition of its key as any record.
func TestARequestOfTheDeskIsChosenByItsBusinessAndNumber(t *testing.T) {
	r := record(1, start, schemas.HeaderSource, syncrequest.Source)
	r.Key = []byte("10")
	r.Value = syncrequest.Record{
		WABAID: "10", PhoneNumberID: "100", SyncType: syncrequest.History, State: syncrequest.Intended, Attempt: "a", At: 1, RequestedBy: "cli", Provider: "meta",
	}.Append(nil)
	for name, c := range map[string]struct {
		s    replay.Selection
		want replay.Verdict
	}{
		"nothing":          {replay.Selection{}, replay.Taken},
		"its business":     {replay.Selection{WABAs: []string{"10"}}, replay.Taken},
		"its number":       {replay.Selection{Numbers: []string{"100"}}, replay.Taken},
		"both":             {replay.Selection{WABAs: []string{"10"}, Numbers: []string{"100"}}, replay.Taken},
		"another business": {replay.Selection{WABAs: []string{"20"}}, replay.Other},
		"another number":   {replay.Selection{WABAs: []string{"10"}, Numbers: []string{"200"}}, replay.Other},
		"a field":          {replay.Selection{WABAs: []string{"10"}, Fields: []string{"history"}}, replay.Other},
		"a message":        {replay.Selection{WAMIDs: []string{"wamid.A"}}, replay.Other},
	} {
		if got := c.s.Content(r, nil); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	target := replay.Target{ID: "r", Partitions: 5}
	if copies := target.Copies(r, nil); len(copies) != 1 || copies[0].Partition != kafka.Partition([]byte("10"), 5) || string(copies[0].Value) != string(r.Value) {
		t.Errorf("%+v", copies)
	}
	r.Value = []byte("{")
	if got := (&replay.Selection{WABAs: []string{"10"}}).Content(r, nil); got != replay.Taken {
		t.Errorf("an unreadable one, by its key: %v", got)
	}
	if got := (&replay.Selection{Numbers: []string{"100"}}).Content(r, nil); got != replay.Other {
		t.Errorf("an unreadable one, by a number: %v", got)
	}
}

func TestFieldIsChosenByEachOfItsNames(t *testing.T) {
	for _, written := range []string{"smb_message_echoes", "message_echoes"} {
		b := body(t, `{"object":"whatsapp_business_account","entry":[{"id":"10","changes":[{"field":"`+written+`","value":{"message_echoes":[{"id":"wamid.A"}]}}]}]}`)
		for _, chosen := range []string{"smb_message_echoes", "message_echoes"} {
			if got := (&replay.Selection{Fields: []string{chosen}}).Content(record(1, start), b); got != replay.Taken {
				t.Errorf("--field %s, and the webhook says %s: %v", chosen, written, got)
			}
		}
	}
}

func TestWhatReplaysAndRequeuesWroteIsLeftOut(t *testing.T) {
	bounded := replay.Selection{From: start, Until: start.Add(time.Hour)}
	for name, c := range map[string]struct {
		s    replay.Selection
		r    *replay.Record
		want replay.Verdict
	}{
		"the first moment":           {bounded, record(1, start), replay.Taken},
		"before it":                  {bounded, record(1, start.Add(-time.Millisecond)), replay.Outside},
		"the end":                    {bounded, record(1, start.Add(time.Hour)), replay.Outside},
		"a copy":                     {replay.Selection{}, record(1, start, schemas.HeaderReplay, "r"), replay.Copy},
		"a requeued letter":          {replay.Selection{}, record(1, start, schemas.HeaderRequeue, "0/1"), replay.Copy},
		"a copy that is asked for":   {replay.Selection{Copies: true}, record(1, start, schemas.HeaderReplay, "r"), replay.Taken},
		"an extra copy, asked for":   {replay.Selection{Copies: true}, record(1, start, schemas.HeaderReplay, "r", schemas.HeaderReplayRole, schemas.RoleExtra), replay.Copy},
		"a marker, asked for":        {replay.Selection{Copies: true}, record(1, start, schemas.HeaderReplay, "r", schemas.HeaderReplayRole, schemas.RoleEnd), replay.Copy},
		"a record that goes in ring": {replay.Selection{Copies: true}, record(1, start, schemas.HeaderReplay, "r", schemas.HeaderReplayHops, "8"), replay.Looping},
	} {
		if got := c.s.Before(c.r); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestMergeIsByTimeAndKeepsTheOrderOfEachLane(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		lanes := make([][]*replay.Record, 4)
		total := 0
		for i := range lanes {
			at := start
			for n := range rng.IntN(8) {
				at = at.Add(time.Duration(rng.IntN(20)-4) * time.Second) // clocks go back at times
				lanes[i] = append(lanes[i], record(int64(n), at))
				total++
			}
		}
		m, taken := replay.NewMerge(), make([]int, 4)
		for i := range lanes {
			if len(lanes[i]) > 0 {
				m.Offer(i, lanes[i][0])
			}
		}
		clock := map[int]time.Time{}
		var last time.Time
		for range total {
			i, r, ok := m.Next()
			if !ok || r != lanes[i][taken[i]] {
				t.Fatalf("lane %d: not its next record", i)
			}
			if at := r.ReceivedAt(); at.After(clock[i]) {
				clock[i] = at
			}
			if clock[i].Before(last) {
				t.Fatalf("%v came after %v", clock[i], last)
			}
			last = clock[i]
			if taken[i]++; taken[i] < len(lanes[i]) {
				m.Offer(i, lanes[i][taken[i]])
			}
		}
		if _, _, ok := m.Next(); ok {
			t.Fatal("there is more than was offered")
		}
	}
}

func header(p replay.Placed, name string) string {
	for _, h := range p.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

func TestCopiesGoWhereTheirBusinessesAre(t *testing.T) {
	const partitions = 16
	target := replay.Target{ID: "r2", Partitions: partitions}
	r := record(7, start, schemas.HeaderSignature, "sha256=00", schemas.HeaderReplay, "r1", schemas.HeaderReplayHops, "1", schemas.HeaderOrigin, "raw.bulk/9/3")
	r.Key = []byte("20")
	got := target.Copies(r, body(t, two))
	a, b := kafka.Partition([]byte("10"), partitions), kafka.Partition([]byte("20"), partitions)
	if a == b {
		t.Fatal("the test needs businesses of two partitions")
	}
	if len(got) != 2 || got[0].Partition != b || got[1].Partition != a {
		t.Fatalf("copies are for %v", got)
	}
	if header(got[0], schemas.HeaderReplayRole) != "" || header(got[1], schemas.HeaderReplayRole) != schemas.RoleExtra {
		t.Errorf("roles are %q and %q", header(got[0], schemas.HeaderReplayRole), header(got[1], schemas.HeaderReplayRole))
	}
	for _, c := range got {
		if string(c.Value) != string(r.Value) || string(c.Key) != "20" || !c.Time.Equal(r.Time) {
			t.Errorf("copy has key %s, time %v, value %s", c.Key, c.Time, c.Value)
		}
		for name, want := range map[string]string{
			schemas.HeaderSignature: "sha256=00", schemas.HeaderReplay: "r2", schemas.HeaderReplayHops: "2",
			schemas.HeaderOrigin: "raw.bulk/9/3", schemas.HeaderReplayState: "", schemas.HeaderReceivedAt: fmt.Sprint(start.UnixMilli()),
		} {
			if got := header(c, name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
	}
	same := replay.Target{ID: "r2", Partitions: partitions, SameLayout: true, OwnState: true}
	got = same.Copies(record(7, start), nil)
	if len(got) != 1 || got[0].Partition != 2 || header(got[0], schemas.HeaderOrigin) != "raw.live/2/7" || header(got[0], schemas.HeaderReplayState) != schemas.StateOwn {
		t.Errorf("copy of a body that cannot be split: %+v", got)
	}
}

func TestABodyThatNamesAKnownNumberAloneGoesToItsWABA(t *testing.T) {
	const partitions = 16
	const decline = `{"messaging_product":"whatsapp","metadata":{"phone_number_id":"55"},"history":[{"errors":[{"code":2593109}]}]}`
	known := func(waba string) *split.Body {
		return body(t, `{"object":"whatsapp_business_account","entry":[{"id":"`+waba+`","changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"55"},"messages":[{"id":"m"}]}}]}]}`)
	}
	r := record(7, start.Add(time.Hour), schemas.HeaderWABA, "of a former replay")
	r.Key = []byte("55")
	target := replay.Target{ID: "r", Partitions: partitions}
	before := target.Copies(r, body(t, decline))
	if len(before) != 1 || before[0].Partition != kafka.Partition([]byte("55"), partitions) || header(before[0], schemas.HeaderWABA) != "" {
		t.Errorf("before the number is known: %+v", before)
	}
	for i, waba := range []string{"10", "11"} {
		moved := target.Learn(record(8, start.Add(time.Duration(i)*time.Minute)), known(waba))
		// The decline that waited for the first of them goes there now.
		if want := 1 - i; len(moved) != want {
			t.Errorf("%s: %d declines moved, want %d", waba, len(moved), want)
		}
		for _, m := range moved {
			if m.Partition != kafka.Partition([]byte(waba), partitions) || header(m, schemas.HeaderWABA) != waba || header(m, schemas.HeaderReplayRole) != schemas.RoleMoved {
				t.Errorf("moved: %+v", m)
			}
		}
		got := target.Copies(r, body(t, decline))
		if len(got) != 1 || got[0].Partition != kafka.Partition([]byte(waba), partitions) || header(got[0], schemas.HeaderWABA) != waba {
			t.Errorf("of %s: %+v", waba, got)
		}
	}
	if got := target.Copies(r, known("10")); len(got) == 0 || header(got[0], schemas.HeaderWABA) != "" {
		t.Errorf("a body that names its WABA: %+v", got)
	}
	soon := record(9, start.Add(time.Minute))
	if got := target.Copies(soon, body(t, decline)); len(got) < 2 || header(got[0], schemas.HeaderWABA) != "" || header(got[len(got)-1], schemas.HeaderReplayRole) != schemas.RoleMoved {
		t.Errorf("a minute after the number was named: %+v, want the decline where the number is, and moved", got)
	}
	message := body(t, `{"messaging_product":"whatsapp","metadata":{"phone_number_id":"55"},"messages":[{"id":"m"}]}`)
	for _, c := range target.Copies(soon, message) {
		if header(c, schemas.HeaderWABA) != "" {
			t.Errorf("a message a minute after the number was named: %+v", c)
		}
	}
}

// A replay that was killed knows in the end what it had read.
func TestProgressKeepsTheNumbers(t *testing.T) {
	const decline = `{"messaging_product":"whatsapp","metadata":{"phone_number_id":"66"},"history":[{"errors":[{"code":2593109}]}]}`
	known := func(waba, number string) *split.Body {
		return body(t, `{"object":"whatsapp_business_account","entry":[{"id":"`+waba+`","changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"`+number+`"},"messages":[{"id":"m"}]}}]}]}`)
	}
	target := replay.Target{ID: "r", Partitions: 16}
	target.Learn(record(1, start), known("10", "55"))
	target.Copies(record(2, start), body(t, decline))
	b, err := json.Marshal(replay.Progress{Version: 1, Numbers: target.Numbers()})
	if err != nil {
		t.Fatal(err)
	}
	p, err := replay.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	again := replay.Target{ID: "r", Partitions: 16}
	if err := again.Know(p.Numbers); err != nil {
		t.Fatal(err)
	}
	bare := body(t, strings.ReplaceAll(decline, "66", "55"))
	if got := again.Copies(record(3, start.Add(time.Hour)), bare); len(got) != 1 || header(got[0], schemas.HeaderWABA) != "10" {
		t.Errorf("a known number: %+v", got)
	}
	if got := again.Learn(record(4, start.Add(time.Hour)), known("12", "66")); len(got) != 1 || header(got[0], schemas.HeaderWABA) != "12" || string(got[0].Value) == "" {
		t.Errorf("a decline that waited: %+v", got)
	}
	if err := again.Know(map[string]replay.SavedNumber{"1": {Directory: []byte("x")}}); err == nil {
		t.Error("a record that cannot be read was taken")
	}
}

func TestPaceRestsForWhatWasWritten(t *testing.T) {
	p := replay.Pace{BodiesPerSecond: 100, BytesPerSecond: 1000}
	now := start
	if got := p.Wrote(now, 50, 100); got != 500*time.Millisecond {
		t.Errorf("50 bodies at 100 a second: rest %v", got)
	}
	if got := p.Wrote(now.Add(500*time.Millisecond), 1, 2000); got != 2*time.Second {
		t.Errorf("2000 bytes at 1000 a second: rest %v", got)
	}
	if got := p.Wrote(now.Add(time.Hour), 10, 10); got != 100*time.Millisecond {
		t.Errorf("an idle hour was saved up: rest %v", got)
	}
	if got := (&replay.Pace{}).Wrote(now, 1e6, 1e12); got != 0 {
		t.Errorf("without a cap: rest %v", got)
	}
	if bodies, bytes := p.Batch(2000, 8<<20); bodies != 25 || bytes != 250 {
		t.Errorf("batches of %d bodies and %d bytes", bodies, bytes)
	}
}

func TestProgressGoesOnWhereItWas(t *testing.T) {
	p := &replay.Progress{
		Selection: replay.Selection{Until: start}, AsOf: start.Add(time.Hour),
		Ranges: map[string]replay.Range{"raw.live/0": {Start: 10, End: 20}, "raw.bulk/0": {Start: 0, End: 5}}, Next: map[string]int64{},
	}
	if done, total := p.Offsets(); done != 0 || total != 15 {
		t.Errorf("%d of %d", done, total)
	}
	p.Passed("raw.live/0", 14)
	p.Passed("raw.live/0", 12)
	p.Passed("raw.bulk/0", 5)
	if done, total := p.Offsets(); done != 9 || total != 15 || p.From("raw.live/0") != 14 {
		t.Errorf("%d of %d, goes on at %d", done, total, p.From("raw.live/0"))
	}
	for _, n := range []int32{3, 1, 3, 2} {
		p.Touch(n)
	}
	if !slices.Equal(p.Touched, []int32{1, 2, 3}) {
		t.Errorf("touched %v", p.Touched)
	}
	if !p.EndAt().Equal(start) {
		t.Errorf("the end is told as %v", p.EndAt())
	}
	if _, err := replay.Parse([]byte(`{"version":9}`)); err == nil {
		t.Error("a file of another version was read")
	}
}
