package office

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/internal/desk"
	"github.com/coexstream/coexstream/internal/graph"
	"github.com/coexstream/coexstream/schemas/provider"
	"github.com/coexstream/coexstream/schemas/syncrequest"
)

// Deps are the dependencies of an Office.
type Deps struct {
	Log     Log
	Clients map[string]*graph.Client // by the name of the provider
	Tokens  *Tokens
	// UnknownAfter is the time after an intent in which its outcome has to be written. It is more than twice the timeout of a
	// request.
	UnknownAfter time.Duration
	Probe        Probe
	// Find reads the newest records of some numbers from the topic `syncs`; nil: it is not read.
	Find       func(ctx context.Context, numbers map[string]bool) (map[string]Synced, error)
	Registerer prometheus.Registerer
	Logger     *slog.Logger
	Now        func() time.Time
}

// Office is the desk of one process.
type Office struct {
	Deps
	metrics *metrics

	log  sync.Mutex // one reader and writer of the log at a time; held during its calls
	next int64

	mu     sync.Mutex // never held during a call of the log: probes and metrics need it
	ledger *desk.Ledger
	counts map[string]bool // ids of own entries that were read back: whether they count
	read   error           // of the last read

	state   sync.Mutex
	busy    map[string]bool        // numbers that are being worked on
	unsent  map[string]unsent      // the attempt of this process whose request was not sent, by number
	pending map[string]desk.Entry  // outcomes that the log did not take yet, by attempt
	denied  map[string]graph.Token // tokens that were refused, by number
	notes   map[string]note        // why a number waits
	syncs   syncs
}

// New returns an office.
func New(d Deps) (*Office, error) {
	o := &Office{
		Deps: d, ledger: desk.NewLedger(d.UnknownAfter), counts: map[string]bool{}, read: errors.New("the log is being read"),
		busy: map[string]bool{}, unsent: map[string]unsent{}, pending: map[string]desk.Entry{}, denied: map[string]graph.Token{}, notes: map[string]note{}, syncs: syncs{},
	}
	var err error
	o.metrics, err = newMetrics(d.Registerer, o)
	return o, err
}

const (
	tick       = time.Second
	workersMax = 8
	writeTime  = 30 * time.Second
)

// Ready returns nil while the log can be read.
func (o *Office) Ready() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.read
}

// Run works until ctx ends. A request that was sent gets its answer, and its outcome is written, before Run returns.
func (o *Office) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	defer workers.Wait()
	room := make(chan struct{}, workersMax)
	timer := time.NewTimer(0)
	defer timer.Stop()
	away := false // logged once
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		timer.Reset(tick)
		if err := o.Refresh(ctx); err != nil {
			if ctx.Err() == nil && !away {
				o.Logger.Warn("the log of the desk cannot be read", "error", err)
			}
			away = true
			continue
		}
		away = false
		o.copyOthers(ctx)
		for _, n := range o.numbers() {
			if !o.due(&n) || !o.take(n.ID) {
				continue
			}
			select {
			case room <- struct{}{}:
			case <-ctx.Done():
				o.giveBack(n.ID)
				return nil
			}
			workers.Add(1)
			go func() {
				defer workers.Done()
				defer func() { <-room }()
				defer o.giveBack(n.ID)
				o.work(ctx, n.ID)
			}()
		}
	}
}

func (o *Office) take(number string) bool {
	o.state.Lock()
	defer o.state.Unlock()
	if o.busy[number] {
		return false
	}
	o.busy[number] = true
	return true
}

func (o *Office) giveBack(number string) {
	o.state.Lock()
	defer o.state.Unlock()
	delete(o.busy, number)
}

func (o *Office) numbers() []desk.Number {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ledger.Numbers()
}

func (o *Office) number(id string) (desk.Number, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ledger.Number(id)
}

// due reports whether there is something to do for a number.
func (o *Office) due(n *desk.Number) bool {
	o.state.Lock()
	pause := o.Now().Before(o.notes[n.ID].until)
	o.state.Unlock()
	if a := n.Next(o.Now()); a.Verb == desk.GiveUp || a.Verb == desk.Post && !pause {
		return true
	}
	_, ok := o.unfinished(n)
	return ok
}

