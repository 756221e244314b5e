package partition_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// chunkOf is a history webhook of one message of the i-th number of the WABA.
func chunkOf(i, order int, text string) string {
	return changes(numberChunk(i, order, text))
}

func numberChunk(i, order int, text string) string {
	return fmt.Sprintf(`{"field":"history","value":{"metadata":{"phone_number_id":"8%06d","display_phone_number":"%s"},"history":[{"metadata":{"phase":0,"chunk_order":%d,"progress":100},"threads":[{"id":"%s","messages":[{"id":"wamid.%d.%s","from":"%s","timestamp":"1772300000","type":"text","text":{"body":"%s"}}]}]}]}}`,
		i, displayOf(i), order, user, i, text, user, text)
}

func displayOf(i int) string { return fmt.Sprintf("1555%06d", i) }

// accountEventOf is an account event about a phone number; empty: about all numbers of the WABA.
func accountEventOf(name, phone string, at time.Time) string {
	return fmt.Sprintf(`{"object":"whatsapp_business_account","entry":[{"id":"%s","time":%d,"changes":[{"field":"account_update","value":{"event":"%s","phone_number":"%s"}}]}]}`,
		waba, at.Unix(), name, phone)
}

// syncedNumbers lets so many numbers of the WABA have a history that has ended.
func (p *harness) syncedNumbers(numbers int) {
	for from := 0; from < numbers; from += 100 {
		p.webhook(changes(many(min(100, numbers-from), func(i int) string { return numberChunk(from+i, 1, "a") })))
	}
	p.tick(24 * time.Hour)
	p.clock = p.clock.Add(time.Minute)
}

// The result of an account event is bounded by its own bytes, for any number of numbers with history of its WABA.
func TestAnAccountEventDoesNotRewriteTheNumbersWithHistory(t *testing.T) {
	const numbers = 300
	p := newPartition(t)
	p.syncedNumbers(numbers)
	for i := range 200 {
		clear(p.topics)
		name := []string{"PARTNER_ADDED", "PARTNER_REMOVED", "ACCOUNT_RECONNECTED", "ACCOUNT_OFFBOARDED"}[i/3%4]
		body := accountEventOf(name, "", p.clock)
		p.webhook(body)
		p.tick(time.Minute)
		if got, most := p.committedBytes(), 8*len(body)+8192; got > most {
			t.Fatalf("event %d became %d bytes, want at most %d; %d records of state", i, got, most, len(p.topics[schemas.TopicState]))
		}
		if got := len(p.topics[schemas.TopicState]); got > 4 {
			t.Fatalf("event %d became %d records of state", i, got)
		}
	}
}

// The numbers of a WABA are touched one after another between account events. Each touch costs what its body allows, and the record
// of the WABA's account events stays short.
func TestNumbersThatAreTouchedAfterAccountEventsStayCheap(t *testing.T) {
	const numbers = 300
	p := newPartition(t)
	p.syncedNumbers(numbers)
	within := func(what, body string) {
		t.Helper()
		if got, most := p.committedBytes(), 8*len(body)+16384; got > most {
			t.Fatalf("%s became %d bytes, want at most %d", what, got, most)
		}
		for _, r := range p.topics[schemas.TopicState] {
			if strings.HasPrefix(r.key, "b|") && len(r.value) > 128*64 {
				t.Fatalf("%s: the record of the account events has %d bytes", what, len(r.value))
			}
		}
		clear(p.topics)
	}
	for i := range numbers {
		clear(p.topics)
		body := accountEventOf([]string{"PARTNER_REMOVED", "PARTNER_ADDED"}[i%2], "", p.clock)
		p.webhook(body)
		within("an event", body)
		p.clock = p.clock.Add(time.Minute)
		body = chunkOf(i, 1, "b")
		p.webhook(body)
		within("a chunk", body)
		p.tick(13 * time.Hour) // its sync ends, and old ones are forgotten
	}
}

// Numbers whose records lack account events are restored with them: the same events leave, in the same windows, as without a restart.
func TestARestartAmongAccountEventsAboutManyNumbersChangesNothing(t *testing.T) {
	for seed := range uint64(20) {
		plain, restarted := playAccountEvents(t, seed, false), playAccountEvents(t, seed, true)
		if !slices.Equal(plain, restarted) {
			for i := range max(len(plain), len(restarted)) {
				if i >= len(plain) || i >= len(restarted) || plain[i] != restarted[i] {
					t.Fatalf("seed %d: line %d differs\n%s\n%s", seed, i, at(plain, i), at(restarted, i))
				}
			}
		}
	}
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(none)"
}

