package desk

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/testing/seed"
	"github.com/coexstream/coexstream/schemas/syncrequest"
)

const (
	onboarded    = int64(1_800_000_000_000)
	unknownAfter = 3 * time.Minute
)

// book is a ledger and the writer of its entries.
type book struct {
	t   *testing.T
	l   *Ledger
	ids int
}

func newBook(t *testing.T) *book { return &book{t: t, l: NewLedger(unknownAfter)} }

func (b *book) put(e Entry) bool {
	b.t.Helper()
	b.ids++
	e.ID = fmt.Sprint("e", b.ids)
	if e.After == "" {
		if n, ok := b.l.Number("77"); ok {
			e.After = n.Last
		}
	}
	raw, err := e.Encode()
	if err != nil {
		b.t.Fatal(err)
	}
	decoded, err := DecodeEntry(raw)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.l.Apply(&decoded)
}

func (b *book) ask(change ...func(*Entry)) bool {
	e := Entry{Kind: Asked, Number: "77", WABA: "9", Provider: "meta", At: onboarded, OnboardedAt: onboarded, By: "cli", Types: Types()}
	for _, c := range change {
		c(&e)
	}
	return b.put(e)
}

func step(t syncrequest.SyncType, s syncrequest.State, attempt string, at int64, outcome string) Entry {
	var e Entry
	r := syncrequest.Record{
		WABAID: "9", PhoneNumberID: "77", SyncType: t, State: s, Attempt: attempt, At: at, OnboardedAt: onboarded, RequestedBy: "cli", Provider: "meta",
	}
	if s == syncrequest.Accepted {
		r.RequestID = "req-" + attempt
	}
	if s == syncrequest.Refused {
		r.Error = &syncrequest.Failure{Code: 1}
	}
	e.SetRecord(r)
	e.Outcome = outcome
	return e
}

func (b *book) next(at int64) Action {
	n, _ := b.l.Number("77")
	return n.Next(time.UnixMilli(at))
}

func (b *book) want(at int64, v Verb, t syncrequest.SyncType) {
	b.t.Helper()
	if a := b.next(at); a.Verb != v || v != Nothing && a.Type != t {
		b.t.Fatalf("next is %v %v (%s), want %v %v", a.Verb, a.Type, a.Why, v, t)
	}
}

func TestContactsAreRequestedBeforeTheHistoryAndEachOnce(t *testing.T) {
	b := newBook(t)
	b.ask()
	b.want(onboarded+1, Post, syncrequest.Contacts)
	if !b.put(step(syncrequest.Contacts, syncrequest.Intended, "a1", onboarded+1, "")) {
		t.Fatal("the intent does not count")
	}
	b.want(onboarded+2, Wait, syncrequest.Contacts)
	b.put(step(syncrequest.Contacts, syncrequest.Accepted, "a1", onboarded+3, ""))
	b.want(onboarded+4, Post, syncrequest.History)
	b.put(step(syncrequest.History, syncrequest.Intended, "a2", onboarded+5, ""))
	b.put(step(syncrequest.History, syncrequest.Accepted, "a2", onboarded+6, ""))
	b.want(onboarded+7, Nothing, "")
	if b.put(step(syncrequest.History, syncrequest.Intended, "a3", onboarded+8, "")) {
		t.Error("a second intent counts")
	}
	if n, _ := b.l.Number("77"); n.Requests[syncrequest.History].RequestID != "req-a2" {
		t.Errorf("%+v", n)
	}
	b.ask() // the signup event comes again
	b.want(onboarded+9, Nothing, "")
}

