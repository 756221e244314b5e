package app

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/processors/directory"
	"github.com/coexstream/coexstream/schemas"
)

var (
	interleavings     = flag.Int("interleavings", 60, "how many random logs are played")
	interleavingsSeed = flag.Uint64("interleavings-seed", 1, "seed of the random logs; 0: a new one")
)

// In any order of the partitions, the first run and replays of its log give the same events: ids, times, and values.
// This holds for the same number of partitions and for others. A bare value may come at any time. No run has an event of syncs twice.
func TestFirstRunAndReplaysAgreeInEveryInterleaving(t *testing.T) {
	t.Parallel()
	seed := *interleavingsSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	for _, differed := range []struct{ seed, log uint64 }{{1796070187403799426, 47}} {
		firstRunAndReplaysAgree(t, differed.seed, differed.log)
	}
	for log := range uint64(*interleavings) {
		firstRunAndReplaysAgree(t, seed, log)
	}
}

// The desk requests syncs between the webhooks, in any state and more than once.
func TestFirstRunAndReplaysAgreeOnRequestsInEveryInterleaving(t *testing.T) {
	t.Parallel()
	seed := *interleavingsSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	requests := 0
	for log := range uint64(*interleavings) {
		requests += agreeOn(t, seed, log, func(l *modelledLog) int { return l.request() })
	}
	if requests < *interleavings {
		t.Errorf("only %d requests in %d logs", requests, *interleavings)
	}
}

func firstRunAndReplaysAgree(t *testing.T, seed, log uint64) {
	agreeOn(t, seed, log, func(*modelledLog) int { return 0 })
}

// agreeOn plays a log, and replays of it. more adds to the log.
func agreeOn(t *testing.T, seed, log uint64, more func(*modelledLog) int) (added int) {
	rng := rand.New(rand.NewPCG(seed, log))
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	partitions, others := int32(1+rng.IntN(7)), int32(1+rng.IntN(7))
	l := &modelledLog{t: t, rng: rng, start: start, at: start, contacts: others == partitions}
	l.fill()
	added = more(l)
	first := newModelled(t, rng, partitions, start)
	first.first(l.posts)
	want := first.consumed()
	notRepeated := func(what string, m *modelled) {
		if repeated := m.repeatedSyncs(); added == 0 && len(repeated) > 0 {
			t.Errorf("run again with -interleavings-seed=%d: log %d: the %s has a sync twice: %s", seed, log, what, repeated[0])
		}
	}
	notRepeated("first run", first)
	for _, n := range []int32{partitions, others} {
		again := newModelled(t, rng, n, first.now)
		again.replay(first)
		notRepeated("replay", again)
		differences := differ(want, again.consumed())
		if len(differences) == 0 {
			continue
		}
		t.Errorf("run again with -interleavings-seed=%d: log %d of %d posts, in %d partitions and in %d", seed, log, len(l.posts), partitions, n)
		for _, d := range differences[:min(len(differences), 6)] {
			t.Logf("%.1500s", d)
		}
	}
	return added
}

