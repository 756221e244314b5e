package app

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// heapLeast is the memory in use that an up may have beside what it has to remember: buffers, the broker, the tables.
const heapLeast = 24 << 20

// An up remembers the id of each message.
const heapPerMessage = 300

// TestMemoryFallsAfterTheLargestBodies: each body takes some 30 MiB while it is processed. That memory has to be free after
// ordinary traffic, and not only for the next large body.
func TestMemoryFallsAfterTheLargestBodies(t *testing.T) {
	if testing.Short() {
		t.Skip("it processes 64,000 messages")
	}
	t.Parallel()
	const bodies, messages = 8, 8_000
	p := startUp(t, t.TempDir())
	url, secret := p.running().Ingress+p.running().Sources[0].Path, printed(t, p.stdout.String(), `app secret +(\S+)`)
	for i := range bodies {
		body := manyMessages(i, 0, messages)
		if i%2 == 0 {
			body = manyPastMessages(i, messages)
		}
		if status := post(t, url, secret, body); status != http.StatusOK {
			t.Fatalf("body %d was answered with %d", i, status)
		}
	}
	sent := bodies * messages
	for _, topic := range []string{"messages", "history"} {
		p.until("has written all events", func() bool {
			return p.sample(`coexstream_processor_events_total{topic="`+topic+`"}`) >= float64(sent/2)
		})
	}
	p.until("has its tables", func() bool { return p.sample(`coexstream_sink_lag_records{lane="live",sink="sqlite"}`) == 0 })
	limit := float64(heapLeast + heapPerMessage*sent)
	var inUse float64
	p.until(fmt.Sprintf("has at most %.0f bytes in use", limit), func() bool {
		if status := post(t, url, secret, manyMessages(bodies, sent, 1)); status != http.StatusOK { // ordinary traffic
			t.Fatalf("an ordinary body was answered with %d", status)
		}
		sent++
		if status, _ := get(t, p.running().Admin+"/debug/pprof/heap?gc=1"); status != http.StatusOK { // collects garbage first
			t.Fatalf("the profile was answered with %d", status)
		}
		inUse = p.sample("go_memstats_heap_inuse_bytes")
		t.Logf("%.1f MiB in use", inUse/(1<<20))
		return inUse <= limit
	})
}

// manyMessages is a body with so many live messages of a business, and as many contacts.
func manyMessages(business, first, n int) string {
	var contacts, messages []string
	for i := first; i < first+n; i++ {
		from := 15550000000 + i
		contacts = append(contacts, fmt.Sprintf(`{"profile":{"name":"Name %d"},"wa_id":"%d"}`, i, from))
		messages = append(messages, fmt.Sprintf(`{"from":"%d","id":"wamid.M%d.%d","timestamp":"1772366400","type":"text","text":{"body":"hello %d"}}`, from, business, i, i))
	}
	return fmt.Sprintf(`{"object":"whatsapp_business_account","entry":[{"id":"7%d","changes":[{"field":"messages","value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"1555010%d","phone_number_id":"9%d"},"contacts":[%s],"messages":[%s]}}]}]}`,
		business, business, business, strings.Join(contacts, ","), strings.Join(messages, ","))
}

// manyPastMessages is a chunk of history with so many messages.
func manyPastMessages(business, n int) string {
	var messages []string
	for i := range n {
		messages = append(messages, fmt.Sprintf(`{"from":"15560000000","id":"wamid.H%d.%d","timestamp":"1762366400","type":"text","text":{"body":"%s %d"},"history_context":{"status":"READ"}}`,
			business, i, strings.Repeat("once ", 20), i))
	}
	return fmt.Sprintf(`{"object":"whatsapp_business_account","entry":[{"id":"7%d","changes":[{"field":"history","value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"1555010%d","phone_number_id":"9%d"},"history":[{"metadata":{"phase":0,"chunk_order":1,"progress":10},"threads":[{"id":"15560000000","messages":[%s]}]}]}}]}]}`,
		business, business, business, strings.Join(messages, ","))
}

// sample is the value of a metric, or of the sum of its samples; -1: there is none.
func (p *process) sample(name string) float64 {
	p.t.Helper()
	_, metrics := get(p.t, p.running().Admin+"/metrics")
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindStringSubmatch(metrics)
	if found == nil {
		return -1
	}
	value, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		p.t.Fatal(err)
	}
	return value
}
