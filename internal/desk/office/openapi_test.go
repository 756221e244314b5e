package office

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/coexstream/coexstream/internal/desk"
	"github.com/coexstream/coexstream/internal/testing/fakegraph"
)

// document is openapi.json, as far as this test reads it.
type document struct {
	Paths map[string]map[string]struct {
		Security  []map[string][]Scope
		Responses map[string]struct {
			Content map[string]struct{ Schema json.RawMessage }
		}
	}
}

// described compiles the schema of a response. Properties that it does not name are errors, in the components too.
func described(t *testing.T, schema json.RawMessage) *jsonschema.Schema {
	t.Helper()
	var doc struct {
		Components struct{ Schemas map[string]map[string]any }
	}
	if err := json.Unmarshal(OpenAPI, &doc); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Check", "Number", "Status", "Request", "Error", "Statuses"} {
		doc.Components.Schemas[name]["unevaluatedProperties"] = false
	}
	var root map[string]any
	if err := json.Unmarshal(schema, &root); err != nil {
		t.Fatal(err)
	}
	root["components"] = map[string]any{"schemas": doc.Components.Schemas}
	root["unevaluatedProperties"] = false
	b, err := json.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("https://desk.test/response.json", value); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("https://desk.test/response.json")
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// Each answer of the interface is in its OpenAPI document, with all properties. So is each route, with its scope.
func TestTheOpenAPIDocumentDescribesEachAnswer(t *testing.T) {
	var doc document
	if err := json.Unmarshal(OpenAPI, &doc); err != nil {
		t.Fatal(err)
	}
	virtual(t, func(t *testing.T, r *rig) {
		r.fake.Add(fakegraph.Number{ID: "80", WABA: "20", OnBizApp: true}, fakegraph.Number{ID: "81", WABA: "20", OnBizApp: true})
		o := r.office()
		r.run(o)
		o.Tokens = &Tokens{Command: []string{"echo", canary}}
		var scope Scope
		for pattern, handler := range o.Routes(func(_ *http.Request, s Scope) (string, bool) { scope = s; return "x", false }) {
			method, path, _ := strings.Cut(pattern, " ")
			handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody))
			operation, ok := doc.Paths[path][strings.ToLower(method)]
			if !ok || len(operation.Security) != 1 || len(operation.Security[0]["bearer"]) != 1 || operation.Security[0]["bearer"][0] != scope {
				t.Errorf("%s is not described with the scope %s: %+v", pattern, scope, operation.Security)
			}
		}
		server := serve(o)
		const reader, starter = "reader-reader-12", "starter-starter-1"
		signup := `{"event":"FINISH_WHATSAPP_BUSINESS_APP_ONBOARDING","data":{"waba_id":%q}}`
		for _, c := range []struct {
			method, path, body, token string
			want                      int
		}{
			{"POST", "/v1/syncs/plan", `{"waba_id":"9"}`, reader, 200}, {"POST", "/v1/syncs/plan", `{"waba_id":"20"}`, reader, 409}, {"POST", "/v1/syncs/plan", `{"waba_id":"21"}`, reader, 404},
			{"POST", "/v1/syncs/plan", `{`, reader, 400}, {"POST", "/v1/syncs/start", `{"waba_id":"9"}`, reader, 403}, {"POST", "/v1/syncs/start", `{"waba_id":"9"}`, "", 401},
			{"POST", "/v1/signups", fmt.Sprintf(signup, "9"), starter, 202}, {"POST", "/v1/syncs/start", `{"phone_number_id":"77"}`, starter, 409},
			{"POST", "/v1/signups", fmt.Sprintf(signup, "20"), starter, 409}, {"POST", "/v1/syncs/start", `{"phone_number_id":"80","waba_id":"20"}`, starter, 202},
			{"GET", "/v1/syncs", "", reader, 200}, {"GET", "/v1/syncs/77", "", reader, 200}, {"GET", "/v1/syncs/1", "", reader, 404}, {"GET", "/v1/openapi.json", "", reader, 200},
		} {
			if c.want == http.StatusConflict && c.path == "/v1/syncs/start" {
				r.await(o, "both requests", next(desk.Nothing))
			}
			status, body := ask(t, server, c.method, c.path, c.body, c.token)
			path := c.path
			if strings.HasPrefix(path, "/v1/syncs/") && c.method == http.MethodGet {
				path = "/v1/syncs/{phone_number_id}"
			}
			response, ok := doc.Paths[path][strings.ToLower(c.method)].Responses[fmt.Sprint(status)]
			if status != c.want || !ok {
				t.Errorf("%s %s: %d, want %d; described: %v\n%s", c.method, c.path, status, c.want, ok, body)
				continue
			}
			if c.path == "/v1/openapi.json" {
				continue
			}
			value, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if err := described(t, response.Content["application/json"].Schema).Validate(value); err != nil {
				t.Errorf("%s %s, %d: %v\n%s", c.method, c.path, status, err, body)
			}
		}
		r.fake.SetTokens("another")
		status, body := ask(t, server, http.MethodPost, "/v1/syncs/plan", `{"waba_id":"9"}`, reader)
		if _, ok := doc.Paths["/v1/syncs/plan"]["post"].Responses[fmt.Sprint(status)]; status != http.StatusBadGateway || !ok {
			t.Errorf("a lookup that the provider refuses: %d %s", status, body)
		}
	})
}