func TestEveryOutcomeLeavesItsState(t *testing.T) {
	at := onboarded + 1000
	for _, c := range []struct {
		state   syncrequest.State
		outcome string
		retry   time.Duration
		then    Verb
		of      syncrequest.SyncType
		later   Verb // after the wait
	}{
		{syncrequest.Accepted, "accepted", 0, Post, syncrequest.History, Post},
		{syncrequest.NotSent, "not_sent", 5 * time.Second, Wait, syncrequest.Contacts, Post},
		{syncrequest.NotSent, OutcomeThrottled, time.Minute, Wait, syncrequest.Contacts, Post},
		{syncrequest.Refused, OutcomeDenied, time.Minute, Wait, syncrequest.Contacts, Post},
		{syncrequest.Refused, OutcomeAlreadyRequested, 0, Post, syncrequest.History, Post},
		{syncrequest.Refused, OutcomeWindowMissed, 0, Person, syncrequest.Contacts, Person},
		{syncrequest.Refused, "refused", 0, Person, syncrequest.Contacts, Person},
		{syncrequest.Unknown, "unknown", 0, Person, syncrequest.Contacts, Person},
	} {
		b := newBook(t)
		b.ask()
		b.put(step(syncrequest.Contacts, syncrequest.Intended, "a1", at, ""))
		e := step(syncrequest.Contacts, c.state, "a1", at, c.outcome)
		if c.retry > 0 {
			e.RetryAt = at + c.retry.Milliseconds()
		}
		b.put(e)
		b.want(at+1, c.then, c.of)
		b.want(at+c.retry.Milliseconds()+1, c.later, c.of)
		if a := b.next(at + c.retry.Milliseconds() + 1); a.Denied != (c.outcome == OutcomeDenied) {
			t.Errorf("%s: denied is %v", c.outcome, a.Denied)
		}
	}
}

func TestAnIntentWithoutAnOutcomeBecomesUnknownAndStaysSo(t *testing.T) {
	b := newBook(t)
	b.ask()
	b.put(step(syncrequest.Contacts, syncrequest.Intended, "a1", onboarded, ""))
	limit := onboarded + unknownAfter.Milliseconds()
	b.want(limit-1, Wait, syncrequest.Contacts)
	b.want(limit, GiveUp, syncrequest.Contacts)
	b.put(step(syncrequest.Contacts, syncrequest.Unknown, "a1", limit, ""))
	b.want(limit+1, Person, syncrequest.Contacts)
	if b.put(step(syncrequest.Contacts, syncrequest.Intended, "a2", limit+2, "")) {
		t.Error("an intent after an unknown outcome counts")
	}
	// The slow process has its answer at last.
	if !b.put(step(syncrequest.Contacts, syncrequest.Accepted, "a1", limit+3, "")) {
		t.Error("the late answer does not count")
	}
	b.want(limit+4, Post, syncrequest.History)
}

func TestAPersonCanAskForAnotherAttemptOnce(t *testing.T) {
	b := newBook(t)
	b.ask()
	b.put(step(syncrequest.Contacts, syncrequest.Intended, "a1", onboarded, ""))
	b.put(step(syncrequest.Contacts, syncrequest.Unknown, "a1", onboarded+1, ""))
	b.ask() // without the wish
	b.want(onboarded+2, Person, syncrequest.Contacts)
	b.ask(func(e *Entry) {
		e.Again, e.Reason, e.Types = true, "no webhook came", []syncrequest.SyncType{syncrequest.Contacts}
	})
	b.want(onboarded+3, Post, syncrequest.Contacts)
	b.put(step(syncrequest.Contacts, syncrequest.Intended, "a2", onboarded+4, ""))
	b.put(step(syncrequest.Contacts, syncrequest.Unknown, "a2", onboarded+5, ""))
	if b.put(step(syncrequest.Contacts, syncrequest.Intended, "a3", onboarded+6, "")) {
		t.Error("one wish allowed two attempts")
	}
	// The history alone, although contacts are unknown.
	b.ask(func(e *Entry) { e.Types = []syncrequest.SyncType{syncrequest.History} })
	b.want(onboarded+7, Post, syncrequest.History)
}

func TestANewOnboardingStartsAgainAndOnlyWhenAsked(t *testing.T) {
	b := newBook(t)
	b.ask()
	for i, typ := range Types() {
		b.put(step(typ, syncrequest.Intended, fmt.Sprint("a", i), onboarded, ""))
		b.put(step(typ, syncrequest.Accepted, fmt.Sprint("a", i), onboarded, ""))
	}
	b.ask(func(e *Entry) { e.OnboardedAt += 1000 })
	b.want(onboarded+1, Nothing, "")
	b.ask(func(e *Entry) { e.New, e.OnboardedAt = true, onboarded+5000 })
	b.want(onboarded+5001, Post, syncrequest.Contacts)
	if n, _ := b.l.Number("77"); n.Onboardings != 2 || n.OnboardedAt != onboarded+5000 {
		t.Errorf("%+v", n)
	}
}

