package graph

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kind is the kind of an Outcome.
type Kind uint8

// The kinds.
const (
	// Unknown: the request was sent, or may have been, and no whole answer decides.
	Unknown Kind = iota
	// Accepted: the provider accepted the request. For a read: the answer is there.
	Accepted
	// NotSent: no connection was made, so no byte of the request left.
	NotSent
	// Throttled: refused because of a limit of the rate.
	Throttled
	// Denied: refused because of the token or its permissions.
	Denied
	// AlreadyRequested: this type was requested before, for this onboarding.
	AlreadyRequested
	// WindowMissed: the 24 hours after the onboarding are over.
	WindowMissed
	// Refused: refused for another reason.
	Refused
)

var kindNames = [...]string{
	Unknown: "unknown", Accepted: "accepted", NotSent: "not_sent", Throttled: "throttled", Denied: "denied",
	AlreadyRequested: "already_requested", WindowMissed: "window_missed", Refused: "refused",
}

// String returns the name of the kind.
func (k Kind) String() string { return kindNames[k] }

// Outcome is the certain knowledge about a request.
type Outcome struct {
	Kind       Kind
	Status     int    // of the answer; 0: none
	RequestID  string // of an accepted request, where the provider gives one
	RetryAfter time.Duration
	Code       int64 // of the provider; 0: none
	Subcode    int64
	Message    string // for people; without any part of the token
}

// The codes of the provider that decide.
const (
	codeAlreadyRequested = 2593107
	codeWindowMissed     = 2593108
)

var (
	// Rate limits: of the app (4), the user (17), the page (32), custom (613), the WABA (80007), the Cloud API (130429).
	throttles = []int64{4, 17, 32, 613, 80007, 130429}
	// Sessions and tokens, and objects that the token may not see (the subcode 33 of code 100).
	tokenCodes    = []int64{102, 190, 463, 467}
	permissions   = []int64{3, 10}
	hiddenSubcode = int64(33)
)

// Answer is a whole answer of the provider.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	Time   time.Time // of its receipt, for Retry-After as a date
}

// failure is the error object of the Graph API.
type failure struct {
	Error *struct {
		Message  string      `json:"message"`
		Code     json.Number `json:"code"`
		Subcode  json.Number `json:"error_subcode"`
		UserText string      `json:"error_user_msg"`
		Data     struct {
			Details string `json:"details"`
		} `json:"error_data"`
	} `json:"error"`
}

// Classify says what a whole answer to a request for a sync means. A 5xx is Unknown in all cases: the provider may have
// accepted the request before it failed. So is a success that does not have the shape of one.
func Classify(a *Answer, token Token, needsRequestID bool) Outcome {
	o := Outcome{Kind: Refused, Status: a.Status}
	o.readError(a.Body, token)
	switch {
	case a.Status >= 500 || a.Status == http.StatusRequestTimeout:
		o.Kind = Unknown
	case a.Status >= 200 && a.Status < 300:
		o.accept(a.Body, token, needsRequestID)
	case a.Status < 400:
		o.Kind = Refused
		o.say("the answer redirects; is the address of the API right?")
	case o.has(codeAlreadyRequested):
		o.Kind = AlreadyRequested
	case o.has(codeWindowMissed):
		o.Kind = WindowMissed
	case slices.Contains(throttles, o.Code) || a.Status == http.StatusTooManyRequests:
		o.Kind, o.RetryAfter = Throttled, retryAfter(a)
	case slices.Contains(tokenCodes, o.Code), slices.Contains(permissions, o.Code), o.Code >= 200 && o.Code < 300,
		o.Code == 100 && o.Subcode == hiddenSubcode, a.Status == http.StatusUnauthorized, a.Status == http.StatusForbidden && o.Code == 0:
		o.Kind = Denied
	case o.Code == 1 || o.Code == 2: // "unknown error" and "service unavailable" may follow the work
		o.Kind = Unknown
	}
	o.say("HTTP " + strconv.Itoa(a.Status) + " without an error of the API")
	return o
}

// accept reads the answer of a success.
func (o *Outcome) accept(body []byte, token Token, needsRequestID bool) {
	var ok struct {
		RequestID json.RawMessage `json:"request_id"`
	}
	if o.Code != 0 || o.Message != "" {
		o.Kind = Unknown // a success with an error in it
		return
	}
	if len(body) > 0 && json.Unmarshal(body, &ok) != nil {
		o.Kind = Unknown
		o.say("the answer is no JSON object, or is cut off")
		return
	}
	id := requestID(ok.RequestID)
	if token.quotedIn(id) || len(id) > idBytesMax {
		id = ""
	}
	if id == "" && needsRequestID {
		o.Kind = Unknown
		o.say("the answer has no request_id")
		return
	}
	o.Kind, o.RequestID = Accepted, printable(id, idBytesMax)
}

const idBytesMax = 250

// requestID accepts a string or a number.
func requestID(raw json.RawMessage) string {
	var s string
	var n json.Number
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	if json.Unmarshal(raw, &n) == nil {
		return n.String()
	}
	return ""
}

func (o *Outcome) has(code int64) bool { return o.Code == code || o.Subcode == code }

// say adds a message where there is none.
func (o *Outcome) say(text string) {
	if o.Message == "" && o.Kind != Accepted {
		o.Message = text
	}
}

func (o *Outcome) readError(body []byte, token Token) {
	var f failure
	if json.Unmarshal(body, &f) != nil || f.Error == nil {
		return
	}
	e := f.Error
	o.Code, _ = e.Code.Int64()
	o.Subcode, _ = e.Subcode.Int64()
	parts := []string{}
	for _, p := range []string{e.Message, e.UserText, e.Data.Details} {
		if p != "" && !slices.Contains(parts, p) {
			parts = append(parts, p)
		}
	}
	o.Message = token.clean(strings.Join(parts, ": "))
	if o.Message == "" {
		o.Message = fmt.Sprintf("error %d", o.Code)
	}
}

// retryAfterMax bounds a wait that an answer asks for. A request has to be made within 24 hours.
const retryAfterMax = 2 * time.Hour

// retryAfter reads Retry-After, in seconds or as a date, and the minutes of X-Business-Use-Case-Usage.
func retryAfter(a *Answer) time.Duration {
	wait := time.Duration(0)
	if v := a.Header.Get("Retry-After"); v != "" {
		if s, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64); err == nil && s > 0 {
			wait = time.Duration(min(s, int64(retryAfterMax/time.Second))) * time.Second
		} else if at, err := http.ParseTime(v); err == nil {
			wait = at.Sub(a.Time)
		}
	}
	var usage map[string][]struct {
		Minutes float64 `json:"estimated_time_to_regain_access"`
	}
	if json.Unmarshal([]byte(a.Header.Get("X-Business-Use-Case-Usage")), &usage) == nil {
		for _, list := range usage {
			for _, u := range list {
				wait = max(wait, time.Duration(min(max(u.Minutes, 0), retryAfterMax.Minutes())*float64(time.Minute)))
			}
		}
	}
	return min(max(wait, 0), retryAfterMax)
}
