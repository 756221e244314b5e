// Package kafka is the plumbing between the parts and a Kafka cluster: how to connect, which topics there
// are and how they are configured, the partitioner, and readers that see committed records only.
//
// Two client libraries are used, because neither is sufficient. kafka-go administers topics and, in
// the ingress, produces. franz-go does everything that touches transactions, because kafka-go returns the
// records of aborted transactions even when it is asked for committed ones.
package kafka

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	kafkagosasl "github.com/segmentio/kafka-go/sasl"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/coexstream/coexstream/internal/invalid"
)

// Connection is how to reach a cluster.
type Connection struct {
	Brokers        []string
	ClientID       string
	DialTimeout    time.Duration
	RequestTimeout time.Duration
	// TLS returns a configuration for each new connection, so that certificates can change
	// while the process runs; nil: plain text.
	TLS  func() *tls.Config
	SASL sasl.Mechanism // nil: none
	// Reach opens the connections; nil: over TCP.
	Reach func(ctx context.Context, network, address string) (net.Conn, error)
	// Log gets the lines of franz-go's clients; nil: none. kafka-go has no lines of its own.
	Log *slog.Logger
}

// Validate returns an error that names the key, its value, and the allowed values.
func (c *Connection) Validate() error {
	switch {
	case len(c.Brokers) == 0:
		return invalid.Value("kafka.brokers", c.Brokers, "at least one host:port")
	case c.DialTimeout <= 0:
		return invalid.Value("kafka.dial_timeout", c.DialTimeout, "more than 0")
	case c.RequestTimeout <= 0:
		return invalid.Value("kafka.request_timeout", c.RequestTimeout, "more than 0")
	}
	for _, b := range c.Brokers {
		if _, _, err := net.SplitHostPort(b); err != nil {
			return invalid.Value("kafka.brokers", b, "host:port")
		}
	}
	return nil
}

// NewSASL returns the mechanism of that name, or nil for none. password is called at every authentication, so that the
// password can change while the process runs.
func NewSASL(mechanism, user string, password func() string) (sasl.Mechanism, error) {
	auth := func(context.Context) (scram.Auth, error) { return scram.Auth{User: user, Pass: password()}, nil }
	switch mechanism {
	case "", "none":
		return nil, nil
	case "plain":
		return plain.Plain(func(context.Context) (plain.Auth, error) {
			return plain.Auth{User: user, Pass: password()}, nil
		}), nil
	case "scram-sha-256":
		return scram.Sha256(auth), nil
	case "scram-sha-512":
		return scram.Sha512(auth), nil
	}
	return nil, invalid.Value("kafka.sasl.mechanism", mechanism, "none, plain, scram-sha-256, scram-sha-512")
}

// Dial connects to a broker, and speaks TLS with it where the connection says so. Both client libraries use
// it, because neither asks for its TLS configuration again.
func (c *Connection) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.DialTimeout)
	defer cancel()
	reach := c.Reach
	if reach == nil {
		reach = (&net.Dialer{KeepAlive: 30 * time.Second}).DialContext
	}
	conn, err := reach(ctx, network, address)
	if err != nil || c.TLS == nil {
		return conn, err
	}
	cfg := c.TLS()
	if cfg.ServerName == "" {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("connect to broker %s: %w", address, err)
		}
		cfg.ServerName = host
	}
	secure := tls.Client(conn, cfg)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		// A failure to dial: nothing that was to be sent was sent.
		return nil, &net.OpError{Op: "dial", Net: network, Err: fmt.Errorf("speak TLS with broker %s: %w", address, err)}
	}
	return secure, nil
}

// Franz is the connection as franz-go options, to which a client adds its own.
func (c *Connection) Franz() []kgo.Opt {
	return append(c.FranzSecurity(), kgo.SeedBrokers(c.Brokers...), kgo.ClientID(c.ClientID))
}

// FranzSecurity is Franz without the addresses and the client's id.
func (c *Connection) FranzSecurity() []kgo.Opt {
	opts := []kgo.Opt{
		kgo.Dialer(c.Dial),
		// Nobody reads these metrics of the brokers, and the last report makes every Close a second longer.
		kgo.DisableClientMetrics(),
	}
	if c.Log != nil {
		opts = append(opts, kgo.WithLogger(newClientLog(c.Log, time.Now)))
	}
	if c.SASL != nil {
		opts = append(opts, kgo.SASL(c.SASL))
	}
	return opts
}

// Transport is the connection as a kafka-go transport. The caller closes it with CloseIdleConnections.
// topics limits the metadata that it keeps; none means all topics of the cluster.
func (c *Connection) Transport(topics ...string) *kafkago.Transport {
	t := &kafkago.Transport{
		Dial:        c.Dial,
		DialTimeout: c.DialTimeout,
		IdleTimeout: 30 * time.Second,
		// kafka-go does not refresh its metadata when a partition has another leader. This bounds the time without
		// an answer.
		MetadataTTL:    300 * time.Millisecond,
		MetadataTopics: topics,
		ClientID:       c.ClientID,
	}
	t.SASL = c.KafkaGoSASL()
	return t
}

// KafkaGoSASL is the mechanism for kafka-go, nil for none.
func (c *Connection) KafkaGoSASL() kafkagosasl.Mechanism {
	if c.SASL == nil {
		return nil
	}
	return kafkaGoSASL{c.SASL}
}

// Address is the bootstrap address for kafka-go.
func (c *Connection) Address() net.Addr { return kafkago.TCP(c.Brokers...) }

// kafkaGoSASL lets kafka-go use franz-go's mechanisms: one implementation, and no further module.
type kafkaGoSASL struct{ mechanism sasl.Mechanism }

func (m kafkaGoSASL) Name() string { return m.mechanism.Name() }

func (m kafkaGoSASL) Start(ctx context.Context) (kafkagosasl.StateMachine, []byte, error) {
	host := ""
	if md := kafkagosasl.MetadataFromContext(ctx); md != nil {
		host = net.JoinHostPort(md.Host, fmt.Sprint(md.Port))
	}
	s, first, err := m.mechanism.Authenticate(ctx, host)
	return kafkaGoSession{s}, first, err
}

type kafkaGoSession struct{ session sasl.Session }

func (s kafkaGoSession) Next(_ context.Context, challenge []byte) (bool, []byte, error) {
	return s.session.Challenge(challenge)
}
