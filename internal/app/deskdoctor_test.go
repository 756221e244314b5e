package app

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/internal/doctor"
)

// Letters, gaps and sinks of other businesses do not stop a request. A fault of the pipeline does.
func TestAPreflightTellsFaultsOfOthersApart(t *testing.T) {
	fails, others := failedChecks(doctor.Report{Findings: []doctor.Finding{
		{Check: "dlq", Status: doctor.Fail, On: "coex.dlq", Found: "100 dead letters"}, {Check: "syncs", Status: doctor.Fail, Found: "the 24 hours of a number end soon"},
		{Check: "sinks", Status: doctor.Fail, Found: "the endpoint answered 410"}, {Check: "lag", Status: doctor.Fail, On: "raw.live/3", Found: "an hour"}, {Check: "clock", Status: doctor.Warn},
	}})
	if !slices.Equal(fails, []string{"lag: raw.live/3 an hour"}) || len(others) != 3 || others[0] != "dlq: coex.dlq 100 dead letters" {
		t.Errorf("%q %q", fails, others)
	}
	for _, name := range othersChecks {
		if !slices.Contains(doctor.Names(), name) {
			t.Errorf("there is no check %s", name)
		}
	}
}

// The commands say that the token of a client is sent in plain text, and only then.
func TestAPlainURLOfADeskIsWarnedAbout(t *testing.T) {
	desk := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"syncs": []}`)) }))
	defer desk.Close()
	const warning = "the token of the client is sent in plain text"
	dir := t.TempDir()
	if _, stderr, code := invoke(t, nil, "sync", "list", "--data-dir", dir, "--desk", desk.URL); code != ExitOK || strings.Contains(stderr, warning) {
		t.Errorf("on loopback: %d %s", code, stderr)
	}
	if _, stderr, _ := invoke(t, nil, "sync", "list", "--data-dir", dir, "--desk", "http://desk.invalid:9090"); !strings.Contains(stderr, warning) {
		t.Errorf("beyond loopback: %s", stderr)
	}
}

// The topics job has the rights to create topics, and a desk may lack them.
func TestTopicsCreateMakesTheLogOfTheDesk(t *testing.T) {
	p := newPatient(t) // it created the topics
	out, stderr, code := invoke(t, nil, append([]string{"topics", "create"}, p.flags...)...)
	if code != ExitOK || !strings.Contains(out, "exists   coex.desk\n") {
		t.Errorf("%d %s%s", code, out, stderr)
	}
	out, stderr, code = invoke(t, nil, append([]string{"topics", "create", "--prefix", "new."}, p.flags...)...)
	if code != ExitOK || !strings.Contains(out, "created  new.desk\n") {
		t.Errorf("%d %s%s", code, out, stderr)
	}
}
