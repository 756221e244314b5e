package partition_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/testing/seed"
	"github.com/coexstream/coexstream/processors/partition"
	"github.com/coexstream/coexstream/schemas"
)

// again writes a copy of a raw record into the same log, as a replay into the same topics does, and feeds it.
func (p *harness) again(id string, offset int, seen time.Time) bool {
	p.t.Helper()
	at := len(p.raw)
	p.raw = append(p.raw, p.raw[offset])
	p.copied[at] = &partition.Replay{ID: []byte(id), Own: true, Seen: seen}
	p.labels[at] = cmp.Or(p.labels[offset], fmt.Sprintf("raw.bulk/0/%d", offset))
	o := p.origin(at)
	p.core.PassFor(o, o.ReceivedAt)
	p.releaseAll()
	if !p.core.Replayed(o) {
		return false
	}
	body, err := p.scanner.Scan(append([]byte{}, p.raw[at].body...))
	if err != nil {
		p.t.Fatal(err)
	}
	p.core.Webhook(o, body)
	p.releaseAll()
	return true
}

func (p *harness) endOfAgain(id string, at time.Time) {
	o := &partition.Origin{Topic: schemas.TopicRawBulk, ReceivedAt: at, Replay: &partition.Replay{ID: []byte(id), Own: true, End: true, Seen: at}}
	p.core.PassFor(o, at)
	p.releaseAll()
	p.core.Replayed(o)
	p.releaseAll()
	p.commit()
}

// of returns the records with or without a replay's id, without the syncs.
func (p *harness) of(id string) (all []string) {
	for _, topic := range []schemas.Topic{schemas.TopicHistory, schemas.TopicMedia, schemas.TopicEchoes, schemas.TopicMessages, schemas.TopicAccount, schemas.TopicOther} {
		for _, r := range p.topics[topic] {
			if r.headers[schemas.HeaderReplay] == id {
				all = append(all, fmt.Sprintf("%s %s %s %s %s", topic, r.headers[schemas.HeaderCEID], r.headers[schemas.HeaderCETime], r.headers[schemas.HeaderOrigin], r.value))
			}
		}
	}
	return all
}

// stateKeys are the keys of the state that is kept.
func (p *harness) stateKeys() []string {
	live := map[string]bool{}
	for _, r := range p.topics[schemas.TopicState] {
		if r.value == nil {
			delete(live, r.key)
		} else {
			live[r.key] = true
		}
	}
	var keys []string
	for k := range live {
		if strings.HasPrefix(k, "p|") || strings.HasPrefix(k, "y|") {
			keys = append(keys, k)
		}
	}
	return keys
}

func echoOf(id string, at int64) string {
	return envelope("smb_message_echoes", value(fmt.Sprintf(`"message_echoes":[{"from":"%s","to":"%s","id":"%s","timestamp":"%d","type":"text","text":{"body":"x"}}]`, biz, user, id, at)))
}

