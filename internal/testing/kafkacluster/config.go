package kafkacluster

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Config says what cluster to run.
type Config struct {
	Brokers int    // 1 or 3
	MinISR  int    // min.insync.replicas of topics that say nothing; 0: 1 of 1, 2 of 3
	Dir     string // where everything is kept; empty: a temporary folder that Close removes
	// Clients are names of plain listeners beside the brokers' own, in capitals.
	Clients []string
	// Advertise is the address that a listener of Clients or Secure tells its clients; nil: the one it listens on.
	Advertise func(listener string, broker int, listenAddr string) string
	// Between puts a link between the brokers themselves. All that the broker from sends to the broker to goes to the
	// address listen, which has to be forwarded to the address forward. It is called for each ordered pair of brokers,
	// once for replication and once for the quorum of controllers, before any of them runs. nil: no links. It needs a
	// system on which all of 127.0.0.0/8 is loopback, as on Linux.
	Between func(from, to int, listen, forward string) error
	// Secure are listeners with TLS, SASL or both.
	Secure []Secure
	// CertificateHosts are more IP addresses in the brokers' certificates, beside 127.0.0.1.
	CertificateHosts []net.IP
	// Properties are added to each broker's, and win.
	Properties map[string]string
	// Java are more flags of the runtime. Empty: quick to start rather than quick.
	Java []string
	// StartTimeout bounds a start; 0: two minutes.
	StartTimeout time.Duration
}

// SessionTimeout is how long a broker is silent before others lead its partitions.
const SessionTimeout = 6 * time.Second

// Secure is a listener with TLS, SASL, or both.
type Secure struct {
	Name string // in capitals
	TLS  bool
	// ClientAuth asks for client certificates; see Cluster.Certificates.
	ClientAuth bool
	// Mechanisms are PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512; none: no SASL. All know the one user; the user of
	// SCRAM is the cluster's, so that its password is the same on all listeners.
	Mechanisms     []string
	User, Password string
}

func (s *Secure) protocol() string {
	switch {
	case s.TLS && len(s.Mechanisms) > 0:
		return "SASL_SSL"
	case s.TLS:
		return "SSL"
	case len(s.Mechanisms) > 0:
		return "SASL_PLAINTEXT"
	}
	return "PLAINTEXT"
}

const (
	listenerInternal   = "INTERNAL"
	listenerController = "CONTROLLER"
	listenerDirect     = "DIRECT" // for clients, where something stands between the brokers
)

func (c *Config) validate() error {
	if c.Brokers != 1 && c.Brokers != 3 {
		return fmt.Errorf("kafkacluster: %d brokers: want 1 or 3", c.Brokers)
	}
	if c.MinISR < 0 || c.MinISR > c.Brokers {
		return fmt.Errorf("kafkacluster: min.insync.replicas %d of %d brokers", c.MinISR, c.Brokers)
	}
	return nil
}

// listeners are all listeners of a broker, the controller's included.
func (c *Config) listeners() []string {
	all := append([]string{listenerInternal, listenerController}, c.Clients...)
	if c.Between != nil {
		all = append(all, listenerDirect)
	}
	for i := range c.Secure {
		all = append(all, c.Secure[i].Name)
	}
	return all
}

// properties are a broker's. ports has all brokers' ports, by listener.
func (c *Config) properties(id int, dataDir string, ports []map[string]int, certs *Certificates) string {
	var voters, listen, told, protocols []string
	for i := range ports {
		voters = append(voters, fmt.Sprintf("%d@%s:%d", i, c.hostOf(i), ports[i][listenerController]))
	}
	for _, name := range c.listeners() {
		addr := fmt.Sprintf("127.0.0.1:%d", ports[id][name])
		listen = append(listen, name+"://"+addr)
		protocol, secure := "PLAINTEXT", false
		if i := slices.IndexFunc(c.Secure, func(s Secure) bool { return s.Name == name }); i >= 0 {
			protocol, secure = c.Secure[i].protocol(), true
		}
		protocols = append(protocols, name+":"+protocol)
		if name == listenerController && c.Between == nil {
			continue // then it is known by the voters alone
		}
		if amongBrokers(name) {
			addr = fmt.Sprintf("%s:%d", c.hostOf(id), ports[id][name])
		}
		if c.Advertise != nil && (secure || slices.Contains(c.Clients, name)) {
			addr = c.Advertise(name, id, addr)
		}
		told = append(told, name+"://"+addr)
	}
	minISR := c.MinISR
	if minISR == 0 {
		minISR = (c.Brokers + 1) / 2
	}
	all, few := strconv.Itoa(c.Brokers), "8"
	p := map[string]string{
		"node.id":                          strconv.Itoa(id),
		"process.roles":                    "broker,controller",
		"controller.quorum.voters":         strings.Join(voters, ","),
		"controller.listener.names":        listenerController,
		"inter.broker.listener.name":       listenerInternal,
		"listeners":                        strings.Join(listen, ","),
		"advertised.listeners":             strings.Join(told, ","),
		"listener.security.protocol.map":   strings.Join(protocols, ","),
		"log.dirs":                         dataDir,
		"min.insync.replicas":              strconv.Itoa(minISR),
		"default.replication.factor":       all,
		"unclean.leader.election.enable":   "false",
		"auto.create.topics.enable":        "false",
		"offsets.topic.num.partitions":     few,
		"transaction.state.log.min.isr":    strconv.Itoa(minISR),
		"group.initial.rebalance.delay.ms": "0",
		// A machine of two cores has three brokers and more to run.
		"num.network.threads":                              "2",
		"num.io.threads":                                   "4",
		"background.threads":                               "2",
		"log.cleaner.dedupe.buffer.size":                   "16777216",
		"offsets.topic.replication.factor":                 all,
		"transaction.state.log.num.partitions":             few,
		"transaction.state.log.replication.factor":         all,
		"share.coordinator.state.topic.replication.factor": all,
		"share.coordinator.state.topic.min.isr":            strconv.Itoa(minISR),
		"broker.session.timeout.ms":                        strconv.FormatInt(SessionTimeout.Milliseconds(), 10),
		"broker.heartbeat.interval.ms":                     "1000",
	}
	for i := range c.Secure {
		c.Secure[i].add(p, certs, id)
	}
	maps.Copy(p, c.Properties)
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(p)) {
		fmt.Fprintf(&b, "%s=%s\n", key, p[key])
	}
	return b.String()
}

func (s *Secure) add(p map[string]string, certs *Certificates, id int) {
	prefix := "listener.name." + strings.ToLower(s.Name) + "."
	if s.TLS {
		p[prefix+"ssl.keystore.type"] = "PEM"
		p[prefix+"ssl.keystore.location"] = certs.server(id)
		p[prefix+"ssl.truststore.type"] = "PEM"
		p[prefix+"ssl.truststore.location"] = certs.CA
		p[prefix+"ssl.client.auth"] = "none"
		if s.ClientAuth {
			p[prefix+"ssl.client.auth"] = "required"
		}
	}
	if len(s.Mechanisms) == 0 {
		return
	}
	p["sasl.enabled.mechanisms"] = "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"
	p[prefix+"sasl.enabled.mechanisms"] = strings.Join(s.Mechanisms, ",")
	for _, mechanism := range s.Mechanisms {
		module := "org.apache.kafka.common.security.scram.ScramLoginModule required;"
		if mechanism == "PLAIN" {
			module = fmt.Sprintf(`org.apache.kafka.common.security.plain.PlainLoginModule required user_%s="%s";`, s.User, s.Password)
		}
		p[prefix+strings.ToLower(mechanism)+".sasl.jaas.config"] = module
	}
}