// A client repeats its wish for a new onboarding, before or after the requests. Each type is still requested once.
func TestARepeatedWishForANewOnboardingLeadsToNoSecondRequest(t *testing.T) {
	for _, state := range []syncrequest.State{syncrequest.Intended, syncrequest.Accepted, syncrequest.Unknown} {
		b := newBook(t)
		anew := func(e *Entry) { e.New, e.OnboardedAt = true, onboarded+5000 }
		b.ask()
		b.put(step(syncrequest.Contacts, syncrequest.Intended, "a1", onboarded+1, ""))
		b.put(step(syncrequest.Contacts, syncrequest.Accepted, "a1", onboarded+2, ""))
		b.ask(anew)
		b.ask(anew) // nothing was sent yet
		b.want(onboarded+5001, Post, syncrequest.Contacts)
		if !b.put(step(syncrequest.Contacts, syncrequest.Intended, "a2", onboarded+5002, "")) {
			t.Fatal("the request of the new onboarding does not count")
		}
		if state != syncrequest.Intended {
			b.put(step(syncrequest.Contacts, state, "a2", onboarded+5003, ""))
		}
		b.ask(anew)
		if b.put(step(syncrequest.Contacts, syncrequest.Intended, "a3", onboarded+5005, "")) {
			t.Errorf("%s: a second intent of the onboarding counts", state)
		}
		b.ask(func(e *Entry) { e.New, e.OnboardedAt = true, 0 }) // an entry without the time
		if b.put(step(syncrequest.Contacts, syncrequest.Intended, "a4", onboarded+5006, "")) {
			t.Errorf("%s: a second intent counts after a wish without a time", state)
		}
	}
}

// A wrong time of the onboarding is corrected by another start, as long as nothing was requested.
func TestANewOnboardingCorrectsAWrongTimeBeforeTheFirstRequest(t *testing.T) {
	b := newBook(t)
	b.ask()
	b.put(step(syncrequest.Contacts, syncrequest.Intended, "a1", onboarded+1, ""))
	b.put(step(syncrequest.Contacts, syncrequest.NotSent, "a1", onboarded+2, ""))
	b.ask(func(e *Entry) { e.New, e.OnboardedAt = true, onboarded-1000 })
	if n, _ := b.l.Number("77"); n.OnboardedAt != onboarded-1000 {
		t.Errorf("%+v", n)
	}
}

func TestNothingIsRequestedAfterThe24HoursUnasked(t *testing.T) {
	b := newBook(t)
	b.ask()
	end := onboarded + Window.Milliseconds()
	b.want(end-1, Post, syncrequest.Contacts)
	b.want(end, Person, syncrequest.Contacts)
	b = newBook(t)
	b.ask(func(e *Entry) { e.OnboardedAt = 0 })
	b.want(end, Post, syncrequest.Contacts) // the end is not known: the provider decides
}

