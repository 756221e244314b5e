package partition_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/testing/cost"
	"github.com/coexstream/coexstream/schemas"
)

// Webhooks that once stopped a processor, or cost far more than their bytes.

// committedBytes is what the partition wrote, of all topics or of one.
func (p *harness) committedBytes(only ...schemas.Topic) (n int) {
	for topic, records := range p.topics {
		if len(only) > 0 && !slices.Contains(only, topic) {
			continue
		}
		for _, r := range records {
			n += len(r.key) + len(r.value)
			for k, v := range r.headers {
				n += len(k) + len(v)
			}
		}
	}
	return n
}

// within fails where a body became more than 8 times its bytes, and what any body may become.
func (p *harness) within(body string) {
	p.t.Helper()
	if got, most := p.committedBytes(), 8*len(body)+1<<20; got > most {
		p.t.Errorf("%d bytes came of a body of %d, want at most %d", got, len(body), most)
	}
}

// theLetterOf is the body's only letter, with the body as it was.
func (p *harness) theLetterOf(body string, reason schemas.Reason) record {
	p.t.Helper()
	letters := p.topics[schemas.TopicDLQ]
	if len(letters) != 1 {
		p.t.Fatalf("%d letters, want one", len(letters))
	}
	if l := letters[0]; l.headers[schemas.HeaderDLQReason] != string(reason) || string(l.value) != body {
		p.t.Fatalf("the letter has %d bytes, %v; want %d bytes, %s", len(l.value), l.headers, len(body), reason)
	}
	return letters[0]
}

func many(n int, one func(i int) string) string {
	all := make([]string, n)
	for i := range all {
		all[i] = one(i)
	}
	return strings.Join(all, ",")
}

func tiny(i int) string { return fmt.Sprintf(`{"id":"wamid.%d","from":"16505550100"}`, i) }

func TestAnIDOfMegabytesBesideManyMessagesIsOneLetter(t *testing.T) {
	for name, meta := range map[string]string{
		"phone_number_id":      `"phone_number_id":"` + strings.Repeat("1", 1_200_000) + `"`,
		"display_phone_number": `"phone_number_id":"1","display_phone_number":"` + strings.Repeat("1", 1_200_000) + `"`,
	} {
		t.Run(name, func(t *testing.T) {
			p := newPartition(t)
			body := changes(`{"field":"messages","value":{"metadata":{` + meta + `},"messages":[` + many(3000, tiny) + `]}}`)
			p.webhook(body)
			p.theLetterOf(body, schemas.ReasonIDTooLong)
			p.within(body)
		})
	}
}

func TestMessagesThatAreTooLongForAnEventShareOneLetter(t *testing.T) {
	p := newPartition(t)
	p.cfg.EventBytesMax = 16 << 10
	p.restart()
	long := func(i int) string {
		if i%10 == 9 {
			return incoming(fmt.Sprint("good", i), "")
		}
		return incoming(fmt.Sprint("long", i), `,"text":{"body":"`+strings.Repeat("x", 20<<10)+`"}`)
	}
	body := changes(change("messages", `"messages":[`+many(50, long)+`]`))
	p.webhook(body)
	l := p.theLetterOf(body, schemas.ReasonEventTooLong)
	if got := len(events[schemas.Message](p, schemas.TopicMessages)); got != 5 {
		t.Errorf("%d of 5 messages left", got)
	}
	p.cfg.EventBytesMax = 1 << 20
	p.restart()
	p.requeue(l, "0/1")
	if got := len(events[schemas.Message](p, schemas.TopicMessages)); got != 50 || len(p.topics[schemas.TopicDLQ]) != 1 {
		t.Errorf("after the requeue %d of 50 messages, %d letters", got, len(p.topics[schemas.TopicDLQ]))
	}
}