// unfinished returns the entry with which an attempt of this process ends.
func (o *Office) unfinished(n *desk.Number) (desk.Entry, bool) {
	o.state.Lock()
	defer o.state.Unlock()
	for t, r := range n.Requests {
		if e, ok := o.pending[r.Attempt]; ok {
			return e, true
		}
		if r.State == syncrequest.Intended && r.Attempt != "" && o.unsent[n.ID].attempt == r.Attempt {
			return stepOf(n, t, r.Attempt, r.By, syncrequest.NotSent, o.Now(), graph.Outcome{Kind: graph.NotSent, Message: "the intent was written late"}, r.Tries), true
		}
	}
	return desk.Entry{}, false
}

// Refresh reads the log up to its end.
func (o *Office) Refresh(ctx context.Context) error {
	o.log.Lock()
	defer o.log.Unlock()
	return o.refreshLocked(ctx)
}

func (o *Office) refreshLocked(ctx context.Context) error {
	entries, next, err := o.Log.Read(ctx, o.next)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.read = err; err != nil {
		return err
	}
	o.next = next
	for _, b := range entries {
		e, err := desk.DecodeEntry(b)
		if err != nil {
			// A later version wrote it, or a stranger. It counts for nobody of this version.
			o.Logger.Error("an entry in the log of the desk cannot be read", "error", err)
			o.metrics.unreadable.Inc()
			continue
		}
		counts := o.ledger.Apply(&e)
		if _, own := o.counts[e.ID]; own {
			o.counts[e.ID] = o.counts[e.ID] || counts
		}
	}
	return nil
}

// commit writes an entry about what its writer knows of the number, and reports whether it counts. The entry is based on
// `last`, the last entry that the writer has seen.
func (o *Office) commit(ctx context.Context, e *desk.Entry, last string) (bool, error) {
	e.ID, e.After = randomID(), last
	b, err := e.Encode()
	if err != nil {
		return false, err
	}
	o.log.Lock()
	defer o.log.Unlock()
	o.await(e.ID)
	defer o.counted(e.ID)
	if err := o.Log.Write(ctx, b); err != nil {
		return false, fmt.Errorf("write to the log of the desk: %w", err)
	}
	if err := o.refreshLocked(ctx); err != nil {
		return false, err
	}
	return o.counted(e.ID), nil
}

// await lets the next reads note whether an entry counts.
func (o *Office) await(entry string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.counts[entry] = false
}

// counted ends await.
func (o *Office) counted(entry string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	counts := o.counts[entry]
	delete(o.counts, entry)
	return counts
}

func randomID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails: the runtime ends the process instead
	return hex.EncodeToString(b)
}

// work takes the due steps of a number, until none is left.
func (o *Office) work(ctx context.Context, id string) {
	for ctx.Err() == nil {
		n, ok := o.number(id)
		if !ok {
			return
		}
		if e, ok := o.unfinished(&n); ok {
			if !o.finish(ctx, &n, e) {
				return
			}
			continue
		}
		a := n.Next(o.Now())
		switch a.Verb {
		case desk.GiveUp:
			r := n.Requests[a.Type]
			e := stepOf(&n, a.Type, r.Attempt, r.By, syncrequest.Unknown, o.Now(), graph.Outcome{Kind: graph.Unknown, Message: a.Why}, r.Tries)
			if !o.finish(ctx, &n, e) {
				return
			}
		case desk.Post:
			if !o.post(ctx, &n, a) {
				return
			}
		default:
			return
		}
	}
}

// finish writes the end of an attempt. It reports whether the log took it.
func (o *Office) finish(ctx context.Context, n *desk.Number, e desk.Entry) bool {
	counts, err := o.commit(ctx, &e, n.Last)
	if err != nil {
		if ctx.Err() == nil {
			o.Logger.Error("the outcome of a request for a sync is not written yet", "phone_number_id", n.ID, "error", err)
		}
		return false
	}
	if !counts {
		// Somebody else wrote about the number. If that ended the attempt, this outcome is dropped; otherwise it is written again.
		now, _ := o.number(n.ID)
		if r := now.Requests[e.Record().SyncType]; r.Attempt == e.Record().Attempt && (r.State == syncrequest.Intended || r.State == syncrequest.Unknown && e.Record().State != syncrequest.Unknown) {
			return true
		}
	}
	o.state.Lock()
	delete(o.pending, e.Record().Attempt)
	if o.unsent[n.ID].attempt == e.Record().Attempt {
		delete(o.unsent, n.ID)
	}
	o.state.Unlock()
	if counts {
		o.metrics.requests.WithLabelValues(string(e.Record().SyncType), e.Outcome).Inc()
		o.Logger.Info("a request for a sync has an outcome", "phone_number_id", n.ID, "type", e.Record().SyncType, "outcome", e.Outcome)
		_ = o.copy(ctx, &e) // copyOthers repeats it
	}
	return true
}

