package webhook_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks/webhook/queue"
)

// fill adds so many events of each business, in turns.
func fill(log *topics, businesses, events int) {
	for n := range events {
		for b := range businesses {
			log.add(schemas.TopicMessages, message(b, n, int32(b)%log.partitions))
		}
	}
}

// TestOthersKeepTheirThroughputWhileOneBusinessOfAHundredFails compares 1,000 businesses with the same of which 10 fail, in each way to fail.
// It measures after each of the ten had the time to fail once: until then nothing tells them from the others. Short runs, which the race
// detector makes slow, play one of the ways.
func TestOthersKeepTheirThroughputWhileOneBusinessOfAHundredFails(t *testing.T) {
	const businesses, events, partitions = 1000, 40, 12
	const from, to = 12 * time.Second, 20 * time.Second
	play := func(t *testing.T, bad func() (int, time.Duration)) (perSecond float64) {
		synctest.Test(t, func(t *testing.T) {
			log, rec := newTopics(partitions), newReceiver()
			fill(log, businesses, events)
			rec.answers(func(b string, _ int) (int, time.Duration) {
				if bad != nil && strings.HasSuffix(b, "77") {
					return bad()
				}
				return 200, 20 * time.Millisecond
			})
			r := newRun(t, log, rec, endpoints(t, "start: beginning"))
			healthy := func() (n int) {
				for b, ids := range rec.byBusiness() {
					if !strings.HasSuffix(b, "77") {
						n += len(ids)
					}
				}
				return n
			}
			time.Sleep(from)
			before := healthy()
			time.Sleep(to - from)
			perSecond = float64(healthy()-before) / (to - from).Seconds()
			if healthy() >= 990*events {
				t.Errorf("the work was done before the end")
			}
			if n := inOrder(t, rec.byBusiness()); n > 0 {
				t.Errorf("%d repetitions", n)
			}
			r.stop()
		})
		return perSecond
	}
	alone := play(t, nil) * 0.99 // without the ten
	ways := map[string]func() (int, time.Duration){
		"500":         func() (int, time.Duration) { return 500, 20 * time.Millisecond },
		"422":         func() (int, time.Duration) { return 422, 20 * time.Millisecond },
		"no answer":   func() (int, time.Duration) { return 200, time.Hour },
		"slow answer": func() (int, time.Duration) { return 200, 8 * time.Second },
	}
	if testing.Short() {
		ways = map[string]func() (int, time.Duration){"no answer": ways["no answer"]}
	}
	for name, bad := range ways {
		beside := play(t, bad)
		t.Logf("%s: others get %.0f events per second, and %.0f where none fails: %.3f", name, beside, alone, beside/alone)
		if beside < 0.95*alone {
			t.Errorf("%s: others get %.0f events per second, and %.0f where none fails", name, beside, alone)
		}
	}
}

func TestABusinessThatFailsForeverGivesWayAndItsEventsAreLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, to := newTopics(1), newReceiver()
		for n := range 3000 {
			log.add(schemas.TopicMessages, message(7, n, 0))
			log.add(schemas.TopicMessages, message(n%5, n, 0))
		}
		to.answers(func(b string, _ int) (int, time.Duration) {
			if b == "waba7" {
				return 500, time.Millisecond
			}
			return 200, time.Millisecond
		})
		r := newRun(t, log, to, endpoints(t, "start: beginning"))
		for range 3600 {
			if to.took() == 3000 {
				break
			}
			time.Sleep(time.Second)
		}
		if to.took() != 3000 {
			t.Errorf("%d events of others", to.took())
		}
		held := int(r.metric("coexstream_webhook_held_events"))
		if n := r.letters.count(); n+held != 3000 || n < 2000 {
			t.Errorf("%d letters, %d held", n, held)
		}
		for i, l := range r.letters.all {
			if l.Reason != queue.ReasonFailing || l.Why != "status 500" || i > 0 && l.Offset <= r.letters.all[i-1].Offset {
				t.Fatalf("letter %d: %+v", i, l)
			}
		}
		r.stop()
	})
}