func TestTenThousandContactsAndMessagesAreBoundedByTheirBytes(t *testing.T) {
	p := newPartition(t)
	body := changes(change("messages", `"contacts":[`+many(10_000, func(i int) string {
		return fmt.Sprintf(`{"wa_id":"1650%06d","profile":{"name":"N"}}`, i)
	})+`],"messages":[`+many(10_000, func(i int) string {
		return fmt.Sprintf(`{"id":"wamid.%d","from":"1650%06d","timestamp":"1739230955","type":"text","text":{"body":"x"}}`, i, i)
	})+`]`))
	p.webhook(body)
	p.within(body)
	if got := len(events[schemas.Message](p, schemas.TopicMessages)); got != 10_000 {
		t.Errorf("%d of 10000 messages left: they are within the bound", got)
	}
}

// Parts over the bound are set aside with their places, and nothing is lost: requeues continue with the rest.
func TestWhatIsOverTheBoundLeavesWithRequeues(t *testing.T) {
	const n = 3000
	for name, body := range map[string]string{
		"messages":          changes(change("messages", `"messages":[`+many(n, func(i int) string { return fmt.Sprintf(`{"id":%d}`, i+1) })+`]`)),
		"echoes and others": changes(change("messages", `"messages":[`+many(n/3, func(i int) string { return fmt.Sprintf(`{"id":%d}`, i+1) })+`],"message_echoes":[`+many(n/3, func(i int) string { return fmt.Sprintf(`{"id":%d}`, n+i) })+`],"statuses":[`+many(n/3, func(i int) string { return fmt.Sprintf(`{"id":%d,"status":"sent"}`, i+1) })+`]`)),
		"changes":           changes(many(n, func(i int) string { return change("messages", fmt.Sprintf(`"messages":[{"id":%d}]`, i+1)) })),
	} {
		t.Run(name, func(t *testing.T) {
			p := newPartition(t)
			p.webhook(body)
			p.within(body)
			left := func() int {
				return len(events[schemas.Message](p, schemas.TopicMessages)) + len(events[schemas.Message](p, schemas.TopicEchoes))
			}
			if name == "changes" {
				if got := left(); got != n {
					t.Fatalf("%d of %d messages left: they are within the bound", got, n)
				}
				return
			}
			for attempt := 1; left() < n; attempt++ {
				before := left()
				letters := p.topics[schemas.TopicDLQ]
				if len(letters) != attempt || attempt > 20 {
					t.Fatalf("%d letters after %d attempts; %d messages left", len(letters), attempt, before)
				}
				l := letters[attempt-1]
				if l.headers[schemas.HeaderDLQReason] != string(schemas.ReasonOutputTooLarge) || l.headers[schemas.HeaderDLQParked] != "" {
					t.Fatalf("the letter has %v", l.headers)
				}
				p.requeue(l, "0/"+strconv.Itoa(attempt))
				if left() <= before {
					t.Fatalf("nothing of %v left with the requeue", l.headers)
				}
			}
			seen := map[string]bool{}
			for _, topic := range []schemas.Topic{schemas.TopicMessages, schemas.TopicEchoes} {
				for _, r := range p.topics[topic] {
					if id := r.headers[schemas.HeaderCEID]; seen[id] {
						t.Fatalf("event %s left twice", id)
					} else {
						seen[id] = true
					}
				}
			}
		})
	}
}

func chunks(n int, one func(i int) string) string {
	return changes(change("history", `"history":[`+many(n, one)+`]`))
}

