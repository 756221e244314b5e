package office

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/internal/desk"
	"github.com/coexstream/coexstream/internal/testing/fakegraph"
)

func TestASignupWithoutANumberIsLookedUpAndSeveralAreAskedAbout(t *testing.T) {
	virtual(t, func(t *testing.T, r *rig) {
		o := r.office()
		r.run(o)
		server := serve(o)
		signup := `{"type":"WA_EMBEDDED_SIGNUP","event":"FINISH_WHATSAPP_BUSINESS_APP_ONBOARDING","version":3,"data":{"waba_id":"9"}}`
		r.fake.Add(fakegraph.Number{ID: "78", WABA: "9", OnBizApp: true})
		status, body := ask(t, server, "POST", "/v1/signups", signup, "starter-starter-1")
		if status != 409 || !strings.Contains(body, `"several_numbers"`) || !strings.Contains(body, `"78"`) {
			t.Errorf("%d %s", status, body)
		}
		r.fake.Change("78", func(n *fakegraph.Number) { n.WABA = "10" })
		if status, body = ask(t, server, "POST", "/v1/signups", signup, "starter-starter-1"); status != 202 || !strings.Contains(body, `"phone_number_id":"77"`) {
			t.Fatalf("%d %s", status, body)
		}
		s := r.await(o, "both requests", next(desk.Nothing))
		if s.OnboardedAt == nil || s.Contacts.RequestedBy != "starter" {
			t.Errorf("%+v", s)
		}
		for _, bad := range []string{
			`{"event":"FINISH","data":{"waba_id":"9"}}`, `{"event":"FINISH_WHATSAPP_BUSINESS_APP_ONBOARDING","data":{}}`, `[]`, `{} {}`,
		} {
			if status, body = ask(t, server, "POST", "/v1/signups", bad, "starter-starter-1"); status != 400 {
				t.Errorf("%s: %d %s", bad, status, body)
			}
		}
		if n := len(r.fake.Posts()); n != 2 {
			t.Errorf("%d requests", n)
		}
	})
}

func TestScopesLimitWhatATokenMayDo(t *testing.T) {
	virtual(t, func(t *testing.T, r *rig) {
		o := r.office()
		server := serve(o)
		wish := `{"phone_number_id":"77","waba_id":"9"}`
		for _, c := range []struct {
			method, path, body, token string
			want                      int
		}{
			{"GET", "/v1/syncs", "", "", 401}, {"GET", "/v1/syncs", "", "nobody", 401}, {"GET", "/v1/syncs", "", "reader-reader-12", 200},
			{"POST", "/v1/syncs/start", wish, "", 401}, {"POST", "/v1/syncs/start", wish, "reader-reader-12", 403},
			{"POST", "/v1/signups", wish, "reader-reader-12", 403}, {"POST", "/v1/syncs/plan", wish, "reader-reader-12", 200},
			{"POST", "/v1/syncs/start", `{"phone_number_id":"77","waba":"9"}`, "starter-starter-1", 400},
			{"POST", "/v1/syncs/start", `{"phone_number_id":"77/../x","waba_id":"9"}`, "starter-starter-1", 400},
			{"POST", "/v1/syncs/start", `{"phone_number_id":"77"}`, "starter-starter-1", 400},
			{"POST", "/v1/syncs/start", `{"phone_number_id":"77","waba_id":"9","types":["messages"]}`, "starter-starter-1", 400},
			{"GET", "/v1/syncs/77", "", "reader-reader-12", 404}, {"GET", "/v1/openapi.json", "", "reader-reader-12", 200},
			{"POST", "/v1/syncs/start", wish, "starter-starter-1", 202}, {"GET", "/v1/syncs/77", "", "reader-reader-12", 200},
		} {
			if status, body := ask(t, server, c.method, c.path, c.body, c.token); status != c.want {
				t.Errorf("%s %s with %q: %d, want %d: %s", c.method, c.path, c.token, status, c.want, body)
			} else if strings.Contains(body, canary[:8]) {
				t.Errorf("%s gives the token away: %s", c.path, body)
			}
		}
	})
}

// serve returns the interface of an office with two clients, `reader` and `starter`.
func serve(o *Office) http.Handler {
	mux := http.NewServeMux()
	clients := map[string][]Scope{"reader-reader-12": {Read}, "starter-starter-1": {Start, Read}}
	for pattern, h := range o.Routes(func(req *http.Request, s Scope) (string, bool) {
		token := strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")
		scopes, ok := clients[token]
		if !ok {
			return "", false
		}
		return token[:strings.IndexByte(token, '-')], Has(scopes, s)
	}) {
		mux.Handle(pattern, h)
	}
	return mux
}

func ask(t *testing.T, h http.Handler, method, path, body, token string) (status int, answer string) {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	if !json.Valid(w.Body.Bytes()) {
		t.Errorf("%s %s answers %q", method, path, w.Body)
	}
	return w.Code, w.Body.String()
}
