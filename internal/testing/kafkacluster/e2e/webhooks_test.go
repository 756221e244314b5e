package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// crm is an endpoint that accepts everything, and notes the ids of the events.
type crm struct {
	mu    sync.Mutex
	ids   []string
	seen  map[string]bool
	fault error
}

func (c *crm) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	time.Sleep(5 * time.Millisecond) // an endpoint that works
	body, err := io.ReadAll(r.Body)
	var e struct{ ID string }
	if err == nil {
		err = json.Unmarshal(body, &e)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.fault = err
		return
	}
	c.ids, c.seen[e.ID] = append(c.ids, e.ID), true
}

func (c *crm) taken() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.ids)
}

func (c *crm) distinct() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.seen)
}

// Two instances of the webhook sink share an endpoint. They are killed in turns, and others join and leave, while events arrive. The endpoint
// gets every event, those of a business in order, and at most as many twice as requests were in flight at the kills.
func TestInstancesOfTheWebhookSinkShareAnEndpoint(t *testing.T) {
	c := cluster(t)
	const inFlight, kills = 8, 8
	to := &crm{seen: map[string]bool{}}
	server := httptest.NewServer(to)
	defer server.Close()
	endpoints := filepath.Join(t.TempDir(), "endpoints.yaml")
	text := fmt.Sprintf("endpoints:\n  - {name: crm, url: '%s', insecure_http: true, allow: [127.0.0.0/8], start: beginning, historical: true, in_flight: %d, timeout: 30s, "+
		"secrets: [{id: a, value: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr}]}\n", server.URL, inFlight)
	if err := os.WriteFile(endpoints, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newStage(t, c.Addrs(), 3, 2, fmt.Sprintf("sink.webhook: {endpoints_file: %q, group_id: sink-of-instances, session_timeout: 6s}", endpoints))
	s.up()
	started := 0
	join := func() *program {
		started++
		return s.start(fmt.Sprintf("webhook-%d", started), "sink", "webhook")
	}
	instances := []*program{join(), join()}
	l := s.load(steady)
	for i := range kills {
		before := to.distinct()
		until(t, "events arrive", func() bool { return to.distinct() > before+100 })
		victim := instances[i%2]
		if err := victim.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		instances[i%2] = join()
	}
	third := join()
	third.awaitReady()
	s.underLoad(l, 100)
	third.stop()
	for _, truth := range l.end() {
		s.check(truth)
	}
	places, records := s.eventPlaces()
	until(t, "all events arrived", func() bool { return to.distinct() >= len(places) && to.taken() >= records })
	for _, p := range instances {
		p.stop()
	}
	s.down()

	if to.fault != nil {
		t.Error(to.fault)
	}
	if n := len(to.ids) - records; n > kills*inFlight {
		t.Errorf("%d repetitions after %d kills with %d requests in flight", n, kills, inFlight)
	} else {
		t.Logf("%d events in %d records, %d repetitions after %d kills", len(places), records, n, kills)
	}
	last, first := map[string]int64{}, map[string]bool{}
	for _, id := range to.ids {
		at, ok := places[id]
		if !ok {
			t.Fatalf("%s is no event of the topics", id)
		}
		if first[id] {
			continue
		}
		first[id] = true
		if was, ok := last[at.line]; ok && at.offset < was {
			t.Errorf("%s: the event at %d came after the one at %d", at.line, at.offset, was)
		}
		last[at.line] = at.offset
	}
}

// eventPlace is where an event stands first: the line is its topic, partition and business.
type eventPlace struct {
	line   string
	offset int64
}

// eventPlaces are the places of all events, by their ids, and how many records there are: a re-onboarding repeats events of the history.
func (s *stage) eventPlaces() (places map[string]eventPlace, records int) {
	s.t.Helper()
	places = map[string]eventPlace{}
	out := s.must("tail", "messages", "echoes", "contacts", "account", "other", "syncs", "history", "media", "--no-follow", "--output", "json")
	for line := range strings.Lines(out) {
		var r struct {
			Topic     string
			Partition int32
			Offset    int64
			Headers   map[string]string
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			s.t.Fatal(err)
		}
		waba, _, _ := strings.Cut(strings.TrimPrefix(r.Headers["ce_source"], "/whatsapp/"), "/")
		records++
		if id := r.Headers["ce_id"]; places[id].line == "" {
			places[id] = eventPlace{fmt.Sprintf("%s/%d of %s", r.Topic, r.Partition, waba), r.Offset}
		}
	}
	return places, records
}
