package history

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/syncrequest"
)

func historyStep(state syncrequest.State, at time.Duration, attempt string) *syncrequest.Record {
	r := &syncrequest.Record{
		SyncType: syncrequest.History, State: state, At: epoch.Add(at).UnixMilli(), Attempt: attempt, RequestedBy: "cli", Provider: "meta",
	}
	if state == syncrequest.Refused {
		r.Error = &syncrequest.Failure{Code: syncrequest.CodeRequested}
	}
	return r
}

func newest(t *testing.T, n *Number) (s schemas.Sync) {
	t.Helper()
	told := false
	for {
		one, ok := n.TakeSync()
		if !ok {
			break
		}
		s, told = one, true
	}
	if !told {
		t.Fatal("no sync was told")
	}
	return s
}

// The records are those that the program wrote before there were requests.
func TestStateWithoutRequestsIsReadAndAnswersARequest(t *testing.T) {
	cfg := DefaultConfig()
	n := NewNumber(&cfg, testIdentity)
	for key, value := range map[string]string{
		"n":   `{"v":1,"windows":1}`,
		"w/1": `{"v":1,"opened":1767225600000,"last":1767225600000,"order_known":true,"numbering":0,"reach":0,"progress":55,"phases":[{"p":0,"o":true,"s":true,"b":1,"n":2,"lo":1,"hi":1,"fa":1767225600000,"la":1767225600000,"pr":55,"l":1}],"chunks":1,"pages":0,"left":1,"messages":0}`,
	} {
		if err := n.Restore(key, []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Restored(epoch); err != nil {
		t.Fatal(err)
	}
	if n.Status() != "" {
		t.Errorf("status %q without a request", n.Status())
	}
	n.Request(epoch.Add(time.Minute), historyStep(syncrequest.Accepted, time.Minute, "a"))
	if s := newest(t, n); s.Window != 1 || s.Status != schemas.SyncStatusRunning || s.Progress != 55 {
		t.Errorf("%+v", s)
	}
}

// An older program reads the record of the number and ignores the requests.
func TestTheRecordOfANumberWithoutRequestsIsUnchanged(t *testing.T) {
	cfg := DefaultConfig()
	n := NewNumber(&cfg, testIdentity)
	n.Chunk(epoch, ordered(0, 1, 1))
	n.TakeState(func(key string, value []byte) {
		if key == numberKey && string(value) != `{"v":1,"windows":1}` {
			t.Errorf("record %s", value)
		}
	})
}

// Steps of attempts may come in any order, and more than once.
func TestStepsInAnyOrderGiveOneStatus(t *testing.T) {
	steps := []*syncrequest.Record{
		historyStep(syncrequest.Intended, 0, "a"), historyStep(syncrequest.Unknown, time.Second, "a"), historyStep(syncrequest.Accepted, 2*time.Second, "a"),
		historyStep(syncrequest.Intended, time.Minute, "b"), historyStep(syncrequest.Refused, time.Minute+time.Second, "b"),
	}
	cfg := DefaultConfig()
	eachSeed(t, func(t *testing.T, rng *rand.Rand) {
		n := NewNumber(&cfg, testIdentity)
		order := rng.Perm(len(steps))
		for _, i := range append(order, rng.Perm(len(steps))...) {
			n.Request(epoch.Add(time.Hour), steps[i])
		}
		s := newest(t, n)
		r := s.Request(string(syncrequest.History))
		if s.Status != schemas.SyncStatusRequested || r.State != string(syncrequest.Refused) || r.Attempt != "b" || !s.RequestedAt.Equal(epoch.Add(2*time.Second)) {
			t.Fatalf("order %v: %s, %+v", order, s.Status, r)
		}
	})
}

// A first run that is behind with history, and a replay in the order of the receipts, end with the same sync.
func TestRequestsAndChunksInAnyOrderEndWithTheSameSync(t *testing.T) {
	cfg := DefaultConfig()
	eachSeed(t, func(t *testing.T, rng *rand.Rand) {
		onboarded := rng.IntN(2) == 0
		steps := []*syncrequest.Record{historyStep(syncrequest.Intended, time.Hour, "a"), historyStep(syncrequest.Accepted, time.Hour+time.Second, "a")}
		if onboarded {
			for _, s := range steps {
				s.OnboardedAt = epoch.UnixMilli()
			}
		}
		chunks := make([]Chunk, 1+rng.IntN(3))
		for i := range chunks {
			chunks[i] = ordered(0, int32(i+1), int64(i+1))
			chunks[i].ReceivedAt = epoch.Add(time.Hour + time.Duration(5+rng.IntN(600))*time.Second)
		}
		var ended []schemas.Sync
		for _, live := range []bool{true, false} {
			n := NewNumber(&cfg, testIdentity)
			play := []func(){
				func() { n.Request(epoch.Add(time.Hour), steps[0]) },
				func() { n.Request(epoch.Add(time.Hour+time.Second), steps[1]) },
			}
			for _, c := range chunks {
				play = append(play, func() { n.Chunk(epoch, c) })
			}
			if live {
				rng.Shuffle(len(play), func(i, k int) { play[i], play[k] = play[k], play[i] })
			}
			for _, do := range play {
				do()
			}
			leaveEvery(n)
			for d := n.Deadline(); !d.IsZero() && d.Before(epoch.Add(30*time.Hour)); d = n.Deadline() {
				n.Tick(d)
				leaveEvery(n)
			}
			ended = append(ended, newest(t, n))
		}
		a, b := ended[0].AppendJSON(nil), ended[1].AppendJSON(nil)
		if string(a) != string(b) {
			t.Fatalf("onboarded %v:\n%s\n%s", onboarded, a, b)
		}
	})
}

func leaveEvery(n *Number) {
	for {
		d, ok := n.Next(epoch)
		if !ok {
			return
		}
		n.Left(epoch, d, 0, 0, nil)
	}
}

func TestRequestsAreForgottenAndTheirMemoryIsCounted(t *testing.T) {
	cfg := DefaultConfig()
	n := NewNumber(&cfg, testIdentity)
	before := n.MemoryBytes()
	for i := range 1000 {
		n.Request(epoch, historyStep(syncrequest.Intended, time.Duration(i)*time.Millisecond, string(rune('a'+i%26))+"long text"))
	}
	if grown := n.MemoryBytes() - before; grown < 100 || grown > 1000 {
		t.Errorf("1,000 attempts cost %d bytes", grown)
	}
	if n.Idle() {
		t.Error("a number with a request is idle")
	}
	n.TakeState(func(string, []byte) {})
	n.Tick(epoch.Add(200 * time.Hour))
	for range 3 {
		n.TakeSync()
	}
	n.TakeState(func(string, []byte) {})
	if !n.Idle() || n.Status() != "" || !n.Deadline().IsZero() {
		t.Errorf("after a week: status %q, deadline %v", n.Status(), n.Deadline())
	}
}