// Several writers append entries from what they read at some time. However they interleave, there is never a second intent
// that counts without a certain outcome between, and all readers agree.
func TestOfManyWritersOneWins(t *testing.T) {
	rng := seed.Rand(t)
	for round := range 300 {
		var log [][]byte
		type reader struct {
			l    *Ledger
			next int
		}
		readers := make([]reader, 4)
		for i := range readers {
			readers[i].l = NewLedger(unknownAfter)
		}
		ids, posts := 0, 0
		posted := map[string]bool{}
		catchUp := func(r *reader) (counted map[string]bool) {
			counted = map[string]bool{}
			for ; r.next < len(log); r.next++ {
				e, err := DecodeEntry(log[r.next])
				if err != nil {
					t.Fatal(err)
				}
				if r.l.Apply(&e) {
					counted[e.ID] = true
				}
			}
			return counted
		}
		write := func(r *reader, e Entry) string {
			ids++
			e.ID = fmt.Sprint(ids)
			if n, ok := r.l.Number("77"); ok {
				e.After = n.Last
			}
			raw, err := e.Encode()
			if err != nil {
				t.Fatal(err)
			}
			log = append(log, raw)
			if rng.IntN(3) == 0 {
				log = append(log, raw) // a produce request that was repeated
			}
			return e.ID
		}
		write(&readers[0], Entry{Kind: Asked, Number: "77", WABA: "9", Provider: "meta", At: onboarded, Types: Types(), By: "cli"})
		for range 30 {
			// Some read the same state, then all write, then all read.
			var ready []*reader
			for i := range readers {
				if rng.IntN(2) == 0 {
					catchUp(&readers[i])
					ready = append(ready, &readers[i])
				}
			}
			type claim struct {
				r           *reader
				id, attempt string
				typ         syncrequest.SyncType
			}
			var claims []claim
			for _, r := range ready {
				n, ok := r.l.Number("77")
				if !ok {
					continue
				}
				if a := n.Next(time.UnixMilli(onboarded)); a.Verb == Post {
					attempt := fmt.Sprint("try", ids)
					claims = append(claims, claim{r, write(r, step(a.Type, syncrequest.Intended, attempt, onboarded, "")), attempt, a.Type})
				}
			}
			for _, c := range claims {
				if !catchUp(c.r)[c.id] {
					continue
				}
				posts++
				key := string(c.typ)
				if posted[key] {
					t.Fatalf("round %d: two requests of %s", round, c.typ)
				}
				outcome := rng.IntN(4)
				if outcome > 0 {
					posted[key] = true
				}
				write(c.r, []Entry{
					step(c.typ, syncrequest.NotSent, c.attempt, onboarded, "not_sent"),
					step(c.typ, syncrequest.Accepted, c.attempt, onboarded, "accepted"),
					step(c.typ, syncrequest.Unknown, c.attempt, onboarded, "unknown"),
					step(c.typ, syncrequest.Refused, c.attempt, onboarded, OutcomeAlreadyRequested),
				}[outcome])
			}
		}
		for i := range readers {
			catchUp(&readers[i])
			a, _ := readers[0].l.Number("77")
			b, _ := readers[i].l.Number("77")
			if !reflect.DeepEqual(a, b) {
				t.Fatalf("round %d: readers differ:\n%+v\n%+v", round, a, b)
			}
		}
		if posts == 0 {
			t.Fatal("nobody won")
		}
	}
}

func TestStepsAreKnownToBeUncopiedUntilTheNote(t *testing.T) {
	b := newBook(t)
	b.ask()
	b.put(step(syncrequest.Contacts, syncrequest.Intended, "a1", onboarded, ""))
	b.put(step(syncrequest.Contacts, syncrequest.Accepted, "a1", onboarded, ""))
	u := b.l.Uncopied()
	if len(u) != 2 || u[0].Record().State != syncrequest.Intended {
		t.Fatalf("%+v", u)
	}
	b.put(Entry{Kind: Copied, Of: u[0].ID, At: 1})
	if u = b.l.Uncopied(); len(u) != 1 || u[0].Record().State != syncrequest.Accepted {
		t.Fatalf("%+v", u)
	}
}

func TestRetriesBackOffAndRespectTheProvidersWish(t *testing.T) {
	for _, c := range []struct {
		outcome string
		tries   int
		wish    time.Duration
		want    time.Duration
	}{
		{"not_sent", 1, 0, 5 * time.Second}, {"not_sent", 3, 0, 20 * time.Second}, {"not_sent", 99, 0, 5 * time.Minute},
		{OutcomeThrottled, 1, 0, time.Minute}, {OutcomeThrottled, 1, 9 * time.Minute, 9 * time.Minute}, {OutcomeThrottled, 99, 0, time.Hour},
		{OutcomeDenied, 1, 0, 30 * time.Second}, {"not_sent", 0, 0, 5 * time.Second},
	} {
		if got := RetryAfter(c.outcome, c.tries, c.wish); got != c.want {
			t.Errorf("%s after %d: %v, want %v", c.outcome, c.tries, got, c.want)
		}
	}
}

