package webhook_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks/webhook/queue"
)

func TestADamagedBatchStopsItsTopicAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, to := newTopics(2), newReceiver()
		for n := range 20 {
			for p := range int32(2) {
				log.add(schemas.TopicMessages, message(int(p), n, p))
				log.add(schemas.TopicOther, message(10+int(p), n, p))
			}
		}
		log.damaged = map[queue.Place]int64{{Topic: schemas.TopicMessages, Partition: 0}: 12}
		es := endpoints(t, "start: beginning\ntopics: [messages, other]")
		r := newRun(t, log, to, es)
		time.Sleep(time.Minute)
		for n := range 5 {
			log.add(schemas.TopicOther, message(10, 20+n, 0))
		}
		time.Sleep(time.Minute)
		if got, want := to.took()+r.letters.count(), 12+20+20+25; got != want {
			t.Errorf("%d events came, want %d", got, want)
		}
		if err := r.sink.Ready(); !errors.Is(err, kafka.ErrDamaged) {
			t.Errorf("ready: %v", err)
		}
		if n := r.metric("coexstream_sink_damaged_batches"); n != 1 {
			t.Errorf("%v damaged batches", n)
		}
		log.mu.Lock()
		log.damaged = nil
		log.mu.Unlock()
		time.Sleep(10 * time.Second)
		if got, want := to.took()+r.letters.count(), 85; got != want {
			t.Errorf("%d events came after the repair, want %d", got, want)
		}
		if n := r.metric("coexstream_sink_damaged_batches"); n != 0 || r.sink.Ready() != nil {
			t.Errorf("%v damaged batches, ready %v", n, r.sink.Ready())
		}
		r.stop()
	})
}

func TestAPartitionThatCannotBeReadIsReportedWhileOthersAreRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, to := newTopics(2), newReceiver()
		for n := range 20 {
			for p := range int32(2) {
				log.add(schemas.TopicMessages, message(int(p), n, p))
			}
		}
		log.away = map[int32]error{1: errors.New("no leader")}
		r := newRun(t, log, to, endpoints(t, "start: beginning"))
		for range 20 {
			time.Sleep(3 * time.Second)
			if err := r.sink.Ready(); err == nil || !strings.Contains(err.Error(), "no leader") {
				t.Fatalf("ready: %v", err)
			}
		}
		log.mu.Lock()
		log.away = nil
		log.mu.Unlock()
		time.Sleep(time.Minute)
		if err := r.sink.Ready(); err != nil || to.took() != 40 {
			t.Errorf("ready: %v, %d events", err, to.took())
		}
		r.stop()
	})
}
