package webhook

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
	"golang.org/x/time/rate"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/webhook/queue"
)

// courier delivers to one endpoint.
type courier struct {
	s     *Sink
	group Group
	m     *metrics

	damage *sinks.Damage // the damaged batches that readers wait for

	dispatches, commits, letters bell

	mu      sync.Mutex
	e       *Endpoint // never changed, but replaced
	client  *client
	q       *queue.Queue
	breaker *gobreaker.TwoStepCircuitBreaker[struct{}]
	probe   time.Time // when the next probe is due, while the breaker is open
	limiter *rate.Limiter
	readers map[int32]*reader
	broken  map[string]error // failures by kind: group, commit, letters, and those of the readers
	last    string           // the last answer of a request that failed
	causes  map[cause]bool   // of letters that were logged since the endpoint was changed
	stopped bool             // nothing more is sent

	committing chan struct{} // has room for one commit; taken before mu
	sending    sync.WaitGroup
}

func newCourier(s *Sink, e *Endpoint, group Group) (*courier, error) {
	c := &courier{
		s: s, group: group, dispatches: newBell(), commits: newBell(), letters: newBell(),
		q: queue.New(s.limitsOf(e)), committing: make(chan struct{}, 1), readers: map[int32]*reader{}, broken: map[string]error{"group": errors.New("it has no partitions yet")},
	}
	c.limiter = rate.NewLimiter(rate.Inf, 1)
	c.breaker = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name: e.Name, MaxRequests: 1, Interval: 0, Timeout: s.cfg.Probe,
		ReadyToTrip:   func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= uint32(s.cfg.TripAfter) }, //nolint:gosec // validated: it is small
		IsExcluded:    func(err error) bool { return errors.Is(err, errApart) },
		OnStateChange: c.changed,
	})
	c.damage = sinks.NewDamage(sinkName(e.Name), s.deps.Logger, s.deps.Now)
	c.use(e)
	var err error
	c.m, err = newMetrics(c, e.Name)
	return c, err
}

// use takes a new description of the endpoint. The caller holds mu, or is alone.
func (c *courier) use(e *Endpoint) {
	if c.client != nil {
		c.client.idle()
	}
	c.e, c.client = e, newClient(e, c.s.cfg.Name, c.s.deps.Now, c.s.deps.Transport)
	c.causes = map[cause]bool{}
	c.q.Configure(c.s.limitsOf(e))
	c.q.Enable()
	limit := rate.Inf
	if e.Rate > 0 {
		limit = rate.Limit(e.Rate)
	}
	now := c.s.deps.Now()
	c.limiter.SetLimitAt(now, limit)
	c.limiter.SetBurstAt(now, max(1, int(e.Rate)))
}

// configure takes a description that changed.
func (c *courier) configure(e *Endpoint) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.use(e)
	now := c.s.deps.Now()
	c.q.Recheck(func(it *queue.Item) bool { return takes(e, it) }, now)
	c.q.Recovered(now, true)
	c.probe = now
	c.letters.ring()
	c.ringAll()
}

func (c *courier) ringAll() {
	c.dispatches.ring()
	for _, r := range c.readers {
		r.bell.ring()
	}
}

// changed notes a change of the breaker. The caller of the breaker holds mu.
func (c *courier) changed(name string, from, to gobreaker.State) {
	now := c.s.deps.Now()
	switch to {
	case gobreaker.StateOpen:
		c.probe = now.Add(c.s.cfg.Probe)
		if from == gobreaker.StateClosed {
			c.s.deps.Logger.Warn("the endpoint fails; only probes are sent until it answers", "endpoint", name)
		}
	case gobreaker.StateClosed:
		c.s.deps.Logger.Info("the endpoint answers again", "endpoint", name)
		c.q.Recovered(now, false)
	}
}

// run delivers until ctx ends. Requests in flight are then awaited and committed.
func (c *courier) run(ctx context.Context) error {
	member, leave := context.WithCancel(context.WithoutCancel(ctx))
	defer leave()
	work, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	var wg sync.WaitGroup
	wg.Go(func() { c.dispatch(ctx) })
	wg.Go(func() { c.commit(work) })
	wg.Go(func() { c.keepLetters(work) })
	ended := make(chan error, 1)
	go func() { ended <- c.group.Run(member, c.own, c.disown, c.excluded) }()
	var err error
	select {
	case err = <-ended:
		ended <- err
	case <-ctx.Done():
	}
	c.mu.Lock()
	c.stopped = true
	c.mu.Unlock()
	c.sending.Wait()
	c.commitOnce(work, false)
	leave()
	err = errors.Join(err, <-ended)
	end()
	c.disown(c.owned())
	if err != nil && ctx.Err() == nil {
		c.note("group", err)
		<-ctx.Done()
	}
	wg.Wait()
	c.mu.Lock()
	c.client.idle()
	c.mu.Unlock()
	return err
}

