package office

import (
	_ "embed"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"

	"github.com/coexstream/coexstream/internal/graph"
)

// Scope is a right of a client.
type Scope string

// The scopes. Start includes nothing of Read.
const (
	Read  Scope = "read"  // status and plan
	Start Scope = "start" // start and signup
)

// OpenAPI is the description of the interface.
//
//go:embed openapi.json
var OpenAPI []byte

// Authorize returns the name of the client of a request that has a scope. An empty name: the client is not known. A known client
// without the scope has ok false.
type Authorize func(r *http.Request, scope Scope) (name string, ok bool)

const bodyBytesMax = 64 << 10

// Routes returns the handlers, by pattern.
func (o *Office) Routes(authorize Authorize) map[string]http.Handler {
	guard := func(scope Scope, h func(w http.ResponseWriter, r *http.Request, by string)) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch name, ok := authorize(r, scope); {
			case name == "":
				w.Header().Set("Www-Authenticate", `Bearer realm="coexstream desk"`)
				fail(w, &Fault{Status: http.StatusUnauthorized, Kind: "unauthorized", Text: "needs a bearer token of desk.access_file, or full access to the admin listener"})
			case !ok:
				fail(w, &Fault{Status: http.StatusForbidden, Kind: "forbidden", Text: "the token lacks the scope " + string(scope)})
			default:
				h(w, r, name)
			}
		})
	}
	return map[string]http.Handler{
		"GET /v1/openapi.json": guard(Read, func(w http.ResponseWriter, _ *http.Request, _ string) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(OpenAPI)
		}),
		"GET /v1/syncs": guard(Read, func(w http.ResponseWriter, r *http.Request, _ string) {
			if err := o.Refresh(r.Context()); err != nil {
				fail(w, &Fault{Status: http.StatusServiceUnavailable, Kind: "unavailable", Text: err.Error()})
				return
			}
			list, err := o.List(r.Context(), r.URL.Query().Get("waba_id"))
			if err != nil {
				fail(w, unreadable(err))
				return
			}
			answer(w, http.StatusOK, map[string]any{"syncs": list})
		}),
		"GET /v1/syncs/{phone_number_id}": guard(Read, o.getStatus),
		"POST /v1/syncs/plan": guard(Read, func(w http.ResponseWriter, r *http.Request, _ string) {
			var wish Wish
			if !read(w, r, &wish) {
				return
			}
			plan, err := o.Plan(r.Context(), wish)
			if err != nil {
				fail(w, asFault(err))
				return
			}
			answer(w, http.StatusOK, plan)
		}),
		"POST /v1/syncs/start": guard(Start, func(w http.ResponseWriter, r *http.Request, by string) {
			var wish Wish
			if read(w, r, &wish) {
				o.start(w, r, wish, by)
			}
		}),
		"POST /v1/signups": guard(Start, func(w http.ResponseWriter, r *http.Request, by string) {
			var event Signup
			if !read(w, r, &event) {
				return
			}
			wish, err := event.Wish(o.Now())
			if err != nil {
				fail(w, asFault(err))
				return
			}
			o.start(w, r, wish, by)
		}),
	}
}

func (o *Office) getStatus(w http.ResponseWriter, r *http.Request, _ string) {
	if err := o.Refresh(r.Context()); err != nil {
		fail(w, &Fault{Status: http.StatusServiceUnavailable, Kind: "unavailable", Text: err.Error()})
		return
	}
	s, ok, err := o.Look(r.Context(), r.PathValue("phone_number_id"))
	if err != nil {
		fail(w, unreadable(err))
		return
	}
	if !ok {
		fail(w, &Fault{Status: http.StatusNotFound, Kind: "unknown_number", Text: "no sync of this number was asked for"})
		return
	}
	answer(w, http.StatusOK, s)
}

// unreadable is the fault of a topic that cannot be read.
func unreadable(err error) *Fault {
	return &Fault{Status: http.StatusServiceUnavailable, Kind: "unavailable", Text: "the topic syncs cannot be read: " + err.Error()}
}

// start answers 202 where the syncs are wanted now, and 409 where the preflight failed.
func (o *Office) start(w http.ResponseWriter, r *http.Request, wish Wish, by string) {
	started, err := o.Start(r.Context(), wish, by)
	switch {
	case err != nil:
		fail(w, asFault(err))
	case !started.Started:
		answer(w, http.StatusConflict, started)
	default:
		answer(w, http.StatusAccepted, started)
	}
}

// read reads a JSON body. A page of another site cannot send that content type unasked.
func read(w http.ResponseWriter, r *http.Request, to any) bool {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		fail(w, &Fault{Status: http.StatusUnsupportedMediaType, Kind: "content_type", Text: "only application/json"})
		return false
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyBytesMax))
	if _, strict := to.(*Wish); strict {
		d.DisallowUnknownFields() // a misspelled flag must not start anything
	}
	if err := d.Decode(to); err != nil {
		fail(w, invalidWish("the body is no JSON object of this shape: %v", err))
		return false
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		fail(w, invalidWish("something follows the JSON object"))
		return false
	}
	return true
}

type failure struct {
	Error   string         `json:"error"`
	Kind    string         `json:"kind"`
	Numbers []graph.Number `json:"numbers,omitempty"`
}

func fail(w http.ResponseWriter, f *Fault) { answer(w, f.Status, failure{f.Text, f.Kind, f.Numbers}) }

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client went away
}

// Has reports whether a list of scopes has one.
func Has(scopes []Scope, s Scope) bool { return slices.Contains(scopes, s) }
