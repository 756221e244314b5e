package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/internal/testing/kafkacluster"
)

const (
	user     = "coex"
	password = "correct-horse" //nolint:gosec // of a broker on loopback that lives for a test
)

// secured is a broker with every kind of listener.
func secured(t *testing.T) *kafkacluster.Cluster {
	t.Helper()
	kafkacluster.Gate(t)
	all := []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}
	return kafkacluster.Test(t, kafkacluster.Config{Brokers: 1, Secure: []kafkacluster.Secure{
		{Name: "TLS", TLS: true},
		{Name: "MUTUAL", TLS: true, ClientAuth: true},
		{Name: "SASL", Mechanisms: all, User: user, Password: password},
		{Name: "BOTH", TLS: true, Mechanisms: all, User: user, Password: password},
	}})
}

// access are the lines of a configuration that reaches a listener.
func access(c *kafkacluster.Cluster, listener, mechanism string) []string {
	var lines []string
	certs := c.Certificates()
	if listener != "SASL" {
		lines = append(lines, "kafka.tls.enabled: true", "kafka.tls.ca_file: "+certs.CA)
	}
	if listener == "MUTUAL" {
		lines = append(lines, "kafka.tls.cert_file: "+certs.ClientCert, "kafka.tls.key_file: "+certs.ClientKey)
	}
	if mechanism != "" {
		lines = append(lines, "kafka.sasl.mechanism: "+mechanism, "kafka.sasl.username: "+user, "kafka.sasl.password: "+password)
	}
	return lines
}

// Ingress, processors and check work over each; what they refuse, they say.
func TestSecuredKafka(t *testing.T) {
	c := secured(t)
	for _, way := range []struct{ listener, mechanism string }{{"BOTH", "scram-sha-512"}, {"MUTUAL", ""}} {
		t.Run("pipeline over "+strings.TrimSpace(way.listener+" "+way.mechanism), func(t *testing.T) {
			s := newStage(t, c.AddrsOf(way.listener), 1, 1, access(c, way.listener, way.mechanism)...)
			s.up()
			truth, report := s.simulate(world{seed: 5, businesses: 3, messages: 3000, live: 300, contact: 200})
			s.check(truth)
			s.bounded(report)
			s.down()
		})
	}
	for _, way := range []struct{ listener, mechanism string }{
		{"TLS", ""}, {"MUTUAL", ""}, {"SASL", "plain"}, {"SASL", "scram-sha-256"}, {"SASL", "scram-sha-512"}, {"BOTH", "plain"}, {"BOTH", "scram-sha-256"},
	} {
		t.Run("both clients over "+strings.TrimSpace(way.listener+" "+way.mechanism), func(t *testing.T) { bothClients(t, c, way.listener, way.mechanism) })
	}
	t.Run("refusals", func(t *testing.T) { refusals(t, c) })
}

// bothClients writes with one client library and reads with the other.
func bothClients(t *testing.T, c *kafkacluster.Cluster, listener, mechanism string) {
	conn := kafka.Connection{Brokers: c.AddrsOf(listener), ClientID: "e2e", DialTimeout: 10 * time.Second, RequestTimeout: time.Minute}
	if listener != "SASL" {
		certs := c.Certificates()
		authority, err := os.ReadFile(certs.CA)
		if err != nil {
			t.Fatal(err)
		}
		config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
		if !config.RootCAs.AppendCertsFromPEM(authority) {
			t.Fatalf("%s holds no certificate", certs.CA)
		}
		if listener == "MUTUAL" {
			own, err := tls.LoadX509KeyPair(certs.ClientCert, certs.ClientKey)
			if err != nil {
				t.Fatal(err)
			}
			config.Certificates = []tls.Certificate{own}
		}
		conn.TLS = config.Clone
	}
	var err error
	if conn.SASL, err = kafka.NewSASL(mechanism, user, func() string { return password }); err != nil {
		t.Fatal(err)
	}
	topic := strings.ToLower(listener) + "-" + mechanism
	transport := conn.Transport(topic)
	defer transport.CloseIdleConnections()
	client := &kafkago.Client{Addr: conn.Address(), Timeout: conn.RequestTimeout, Transport: transport}
	created, err := client.CreateTopics(t.Context(), &kafkago.CreateTopicsRequest{Topics: []kafkago.TopicConfig{{Topic: topic, NumPartitions: 1, ReplicationFactor: 1}}})
	if err == nil {
		err = created.Errors[topic]
	}
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the record is written", func() bool {
		produced, err := client.Produce(t.Context(), &kafkago.ProduceRequest{Topic: topic, RequiredAcks: kafkago.RequireAll,
			Records: kafkago.NewRecordReader(kafkago.Record{Value: kafkago.NewBytes([]byte("it"))})})
		return err == nil && produced.Error == nil
	})
	r, err := kafka.NewReader(conn, []string{topic})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ranges, err := r.Ranges(t.Context(), kafka.FromStart())
	if err != nil {
		t.Fatal(err)
	}
	var read []string
	err = r.ReadRanges(t.Context(), ranges, func(rec *kgo.Record) error {
		read = append(read, string(rec.Value))
		return nil
	})
	if err != nil || !slices.Contains(read, "it") {
		t.Errorf("read %q, err %v", read, err)
	}
}

