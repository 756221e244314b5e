package verify

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/coexstream/coexstream/internal/verify/world"
)

// delivery is one sending of one body.
type delivery struct {
	script int
	body   int
}

// schedule distributes the deliveries of one stage. Businesses are independent of each other. Within one, a step begins
// when everything before has ended and its pause is over.
type schedule struct {
	mu      sync.Mutex
	changed chan struct{} // closed when something may be ready
	rng     *rand.Rand
	scripts []scriptState
	ready   []int // scripts with a delivery to start
	begun   int   // the scripts before this one have started
	open    int   // scripts that are not at their end
	skipped int
}

type scriptState struct {
	steps    []world.Step
	next     int // in the step's bodies
	inFlight int
	failed   bool // a delivery was given up
	waiting  bool // for the pause before the step
}

// newSchedule plays the scripts, at most atOnce of them at a time (0: all). The seed decides which business is next.
func newSchedule(scripts []world.Script, atOnce int, seed uint64) *schedule {
	s := &schedule{changed: make(chan struct{}), rng: rand.New(rand.NewPCG(seed, 0x5eed)), scripts: make([]scriptState, len(scripts)), open: len(scripts)}
	for i := range scripts {
		s.scripts[i].steps = scripts[i].Steps
	}
	if atOnce == 0 {
		atOnce = len(scripts)
	}
	s.mu.Lock() // a pause may be over before all have started
	defer s.mu.Unlock()
	for s.begun < min(atOnce, len(scripts)) {
		s.beginNext()
	}
	return s
}

func (s *schedule) beginNext() {
	s.begun++
	s.begin(s.begun - 1)
}

// begin opens the script's first remaining step with a delivery, or ends the script.
func (s *schedule) begin(i int) {
	st := &s.scripts[i]
	for len(st.steps) > 0 {
		step := &st.steps[0]
		switch {
		case step.Whole && st.failed:
			for _, rest := range st.steps {
				s.skipped += len(rest.Bodies)
			}
			st.steps = nil
		case len(step.Bodies) == 0:
			st.steps = st.steps[1:]
		case step.After > 0 && !st.waiting:
			st.waiting = true
			time.AfterFunc(step.After, func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.begin(i)
			})
			return
		default:
			st.waiting, st.next = false, 0
			s.ready = append(s.ready, i)
			s.wake()
			return
		}
	}
	s.open--
	s.wake()
	if s.begun < len(s.scripts) {
		s.beginNext()
	}
}

func (s *schedule) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// take returns a delivery. Without one it returns a channel that closes when there may be one, or nil when the stage is
// over.
func (s *schedule) take() (d delivery, ok bool, wait <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ready) == 0 {
		if s.open == 0 {
			return delivery{}, false, nil
		}
		return delivery{}, false, s.changed
	}
	k := s.rng.IntN(len(s.ready))
	i := s.ready[k]
	st := &s.scripts[i]
	d = delivery{i, st.steps[0].Bodies[st.next]}
	st.next++
	st.inFlight++
	if st.next == len(st.steps[0].Bodies) {
		s.ready[k] = s.ready[len(s.ready)-1]
		s.ready = s.ready[:len(s.ready)-1]
	}
	return d, true, nil
}

// done records the outcome of a delivery.
func (s *schedule) done(d delivery, acked bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &s.scripts[d.script]
	st.inFlight--
	st.failed = st.failed || !acked
	if st.inFlight == 0 && st.next == len(st.steps[0].Bodies) {
		st.steps = st.steps[1:]
		s.begin(d.script)
	}
}
