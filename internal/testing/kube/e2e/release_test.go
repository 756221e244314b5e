package e2e_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/testing/kube"
)

const (
	chart = "../../../../helm/coexstream"
	// patience bounds every wait for a condition: long enough for a busy machine.
	patience = 3 * time.Minute
	// hello is a live message of a number that does not exist.
	hello = `{"object":"whatsapp_business_account","entry":[{"id":"100000000000001","changes":[{"field":"messages","value":{"messaging_product":"whatsapp",` +
		`"metadata":{"display_phone_number":"15550001234","phone_number_id":"200000000000001"},"contacts":[{"profile":{"name":"Ada"},"wa_id":"15550005678"}],` +
		`"messages":[{"from":"15550005678","id":"wamid.EXAMPLE1","timestamp":"1700000000","type":"text","text":{"body":"Hello"}}]}}]}]}`
)

// release is a release of the chart in a namespace of its own.
type release struct {
	t         *testing.T
	node      *kube.Node
	namespace string
	profile   string
	flags     []string
}

// install installs a profile of the chart with the image of the node. Helm has to see each pod ready within a minute.
func install(t *testing.T, node *kube.Node, namespace, profile string, flags ...string) *release {
	t.Helper()
	r := prepared(t, node, namespace, profile, flags...)
	r.helm("install")
	return r
}

// prepared makes the namespace of a release, which ends with the test.
func prepared(t *testing.T, node *kube.Node, namespace, profile string, flags ...string) *release {
	t.Helper()
	node.Namespace(t, namespace)
	t.Cleanup(func() { // the next test needs the CPUs and the memory
		if t.Failed() {
			t.Log(node.Describe(namespace))
		}
		if err := node.Remove(namespace); err != nil {
			t.Error(err)
		}
	})
	return &release{t, node, namespace, profile, flags}
}

// helm runs helm install or upgrade with more flags.
func (r *release) helm(command string, flags ...string) string {
	r.t.Helper()
	args := append([]string{
		command, r.namespace, chart, "--namespace", r.namespace, "-f", chart + "/ci/" + r.profile + "-values.yaml",
		"--set", "image.repository=" + kube.Image + ",image.tag=" + kube.ImageTag, "--wait", "--timeout", "60s",
	}, r.flags...)
	return r.node.Helm(r.t, append(args, flags...)...)
}

// until waits for a condition. The text says how things stand where it does not come.
func (r *release) until(what string, condition func() (bool, string)) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		ok, text := condition()
		if ok {
			return
		}
		if r.t.Context().Err() != nil || time.Now().After(deadline) {
			r.t.Fatalf("waited in vain until %s:\n%s", what, text)
		}
	}
}

// objects is a list of Kubernetes, as far as these tests look at it.
type objects struct {
	Items []struct {
		Metadata struct{ Name, UID string }
		Reason   string
		Message  string
		Status   struct {
			Phase      string
			PodIP      string
			Conditions []struct{ Type, Status string }
			Containers []struct {
				RestartCount int
				LastState    struct{ Terminated *struct{ ExitCode int } }
			} `json:"containerStatuses"`
		}
		Spec struct {
			ClusterIP string
			Ports     []struct{ Port int }
		}
	}
}

func (r *release) list(args ...string) (all objects) {
	r.t.Helper()
	out := r.node.Kubectl(r.t, append([]string{"get", "--namespace", r.namespace, "--output", "json"}, args...)...)
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		r.t.Fatal(err)
	}
	return all
}

// pods are the unique ids of a component's pods. The value reports whether the pod is ready.
func (r *release) pods(component string) map[string]bool {
	r.t.Helper()
	all := map[string]bool{}
	for _, p := range r.list("pods", "--selector", "app.kubernetes.io/component="+component).Items {
		all[p.Metadata.UID] = false
		for _, c := range p.Status.Conditions {
			if c.Type == "Ready" && c.Status == "True" {
				all[p.Metadata.UID] = true
			}
		}
	}
	return all
}

// readyWithoutWarning fails unless each pod is ready, never restarted, and has no event of type Warning. Probes may fail before a pod is ready.
func (r *release) readyWithoutWarning() {
	r.t.Helper()
	pods := r.list("pods").Items
	if len(pods) == 0 {
		r.t.Error("no pods")
	}
	for _, p := range pods {
		ready := false
		for _, c := range p.Status.Conditions {
			ready = ready || c.Type == "Ready" && c.Status == "True"
		}
		if !ready {
			r.t.Errorf("pod %s is not ready", p.Metadata.Name)
		}
		for _, c := range p.Status.Containers {
			if c.RestartCount > 0 {
				r.t.Errorf("pod %s restarted %d times", p.Metadata.Name, c.RestartCount)
			}
		}
	}
	for _, e := range r.list("events", "--field-selector", "type=Warning").Items {
		if e.Reason != "Unhealthy" || strings.HasPrefix(e.Message, "Liveness") {
			r.t.Errorf("warning %s: %s", e.Reason, e.Message)
		}
	}
}

// url is the base URL of a Service, by its cluster address.
func (r *release) url(service string) string {
	r.t.Helper()
	for _, s := range r.list("services", "--field-selector", "metadata.name="+service).Items {
		return "http://" + s.Spec.ClusterIP + ":8080"
	}
	r.t.Fatalf("no Service %s", service)
	return ""
}

// post sends a signed webhook to a Service, and returns the status.
func (r *release) post(service, path, secret, body string) int {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.url(service)+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	req.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	req.Header.Set("Content-Type", "application/json")
	client := &http.Client{Timeout: patience}
	resp, err := client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer bytes.Buffer
	if _, err := answer.ReadFrom(resp.Body); err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode
}

// name is the name of the chart's objects.
func (r *release) name() string { return r.namespace + "-coexstream" }