// refusals: a client that is refused reports the operation and the cause, and no secret.
func refusals(t *testing.T, c *kafkacluster.Cluster) {
	certs := c.Certificates()
	// An authority that the brokers' certificates are not from: a certificate that is none.
	other := filepath.Join(t.TempDir(), "other.pem")
	cert, err := os.ReadFile(certs.ClientCert)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(other, cert, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, r := range []struct {
		name, listener, mechanism string
		change                    [2]string
		want                      string
	}{
		{"wrong password scram", "BOTH", "scram-sha-512", [2]string{"kafka.sasl.password: " + password, "kafka.sasl.password: wrong-battery"}, "look at kafka.sasl.username"},
		{"wrong password plain", "SASL", "plain", [2]string{"kafka.sasl.password: " + password, "kafka.sasl.password: wrong-battery"}, "look at kafka.sasl.username"},
		{"wrong authority", "TLS", "", [2]string{"kafka.tls.ca_file: " + certs.CA, "kafka.tls.ca_file: " + other}, "look at kafka.tls.ca_file"},
		{"no client certificate", "MUTUAL", "", [2]string{"kafka.tls.cert_file: " + certs.ClientCert + "\nkafka.tls.key_file: " + certs.ClientKey, ""}, "look at kafka.tls.cert_file"},
		{"no TLS", "TLS", "", [2]string{"kafka.tls.enabled: true", "kafka.tls.enabled: false"}, "kafka.tls.enabled"},
		{"TLS to a plain listener", "SASL", "plain", [2]string{"kafka.sasl.mechanism", "kafka.tls.enabled: true\nkafka.sasl.mechanism"}, "kafka.tls.enabled"},
	} {
		t.Run(r.name, func(t *testing.T) {
			lines := strings.Join(access(c, r.listener, r.mechanism), "\n")
			changed := strings.Replace(lines, r.change[0], r.change[1], 1)
			if changed == lines {
				t.Fatalf("%q is not in\n%s", r.change[0], lines)
			}
			s := newStage(t, c.AddrsOf(r.listener), 1, 1, changed)
			addr := c.AddrsOf(r.listener)[0]
			_, errs, code := s.run("topics", "verify", "--set", "kafka.request_timeout=10s")
			said(t, "topics verify", code, errs, addr, r.want)
			p := s.start("process", "process", "--instance-id", "p")
			i := s.start("ingress", "ingress")
			for _, of := range []*program{p, i} {
				var log string
				until(t, of.name+" says why not: "+r.want, func() bool {
					log = tail(of.log, 50)
					return !of.running() || strings.Contains(log, r.want)
				})
				said(t, of.name, 1, log, addr, r.want)
			}
		})
	}
}

func said(t *testing.T, who string, code int, text, addr, want string) {
	t.Helper()
	if code != 1 || !strings.Contains(text, want) || !strings.Contains(text, addr) {
		t.Errorf("%s: exit code %d: want %q and %s\n%s", who, code, want, addr, strings.TrimSpace(text))
	}
	for _, secret := range []string{password, "wrong-battery"} {
		if strings.Contains(text, secret) {
			t.Errorf("%s tells the password: %s", who, fmt.Sprintf("%.300s", text))
		}
	}
}
