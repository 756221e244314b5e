package e2e_test

import (
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/internal/testing/kafkacluster"
	"github.com/coexstream/coexstream/internal/testing/kube"
)

// The listener for the pods, its port, and its user.
const (
	podsListener = "PODS"
	podsPort     = 9093
	kafkaUser    = "coexstream"
	kafkaSecret  = "a password of the tests"
)

// kafka is Apache Kafka as the pods reach it: with TLS and SCRAM, at the address of the node.
type kafka struct {
	*kafkacluster.Cluster
}

func startKafka(t *testing.T) kafka {
	t.Helper()
	c := kafkacluster.Test(t, kafkacluster.Config{
		Brokers:          1,
		Secure:           []kafkacluster.Secure{{Name: podsListener, TLS: true, Mechanisms: []string{"SCRAM-SHA-512"}, User: kafkaUser, Password: kafkaSecret}},
		CertificateHosts: []net.IP{net.ParseIP(kube.Address)},
		Advertise:        func(string, int, string) string { return fmt.Sprintf("%s:%d", kube.Address, podsPort) },
	})
	forward(t, fmt.Sprintf("%s:%d", kube.Address, podsPort), c.AddrsOf(podsListener)[0])
	return kafka{c}
}

// forward copies connections to another address until the test ends.
func forward(t *testing.T, from, to string) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", from)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // closed
			}
			go func() {
				defer client.Close()
				server, err := net.Dial("tcp", to)
				if err != nil {
					return // the client sees its connection end
				}
				go func() {
					defer server.Close()
					io.Copy(server, client)
				}()
				io.Copy(client, server)
			}()
		}
	}()
}

// secrets creates the Secrets of docs/kubernetes.md, "Installing", in a namespace.
func (k kafka) secrets(t *testing.T, node *kube.Node, namespace string) {
	t.Helper()
	for _, args := range []string{
		"coexstream-kafka --from-file=ca.crt=" + k.Certificates().CA + " --from-literal=password=" + strings.ReplaceAll(kafkaSecret, " ", "\x00"),
		"coexstream-app --from-literal=verify-token=a-verify-token-of-the-tests --from-literal=app-secret=" + appSecret,
		"coexstream-admin --from-literal=token=a-token-of-the-admin-listeners",
	} {
		fields := strings.Fields(args)
		for i := range fields {
			fields[i] = strings.ReplaceAll(fields[i], "\x00", " ")
		}
		node.Kubectl(t, append([]string{"create", "secret", "generic", "--namespace", namespace}, fields...)...)
	}
}

const appSecret = "an-app-secret-of-the-tests"

// world is what a simulation sends to a release, and the check of the topics afterwards.
type world struct {
	r     *release
	kafka kafka
	truth string
}

func (k kafka) world(r *release) *world {
	r.t.Helper()
	return &world{r, k, filepath.Join(r.t.TempDir(), "truth.jsonl")}
}

// command is a command of the program beside the pods.
func (w *world) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(w.r.t.Context(), w.r.node.Coexstream(), append(args, "--truth", w.truth, "--secret", appSecret)...)
	cmd.Dir = filepath.Dir(w.truth)
	return cmd
}

// simulation sends the world to the Service of the ingresses.
func (w *world) simulation(args ...string) *exec.Cmd {
	w.r.t.Helper()
	return w.command(append([]string{"simulate", "--url", w.r.url(w.r.name()+"-ingress") + "/webhooks/meta"}, args...)...)
}

func (w *world) simulate(args ...string) {
	w.r.t.Helper()
	if out, err := w.simulation(args...).CombinedOutput(); err != nil {
		w.r.t.Fatalf("simulate: %v\n%s", err, out)
	}
}

// check compares the topics with the truth of the simulation.
func (w *world) check() {
	w.r.t.Helper()
	prefix := w.r.namespace + "." + w.r.name() + "."
	out, err := w.command("check", "--brokers", strings.Join(w.kafka.Addrs(), ","), "--prefix", prefix).CombinedOutput()
	if err != nil {
		w.r.t.Errorf("check: %v\n%s", err, out)
	}
}
