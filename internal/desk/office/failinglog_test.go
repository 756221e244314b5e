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
	"github.com/coexstream/coexstream/internal/testing/fakegraph"
)

// A log that fails, that takes an entry and loses the acknowledgement, that takes it later, or that shows it later, at any write.
func TestAFailingLogNeverLeadsToASecondRequest(t *testing.T) {
	for _, kind := range []string{"write", "lost", "late", "hidden", "raw"} {
		for at := 1; at <= 8; at++ {
			t.Run(fmt.Sprint(kind, at), func(t *testing.T) {
				virtual(t, func(t *testing.T, r *rig) {
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
					stop := r.run(o)
					r.await(o, "both requests", next(desk.Nothing))
					forward(copyAfter + tick)
					stop()
					if c, h := r.accepted("smb_app_state_sync"), r.accepted("history"); c != 1 || h != 1 || len(r.fake.Posts()) != 2 {
						t.Errorf("%d and %d requests: %+v", c, h, r.fake.Posts())
					}
					if writes < at {
						t.Errorf("%d writes, so none failed", writes)
					}
				})
			})
		}
	}
}

// A log that can be read and takes no writes, for example with too few replicas in sync: the desk pauses, and keeps one attempt.
func TestALogThatTakesNoWritesIsTriedWithPauses(t *testing.T) {
	virtual(t, func(t *testing.T, r *rig) {
		o := r.office()
		r.start(o)
		r.log.change(func() { r.log.failures["write"] = math.MaxInt })
		before := r.log.counted().writes
		r.run(o)
		for tries := 1; tries <= 3; tries++ {
			s := r.await(o, "the reason", func(s *Status) bool { return strings.Contains(s.Reason, "the broker is away") })
			if !strings.Contains(s.Sentence, "the broker is away") {
				t.Errorf("%s", s.Sentence)
			}
			reads := r.log.counted().reads
			forward(noteFor - tick)
			now := r.log.counted()
			if now.writes-before != tries || now.reads < reads+10 {
				t.Errorf("%d writes instead of %d, %d reads in the pause", now.writes-before, tries, now.reads-reads)
			}
			forward(tick)
		}
		r.log.change(func() { r.log.failures["write"] = 0 })
		o.state.Lock()
		if len(o.unsent) != 1 {
			t.Errorf("%d attempts are kept", len(o.unsent))
		}
		o.state.Unlock()
		r.await(o, "both requests", next(desk.Nothing))
		if len(r.fake.Posts()) != 2 || len(o.unsent) != 0 {
			t.Errorf("%+v, %d attempts are kept", r.fake.Posts(), len(o.unsent))
		}
	})
}

// A call of the log takes long, for example because no broker answers. Probes, metrics and the status do not wait for it.
// A mutex holds up virtual time, so this test has a real clock.
func TestASlowLogHoldsUpNeitherProbesNorMetrics(t *testing.T) {
	t.Parallel()
	fake := fakegraph.New()
	t.Cleanup(fake.Close)
	posts := make(chan fakegraph.Post, 2)
	fake.OnPost(func(p fakegraph.Post) { posts <- p })
	r := newRig(t, fake)
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
		list, failed := o.List(t.Context(), "")
		if err = errors.Join(err, failed); len(list) != 1 {
			err = errors.Join(err, fmt.Errorf("%d numbers", len(list)))
		}
		seen <- errors.Join(err, o.Ready())
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
	for range 2 {
		if p := <-posts; !p.Accepted {
			t.Errorf("%+v", p)
		}
	}
}
