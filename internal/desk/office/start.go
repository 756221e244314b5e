package office

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coexstream/coexstream/internal/desk"
	"github.com/coexstream/coexstream/internal/graph"
	"github.com/coexstream/coexstream/schemas/provider"
	"github.com/coexstream/coexstream/schemas/syncrequest"
)

// Wish is what somebody asks for.
type Wish struct {
	PhoneNumberID string     `json:"phone_number_id,omitempty"`
	WABAID        string     `json:"waba_id,omitempty"`
	Provider      string     `json:"provider,omitempty"`     // default: the first one
	OnboardedAt   *time.Time `json:"onboarded_at,omitempty"` // when the business completed the signup
	// Types are both by default. With AskAgain, they are those that the provider did not accept.
	Types []syncrequest.SyncType `json:"types,omitempty"`
	// NewOnboarding: the business was offboarded and onboarded again, so both types can be requested again. It needs OnboardedAt,
	// which has to be later than the last request.
	NewOnboarding bool `json:"new_onboarding,omitempty"`
	// AskAgain is the reason for another request of a type that was requested, or may have been. Without it there is none.
	AskAgain string `json:"ask_again,omitempty"`
	// Despite names failed checks of the preflight that do not stop the request.
	Despite []string `json:"despite,omitempty"`
}

// Fault is an error of a wish, for its author.
type Fault struct {
	Status int    // of HTTP
	Kind   string // for programs
	Text   string
	// Numbers are those to choose from.
	Numbers []graph.Number
}

// Error returns the text.
func (f *Fault) Error() string { return f.Text }

// ErrReplaced means that another instance or request changed the number at the same time.
var errReplaced = &Fault{Status: http.StatusConflict, Kind: "conflict", Text: "another request for this number came at the same time; look at its status"}

// errNoTime refuses a wish for a new onboarding that may be a repetition.
var errNoTime = invalidWish("new_onboarding needs onboarded_at: a repeated request for the same onboarding is recognised by it")

func invalidWish(text string, args ...any) *Fault {
	return &Fault{Status: http.StatusBadRequest, Kind: "invalid", Text: fmt.Sprintf(text, args...)}
}

// target is a wish with everything that follows from it.
type target struct {
	Wish
	provider *provider.Provider
	client   *graph.Client
	known    *desk.Number
	token    graph.Token
	tokenErr error
	numbers  []graph.Number // of the WABA
	listErr  error
}

func (t *target) onboardedAt() int64 {
	if t.OnboardedAt == nil {
		return 0
	}
	return t.OnboardedAt.UnixMilli()
}

// resolve completes a wish. Where a WABA has several numbers, its author has to choose.
func (o *Office) resolve(ctx context.Context, w Wish) (*target, error) {
	t := &target{Wish: w}
	for _, typ := range t.Types {
		if !slices.Contains(desk.Types(), typ) {
			return nil, invalidWish("type %q is neither contacts nor history", typ)
		}
	}
	if t.OnboardedAt != nil && (t.OnboardedAt.UnixMilli() <= 0 || t.OnboardedAt.After(o.Now().Add(10*time.Minute))) {
		return nil, invalidWish("onboarded_at is no time in the past")
	}
	if t.NewOnboarding && t.OnboardedAt == nil {
		return nil, errNoTime
	}
	for _, id := range []string{t.PhoneNumberID, t.WABAID} {
		if id != "" && !graph.ValidID(id) {
			return nil, invalidWish("an id has digits only")
		}
	}
	if t.PhoneNumberID == "" && t.WABAID == "" {
		return nil, invalidWish("give a phone_number_id or a waba_id")
	}
	if len(t.AskAgain) > 500 {
		return nil, invalidWish("the reason of ask_again is longer than 500 bytes")
	}
	if err := o.Refresh(ctx); err != nil {
		return nil, &Fault{Status: http.StatusServiceUnavailable, Kind: "unavailable", Text: "the log of the desk cannot be read: " + err.Error()}
	}
	if n, ok := o.number(t.PhoneNumberID); ok {
		t.known = &n
		t.WABAID, t.Provider = cmp.Or(t.WABAID, n.WABA), cmp.Or(t.Provider, n.Provider)
	}
	if t.WABAID == "" {
		return nil, invalidWish("the WABA of number %s is not known: give the waba_id, too", t.PhoneNumberID)
	}
	t.provider = provider.Named(cmp.Or(t.Provider, provider.Default().Name))
	if t.provider == nil || o.Clients[t.provider.Name] == nil {
		return nil, invalidWish("provider %q has no call for a sync", t.Provider)
	}
	t.Provider, t.client = t.provider.Name, o.Clients[t.provider.Name]
	if t.PhoneNumberID == "" && t.provider.Sync.PerNumber {
		return nil, invalidWish("the numbers of a WABA of provider %s cannot be listed: give the phone_number_id", t.Provider)
	}
	t.token, t.tokenErr = o.Tokens.Of(ctx, t.provider, t.WABAID, t.PhoneNumberID)
	if t.tokenErr == nil && t.client.Reads() {
		t.numbers, t.listErr = t.client.Numbers(ctx, t.token, t.WABAID)
	}
	if t.PhoneNumberID == "" {
		if err := o.choose(t); err != nil {
			return nil, err
		}
	}
	return t, t.chooseTypes()
}