// A chunk that is over the bound by itself stays a gap, until it is asked for.
func TestAChunkOverTheBoundIsSetAsideAlone(t *testing.T) {
	p := newPartition(t)
	small := func(order int, messages string) string {
		return fmt.Sprintf(`{"metadata":{"phase":0,"chunk_order":%d},"threads":[{"id":"16505550100","messages":[%s]}]}`, order, messages)
	}
	dense := small(2, many(5000, func(i int) string { return fmt.Sprintf(`{"id":"dense.%d"}`, i) }))
	body := changes(change("history", `"history":[`+small(1, tiny(1))+`,`+dense+`,`+small(3, tiny(3))+`]`))
	p.webhook(body)
	p.within(body)
	l := p.theLetterOf(body, schemas.ReasonOutputTooLarge)
	if got := l.headers[schemas.HeaderDLQPlaces]; got != "0.0.history.1" {
		t.Errorf("the letter names %s", got)
	}
	p.requeue(l, "0/1")
	if got := len(events[schemas.Message](p, schemas.TopicHistory)); got != 5002 || len(p.topics[schemas.TopicDLQ]) != 1 {
		t.Errorf("%d of 5002 messages left, %d letters", got, len(p.topics[schemas.TopicDLQ]))
	}
}

func TestABodyHasABoundedNumberOfChunks(t *testing.T) {
	const n = 60_000
	p := newPartition(t)
	body := chunks(n, func(i int) string {
		return fmt.Sprintf(`{"metadata":{"phase":0,"chunk_order":%d},"threads":[{"id":"16505550100","messages":[{"id":"wamid.%d","from":"16505550100","timestamp":"1739230955","type":"text","text":{"body":"as long as people write"}}]}]}`, n-i, i)
	})
	p.webhook(body)
	p.within(body)
	l := p.theLetterOf(body, schemas.ReasonTooManyItems)
	if got := l.headers[schemas.HeaderDLQPlaces]; got != "0.0.history.4096-" {
		t.Errorf("the letter names %s", got)
	}
	if got := p.core.Size().Held; got > 4096 {
		t.Errorf("%d chunks are held", got)
	}
}

func TestABodyHasABoundedNumberOfChanges(t *testing.T) {
	p := newPartition(t)
	body := changes(many(5000, func(i int) string { return change("messages", `"messages":[`+incoming(fmt.Sprint("m", i), "")+`]`) }))
	p.webhook(body)
	l := p.theLetterOf(body, schemas.ReasonTooManyItems)
	if got := l.headers[schemas.HeaderDLQChanges]; got != "4096-" {
		t.Errorf("the letter names the changes %s", got)
	}
	p.requeue(l, "0/1")
	if got := len(events[schemas.Message](p, schemas.TopicMessages)); got != 5000 || len(p.topics[schemas.TopicDLQ]) != 1 {
		t.Errorf("%d of 5000 messages, %d letters", got, len(p.topics[schemas.TopicDLQ]))
	}
}

func TestNewNumbersInEachChangeAreBoundedByTheirBytes(t *testing.T) {
	p := newPartition(t)
	body := changes(many(4000, func(i int) string {
		return fmt.Sprintf(`{"field":"history","value":{"metadata":{"phone_number_id":"%d"},"history":[{"metadata":{"phase":0,"chunk_order":1}}]}}`, i)
	}))
	p.webhook(body)
	p.within(body)
	p.theLetterOf(body, schemas.ReasonOutputTooLarge)
}

// The events about all numbers of a WABA, and its numbers, cost their sum and not their product.
func TestAccountEventsAndNumbersCostTheirSum(t *testing.T) {
	cost.Linear(t, 4000, func(n int) func() {
		p := newPartition(t)
		for from := 0; from < n; from += 500 {
			p.webhook(changes(many(500, func(i int) string {
				return fmt.Sprintf(`{"field":"messages","value":{"metadata":{"phone_number_id":"%d","display_phone_number":"1555%06d"},"messages":[%s]}}`, from+i, from+i, incoming(fmt.Sprint("m", from+i), ""))
			})))
		}
		if got := p.core.Size().Numbers; got != n {
			t.Fatalf("%d numbers", got)
		}
		body := changes(many(n, func(i int) string {
			return fmt.Sprintf(`{"field":"account_update","value":{"event":"PARTNER_REMOVED","x":"%d %s"}}`, i, strings.Repeat("x", 300))
		}))
		return func() {
			p.webhook(body)
			if got := len(p.topics[schemas.TopicAccount]); got != n {
				t.Errorf("%d account events left", got)
			}
		}
	})
}

