package kafkacluster

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/coexstream/coexstream/internal/testing/freeport"
)

// Cluster is a running cluster.
type Cluster struct {
	cfg     Config
	dir     string
	jars    string
	java    string
	brokers []*Broker
	certs   *Certificates
}

// Start starts a cluster and returns when all brokers serve. ErrUnavailable: Kafka is not available here.
func Start(ctx context.Context, cfg Config) (*Cluster, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	runtime, err := java(ctx)
	if err != nil {
		return nil, err
	}
	jars, err := Jars(ctx)
	if err != nil {
		return nil, err
	}
	c := &Cluster{cfg: cfg, dir: cfg.Dir, jars: jars, java: runtime}
	if c.dir == "" {
		if c.dir, err = os.MkdirTemp("", "coexstream-kafka-"); err != nil {
			return nil, err
		}
	}
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(err, c.kill())
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context) error {
	timeout := c.cfg.StartTimeout
	if timeout == 0 {
		timeout = 2 * time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	ports, err := freePorts(c.cfg.Brokers, c.cfg.listeners())
	if err != nil {
		return err
	}
	if slices.ContainsFunc(c.cfg.Secure, func(s Secure) bool { return s.TLS }) {
		if c.certs, err = newCertificates(c.dir, c.cfg.Brokers, c.cfg.CertificateHosts); err != nil {
			return fmt.Errorf("certificates in %s: %w", c.dir, err)
		}
	}
	logging := filepath.Join(c.dir, "log4j2.properties")
	if err := os.WriteFile(logging, []byte(log4j), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(c.toolLogging(), []byte(toolLog4j), 0o600); err != nil {
		return err
	}
	flags := c.cfg.Java
	if len(flags) == 0 {
		flags = []string{"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"}
	}
	for id := range c.cfg.Brokers {
		b := &Broker{id: id, dir: filepath.Join(c.dir, fmt.Sprintf("broker-%d", id)), java: c.java, addrs: map[string]string{}, ready: c.serves}
		for name, port := range ports[id] {
			b.addrs[name] = fmt.Sprintf("127.0.0.1:%d", port)
		}
		if err := os.Mkdir(b.dir, 0o700); err != nil {
			return err
		}
		config := filepath.Join(b.dir, "server.properties")
		if err := os.WriteFile(config, []byte(c.cfg.properties(id, b.data(), ports, c.certs)), 0o600); err != nil {
			return err
		}
		b.args = append([]string{"-Xms128m", "-Xmx384m", "-Djava.awt.headless=true", "-Dlog4j2.configurationFile=" + logging}, flags...)
		if c.cfg.Between != nil {
			if err := os.WriteFile(b.hosts(), []byte(c.cfg.hosts(id)), 0o600); err != nil {
				return err
			}
			if err := c.cfg.between(id, ports); err != nil {
				return err
			}
			b.args = append(b.args, hostsFlag+b.hosts())
		}
		b.args = append(b.args, "-cp", c.classPath(), "kafka.Kafka", config)
		c.brokers = append(c.brokers, b)
	}
	if err := c.format(ctx); err != nil {
		return err
	}
	for _, b := range c.brokers {
		if err := b.launch(); err != nil {
			return err
		}
	}
	for _, b := range c.brokers {
		if err := b.wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (b *Broker) data() string  { return filepath.Join(b.dir, "data") }
func (b *Broker) hosts() string { return filepath.Join(b.dir, "hosts") }

// hostsFlag makes a Java program look names up in a file.
const hostsFlag = "-Djdk.net.hosts.file="

// format makes the brokers' data folders. A Java program makes that of the first broker. The others get a copy of it
// with their own ids.
func (c *Cluster) format(ctx context.Context) error {
	first := c.brokers[0]
	args := []string{"format", "--cluster-id", newID(), "--config", filepath.Join(first.dir, "server.properties")}
	users := map[string]bool{}
	for _, s := range c.cfg.Secure {
		for _, mechanism := range s.Mechanisms {
			user := mechanism + "/" + s.User
			if mechanism != "PLAIN" && !users[user] {
				users[user] = true
				args = append(args, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", mechanism, s.User, s.Password))
			}
		}
	}
	if out, err := c.Tool(ctx, "kafka.tools.StorageTool", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("kafka.tools.StorageTool format: %w\n%s", err, out)
	}
	for _, b := range c.brokers[1:] {
		if err := os.CopyFS(b.data(), os.DirFS(first.data())); err != nil {
			return err
		}
		path := filepath.Join(b.data(), "meta.properties")
		meta, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		lines := strings.Split(string(meta), "\n")
		for i, line := range lines {
			switch key, _, _ := strings.Cut(line, "="); key {
			case "node.id":
				lines[i] = fmt.Sprintf("node.id=%d", b.id)
			case "directory.id":
				lines[i] = "directory.id=" + newID()
			}
		}
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// newID is a random id in Kafka's spelling.
func newID() string {
	id := make([]byte, 16)
	for {
		_, _ = rand.Read(id) // never fails
		// A dash in front would look like a flag to the tool.
		if s := base64.RawURLEncoding.EncodeToString(id); s[0] != '-' {
			return s
		}
	}
}

// serves reports whether a broker knows itself as a member of the cluster, by its own metadata.
func (c *Cluster) serves(ctx context.Context, id int) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.brokers[id].addrs[c.cfg.clientListener()]), kgo.RetryTimeout(time.Second), kgo.DialTimeout(time.Second))
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	m, err := kadm.NewClient(cl).BrokerMetadata(ctx)
	if err != nil {
		return err
	}
	for _, b := range m.Brokers {
		if int(b.NodeID) == id && m.Controller >= 0 {
			return nil
		}
	}
	return fmt.Errorf("broker %d is not among the %d brokers that it knows", id, len(m.Brokers))
}

// Tool is a command of Kafka's own tools, by its Java class. Its log goes to its standard error.
func (c *Cluster) Tool(ctx context.Context, class string, args ...string) *exec.Cmd {
	all := []string{"-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dlog4j2.configurationFile=" + c.toolLogging(),
		"-cp", c.classPath()}
	if c.cfg.Between != nil {
		all = append(all, hostsFlag+c.brokers[0].hosts()) // it knows the brokers' names
	}
	all = append(append(all, class), args...)
	cmd := exec.CommandContext(ctx, c.java, all...) //nolint:gosec // that is what it is for
	DieWithUs(cmd)
	return cmd
}

func (c *Cluster) toolLogging() string { return filepath.Join(c.dir, "tools-log4j2.properties") }

func (c *Cluster) classPath() string { return filepath.Join(c.jars, "*") }

// Addrs are the brokers' bootstrap addresses, without TLS and SASL.
func (c *Cluster) Addrs() []string { return c.AddrsOf(c.cfg.clientListener()) }

// AddrsOf are those of a listener of Config.Clients or Config.Secure, as the brokers listen, not as they
// advertise.
func (c *Cluster) AddrsOf(listener string) []string {
	var addrs []string
	for _, b := range c.brokers {
		addrs = append(addrs, b.addrs[listener])
	}
	return addrs
}

// Broker is the i-th broker; its node id is i.
func (c *Cluster) Broker(i int) *Broker { return c.brokers[i] }

// Brokers is how many there are.
func (c *Cluster) Brokers() int { return len(c.brokers) }

// Certificates are those of a cluster with TLS; nil without.
func (c *Cluster) Certificates() *Certificates { return c.certs }

// Dir is where the cluster keeps everything.
func (c *Cluster) Dir() string { return c.dir }

// Close stops the brokers, and removes the folder if it is a temporary one.
func (c *Cluster) Close() error {
	err := c.kill()
	if c.cfg.Dir == "" {
		err = errors.Join(err, os.RemoveAll(c.dir))
	}
	return err
}

// kill ends all brokers; nobody needs their data in good order.
func (c *Cluster) kill() error {
	var g errgroup.Group
	for _, b := range c.brokers {
		g.Go(func() error {
			if err := b.Kill(); err != nil && !errors.Is(err, errNotRunning) {
				return err
			}
			return nil
		})
	}
	return g.Wait()
}

// freePorts finds ports that nobody listens on, for each broker by listener.
func freePorts(brokers int, listeners []string) ([]map[string]int, error) {
	free, err := freeport.Ports(context.Background(), brokers*len(listeners))
	if err != nil {
		return nil, err
	}
	ports := make([]map[string]int, brokers)
	for i := range ports {
		ports[i] = map[string]int{}
		for k, name := range listeners {
			ports[i][name] = free[i*len(listeners)+k]
		}
	}
	return ports, nil
}

const log4j = `status = warn
rootLogger.level = info
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %c{1}: %m%n
`

const toolLog4j = `status = warn
rootLogger.level = warn
rootLogger.appenderRef.err.ref = err
appender.err.type = Console
appender.err.name = err
appender.err.target = SYSTEM_ERR
appender.err.layout.type = PatternLayout
appender.err.layout.pattern = %p %c{1}: %m%n
`