// owned are the partitions of this process.
func (c *courier) owned() (all []int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for p := range c.readers {
		all = append(all, p)
	}
	return all
}

func (c *courier) own(partitions []int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.broken, "group")
	for _, p := range partitions {
		if c.readers[p] == nil && !c.stopped {
			r := newReader(c, p)
			c.readers[p] = r
			go r.run()
		}
	}
}

// disown gives partitions away, after their requests were answered and committed.
func (c *courier) disown(partitions []int32) {
	var leaving []*reader
	c.mu.Lock()
	for _, p := range partitions {
		if r := c.readers[p]; r != nil {
			leaving = append(leaving, r)
			c.q.Drain(p)
			r.cancel()
		}
	}
	c.mu.Unlock()
	for _, r := range leaving {
		<-r.ended
		r.drained.Wait()
	}
	if len(leaving) > 0 {
		ctx, cancel := context.WithTimeout(context.Background(), c.s.cfg.CutPatience)
		c.commitOnce(ctx, false)
		cancel()
	}
	c.mu.Lock()
	for _, r := range leaving {
		c.q.Disown(r.partition)
		c.damage.Forget(r.partition)
		delete(c.readers, r.partition)
		r.forget()
	}
	c.mu.Unlock()
	c.dispatches.ring()
}

func (c *courier) excluded(err error) { c.note("group", err) }

// note notes that something fails, or works again.
func (c *courier) note(what string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.broken[what]
	if err == nil {
		delete(c.broken, what)
		return
	}
	c.broken[what] = err
	c.m.meter.Retries.Inc()
	if was == nil {
		c.s.deps.Logger.Warn("the webhook sink waits", "endpoint", c.e.Name, "for", what, "error", err)
	}
}

// dispatch sends the due requests.
func (c *courier) dispatch(ctx context.Context) {
	for {
		wait := c.sendDue(ctx)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-c.dispatches:
			timer.Stop()
		}
	}
}

// idle is the longest wait of a dispatcher: the lease of the group is looked at again.
const idle = time.Second

// sendDue starts the requests that are due, and returns when the next one may be.
func (c *courier) sendDue(ctx context.Context) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		now := c.s.deps.Now()
		if c.stopped || ctx.Err() != nil || !c.e.Enabled || !c.group.Leased(now) {
			return idle
		}
		if !c.q.Ready(now) {
			if at := c.q.Wake(now); !at.IsZero() {
				return max(time.Millisecond, min(idle, at.Sub(now)))
			}
			return idle
		}
		if r := c.limiter.ReserveN(now, 1); r.DelayFrom(now) > 0 {
			wait := r.DelayFrom(now)
			r.CancelAt(now)
			return wait
		}
		probe := c.breaker.State() != gobreaker.StateClosed
		if wait := c.probe.Sub(now); probe && wait > 0 {
			return min(idle, wait)
		}
		done, err := c.breaker.Allow()
		switch {
		case errors.Is(err, gobreaker.ErrOpenState): // its clock is a little behind
			return time.Millisecond
		case err != nil: // a probe is in flight
			return idle
		}
		d := c.next(now, probe)
		r := c.readers[d.Items[0].Partition]
		r.drained.Add(1)
		c.sending.Go(func() {
			defer r.drained.Done()
			c.send(context.WithoutCancel(ctx), d, done)
		})
	}
}

func (c *courier) next(now time.Time, probe bool) *queue.Delivery {
	if probe {
		return c.q.Probe(now)
	}
	return c.q.Next(now)
}

var (
	// errFailed reports a failed request to the breaker.
	errFailed = errors.New("failed")
	// errApart is one that does not count: the business also fails while others succeed.
	errApart = errors.New("failed for one business")
)