func TestAnEndpointThatIsAwayGetsProbesOnlyAndThenEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, to := newTopics(4), newReceiver()
		r := newRun(t, log, to, endpoints(t, "start: beginning"))
		fill(log, 100, 5)
		time.Sleep(time.Minute)
		to.answers(func(string, int) (int, time.Duration) { return 0, time.Millisecond })
		fill2 := func(from, to int) {
			for n := from; n < to; n++ {
				for b := range 100 {
					log.add(schemas.TopicMessages, message(b, n, int32(b)%4))
				}
			}
		}
		fill2(5, 10)
		time.Sleep(time.Minute)
		before := to.asked()
		if r.sink.Trouble() == nil || r.metric("coexstream_webhook_failing") != 1 {
			t.Errorf("trouble %v", r.sink.Trouble())
		}
		fill2(10, 60)
		time.Sleep(time.Hour)
		if probes := to.asked() - before; probes < 100 || probes > 121 {
			t.Errorf("%d requests in an hour, of which every 30 seconds one is a probe", probes)
		}
		if lag := r.metric("coexstream_sink_lag_seconds", "lane=live"); lag < 3600 || lag > 3700 {
			t.Errorf("lag of %v seconds", lag)
		}
		to.answers(nil)
		time.Sleep(2 * time.Minute)
		if n := inOrder(t, to.byBusiness()); to.took() != 6000 || n > 0 || r.letters.count() > 0 {
			t.Errorf("%d events, %d repetitions, %d letters", to.took(), n, r.letters.count())
		}
		if r.sink.Trouble() != nil || r.metric("coexstream_sink_lag_seconds", "lane=live") != 0 {
			t.Errorf("trouble %v", r.sink.Trouble())
		}
		r.stop()
	})
}

func TestWhatCameWhileAnEndpointWasDisabledIsDeliveredAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, to := newTopics(2), newReceiver()
		r := newRun(t, log, to, endpoints(t, "start: beginning"))
		fill(log, 10, 3)
		time.Sleep(10 * time.Second)
		to.answers(func(string, int) (int, time.Duration) { return 410, time.Millisecond })
		log.add(schemas.TopicMessages, message(0, 3, 0))
		time.Sleep(10 * time.Second)
		before := to.asked()
		for n := 4; n < 50; n++ {
			log.add(schemas.TopicMessages, message(0, n, 0))
		}
		time.Sleep(time.Hour)
		if to.asked() != before || r.sink.Trouble() == nil || r.metric("coexstream_webhook_disabled") != 1 {
			t.Errorf("%d requests, trouble %v", to.asked()-before, r.sink.Trouble())
		}
		to.answers(nil)
		if err := r.sink.Apply(endpoints(t, "start: beginning\ntimeout: 9s")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n := inOrder(t, to.byBusiness()); to.took() != 77 || n > 0 || r.letters.count() > 0 {
			t.Errorf("%d events, %d repetitions, %d letters", to.took(), n, r.letters.count())
		}
		// Switched off in the file, it gets nothing, and all of it later.
		if err := r.sink.Apply(endpoints(t, "enabled: false")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		fill(log, 10, 2)
		time.Sleep(time.Hour)
		if to.took() != 77 {
			t.Errorf("%d events", to.took())
		}
		if err := r.sink.Apply(endpoints(t, "enabled: true")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if to.took() != 97 {
			t.Errorf("%d events", to.took())
		}
		r.stop()
	})
}