func TestAPreflightNamesEachFault(t *testing.T) {
	yes, no := true, false
	good := func() *Facts {
		return &Facts{
			Now: time.UnixMilli(onboarded + 1000), Reads: true, IsOnBizApp: &yes, PlatformType: "CLOUD_API", InWABA: true,
			AppID: "555", Apps: []string{"555"}, Fields: Fields(), PublicURL: "https://x/", SpoolMax: 100, Types: Types(), OnboardedAt: onboarded,
		}
	}
	if checks := Judge(good()); !Passes(checks) || slices.ContainsFunc(checks, func(c Check) bool { return c.Verdict != OK }) {
		t.Errorf("%+v", checks)
	}
	asked := newBook(t)
	asked.ask()
	asked.put(step(syncrequest.History, syncrequest.Intended, "a", onboarded, ""))
	n, _ := asked.l.Number("77")
	unasked := newBook(t)
	unasked.ask()
	fresh, _ := unasked.l.Number("77")
	for name, c := range map[string]struct {
		change func(*Facts)
		want   Verdict
	}{
		"number": {func(f *Facts) { f.IsOnBizApp = &no }, Fail}, "number ": {func(f *Facts) { f.PlatformType = "ON_PREMISE" }, Fail},
		"number  ": {func(f *Facts) { f.NumberErr = fmt.Errorf("x") }, Fail}, "number   ": {func(f *Facts) { f.IsOnBizApp = nil }, Fail},
		"waba": {func(f *Facts) { f.InWABA = false }, Fail}, "subscription": {func(f *Facts) { f.Apps = nil }, Fail},
		"subscription ": {func(f *Facts) { f.Apps = []string{"556"} }, Fail}, "subscription  ": {func(f *Facts) { f.AppID = "" }, Warn},
		"fields": {func(f *Facts) { f.Fields = f.Fields[1:] }, Fail}, "fields ": {func(f *Facts) { f.FieldsSkip = "x" }, Warn},
		"ingress": {func(f *Facts) { f.IngressErr = fmt.Errorf("x") }, Fail}, "ingress ": {func(f *Facts) { f.PublicURL = "" }, Warn},
		"doctor": {func(f *Facts) { f.DoctorFails, f.DoctorOthers = []string{"lag"}, []string{"dlq"} }, Fail}, "doctor ": {func(f *Facts) { f.DoctorOthers = []string{"dlq"} }, Warn}, "spool": {func(f *Facts) { f.SpoolUsed = 51 }, Fail},
		"window": {func(f *Facts) { f.Now = f.Now.Add(Window) }, Fail}, "window ": {func(f *Facts) { f.OnboardedAt = 0 }, Warn},
		"window  ": {func(f *Facts) { f.Now = f.Now.Add(23 * time.Hour) }, Warn},
		"window   ": {func(f *Facts) { // the first time that was given counts
			f.Ledger, f.Now, f.OnboardedAt = &fresh, f.Now.Add(Window), onboarded+Window.Milliseconds()
		}, Fail},
		"requested": {func(f *Facts) { f.Ledger = &n }, Fail}, "requested ": {func(f *Facts) { f.Ledger, f.Again = &n, true }, Warn},
		"requested  ":  {func(f *Facts) { f.Ledger, f.New, f.OnboardedAt = &n, true, onboarded+1 }, OK},
		"requested   ": {func(f *Facts) { f.Ledger, f.New = &n, true }, Fail},
	} {
		f := good()
		c.change(f)
		for _, check := range Judge(f) {
			want := OK
			if check.Name == strings.TrimSpace(name) {
				want = c.want
			}
			if check.Verdict != want {
				t.Errorf("%q: %s is %s (%s), want %s", name, check.Name, check.Verdict, check.Found, want)
			}
			if check.Verdict == Fail && check.Do == "" {
				t.Errorf("%s has no remedy", check.Name)
			}
		}
	}
}

type unreached struct{}

func (unreached) Error() string     { return "no such host" }
func (unreached) Unreachable() bool { return true }

// TestTheRemedyOfAReadWithoutAnAnswerIsNotTheToken gives each read of a preflight an error of the network, and one of the provider.
func TestTheRemedyOfAReadWithoutAnAnswerIsNotTheToken(t *testing.T) {
	for _, c := range []struct {
		err     error
		network bool
	}{{fmt.Errorf("read: %w", unreached{}), true}, {fmt.Errorf("code 190"), false}} {
		f := &Facts{Now: time.UnixMilli(onboarded), Reads: true, AppID: "555", Types: Types(), NumberErr: c.err, InWABAErr: c.err, AppsErr: c.err, FieldsErr: c.err}
		read := 0
		for _, check := range Judge(f) {
			if !slices.Contains([]string{"number", "waba", "subscription", "fields"}, check.Name) {
				continue
			}
			read++
			if check.Verdict != Fail || strings.Contains(check.Do, "name resolution") != c.network || strings.HasPrefix(check.Do, "Check ") == c.network {
				t.Errorf("%v: %+v", c.err, check)
			}
		}
		if read != 4 {
			t.Errorf("%d reads", read)
		}
	}
}
