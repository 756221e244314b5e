package office

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/desk"
	"github.com/coexstream/coexstream/schemas"
)

// known adds numbers to the log of the desk.
func (r *rig) known(o *Office, ids ...string) {
	r.t.Helper()
	for _, id := range ids {
		e := desk.Entry{ID: "asked-" + id, Kind: desk.Asked, Number: id, WABA: "9", Provider: "meta", At: 1, By: "cli", Types: desk.Types()}
		b, err := e.Encode()
		if err != nil {
			r.t.Fatal(err)
		}
		r.log.entries = append(r.log.entries, b)
	}
	if err := o.Refresh(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

func syncFor(number, state string, at time.Time) *schemas.Sync {
	return &schemas.Sync{WABAID: "9", PhoneNumberID: number, Window: 1, State: state, Chunks: 1, Messages: 7, OpenedAt: at, LastAt: at}
}

// topic is the topic `syncs` of a test, and counts how often it is read.
type topic struct {
	records map[string]Synced
	reads   int
	err     error
}

func (t *topic) find(_ context.Context, numbers map[string]bool) (map[string]Synced, error) {
	t.reads++
	found := map[string]Synced{}
	for n := range numbers {
		if s, ok := t.records[n]; ok {
			found[n] = s
		}
	}
	return found, t.err
}

// Ten thousand numbers have syncs. The memory keeps some of those that run, and the topic answers for the rest.
func TestTheMemoryOfSyncsIsBoundedAndTheTopicAnswersForTheRest(t *testing.T) {
	virtual(t, func(t *testing.T, r *rig) {
		o := r.office()
		in := &topic{records: map[string]Synced{}}
		o.Find = in.find
		const numbers, running = 10 * syncsMax, 100
		var ids []string
		for i := range numbers {
			ids = append(ids, fmt.Sprint(100000+i))
		}
		r.known(o, ids...)
		start := time.Unix(1_800_000_000, 0)
		for i, id := range ids {
			state := schemas.SyncDone
			if i%(numbers/running) == 0 {
				state = schemas.SyncRunning
			}
			s := syncFor(id, state, start.Add(time.Duration(i)*time.Second))
			in.records[id] = Synced{Sync: *s}
			o.Arrived(id, 0, s)
			if len(o.syncs) > syncsMax {
				t.Fatalf("%d syncs in memory", len(o.syncs))
			}
		}
		o.Arrived("strange", 0, syncFor("strange", schemas.SyncRunning, start))
		if _, kept := o.syncs["strange"]; kept {
			t.Error("a number that nobody asked about is kept")
		}
		for i := 0; i < numbers; i += numbers / running {
			if s, ok, err := o.Look(t.Context(), ids[i]); err != nil || !ok || s.Sync == nil {
				t.Fatalf("running %s: %+v %v", ids[i], s, err)
			}
		}
		if in.reads != 0 {
			t.Errorf("the topic was read %d times for running syncs", in.reads)
		}
		for range 3 { // one that is done and old
			if s, ok, err := o.Look(t.Context(), ids[1]); err != nil || !ok || s.Sync == nil || s.Sync.State != schemas.SyncDone || !strings.Contains(s.Sentence, "7 messages") {
				t.Fatalf("%+v %v", s, err)
			}
		}
		if in.reads != 1 {
			t.Errorf("the topic was read %d times for one number, want 1", in.reads)
		}
		list, err := o.List(t.Context(), "9")
		if err != nil || len(list) != numbers || in.reads != 2 || len(o.syncs) > syncsMax {
			t.Fatalf("%d listed after %d reads, %d in memory: %v", len(list), in.reads, len(o.syncs), err)
		}
		for _, s := range list {
			if s.Sync == nil {
				t.Fatalf("%s has no sync in the list", s.PhoneNumberID)
			}
		}
	})
}

// A number without a record is looked up once. Its first record is seen when it arrives, and a tombstone of another partition removes nothing.
func TestANumberWithoutASyncIsLookedUpOnce(t *testing.T) {
	virtual(t, func(t *testing.T, r *rig) {
		o := r.office()
		in := &topic{}
		o.Find = in.find
		r.known(o, "77")
		look := func() *schemas.Sync {
			t.Helper()
			s, ok, err := o.Look(t.Context(), "77")
			if err != nil || !ok {
				t.Fatal(ok, err)
			}
			return s.Sync
		}
		for range 5 {
			if look() != nil {
				t.Fatal("a sync from nowhere")
			}
		}
		if in.reads != 1 {
			t.Errorf("the topic was read %d times", in.reads)
		}
		o.Arrived("77", 3, syncFor("77", schemas.SyncRunning, time.Unix(1, 0)))
		o.Arrived("77", 2, nil) // moved from there
		if s := look(); s == nil || in.reads != 1 {
			t.Errorf("%+v after %d reads", s, in.reads)
		}
		o.Arrived("77", 3, nil)
		if s := look(); s != nil || in.reads != 2 {
			t.Errorf("%+v after %d reads", s, in.reads)
		}
		in.err = fmt.Errorf("the broker is away")
		delete(o.syncs, "77")
		server := serve(o)
		if status, body := ask(t, server, "GET", "/v1/syncs/77", "", "reader-reader-12"); status != 503 || !strings.Contains(body, `"unavailable"`) {
			t.Errorf("%d %s", status, body)
		}
	})
}