func TestAnEventThatIsRefusedBecomesALetterAndTheNextOnesGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, to := newTopics(1), newReceiver()
		fill(log, 3, 10)
		for _, bad := range []string{"", "{", `{"waba_id":"x"}`} {
			r := message(0, 99, 0)
			r.Value = []byte(bad)
			log.add(schemas.TopicMessages, r)
		}
		refused := 0
		to.answers(func(b string, n int) (int, time.Duration) {
			if b == "waba1" && refused < 5 {
				refused++
				return 422, time.Millisecond
			}
			return 200, time.Millisecond
		})
		r := newRun(t, log, to, endpoints(t, "start: beginning\nattempts_max: 5"))
		time.Sleep(5 * time.Minute)
		if to.took() != 29 || refused != 5 || r.letters.count() != 4 {
			t.Fatalf("%d events, %d refusals, %d letters", to.took(), refused, r.letters.count())
		}
		reasons := map[queue.Reason]int{}
		for _, l := range r.letters.all {
			reasons[l.Reason]++
			if l.Reason == queue.ReasonRefused && (l.Event.ID != "1-0" || l.Why != "status 422") {
				t.Errorf("%+v", l)
			}
		}
		if reasons[queue.ReasonRefused] != 1 || reasons[queue.ReasonInvalid] != 3 || r.metric("coexstream_sink_letters_total") != 4 {
			t.Errorf("%v", reasons)
		}
		r.stop()
	})
}

// A wrong secret or URL is answered with 401 or 404 for each event. That must not turn all events into letters.
func TestAnEndpointThatRefusesEverythingIsTreatedAsOneThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, to := newTopics(2), newReceiver()
		fill(log, 100, 20)
		to.answers(func(string, int) (int, time.Duration) { return 401, time.Millisecond })
		r := newRun(t, log, to, endpoints(t, "start: beginning"))
		time.Sleep(time.Hour)
		if n := r.letters.count(); n != 20 || r.sink.Trouble() == nil {
			t.Errorf("%d letters, trouble %v", n, r.sink.Trouble())
		}
		to.answers(nil)
		time.Sleep(5 * time.Minute)
		if to.took()+r.letters.count() != 2000 || r.letters.count() != 20 {
			t.Errorf("%d events, %d letters", to.took(), r.letters.count())
		}
		r.stop()
	})
}

func TestRetryAfterAndTheRateAreObeyed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, to := newTopics(1), newReceiver()
		fill(log, 5, 1)
		to.sends(http.Header{"Retry-After": {"120"}})
		to.answers(func(_ string, n int) (int, time.Duration) {
			if n == 1 {
				return 429, time.Millisecond
			}
			return 200, time.Millisecond
		})
		r := newRun(t, log, to, endpoints(t, "start: beginning\nin_flight: 1"))
		time.Sleep(119 * time.Second)
		if to.asked() != 1 {
			t.Errorf("%d requests within the time of Retry-After", to.asked())
		}
		time.Sleep(10 * time.Second)
		if to.took() != 5 {
			t.Errorf("%d events", to.took())
		}
		if err := r.sink.Apply(endpoints(t, "rate: 10\nin_flight: 2")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		fill(log, 10, 60)
		time.Sleep(30 * time.Second)
		if n := to.took() - 5; n < 290 || n > 312 {
			t.Errorf("%d events in 30 seconds at a rate of 10", n)
		}
		r.stop()
	})
}

func TestReplayedAndHistoricalEventsStayAtHome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, to := newTopics(1), newReceiver()
		past := func(m *schemas.Message, r *kgo.Record) {
			m.Historical, m.Sync = true, &schemas.SyncPosition{Window: 1}
			r.Headers[2].Value = []byte(schemas.TypeHistory)
		}
		replayed := func(_ *schemas.Message, r *kgo.Record) {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: schemas.HeaderReplay, Value: []byte("r1")})
		}
		log.add(schemas.TopicMessages, message(1, 0, 0))
		log.add(schemas.TopicMessages, message(1, 1, 0, replayed))
		log.add(schemas.TopicHistory, message(1, 2, 0, past))
		log.add(schemas.TopicHistory, message(1, 3, 0, past, replayed))
		log.add(schemas.TopicMessages, message(2, 4, 0))
		all := newReceiver()
		r := newRun(t, log, to, endpoints(t, "start: beginning"))
		h := newRun(t, log, all, endpoints(t, "start: beginning\nhistorical: true\nwabas: [waba1]"))
		time.Sleep(10 * time.Second)
		if got := strings.Join(to.accepted(), " "); got != "1-0 2-4" && got != "2-4 1-0" {
			t.Errorf("%s", got)
		}
		if got := strings.Join(all.accepted(), " "); got != "1-0 1-2" {
			t.Errorf("with history: %s", got)
		}
		if lag := r.metric("coexstream_sink_lag_records"); lag != 0 {
			t.Errorf("lag %v", lag)
		}
		r.stop()
		h.stop()
	})
}