// chooseTypes sets the types of a wish that names none: both. Another attempt is for those that the provider did not accept.
func (t *target) chooseTypes() error {
	if len(t.Types) > 0 {
		return nil
	}
	t.Types = desk.Types()
	if t.AskAgain == "" || t.NewOnboarding || t.known == nil {
		return nil
	}
	if t.Types = t.known.Undecided(); len(t.Types) == 0 {
		return invalidWish("ask_again has to name the types (--only): the provider accepted both")
	}
	return nil
}

// choose looks the number of a WABA up.
func (o *Office) choose(t *target) error {
	if err := cmp.Or(t.tokenErr, t.listErr); err != nil {
		return &Fault{Status: http.StatusBadGateway, Kind: "lookup", Text: "the numbers of the WABA cannot be looked up: " + err.Error()}
	}
	switch len(t.numbers) {
	case 0:
		return &Fault{Status: http.StatusNotFound, Kind: "no_number", Text: "WABA " + t.WABAID + " has no number"}
	case 1:
		t.PhoneNumberID = t.numbers[0].ID
	default:
		var ids []string
		for _, n := range t.numbers {
			ids = append(ids, strings.TrimSpace(n.ID+" "+n.Display))
		}
		return &Fault{
			Status: http.StatusConflict, Kind: "several_numbers", Numbers: t.numbers,
			Text: fmt.Sprintf("WABA %s has %d numbers: %s. Say which one was onboarded, with its phone_number_id", t.WABAID, len(t.numbers), strings.Join(ids, ", ")),
		}
	}
	if n, ok := o.number(t.PhoneNumberID); ok {
		t.known = &n
	}
	return nil
}

// Plan is the result of a preflight.
type Plan struct {
	PhoneNumberID string                 `json:"phone_number_id"`
	WABAID        string                 `json:"waba_id"`
	Provider      string                 `json:"provider"`
	Types         []syncrequest.SyncType `json:"types"`
	Checks        []desk.Check           `json:"checks"`
	Passes        bool                   `json:"passes"`
	Numbers       []graph.Number         `json:"numbers,omitempty"`
}

// Plan looks at everything that a request needs, and requests nothing.
func (o *Office) Plan(ctx context.Context, w Wish) (*Plan, error) {
	t, err := o.resolve(ctx, w)
	if err != nil {
		return nil, err
	}
	return o.plan(ctx, t), nil
}

func (o *Office) plan(ctx context.Context, t *target) *Plan {
	p := &Plan{PhoneNumberID: t.PhoneNumberID, WABAID: t.WABAID, Provider: t.Provider, Types: t.Types}
	p.Checks = desk.Judge(o.facts(ctx, t))
	p.Passes = desk.Passes(p.Checks)
	return p
}

// facts gathers the facts of a preflight at the same time.
func (o *Office) facts(ctx context.Context, t *target) *desk.Facts {
	f := &desk.Facts{
		Now: o.Now(), Reads: t.client.Reads(), AppID: o.Probe.AppID, PublicURL: o.Probe.PublicURL, Ledger: t.known,
		Types: t.Types, New: t.NewOnboarding, Again: t.AskAgain != "", OnboardedAt: t.onboardedAt(),
	}
	var all sync.WaitGroup
	all.Go(func() {
		if f.NumberErr = t.tokenErr; f.NumberErr == nil && f.Reads {
			var n graph.Number
			n, f.NumberErr = t.client.Number(ctx, t.token, t.PhoneNumberID)
			f.IsOnBizApp, f.PlatformType = n.IsOnBizApp, n.PlatformType
		}
	})
	f.InWABAErr = cmp.Or(t.tokenErr, t.listErr)
	f.InWABA = slices.ContainsFunc(t.numbers, func(n graph.Number) bool { return n.ID == t.PhoneNumberID })
	all.Go(func() {
		if f.AppsErr = t.tokenErr; f.AppsErr == nil && f.Reads {
			var apps []graph.App
			apps, f.AppsErr = t.client.SubscribedApps(ctx, t.token, t.WABAID)
			for _, a := range apps {
				f.Apps = append(f.Apps, a.ID)
			}
		}
	})
	all.Go(func() { o.fields(ctx, t, f) })
	all.Go(func() {
		if f.PublicURL != "" {
			f.IngressErr = o.Probe.Ingress(ctx, probing)
		}
	})
	all.Go(func() {
		if o.Probe.Doctor == nil {
			f.DoctorSkip = "not possible in this process"
			return
		}
		f.DoctorFails, f.DoctorOthers, f.DoctorErr = o.Probe.Doctor(ctx)
	})
	all.Go(func() {
		if o.Probe.Spool == nil {
			f.SpoolSkip = "this process has no spool; the check doctor looks at the metrics of others"
			return
		}
		f.SpoolUsed, f.SpoolMax, f.SpoolErr = o.Probe.Spool()
	})
	all.Wait()
	return f
}