// post sends one request. It reports whether to look for more work.
func (o *Office) post(ctx context.Context, n *desk.Number, a desk.Action) bool {
	client, p := o.Clients[n.Provider], provider.Named(n.Provider)
	if client == nil || p == nil {
		o.note(n.ID, "this desk has no provider "+n.Provider)
		return false
	}
	token, err := o.Tokens.Of(ctx, p, n.WABA, n.ID)
	if err != nil {
		o.note(n.ID, err.Error())
		return false
	}
	if a.Denied && !o.mended(ctx, client, token, n) {
		return false
	}
	o.note(n.ID, "")
	r := n.Requests[a.Type]
	attempt, intendedAt := o.attemptAfter(n), time.Now()
	intent := stepOf(n, a.Type, attempt, r.By, syncrequest.Intended, o.Now(), graph.Outcome{}, 0)
	intent.Outcome, intent.RetryAt = "", 0
	counts, err := o.commit(ctx, &intent, n.Last)
	if err != nil {
		// The log may have taken it, now or later. Then `unfinished` ends the attempt.
		o.note(n.ID, "the intent could not be written, so the request is not sent: "+err.Error())
		return false
	}
	if !counts {
		return true // another instance was faster, or an earlier copy of this intent counts
	}
	if err := o.copy(ctx, &intent); err != nil {
		return true // `unfinished` ends the attempt
	}
	// A process that was suspended sends nothing: others may hold the outcome for unknown soon.
	if ctx.Err() != nil || elapsed(intendedAt) > o.UnknownAfter/4 {
		return true
	}
	o.state.Lock()
	delete(o.unsent, n.ID)
	o.state.Unlock()
	syncType := client.Contacts()
	if a.Type == syncrequest.History {
		syncType = client.History()
	}
	// From here on the process waits for the answer, even if it is to stop.
	ctx = context.WithoutCancel(ctx)
	outcome := client.Sync(ctx, token, n.ID, syncType)
	o.state.Lock()
	if outcome.Kind == graph.Denied {
		o.denied[n.ID] = token
	} else {
		delete(o.denied, n.ID)
	}
	end := stepOf(n, a.Type, attempt, r.By, stateOf(outcome.Kind), o.Now(), outcome, r.Tries+1)
	o.pending[attempt] = end
	o.state.Unlock()
	now, _ := o.number(n.ID)
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	return o.finish(ctx, &now, end)
}

// mended reports whether a request whose token was refused is worth another attempt: with another token, or, after a restart, when
// the number can be read with it.
func (o *Office) mended(ctx context.Context, client *graph.Client, token graph.Token, n *desk.Number) bool {
	o.state.Lock()
	refused, known := o.denied[n.ID]
	o.state.Unlock()
	if known && refused.Same(token) {
		o.note(n.ID, "the token was refused, and is still the same: replace it, or correct its permissions and run sync start")
		return false
	}
	if !known && client.Reads() {
		if _, err := client.Number(ctx, token, n.ID); err != nil {
			o.note(n.ID, err.Error())
			return false
		}
	}
	return true
}

func stateOf(k graph.Kind) syncrequest.State {
	switch k {
	case graph.Accepted:
		return syncrequest.Accepted
	case graph.NotSent, graph.Throttled:
		return syncrequest.NotSent
	case graph.Unknown:
		return syncrequest.Unknown
	}
	return syncrequest.Refused
}

// stepOf returns the entry of a step.
func stepOf(n *desk.Number, t syncrequest.SyncType, attempt, by string, s syncrequest.State, now time.Time, out graph.Outcome, tries int) desk.Entry {
	r := syncrequest.Record{
		WABAID: n.WABA, PhoneNumberID: n.ID, SyncType: t, State: s, Attempt: attempt, At: now.UnixMilli(),
		OnboardedAt: n.OnboardedAt, RequestedBy: by, Provider: n.Provider,
	}
	if s == syncrequest.Accepted {
		r.RequestID = out.RequestID
	} else if s != syncrequest.Intended {
		r.Error = &syncrequest.Failure{Code: out.Code, Subcode: out.Subcode, Message: out.Message}
	}
	var e desk.Entry
	e.SetRecord(r)
	e.Outcome = out.Kind.String()
	if s == syncrequest.NotSent || out.Kind == graph.Denied {
		e.RetryAt = now.Add(desk.RetryAfter(e.Outcome, tries, out.RetryAfter)).UnixMilli()
	}
	return e
}