func TestRecordsThatAreGoneUnreadStopTheTopicUntilTheEndpointSaysOtherwise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, to := newTopics(1), newReceiver()
		fill(log, 2, 10)
		r := newRun(t, log, to, endpoints(t, "start: beginning"))
		time.Sleep(10 * time.Second)
		r.stop()
		fill(log, 1, 20)
		log.start[queue.Place{Topic: schemas.TopicMessages}] = 30
		r.begin(endpoints(t, "start: beginning"))
		time.Sleep(time.Minute)
		if err := r.sink.Ready(); err == nil || !strings.Contains(err.Error(), "coex.messages/0@20: retention removed the records before 30") || !strings.Contains(err.Error(), "missing: continue") {
			t.Errorf("%v", err)
		}
		if to.took() != 20 || r.metric("coexstream_sink_blocked_partitions") != 1 {
			t.Errorf("%d events", to.took())
		}
		if err := r.sink.Apply(endpoints(t, "missing: continue")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if err := r.sink.Ready(); to.took() != 30 || err != nil {
			t.Errorf("%d events, %v", to.took(), err)
		}
		r.stop()

		log.id = 2 // the topics were made again
		log.start = map[queue.Place]int64{}
		r.begin(endpoints(t, "missing: stop"))
		time.Sleep(time.Minute)
		if err := r.sink.Ready(); err == nil || !strings.Contains(err.Error(), "made again") {
			t.Errorf("%v", err)
		}
		r.stop()
		r.begin(endpoints(t, "missing: continue"))
		time.Sleep(time.Minute)
		if to.took() != 70 {
			t.Errorf("%d events: the new logs are read from their start", to.took())
		}
		r.stop()
	})
}

func TestEndpointsDoNotDelayEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, to := newTopics(2), newReceiver()
		fill(log, 50, 20)
		away := roundTripper(func(req *http.Request) (*http.Response, error) {
			if strings.HasPrefix(req.URL.Host, "away") {
				<-req.Context().Done()
				return nil, req.Context().Err()
			}
			return to.RoundTrip(req)
		})
		r := newRun(t, log, away, endpoints(t, "name: a\nstart: beginning\nurl: https://away.example.com", "name: b\nstart: beginning"))
		time.Sleep(10 * time.Second)
		if to.took() != 1000 {
			t.Errorf("%d events", to.took())
		}
		// A new endpoint begins at the end of the topics, and a removed one ends.
		if err := r.sink.Apply(endpoints(t, "name: c")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		log.add(schemas.TopicMessages, message(3, 20, 1))
		time.Sleep(5 * time.Second)
		if to.took() != 1001 {
			t.Errorf("%d events", to.took())
		}
		if err := r.sink.Apply(endpoints(t, "in_flight: 257")); err == nil {
			t.Error("more in flight than all endpoints may have")
		}
		r.stop()
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestNothingIsSentWithoutALease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, to := newTopics(1), newReceiver()
		r := newRun(t, log, to, endpoints(t, "start: beginning"))
		time.Sleep(time.Second)
		r.group("crm").successor() // another process has the partitions
		fill(log, 5, 5)
		time.Sleep(time.Minute)
		if to.asked() != 0 {
			t.Errorf("%d requests", to.asked())
		}
		r.stop()
	})
}
