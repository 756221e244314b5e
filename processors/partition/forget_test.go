package partition_test

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// liveHeap returns the memory in use after garbage collection.
func liveHeap() int {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

func TestInventedNumbersAreForgotten(t *testing.T) {
	p := newPartition(t)
	invent := func(from int) {
		for i := from; i < from+25; i++ {
			p.webhook(`{"object":"whatsapp_business_account","entry":[` + many(1000, func(k int) string {
				return fmt.Sprintf(`{"id":"7%d","changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"8%d"},"statuses":[{"id":"wamid.%d","status":"sent"}]}}]}`, i*1000+k, i*1000+k, i*1000+k)
			}) + `]}`)
			p.raw[len(p.raw)-1].body = nil
			for topic := range p.topics {
				if topic != schemas.TopicState {
					delete(p.topics, topic)
				}
			}
		}
	}
	invent(0)
	if got := p.core.Size().Numbers; got > 10_000 {
		t.Errorf("%d of 25000 invented numbers are remembered", got)
	}
	newest := map[string]bool{}
	for _, r := range p.topics[schemas.TopicState] {
		if newest[r.key] = r.value != nil; r.value == nil {
			delete(newest, r.key)
		}
	}
	numbers := 0
	for key := range newest {
		if strings.HasPrefix(key, "n|") {
			numbers++
		}
	}
	if numbers > 10_000 {
		t.Errorf("%d of 25000 invented numbers are in state", numbers)
	}
}

func TestAnIdleNumberIsForgottenAndComesBack(t *testing.T) {
	p := newPartition(t)
	p.webhook(changes(change("messages", `"messages":[`+incoming("a", "")+`]`)))
	other := func(id string) string {
		return `{"object":"whatsapp_business_account","entry":[{"id":"other","changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"9"},"messages":[` + incoming(id, "") + `]}}]}]}`
	}
	p.clock = start.Add(91 * 24 * time.Hour)
	p.webhook(other("b"))
	if got := p.core.Size().Numbers; got != 1 {
		t.Fatalf("%d numbers are remembered, want the one of now", got)
	}
	p.restart()
	if got := p.core.Size().Numbers; got != 1 {
		t.Fatalf("%d numbers are restored, want the one of now", got)
	}
	p.webhook(changes(change("messages", `"messages":[`+incoming("c", "")+`]`)))
	if got := p.core.Size().Numbers; got != 2 {
		t.Errorf("%d numbers", got)
	}
}

func TestANumberThatHoldsSomethingIsNotForgotten(t *testing.T) {
	p := newPartition(t)
	p.webhook(chunk(0, 2, 50, "held"))
	p.clock = start.Add(time.Hour)
	for i := range 12 {
		p.webhook(`{"object":"whatsapp_business_account","entry":[` + many(1000, func(k int) string {
			return fmt.Sprintf(`{"id":"7%d","changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"8%d"},"statuses":[{"id":"wamid.%d","status":"sent"}]}}]}`, i*1000+k, i*1000+k, i*1000+k)
		}) + `]}`)
	}
	p.webhook(chunk(0, 1, 20, "first"))
	if got := wamids(events[schemas.Message](p, schemas.TopicHistory)); !slices.Equal(got, []string{"first", "held"}) {
		t.Errorf("history is %v", got)
	}
}

func TestABusinessHasABoundedNumberOfNumbers(t *testing.T) {
	p := newPartition(t)
	sync := func(from int) string {
		return changes(many(500, func(i int) string {
			return fmt.Sprintf(`{"field":"history","value":{"metadata":{"phone_number_id":"%d"},"history":[{"metadata":{"phase":0,"chunk_order":1},"threads":[{"id":"1650","messages":[%s]}]}],"x":"%s"}}`, from+i, incoming(fmt.Sprint("m", from+i), ""), strings.Repeat("x", 600))
		}))
	}
	for from := 0; from < 4500; from += 500 {
		p.webhook(sync(from))
	}
	if got := p.core.Size().Numbers; got != 4096 {
		t.Errorf("%d numbers with an open sync", got)
	}
	l := p.topics[schemas.TopicDLQ]
	if len(l) != 1 || l[0].headers[schemas.HeaderDLQReason] != string(schemas.ReasonTooManyNumbers) {
		t.Fatalf("letters: %d", len(l))
	}
	// Once their syncs are over and forgotten, others have room.
	p.clock = start.Add(30 * 24 * time.Hour)
	p.core.Tick(p.clock)
	p.commit()
	p.requeue(l[0], "0/1")
	if len(p.topics[schemas.TopicDLQ]) != 1 {
		t.Error("there is no room for other numbers")
	}
}

func TestMemoryFallsBackAfterGiants(t *testing.T) {
	p := newPartition(t)
	p.validateEvery = 97
	p.webhook(chunk(0, 1, 20, "first"))
	before := liveHeap()
	for i := range 4 {
		p.webhook(changes(change("history", `"history":[{"metadata":{"phase":0,"chunk_order":`+strconv.Itoa(i+2)+`},"threads":[{"id":"16505550100","messages":[`+
			many(60_000, func(k int) string {
				return fmt.Sprintf(`{"id":"wamid.%d.%d","from":"16505550100","timestamp":"1739230955","type":"text","text":{"body":"%s"}}`, i, k, strings.Repeat("x", 40))
			})+`]}]}]`)))
		p.raw[len(p.raw)-1].body = []byte("{}")
		delete(p.topics, schemas.TopicHistory)
		delete(p.topics, schemas.TopicState)
	}
	for range 3 {
		p.webhook(changes(change("messages", `"messages":[`+incoming("small", "")+`]`)))
		p.scanner.Rest()
		p.space.Rest()
	}
	// Of 240,000 messages ten bytes each are remembered, in a table that is half empty at times.
	if grown := liveHeap() - before; grown > 16<<20 {
		t.Errorf("%d MiB are held after giants", grown>>20)
	}
	runtime.KeepAlive(p)
}

// One source that invents businesses fills three quarters of a partition at most. The numbers of others have room, and
// the source is reported, also after a restart.
func TestASourceHasItsShareOfAPartition(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIP: it makes 50,000 numbers")
	}
	const share = 49152
	p := newPartition(t)
	p.validateEvery = 97
	syncOf := func(from, n int) string {
		return `{"object":"whatsapp_business_account","entry":[` + many(n, func(i int) string {
			return fmt.Sprintf(`{"id":"w%d","changes":[{"field":"history","value":{"metadata":{"phone_number_id":"%d"},"history":[{"metadata":{"phase":0,"chunk_order":1},"threads":[{"id":"1650","messages":[%s]}]}],"x":"%s"}}]}`,
				from+i, from+i, incoming(fmt.Sprint("m", from+i), ""), strings.Repeat("x", 600))
		}) + `]}`
	}
	p.sources = map[int]string{}
	from := func(source string, at, n int) {
		p.sources[len(p.raw)] = source
		p.webhook(syncOf(at, n))
	}
	from("other", 900_000, 10)
	for at := 0; at < share; at += 512 {
		if at == share/1024*512 {
			p.restart()
		}
		from("mad", at, 512)
		delete(p.topics, schemas.TopicHistory)
		delete(p.topics, schemas.TopicSyncs)
	}
	if l := p.topics[schemas.TopicDLQ]; len(l) > 0 {
		t.Fatalf("%d letters: %v", len(l), l[0].headers)
	}
	size := p.core.Size()
	if size.OfSource != share || size.Source != "mad" || size.Numbers != share+10 {
		t.Errorf("the size is %+v", size)
	}
	from("mad", 1_000_000, 20)
	from("other", 2_000_000, 20)
	if l := p.theLetter(); l.headers[schemas.HeaderDLQReason] != string(schemas.ReasonSourceNumbers) || p.core.Size().Numbers != share+30 {
		t.Errorf("the letter says %v, and there are %d numbers", l.headers, p.core.Size().Numbers)
	}
	// Known numbers continue, for any source that names them.
	from("mad", 2_000_000, 20)
	p.theLetter()
	// Once their syncs are over and forgotten, others have room.
	p.clock = start.Add(30 * 24 * time.Hour)
	p.core.Tick(p.clock)
	p.commit()
	from("mad", 3_000_000, 20)
	p.theLetter()
}
