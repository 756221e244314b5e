package webhook_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks/webhook/queue"
)

// At night few events of others come between the retries of businesses that fail. These must not look like an endpoint that is away.
func TestBusinessesThatFailDoNotDelayOthersWhenFewEventsCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, to := newTopics(4), newReceiver()
		for n := range 3 {
			for b := 1; b <= 12; b++ {
				log.add(schemas.TopicMessages, message(b, n, int32(b)%4))
			}
		}
		to.answers(func(b string, _ int) (int, time.Duration) {
			if b == "waba99" {
				return 200, time.Millisecond
			}
			return 503, time.Millisecond
		})
		r := newRun(t, log, to, endpoints(t, "start: beginning"))
		time.Sleep(10 * time.Minute)
		late := 0
		const events = 200
		for n := range events {
			log.add(schemas.TopicMessages, message(99, n, 99%4))
			time.Sleep(2 * time.Second)
			if to.took() <= n {
				late++
			}
			time.Sleep(3 * time.Minute)
			if to.took() != n+1 {
				t.Fatalf("%d of %d events arrived within three minutes", to.took(), n+1)
			}
		}
		if late > 3 {
			t.Errorf("%d of %d events took longer than two seconds", late, events)
		}
		if n := to.asked() - events; n > 12*150 {
			t.Errorf("%d requests of businesses that fail, in ten hours", n)
		}
		r.stop()
	})
}

func TestProbesObeyRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, to := newTopics(1), newReceiver()
		to.sends(http.Header{"Retry-After": {"600"}})
		to.answers(func(string, int) (int, time.Duration) { return 503, time.Millisecond })
		fill(log, 100, 1)
		r := newRun(t, log, to, endpoints(t, "start: beginning\nin_flight: 4"))
		time.Sleep(time.Minute)
		before := to.asked()
		if before > 14 {
			t.Errorf("%d requests before the breaker opened", before)
		}
		time.Sleep(time.Hour)
		if n := to.asked() - before; n < 5 || n > 6 {
			t.Errorf("%d probes in an hour, of an endpoint that asks for ten minutes", n)
		}
		to.answers(nil)
		to.sends(nil)
		// A change of the endpoint is tried at once.
		if err := r.sink.Apply(endpoints(t, "in_flight: 8")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(35 * time.Second)
		if to.took() != 100 {
			t.Errorf("%d events", to.took())
		}
		r.stop()
	})
}

// Events that were read before a change of the endpoint leave as the endpoint is now, or not at all.
func TestAChangedEndpointAppliesToEventsThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, to := newTopics(1), newReceiver()
		to.answers(func(string, int) (int, time.Duration) { return 0, 10 * time.Second })
		fill(log, 4, 3)
		sync := (&schemas.Sync{WABAID: "waba1", PhoneNumberID: "number1", Window: 1, State: "running"}).AppendJSON(nil)
		log.add(schemas.TopicSyncs, &kgo.Record{Key: []byte("number1"), Value: sync, Headers: []kgo.RecordHeader{
			{Key: schemas.HeaderCESpecVersion, Value: []byte("1.0")}, {Key: schemas.HeaderCEID, Value: []byte("1-77")}, {Key: schemas.HeaderCEType, Value: []byte(schemas.TypeSync)},
			{Key: schemas.HeaderCESource, Value: []byte("/whatsapp/waba1/number1")}, {Key: schemas.HeaderCETime, Value: []byte("2026-03-01T12:00:00Z")},
		}})
		foreign := message(1, 50, 0, func(m *schemas.Message, _ *kgo.Record) { m.Original = []byte(`{"whatsappInboundMessage":{}}`) })
		log.add(schemas.TopicMessages, foreign)
		r := newRun(t, log, to, endpoints(t, "start: beginning\nwabas: [waba0, waba1, waba2]"))
		time.Sleep(5 * time.Second) // requests are in flight
		if held := r.metric("coexstream_webhook_held_events"); held != 11 {
			t.Errorf("%v events are held", held)
		}
		if err := r.sink.Apply(endpoints(t, "format: meta\nwabas: [waba1, waba3]")); err != nil {
			t.Fatal(err)
		}
		to.answers(nil)
		time.Sleep(2 * time.Minute)
		bodies, _ := to.messages()
		for _, b := range bodies {
			if !strings.HasPrefix(string(b), `{"object":"whatsapp_business_account","entry":[{"id":"waba1","changes":[{"value":{"messaging_product":"whatsapp",`) ||
				!strings.Contains(string(b), `"field":"messages"`) {
				t.Errorf("%s", b)
			}
		}
		if len(bodies) != 3 || r.letters.count() != 1 || r.metric("coexstream_webhook_held_events") != 0 {
			t.Errorf("%d webhooks, %d letters, %v events held", len(bodies), r.letters.count(), r.metric("coexstream_webhook_held_events"))
		}
		for _, l := range r.letters.all {
			if l.Reason != queue.ReasonNoFormat {
				t.Errorf("%+v", l)
			}
		}
		r.stop()
	})
}