// The result of an account event is bounded by its own bytes, for any number of numbers of its WABA. Each kind of
// number is tried: those that live webhooks named, those of history alone, and those without a display number.
func TestAnAccountEventBecomesTheSameHoweverManyNumbersItConcerns(t *testing.T) {
	const numbers = 300
	for _, name := range []string{"PARTNER_ADDED", "PARTNER_REMOVED", "ACCOUNT_RECONNECTED", "ACCOUNT_OFFBOARDED", "ACCOUNT_DELETED", "PARTNER_APP_INSTALLED", "ANOTHER"} {
		for _, lane := range []string{"raw.live", "raw.bulk"} {
			for _, display := range []string{`,"display_phone_number":"1555%06d"`, `,"display_phone_number":"15550000001"`, ""} {
				for _, about := range []string{"", `,"phone_number":"15550000001"`} {
					t.Run(name+lane+display+about, func(t *testing.T) {
						p := newPartition(t)
						p.cfg.Partitions, p.cfg.PartitionOf = 2, func(business []byte) int32 { return int32(min(len(business), 14)) % 2 } // the numbers' ids are another's
						p.restart()
						send := func(lane, body string) {
							p.labels[len(p.raw)] = fmt.Sprintf("%s/0/%d", lane, len(p.raw))
							p.webhook(body)
							p.clock = p.clock.Add(time.Second)
						}
						for from := 0; from < numbers; from += 100 {
							send(lane, changes(many(100, func(i int) string {
								shown := display
								if strings.Contains(shown, "%") {
									shown = fmt.Sprintf(shown, from+i)
								}
								return fmt.Sprintf(`{"field":"messages","value":{"metadata":{"phone_number_id":"8%06d"%s},"messages":[%s]}}`, from+i, shown, incoming(fmt.Sprint("m", from+i), ""))
							})))
						}
						if got := p.core.Size().Numbers; got != numbers {
							t.Fatalf("%d numbers", got)
						}
						next := 0
						event := func(events int) string {
							return `{"object":"whatsapp_business_account","entry":[` + many(events, func(int) string {
								next++
								return fmt.Sprintf(`{"id":"%s","time":%d,"changes":[{"field":"account_update","value":{"event":"%s"%s}}]}`, waba, p.clock.Unix()+int64(next), name, about)
							}) + `]}`
						}
						for _, events := range []int{1, 1, 1, 32, 32} {
							clear(p.topics)
							body := event(events)
							send("raw.live", body)
							if got := len(p.topics[schemas.TopicAccount]); got != events {
								t.Fatalf("%d of %d account events left", got, events)
							}
							records := 0
							for _, of := range p.topics {
								records += len(of)
							}
							if got, most := p.committedBytes(), 8*len(body)+4096; got > most || records > 3*events+12 {
								t.Errorf("%d records of %d bytes came of %d bytes with %d events, want at most %d bytes: %d on rerouted, %d on state, of %d bytes", records, got, len(body), events, most,
									len(p.topics[schemas.TopicRerouted]), len(p.topics[schemas.TopicState]), p.committedBytes(schemas.TopicState))
							}
						}
					})
				}
			}
		}
	}
}