// docs/webhooks.md, H26: after an onboarding a number is its WABA's again, of few numbers with the event, and of many with the number's
// next webhook.
func TestFirstRunAndReplaysAgreeOnANumberThatCameBackToAWABAOfManyNumbers(t *testing.T) {
	t.Parallel()
	const home, other = "7100", "7200"
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	in := func(waba, field, value string, at time.Time) string {
		return fmt.Sprintf(`{"object":"whatsapp_business_account","entry":[{"id":"%s","time":%d,"changes":[{"field":"%s","value":%s}]}]}`, waba, at.Unix(), field, value)
	}
	message := func(number int, id string, at time.Time) string {
		return fmt.Sprintf(`{"messaging_product":"whatsapp","metadata":{"phone_number_id":"81%02d","display_phone_number":"155500090%02d"},"messages":[{"from":"16505551234","id":"wamid.%s","timestamp":"%d","type":"text","text":{"body":"b"}}]}`, number, number, id, at.Unix())
	}
	for _, numbers := range []int{1, 4, 5, 9} {
		for seed := range uint64(6) {
			var posts []posted
			post := func(after time.Duration, body func(at time.Time) string) {
				at := start.Add(after)
				posts = append(posts, posted{body(at), at})
			}
			for i := range numbers {
				post(time.Duration(i)*time.Second, func(at time.Time) string {
					return in(home, "messages", message(i, fmt.Sprint("first", i), at), at)
				})
			}
			post(time.Hour, func(at time.Time) string { return in(other, "messages", message(0, "away", at), at) })
			post(2*time.Hour, func(at time.Time) string { return message(0, "bare.away", at) })
			post(3*time.Hour, func(at time.Time) string { return in(home, "account_update", `{"event":"PARTNER_ADDED"}`, at) })
			post(4*time.Hour, func(at time.Time) string { return message(0, "bare.added", at) })
			post(5*time.Hour, func(at time.Time) string { return in(home, "messages", message(0, "back", at), at) })
			post(6*time.Hour, func(at time.Time) string { return message(0, "bare.back", at) })

			rng := rand.New(rand.NewPCG(seed, uint64(numbers)))
			first := newModelled(t, rng, 3, start)
			first.first(posts)
			for _, partitions := range []int32{3, 5} {
				again := newModelled(t, rng, partitions, first.now)
				again.replay(first)
				for _, d := range differ(first.consumed(), again.consumed()) {
					t.Errorf("%d numbers, seed %d, %d partitions: %.400s", numbers, seed, partitions, d)
				}
			}
			whose := map[string]string{"bare.away": other, "bare.added": home, "bare.back": home}
			if numbers > directory.NamedAtOnceMax {
				whose["bare.added"] = other
			}
			for _, e := range first.events {
				for id, want := range whose {
					if strings.Contains(e.raw, `"wamid":"wamid.`+id+`"`) {
						delete(whose, id)
						if !strings.Contains(e.raw, `"waba_id":"`+want+`"`) {
							t.Errorf("%d numbers, seed %d: %s is not of %s: %.300s", numbers, seed, id, want, e.raw)
						}
					}
				}
			}
			if len(whose) > 0 {
				t.Errorf("%d numbers, seed %d: no events of %v", numbers, seed, whose)
			}
		}
	}
}

// docs/webhooks.md, H17: a chunk and a live webhook of one message come by two lanes, and either may be read first.
func TestWhatWasJustWrittenStaysLiveInEveryInterleaving(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	const user, biz = "16505551234", "15550783881"
	change := func(field, parts string) string {
		return `{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"field":"` + field + `","value":{"messaging_product":"whatsapp",
			"metadata":{"display_phone_number":"` + biz + `","phone_number_id":"106540352242922"},` + parts + `}}]}]}`
	}
	at := strconv.FormatInt(start.Unix(), 10)
	item := func(from, to string) string {
		return `[{"from":"` + from + `","to":"` + to + `","id":"wamid.X","timestamp":"` + at + `","type":"image","image":{"id":"1"}}]`
	}
	for field, test := range map[string]struct {
		live  string
		topic schemas.Topic
	}{
		"messages":           {change("messages", `"messages":`+item(user, biz)), schemas.TopicMessages},
		"smb_message_echoes": {change("smb_message_echoes", `"message_echoes":`+item(biz, user)), schemas.TopicEchoes},
		"echoes, messages":   {change("messages", `"message_echoes":`+item(biz, user)), schemas.TopicEchoes},
	} {
		chunk := change("history", `"history":[{"metadata":{"phase":0,"chunk_order":1,"progress":10},"threads":[{"id":"`+user+
			`","messages":[{"from":"`+user+`","id":"wamid.X","timestamp":"`+at+`","type":"media_placeholder"}]}]}]`)
		for _, posts := range [][]posted{
			{{chunk, start}, {test.live, start.Add(time.Millisecond)}}, {{test.live, start}, {chunk, start.Add(time.Millisecond)}},
			{{chunk, start}, {test.live, start.Add(time.Minute)}},
		} {
			for seed := range uint64(8) {
				rng := rand.New(rand.NewPCG(seed, 0))
				first := newModelled(t, rng, 2, start)
				first.first(posts)
				again := newModelled(t, rng, 3, first.now)
				again.replay(first)
				for _, d := range differ(first.consumed(), again.consumed()) {
					t.Errorf("%s, seed %d: %.300s", field, seed, d)
				}
				n := 0
				for _, e := range again.events {
					if e.topic == test.topic {
						n++
					}
				}
				if n != 1 {
					t.Errorf("%s, seed %d: %d events on %s", field, seed, n, test.topic)
				}
			}
		}
	}
}

// differ is what stands in one list alone; both are sorted.
func differ(first, second []string) (differences []string) {
	count := map[string]int{}
	for _, s := range first {
		count[s]++
	}
	for _, s := range second {
		count[s]--
	}
	for s, n := range count {
		switch {
		case n > 0:
			differences = append(differences, fmt.Sprintf("%d times less in the replay: %s", n, s))
		case n < 0:
			differences = append(differences, fmt.Sprintf("%d times more in the replay: %s", -n, s))
		}
	}
	slices.Sort(differences)
	return differences
}