// Events of other vendors do not fit the format meta, so that each one becomes a letter. Each cause is logged once, until the
// endpoint is changed, and a metric counts the letters by reason.
func TestTheSameCauseOfLettersIsLoggedOnce(t *testing.T) {
	const warning = "which is a letter now"
	synctest.Test(t, func(t *testing.T) {
		log, to := newTopics(1), newReceiver()
		foreign := func(n int) {
			log.add(schemas.TopicMessages, message(1, n, 0, func(m *schemas.Message, _ *kgo.Record) { m.Original = []byte(`{"whatsappInboundMessage":{}}`) }))
		}
		for n := range 40 {
			foreign(n)
			log.add(schemas.TopicMessages, message(2, n, 0))
		}
		r := newRun(t, log, to, endpoints(t, "format: meta\nstart: beginning"))
		time.Sleep(time.Minute)
		if n := r.lines.count(warning); n != 1 {
			t.Errorf("%d warnings of 40 letters", n)
		}
		if n := r.metric("coexstream_webhook_letters_total", "reason="+string(queue.ReasonNoFormat)); n != 40 || r.letters.count() != 40 {
			t.Errorf("%v letters are counted, %d are kept", n, r.letters.count())
		}
		for _, other := range []queue.Reason{queue.ReasonRefused, queue.ReasonFailing, queue.ReasonInvalid} {
			if n := r.metric("coexstream_webhook_letters_total", "reason="+string(other)); n != 0 {
				t.Errorf("%v letters %s", n, other)
			}
		}
		log.add(schemas.TopicMessages, &kgo.Record{Key: []byte("k"), Value: []byte("no event")})
		time.Sleep(time.Minute)
		if n := r.lines.count(warning); n != 2 {
			t.Errorf("%d warnings of two causes", n)
		}
		if err := r.sink.Apply(endpoints(t, "format: meta\nrate: 1000")); err != nil {
			t.Fatal(err)
		}
		foreign(40)
		foreign(41)
		time.Sleep(time.Minute)
		if n := r.lines.count(warning); n != 3 {
			t.Errorf("%d warnings after the endpoint was changed", n)
		}
		r.stop()
	})
}

func TestATopicThatCannotBeReadDoesNotDelayTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, to := newTopics(2), newReceiver()
		log.bad[queue.Place{Topic: schemas.TopicMessages}] = errors.New("a damaged batch")
		log.add(schemas.TopicMessages, message(0, 0, 0))
		echo := func(m *schemas.Message, r *kgo.Record) {
			m.Direction, r.Headers[2].Value = schemas.DirectionOutbound, []byte(schemas.TypeEcho)
		}
		for n := range 5 {
			log.add(schemas.TopicEchoes, message(1, n, 0, echo))
			log.add(schemas.TopicMessages, message(2, n, 1))
		}
		r := newRun(t, log, to, endpoints(t, "start: beginning"))
		time.Sleep(20 * time.Second)
		if to.took() != 10 {
			t.Errorf("%d events of topics that can be read", to.took())
		}
		for _, l := range r.letters.all {
			t.Errorf("%s", l.Why)
		}
		if err := r.sink.Ready(); err == nil || !strings.Contains(err.Error(), "a damaged batch") {
			t.Errorf("%v", err)
		}
		r.stop()
	})
}