// A replay into the same topics: all events leave again, with the same ids and values and in the same order. The live
// state is as if nothing had been replayed. Live webhooks come in between, and restarts.
func TestReplayIntoTheSameTopicsRepeatsTheEventsAndLeavesTheLiveStateAlone(t *testing.T) {
	seed := seed.Of(t)
	for round := range rounds(20) {
		rng := rand.New(rand.NewPCG(seed, round))
		var ds []delivery
		at := time.Duration(0)
		for window := range 2 {
			for _, phase := range []int{0, 1, 2} {
				orders := rng.Perm(4)
				for _, order := range orders {
					if rng.IntN(7) == 0 {
						continue
					}
					at += time.Duration(rng.IntN(25*60_000)) * time.Millisecond
					ds = append(ds, delivery{at, chunk(phase, order+1, 25*(order+1), fmt.Sprintf("w%d-%d-%d", window, phase, order), "shared")})
					if rng.IntN(4) == 0 {
						ds = append(ds, delivery{at, echoOf(fmt.Sprintf("e%d", len(ds)), start.Add(at).Unix())})
					}
				}
			}
			at += 7 * time.Hour
		}
		p, control := newPartition(t), newPartition(t)
		p.live(ds, at)
		control.live(ds, at)
		want, n := p.of(""), len(p.raw)

		// A chunk of a third sync is held while the replay continues.
		held := delivery{at + time.Hour, chunk(0, 2, 100, "third-2")}
		filler := delivery{at + time.Hour + time.Minute, chunk(0, 1, 50, "third-1")}
		p.live([]delivery{held}, held.after)
		control.live([]delivery{held}, held.after)
		now := start.Add(held.after)
		for i := range n {
			if !p.again("r", i, now) || rng.IntN(4) == 0 && p.again("r", i, now) {
				t.Fatalf("seed %d round %d: record %d", seed, round, i)
			}
			switch rng.IntN(6) {
			case 0:
				p.commit()
			case 1:
				p.commit()
				p.restart()
			}
		}
		p.commit()
		if p.core.Replaying(now) {
			t.Error("a replay with a state of its own holds the clock of the live ones")
		}
		if rng.IntN(2) == 0 {
			p.restart()
		}
		p.endOfAgain("r", now)
		p.live([]delivery{filler}, filler.after+40*time.Hour)
		control.live([]delivery{filler}, filler.after+40*time.Hour)

		same := func(what string, got, want []string) {
			t.Helper()
			if slices.Equal(got, want) {
				return
			}
			for i := range min(len(got), len(want)) {
				if got[i] != want[i] {
					t.Fatalf("seed %d round %d: %s: %d is\n%s\ninstead of\n%s", seed, round, what, i, got[i], want[i])
				}
			}
			t.Fatalf("seed %d round %d: %s: %d events instead of %d", seed, round, what, len(got), len(want))
		}
		same("replayed", p.of("r"), want)
		// The live events name offsets behind the copies: all else is what it would have been.
		same("live", values(p, ""), values(control, ""))
		a, b := p.topics[schemas.TopicSyncs], control.topics[schemas.TopicSyncs]
		if len(a) != len(b) || string(a[len(a)-1].value) != string(b[len(b)-1].value) {
			t.Fatalf("seed %d round %d: syncs: %d records instead of %d, the last one is\n%s", seed, round, len(a), len(b), a[len(a)-1].value)
		}
		if keys := p.stateKeys(); len(keys) != 0 {
			t.Fatalf("seed %d round %d: state is left: %v", seed, round, keys)
		}
	}
}

func values(p *harness, id string) (all []string) {
	for _, r := range p.topics[schemas.TopicHistory] {
		if r.headers[schemas.HeaderReplay] == id {
			all = append(all, string(r.value))
		}
	}
	return all
}

func TestReplayedContactsDoNotOverwriteNewerOnes(t *testing.T) {
	p := newPartition(t)
	contact := func(name string, at int) string {
		return envelope("smb_app_state_sync", value(fmt.Sprintf(`"state_sync":[{"type":"contact","action":"add","contact":{"full_name":"%s","phone_number":"%s"},"metadata":{"timestamp":"%d"}}]`, name, user, at)))
	}
	p.webhook(contact("old", 1772300000))
	p.webhook(contact("new", 1772300001))
	before := len(p.topics[schemas.TopicContacts])
	p.again("r", 0, start)
	p.endOfAgain("r", start)
	if got := len(p.topics[schemas.TopicContacts]); got != before {
		t.Errorf("%d records of contacts after the replay, %d before it", got, before)
	}
}

func TestReplayedFollowUpJoinsThePlaceholderThatTheLiveStateKnows(t *testing.T) {
	p := newPartition(t)
	p.webhook(envelope("history", value(`"history":[{"metadata":{"phase":0,"chunk_order":1,"progress":50},"threads":[{"id":"`+user+`","messages":[{"from":"`+user+`","id":"P","timestamp":"1772300000","type":"media_placeholder","history_context":{"status":"read"}}]}]}]`)))
	p.webhook(envelope("history", value(`"messages":[{"from":"`+user+`","id":"P","timestamp":"1772366000","type":"image","image":{"id":"1"}}]`)))
	p.again("r", 1, start)
	p.endOfAgain("r", start)
	got := p.topics[schemas.TopicMedia]
	if len(got) != 2 || string(got[0].value) != string(got[1].value) || got[1].headers[schemas.HeaderReplay] != "r" {
		t.Errorf("%d media events: %v", len(got), got)
	}
}