// playAccountEvents plays random chunks and account events of one WABA. The events come by the live lane, which is ahead of the chunks.
func playAccountEvents(t *testing.T, seed uint64, restarts bool) (out []string) {
	t.Helper()
	const numbers = 8
	r := rand.New(rand.NewPCG(seed, 1))
	p := newPartition(t)
	p.cfg.Partitions = 1
	bulk := p.clock
	var lag time.Duration
	for i := range 150 {
		switch r.IntN(10) {
		case 0:
			lag = time.Duration(r.IntN(3)) * 20 * time.Minute
		case 1, 2, 3, 4: // an account event
			p.clock = bulk.Add(lag)
			phone := ""
			if r.IntN(4) == 0 {
				phone = displayOf(r.IntN(numbers))
			}
			name := []string{"PARTNER_ADDED", "PARTNER_REMOVED", "ACCOUNT_RECONNECTED", "ACCOUNT_OFFBOARDED"}[r.IntN(4)]
			happened := p.clock.Add(-time.Duration(r.IntN(2)*r.IntN(3000)) * time.Second)
			p.send(accountEventOf(name, phone, happened))
		case 5, 6, 7, 8:
			p.clock = bulk
			p.core.Pass(bulk)
			p.releaseAll()
			p.send(chunkOf(r.IntN(numbers), 1+r.IntN(3), []string{"a", "b", "c" + strconv.Itoa(i)}[r.IntN(3)]))
		case 9:
			if lag == 0 {
				p.clock = bulk
				p.core.Tick(bulk)
				p.releaseAll()
			}
		}
		bulk = bulk.Add(time.Duration(1+r.IntN(600)) * time.Second)
		if r.IntN(12) == 0 {
			bulk = bulk.Add(7 * time.Hour)
		}
		if r.IntN(40) == 0 {
			bulk = bulk.Add(30 * time.Hour)
		}
		p.commit()
		if restart := r.IntN(4) == 0; restart && restarts {
			p.restart()
		}
	}
	p.clock = bulk.Add(lag)
	p.tick(30 * 24 * time.Hour)
	for _, topic := range []schemas.Topic{schemas.TopicHistory, schemas.TopicSyncs, schemas.TopicAccount} {
		for _, rec := range p.topics[topic] {
			out = append(out, fmt.Sprint(topic, " ", rec.key, " ", string(rec.value)))
		}
	}
	// Due work of several numbers at one time is done in any order.
	slices.SortStableFunc(out, func(a, b string) int { return strings.Compare(a[:strings.Index(a, "{")], b[:strings.Index(b, "{")]) })
	return out
}

// A record of an earlier version holds the pending events itself, and the events of the WABA have no number.
func TestAccountEventsOfTheFormerStateAreAppliedOnce(t *testing.T) {
	const numbers = 6
	p := newPartition(t)
	for i := range numbers {
		p.webhook(chunkOf(i, 2, "first")) // waits for its predecessor
	}
	received := p.clock.Add(time.Hour)
	ms := strconv.FormatInt(received.UnixMilli(), 10)
	state := func(key, value string) {
		p.topics[schemas.TopicState] = append(p.topics[schemas.TopicState], record{topic: schemas.TopicState, key: key, value: []byte(value)})
	}
	for i := range numbers {
		state(fmt.Sprintf("h|%s/8%06d|n", waba, i), `{"v":1,"windows":1,"pending":[{"t":`+ms+`,"r":`+ms+`}]}`)
	}
	state("b|"+waba, `{"v":1,"events":[{"t":`+ms+`,"r":`+ms+`}]}`)
	p.restart()
	p.clock = received.Add(-time.Minute)
	p.webhook(chunkOf(0, 1, "before"))
	p.clock = received.Add(time.Hour)
	p.webhook(accountEventOf("PARTNER_ADDED", "", p.clock)) // of this version
	p.restart()
	p.clock = p.clock.Add(time.Minute)
	for i := range numbers {
		p.webhook(chunkOf(i, 1, "second"))
	}
	windows := map[string][]int32{}
	for _, m := range events[schemas.Message](p, schemas.TopicHistory) {
		windows[m.PhoneNumberID] = append(windows[m.PhoneNumberID], m.Sync.Window)
	}
	for i := range numbers {
		want := []int32{1, 2}
		if i == 0 {
			want = []int32{1, 1, 2}
		}
		if id := fmt.Sprintf("8%06d", i); !slices.Equal(windows[id], want) {
			t.Errorf("the chunks of number %d left in windows %v, want %v", i, windows[id], want)
		}
	}
}