// In a change that leaves as it is, known names have no meaning. Its items are not counted as parts, and one letter
// reports that the change is too long, for any limit of its event.
func TestAChangeThatLeavesAsItIsHasOneEventOrOneLetter(t *testing.T) {
	elements := func(n, bytes int) string {
		return `"history":[` + many(n, func(i int) string {
			return fmt.Sprintf(`{"metadata":{"phase":0,"chunk_order":%d},"x":"%s"}`, i+1, strings.Repeat("x", bytes))
		}) + `]`
	}
	for _, c := range []struct {
		name, body      string
		account, others int
		letter          schemas.Reason
	}{
		{"an account event with many elements", changes(change("account_update", `"event":"ACCOUNT_REVIEW_UPDATE",`+elements(5000, 20))), 1, 0, ""},
		{"an account event without its event", changes(change("account_update", elements(5000, 20))), 1, 0, ""},
		{"one that is too long", changes(change("account_update", `"event":"ACCOUNT_REVIEW_UPDATE",`+elements(5000, 250))), 0, 0, schemas.ReasonEventTooLong},
		{"one that is too long without its event", changes(change("account_update", elements(5000, 250))), 0, 0, schemas.ReasonEventTooLong},
		{"one of another field", changes(change("flows", `"event":"FLOW_STATUS_CHANGE",`+elements(5000, 250))), 0, 1, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPartition(t)
			p.webhook(c.body)
			if got := len(p.topics[schemas.TopicAccount]); got != c.account {
				t.Errorf("%d account events", got)
			}
			if got := len(p.topics[schemas.TopicOther]); got != c.others {
				t.Errorf("%d other events", got)
			}
			letters := p.topics[schemas.TopicDLQ]
			if c.letter == "" && len(letters) > 0 || c.letter != "" && (len(letters) != 1 || letters[0].headers[schemas.HeaderDLQReason] != string(c.letter)) {
				t.Errorf("letters: %v", letters)
			}
		})
	}
}

func TestPairsOfOneUserCostTheirSum(t *testing.T) {
	cost.Linear(t, 20_000, func(n int) func() {
		p := newPartition(t)
		body := changes(change("smb_app_state_sync", `"state_sync":[`+many(n, func(i int) string {
			return fmt.Sprintf(`{"type":"contact","action":"add","contact":{"full_name":"A B","first_name":"A","phone_number":"1650%07d","user_id":"US.1"},"metadata":{"timestamp":"%d"},"note":"%s"}`, i, 1739230955+i, strings.Repeat("x", 150))
		})+`]`))
		return func() {
			p.webhook(body)
			p.within(body)
		}
	})
}

// The letters of a body hold it once, for any number of its events that turn out to be too long. The letters of a chunk
// that leaves later do not hold it.
func TestLettersHoldTheirBodyOnce(t *testing.T) {
	const most, n = 16 << 10, 40
	for _, held := range []bool{false, true} {
		p := newPartition(t)
		p.cfg.EventBytesMax = most
		p.restart()
		long := strings.Repeat("7", 250)
		text := strings.Repeat("x", most-750) // with the ids, which each event repeats, it is too much
		messages := many(n, func(i int) string { return incoming(fmt.Sprint("m", i), `,"text":{"body":"`+text+`"}`) })
		order := 1
		if held {
			order = 2
		}
		history := func(order int, messages string) string {
			return changes(fmt.Sprintf(`{"field":"history","value":{"metadata":{"phone_number_id":"%s","display_phone_number":"1%s"},"history":[{"metadata":{"phase":0,"chunk_order":%d},"threads":[{"id":"%s","messages":[%s]}]},{"odd":1,"odd":2}]}}`, long, long[:200], order, user, messages))
		}
		body := history(order, messages)
		p.webhook(body)
		if held {
			p.webhook(history(1, ""))
		}
		ids, bytes := map[string]bool{}, 0
		for _, l := range p.topics[schemas.TopicDLQ] {
			bytes += len(l.value)
			if id := l.headers[schemas.HeaderDLQEvent]; id != "" {
				ids[id] = true
				if l.value != nil || l.headers[schemas.HeaderDLQOffset] != "0" || l.headers[schemas.HeaderDLQReason] != string(schemas.ReasonEventTooLong) {
					t.Errorf("the letter of an event has %d bytes and says %v", len(l.value), l.headers)
				}
			}
		}
		if len(ids) != n {
			t.Errorf("%d events are told, want %d", len(ids), n)
		}
		if bytes > 2*len(body) || !held && bytes != len(body) {
			t.Errorf("letters hold %d bytes of a body of %d", bytes, len(body))
		}
	}
}
