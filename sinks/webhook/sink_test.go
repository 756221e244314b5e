package webhook_test

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

func TestEventsArriveInTheOrderOfTheirBusinessOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, to := newTopics(3), newReceiver()
		for n := range 200 {
			for b := range 20 {
				log.add(schemas.TopicMessages, message(b, n, int32(b%3)))
			}
		}
		r := newRun(t, log, to, endpoints(t, "start: beginning"))
		time.Sleep(30 * time.Second)
		if together, most := to.peaks(); to.took() != 4000 || together != 1 || most > 32 || most < 10 {
			t.Errorf("%d events, %d of a business together, %d in flight", to.took(), together, most)
		}
		if n := inOrder(t, to.byBusiness()); n > 0 {
			t.Errorf("%d repetitions", n)
		}
		if err := r.sink.Ready(); err != nil {
			t.Error(err)
		}
		if lag := r.metric("coexstream_sink_lag_records"); lag != 0 {
			t.Errorf("lag %v", lag)
		}
		r.stop()
		r.begin(endpoints(t, "start: beginning"))
		time.Sleep(10 * time.Second)
		if to.took() != 4000 {
			t.Errorf("%d events after another start", to.took())
		}
		r.stop()
	})
}

func TestAfterAKillAtMostWhatWasInFlightIsRepeatedAndNothingIsReordered(t *testing.T) {
	const inFlight, kills = 16, 20
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 2))
		log, to := newTopics(2), newReceiver()
		for n := range 150 {
			for b := range 40 {
				log.add(schemas.TopicMessages, message(b, n, int32(b%2)))
			}
		}
		to.answers(func(business string, n int) (int, time.Duration) {
			if business == "waba7" { // holds its offset for all the time
				return 503, time.Millisecond
			}
			return 200, time.Duration(1+n%40) * time.Millisecond
		})
		es := endpoints(t, "start: beginning\nin_flight: 16")
		r := newRun(t, log, to, es)
		for killed := range kills {
			time.Sleep(time.Duration(100+rng.IntN(400)) * time.Millisecond)
			if repeated := inOrder(t, to.byBusiness()); repeated > killed*inFlight {
				t.Errorf("%d repetitions after %d kills", repeated, killed)
			}
			r.kill()
			r.begin(es)
		}
		time.Sleep(time.Minute)
		to.answers(nil)
		time.Sleep(30 * time.Minute)
		repeated := inOrder(t, to.byBusiness())
		if distinct := to.took() - repeated; distinct != 6000 || repeated > kills*inFlight || repeated == 0 {
			t.Errorf("%d events, %d repetitions", distinct, repeated)
		}
		if r.letters.count() > 0 {
			t.Errorf("%d letters", r.letters.count())
		}
		r.stop()
	})
}