func (c *courier) send(ctx context.Context, d *queue.Delivery, done func(error)) {
	c.mu.Lock()
	client, e := c.client, c.e
	c.mu.Unlock()
	a := client.send(ctx, e, d.Items, d.Attempt)

	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.q.Disabled()
	now := c.s.deps.Now()
	fate := c.q.Done(d, a, now)
	switch {
	case fate != queue.Failed:
		done(nil)
	case d.Apart() && c.breaker.State() == gobreaker.StateClosed:
		done(errApart)
	default:
		done(errFailed)
		c.last = a.Why
		if at := now.Add(min(a.RetryAfter, queue.RetryAfterMax)); c.breaker.State() != gobreaker.StateClosed && at.After(c.probe) {
			c.probe = at
		}
	}
	c.m.answer(d, a, fate)
	if fate != queue.Delivered {
		c.s.deps.Logger.Debug("the endpoint did not take an event", "endpoint", e.Name, "answer", a.Why, "attempt", d.Attempt+1)
	}
	if c.q.Disabled() && !was {
		c.s.deps.Logger.Error("the endpoint is disabled: it answered 410; its events wait in the topics", "endpoint", e.Name, "way back", "change the endpoint in its file, or restart")
	}
	c.dispatches.ring()
	c.letters.ring()
	if fate == queue.Delivered {
		c.commits.ring()
	}
}

// commit commits positions, until ctx ends.
func (c *courier) commit(ctx context.Context) {
	tick := time.NewTicker(c.s.cfg.Settle)
	defer tick.Stop()
	for {
		urgent := true
		select {
		case <-ctx.Done():
			return
		case <-c.commits:
		case <-tick.C:
			urgent = false
		}
		c.commitOnce(ctx, urgent)
	}
}

// commitOnce commits what changed. urgent: only where a delivery waits for it.
func (c *courier) commitOnce(ctx context.Context, urgent bool) {
	c.committing <- struct{}{}
	defer func() { <-c.committing }()
	c.mu.Lock()
	var commit *queue.Commit
	if !urgent || c.q.Urgent() {
		commit = c.q.Commit()
	}
	c.mu.Unlock()
	if commit == nil {
		return
	}
	err := c.group.Commit(ctx, offsetsOf(commit))
	c.mu.Lock()
	if err == nil {
		c.q.Committed(commit)
	} else {
		c.q.Uncommitted(commit)
	}
	for _, r := range c.readers {
		r.bell.ring() // there may be room
	}
	c.mu.Unlock()
	c.note("commit", err)
	c.dispatches.ring()
}

// keepLetters writes letters, until ctx ends.
func (c *courier) keepLetters(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.letters:
		}
		c.mu.Lock()
		letters := c.q.Letters()
		name := c.e.Name
		c.mu.Unlock()
		for _, l := range letters {
			for failures := 1; ; failures++ {
				err := c.s.deps.Letters.Keep(ctx, name, l, c.s.deps.Now())
				c.note("letters", err)
				if err == nil {
					break
				}
				if !sinks.Pause(ctx, c.s.cfg.delay(failures)) {
					return
				}
			}
			c.m.meter.Letters.Inc()
			c.m.letters.WithLabelValues(string(l.Reason)).Inc()
			c.mu.Lock()
			if c.newCause(l) {
				c.s.deps.Logger.Warn("the endpoint did not get an event, which is a letter now; the next ones with this cause are not logged", "endpoint", name, "topic", l.Topic, "partition", l.Partition, "offset", l.Offset, "reason", l.Reason, "answer", l.Why)
			}
			c.q.Kept(l)
			for _, r := range c.readers {
				r.bell.ring()
			}
			c.mu.Unlock()
		}
	}
}

// cause is why events become letters.
type cause struct {
	reason queue.Reason
	why    string
}

// causesMax bounds the causes that are logged until the endpoint is changed. The metric counts all letters.
const causesMax = 64

// newCause reports whether a letter is the first one with its cause since the endpoint was changed. The caller holds mu.
func (c *courier) newCause(l *queue.Letter) bool {
	k := cause{l.Reason, l.Why}
	if c.causes[k] || len(c.causes) == causesMax {
		return false
	}
	c.causes[k] = true
	return true
}

// offsetsOf are positions as the group commits them.
func offsetsOf(c *queue.Commit) map[schemas.Topic]map[int32]sinks.Committed {
	offsets := map[schemas.Topic]map[int32]sinks.Committed{}
	for place, p := range c.Positions {
		if offsets[place.Topic] == nil {
			offsets[place.Topic] = map[int32]sinks.Committed{}
		}
		offsets[place.Topic][place.Partition] = sinks.Committed{Next: p.Next, Metadata: p.Metadata()}
	}
	return offsets
}

// endpoint is its newest description.
func (c *courier) endpoint() *Endpoint {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.e
}
