package office

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/coexstream/coexstream/internal/desk"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/syncrequest"
	"github.com/coexstream/coexstream/schemas/syncstatus"
)

// Status is the state of a number for people and programs.
type Status struct {
	PhoneNumberID string         `json:"phone_number_id"`
	WABAID        string         `json:"waba_id"`
	Provider      string         `json:"provider"`
	Onboardings   int            `json:"onboardings"`
	OnboardedAt   *time.Time     `json:"onboarded_at,omitempty"`
	DeadlineAt    *time.Time     `json:"deadline_at,omitempty"` // the end of the 24 hours
	Contacts      *RequestStatus `json:"contacts,omitempty"`
	History       *RequestStatus `json:"history,omitempty"`
	// Next is nothing, wait, request, give_up or person.
	Next    string     `json:"next"`
	Reason  string     `json:"reason,omitempty"`
	RetryAt *time.Time `json:"retry_at,omitempty"`
	// Sync is the newest record of the topic `syncs`, about the webhooks that have arrived.
	Sync *schemas.Sync `json:"sync,omitempty"`
	// Sentence says it all in one line.
	Sentence string `json:"sentence"`
}

// RequestStatus is the state of one type.
type RequestStatus struct {
	State       string     `json:"state"` // wanted, intended, accepted, refused, unknown, not_sent
	Outcome     string     `json:"outcome,omitempty"`
	RequestedAt *time.Time `json:"requested_at,omitempty"`
	RequestID   string     `json:"request_id,omitempty"`
	Attempt     string     `json:"attempt,omitempty"`
	Attempts    int        `json:"attempts"`
	RequestedBy string     `json:"requested_by"`
	Code        int64      `json:"code,omitempty"`
	Message     string     `json:"message,omitempty"`
}

// Status returns the state of a number, with the record of its webhooks if that is in memory.
func (o *Office) Status(number string) (*Status, bool) {
	n, ok := o.number(number)
	if !ok {
		return nil, false
	}
	found, _ := o.remembered([]string{number})
	return o.statusOf(&n, found), true
}

// Look is Status, and reads the topic `syncs` if it has to.
func (o *Office) Look(ctx context.Context, number string) (*Status, bool, error) {
	n, ok := o.number(number)
	if !ok {
		return nil, false, nil
	}
	found, err := o.arrived(ctx, number)
	if err != nil {
		return nil, false, err
	}
	return o.statusOf(&n, found), true, nil
}

// List returns the state of all numbers, or of those of a WABA.
func (o *Office) List(ctx context.Context, waba string) ([]*Status, error) {
	var numbers []desk.Number
	var ids []string
	for _, n := range o.numbers() {
		if waba == "" || n.WABA == waba {
			numbers, ids = append(numbers, n), append(ids, n.ID)
		}
	}
	found, err := o.arrived(ctx, ids...)
	if err != nil {
		return nil, err
	}
	list := []*Status{}
	for i := range numbers {
		list = append(list, o.statusOf(&numbers[i], found))
	}
	return list, nil
}

func at(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	t := time.UnixMilli(ms).UTC()
	return &t
}

func (o *Office) statusOf(n *desk.Number, found map[string]schemas.Sync) *Status {
	now := o.Now()
	a := n.Next(now)
	s := &Status{
		PhoneNumberID: n.ID, WABAID: n.WABA, Provider: n.Provider, Onboardings: n.Onboardings, OnboardedAt: at(n.OnboardedAt),
		Next: a.Verb.String(), Reason: a.Why,
	}
	if d := n.Deadline(); !d.IsZero() {
		s.DeadlineAt = at(d.UnixMilli())
	}
	if a.Verb == desk.Wait {
		s.RetryAt = at(a.Until.UnixMilli())
	}
	if why := o.noted(n.ID); why != "" && a.Verb == desk.Post {
		s.Reason = why
	}
	s.Contacts, s.History = requestStatus(n, syncrequest.Contacts), requestStatus(n, syncrequest.History)
	s.Sentence = sentence(n, s, a, now)
	if sync, ok := found[n.ID]; ok {
		s.Sync = &sync
		s.Sentence += " Webhooks: " + syncstatus.Sentence(&sync, now)
	}
	return s
}

func requestStatus(n *desk.Number, t syncrequest.SyncType) *RequestStatus {
	r, ok := n.Requests[t]
	if !ok {
		return nil
	}
	s := &RequestStatus{
		State: string(r.State), Outcome: r.Outcome, RequestedAt: at(r.IntendedAt), RequestID: r.RequestID, Attempt: r.Attempt,
		Attempts: r.Tries, RequestedBy: r.By,
	}
	if s.State == "" {
		s.State = "wanted"
	}
	if r.Error != nil {
		s.Code, s.Message = r.Error.Code, r.Error.Message
	}
	return s
}

// sentence describes the requests and the next step.
func sentence(n *desk.Number, s *Status, a desk.Action, now time.Time) string {
	var b strings.Builder
	for _, t := range desk.Types() {
		if r, ok := n.Requests[t]; ok {
			if b.Len() > 0 {
				b.WriteString("; ")
			}
			b.WriteString(string(t) + " " + words(&r))
		}
	}
	switch a.Verb {
	case desk.Nothing:
		b.WriteString(". Nothing is left to request.")
	case desk.Wait:
		fmt.Fprintf(&b, ". Waiting until %s: %s.", clock(a.Until), a.Why)
	case desk.Person:
		fmt.Fprintf(&b, ". A person has to decide about the %s: %s.", a.Type, a.Why)
	case desk.GiveUp:
		fmt.Fprintf(&b, ". The outcome of the %s is not known: %s.", a.Type, a.Why)
	case desk.Post:
		if s.Reason != "" {
			fmt.Fprintf(&b, ". The %s cannot be requested: %s.", a.Type, s.Reason)
		} else {
			fmt.Fprintf(&b, ". Next: the %s.", a.Type)
		}
	}
	if d := n.Deadline(); !d.IsZero() && a.Verb != desk.Nothing && now.Before(d) {
		fmt.Fprintf(&b, " The 24 hours end at %s.", clock(d))
	}
	return b.String()
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// words describes the outcome of a request.
func words(r *desk.Request) string {
	when := clock(time.UnixMilli(r.At))
	switch {
	case r.State == "":
		return "not requested yet"
	case r.State == syncrequest.Intended:
		return "being requested"
	case r.State == syncrequest.Accepted:
		return "requested at " + when
	case r.State == syncrequest.Unknown:
		return "sent at " + clock(time.UnixMilli(r.IntendedAt)) + " with an unknown outcome"
	case r.Outcome == desk.OutcomeAlreadyRequested:
		return "already requested before, says the provider"
	case r.Outcome == desk.OutcomeWindowMissed:
		return "refused at " + when + ": the 24 hours were over"
	case r.Outcome == desk.OutcomeThrottled:
		return "refused at " + when + " by a limit of the rate"
	case r.Outcome == desk.OutcomeDenied:
		return "refused at " + when + " because of the token"
	case r.State == syncrequest.NotSent:
		return "not sent at " + when
	}
	text := "refused at " + when
	if r.Error != nil {
		text += fmt.Sprintf(" (code %d: %s)", r.Error.Code, strings.TrimSuffix(r.Error.Message, "."))
	}
	return text
}