// probing follows no redirect: the answer of another page would be misunderstood.
var probing = &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func (o *Office) fields(ctx context.Context, t *target, f *desk.Facts) {
	if !f.Reads {
		return
	}
	token, ok := graph.NewToken(o.Probe.AppToken())
	if o.Probe.AppID == "" || !ok {
		f.FieldsSkip = "desk.app_id and desk.app_token_file are needed to read the fields of the app"
		return
	}
	subs, err := t.client.Subscriptions(ctx, token, o.Probe.AppID)
	f.FieldsErr = err
	for _, s := range subs {
		if s.Object == "whatsapp_business_account" && s.Active {
			f.Fields = append(f.Fields, s.Fields...)
		}
	}
}

// Started is the answer to a start.
type Started struct {
	Plan
	Started bool    `json:"started"`
	Status  *Status `json:"status,omitempty"`
}

// Start makes the preflight, and writes down that the syncs are wanted. Run sends the requests. A repeated start changes nothing.
func (o *Office) Start(ctx context.Context, w Wish, by string) (*Started, error) {
	t, err := o.resolve(ctx, w)
	if err != nil {
		return nil, err
	}
	s := &Started{Plan: *o.plan(ctx, t)}
	for _, c := range s.Checks {
		if c.Verdict == desk.Fail && !slices.Contains(t.Despite, c.Name) {
			return s, nil
		}
	}
	last := ""
	if t.known != nil {
		last = t.known.Last
	}
	e := desk.Entry{
		Kind: desk.Asked, Number: t.PhoneNumberID, At: o.Now().UnixMilli(), By: by, WABA: t.WABAID, Provider: t.Provider,
		OnboardedAt: t.onboardedAt(), Types: t.Types, New: t.NewOnboarding, Again: t.AskAgain != "", Reason: t.AskAgain,
	}
	counts, err := o.commit(ctx, &e, last)
	if err != nil {
		return nil, &Fault{Status: http.StatusServiceUnavailable, Kind: "unavailable", Text: err.Error()}
	}
	if !counts {
		return nil, errReplaced
	}
	o.forgetNote(t.PhoneNumberID)
	o.Logger.Info("syncs are wanted", "phone_number_id", t.PhoneNumberID, "waba_id", t.WABAID, "by", by, "new_onboarding", t.NewOnboarding, "ask_again", t.AskAgain != "")
	s.Started = true
	s.Status, _ = o.Status(t.PhoneNumberID)
	return s, nil
}

// Signup is the session event of the embedded signup, with what its receiver knows beside it.
type Signup struct {
	Type  string `json:"type"`
	Event string `json:"event"`
	Data  struct {
		WABAID        string `json:"waba_id"`
		PhoneNumberID string `json:"phone_number_id"` // not guaranteed
	} `json:"data"`
	OnboardedAt   *time.Time `json:"onboarded_at,omitempty"`
	NewOnboarding bool       `json:"new_onboarding,omitempty"`
}

// SignupEvent is the event of a business that keeps its app.
const SignupEvent = "FINISH_WHATSAPP_BUSINESS_APP_ONBOARDING"

// Wish returns what the event asks for. It is the moment of the onboarding, unless a time is given.
func (s *Signup) Wish(now time.Time) (Wish, error) {
	switch {
	case s.Event != SignupEvent:
		return Wish{}, invalidWish("event is not %s: other signups have no sync", SignupEvent)
	case s.Data.WABAID == "":
		return Wish{}, invalidWish("data.waba_id is missing")
	}
	at := s.OnboardedAt
	if at == nil && s.NewOnboarding {
		return Wish{}, errNoTime // the event may come twice
	}
	if at == nil {
		at = &now
	}
	return Wish{WABAID: s.Data.WABAID, PhoneNumberID: s.Data.PhoneNumberID, OnboardedAt: at, NewOnboarding: s.NewOnboarding}, nil
}

// asFault returns the Fault of an error.
func asFault(err error) *Fault {
	var f *Fault
	if errors.As(err, &f) {
		return f
	}
	return &Fault{Status: http.StatusInternalServerError, Kind: "failed", Text: err.Error()}
}
