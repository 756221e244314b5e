package kafka

import (
	"context"
	"crypto/tls"
	"sync/atomic"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/testing/certtest"
)

// askers ask a cluster something by each of the client libraries, over a connection of their own.
func askers(t *testing.T, c *Connection) map[string]func(context.Context) error {
	t.Helper()
	return map[string]func(context.Context) error{
		"franz-go": func(ctx context.Context) error {
			cl, err := kgo.NewClient(append(c.Franz(), kgo.RetryTimeout(time.Nanosecond))...)
			if err != nil {
				return err
			}
			defer cl.Close()
			return cl.Ping(ctx)
		},
		"kafka-go": func(ctx context.Context) error {
			transport := c.Transport()
			defer transport.CloseIdleConnections()
			_, err := (&kafkago.Client{Addr: c.Address(), Transport: transport}).Metadata(ctx, &kafkago.MetadataRequest{})
			return err
		},
	}
}

func TestNewConnectionsUseTheNewCertificatesAndPassword(t *testing.T) {
	ca, other := certtest.NewAuthority(t, "ours"), certtest.NewAuthority(t, "theirs")
	server := &tls.Config{
		MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, // 1.3 refuses a client after it thinks that it is in
		Certificates: []tls.Certificate{ca.Issue(t, "broker").TLS(t)}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool(),
	}
	for mechanism, method := range map[string]string{"plain": "PLAIN", "scram-sha-256": "SCRAM-SHA-256", "scram-sha-512": "SCRAM-SHA-512"} {
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.TLS(server), kfake.EnableSASL(), kfake.Superuser(method, "user", "right"))
		if err != nil {
			t.Fatal(err)
		}
		defer cluster.Close()
		var client atomic.Pointer[tls.Config]
		var password atomic.Pointer[string]
		use := func(signer *certtest.Authority, trusted *certtest.Authority, pass string) {
			client.Store(&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: trusted.Pool(), Certificates: []tls.Certificate{signer.Issue(t, "client").TLS(t)}})
			password.Store(&pass)
		}
		m, err := NewSASL(mechanism, "user", func() string { return *password.Load() })
		if err != nil {
			t.Fatal(err)
		}
		c := &Connection{
			Brokers: cluster.ListenAddrs(), ClientID: "test", DialTimeout: 5 * time.Second, RequestTimeout: 5 * time.Second,
			TLS: func() *tls.Config { return client.Load().Clone() }, SASL: m,
		}
		for library, ask := range askers(t, c) {
			for _, tt := range []struct {
				what            string
				signer, trusted *certtest.Authority
				password        string
				ok              bool
			}{
				{"all is right", ca, ca, "right", true},
				{"a wrong password", ca, ca, "wrong", false},
				{"a certificate of a stranger", other, ca, "right", false},
				{"an authority that did not sign the broker's", ca, other, "right", false},
				{"all is right again", ca, ca, "right", true},
			} {
				use(tt.signer, tt.trusted, tt.password)
				patience := time.Minute
				if !tt.ok {
					patience = time.Second
				}
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				if err := ask(ctx); (err == nil) != tt.ok {
					t.Errorf("%s, %s, %s: %v", mechanism, library, tt.what, err)
				}
				cancel()
			}
		}
	}
}

func TestBrokersAreKnownByTheHostThatIsDialled(t *testing.T) {
	ca := certtest.NewAuthority(t, "ours")
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.TLS(&tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{ca.Issue(t, "broker").TLS(t)}}))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	for name, ok := range map[string]bool{"": true, "localhost": true, "kafka.example.com": false} {
		c := &Connection{DialTimeout: 5 * time.Second, TLS: func() *tls.Config {
			return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: ca.Pool(), ServerName: name}
		}}
		conn, err := c.Dial(t.Context(), "tcp", cluster.ListenAddrs()[0])
		if (err == nil) != ok {
			t.Errorf("kafka.tls.server_name %q: %v", name, err)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
}
