package office

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/internal/desk"
)

// A log that fails, that takes an entry and loses the acknowledgement, that takes it later, or that shows it later, at any write.
func TestAFailingLogNeverLeadsToASecondRequest(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"write", "lost", "late", "hidden", "raw"} {
		for at := 1; at <= 10; at++ {
			t.Run(fmt.Sprint(kind, at), func(t *testing.T) {
				t.Parallel()
				r := newRig(t)
				o := r.office()
				r.start(o)
				writes := 0
				r.log.onWrite = func(desk.Entry) {
					r.log.mu.Lock()
					defer r.log.mu.Unlock()
					if writes++; writes == at {
						r.log.failures[kind] = 1
					}
				}
				r.run(o)
				limit := time.Now().Add(3 * time.Minute)
				for {
					if s, _ := o.Status("77"); s != nil && s.Next == desk.Nothing.String() {
						break
					}
					if time.Now().After(limit) {
						s, _ := o.Status("77")
						t.Fatalf("%+v\n%s", s, r.text)
					}
					r.forward(100 * time.Millisecond)
					time.Sleep(5 * time.Millisecond)
				}
				if c, h := r.accepted("smb_app_state_sync"), r.accepted("history"); c != 1 || h != 1 || len(r.fake.Posts()) != 2 {
					t.Errorf("%d and %d requests: %+v", c, h, r.fake.Posts())
				}
			})
		}
	}
}

// A log that can be read and takes no writes, for example with too few replicas in sync: the desk pauses, and keeps one attempt.
func TestALogThatTakesNoWritesIsTriedWithPauses(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	o := r.office()
	r.start(o)
	r.log.mu.Lock()
	r.log.failures["write"] = math.MaxInt
	before := r.log.writes
	r.log.mu.Unlock()
	r.run(o)
	for range 3 {
		s := r.await(o, "the reason", func(s *Status) bool { return strings.Contains(s.Reason, "the broker is away") })
		if !strings.Contains(s.Sentence, "the broker is away") {
			t.Errorf("%s", s.Sentence)
		}
		r.await(o, "two looks", func() func(*Status) bool { // without a write
			reads := r.log.readsNow()
			return func(*Status) bool { return r.log.readsNow() >= reads+2 }
		}())
		r.forward(noteFor + time.Second)
	}
	r.log.mu.Lock()
	if tries := r.log.writes - before; tries > 4 {
		t.Errorf("%d writes", tries)
	}
	r.log.failures["write"] = 0
	r.log.mu.Unlock()
	o.state.Lock()
	if len(o.unsent) > 1 {
		t.Errorf("%d attempts are kept", len(o.unsent))
	}
	o.state.Unlock()
	r.forward(noteFor + time.Second)
	r.await(o, "both requests", next(desk.Nothing))
	if len(r.fake.Posts()) != 2 || len(o.unsent) != 0 {
		t.Errorf("%+v, %d attempts are kept", r.fake.Posts(), len(o.unsent))
	}
}

// A call of the log takes long, for example because no broker answers. Probes, metrics and the status do not wait for it.
func TestASlowLogHoldsUpNeitherProbesNorMetrics(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	o := r.office()
	r.start(o)
	called, answer := make(chan struct{}), make(chan struct{})
	once := sync.OnceFunc(func() { close(called); <-answer })
	r.log.onWrite = func(desk.Entry) { once() }
	r.run(o)
	<-called
	seen := make(chan error, 1)
	go func() {
		_, err := o.Registerer.(*prometheus.Registry).Gather()
		list, listErr := o.List(t.Context(), "")
		if len(list) != 1 {
			listErr = errors.Join(listErr, fmt.Errorf("%d numbers", len(list)))
		}
		seen <- errors.Join(err, listErr, o.Ready())
	}()
	select {
	case err := <-seen:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(2 * time.Minute):
		t.Error("probes wait for the log")
	}
	close(answer)
	r.await(o, "both requests", next(desk.Nothing))
}
