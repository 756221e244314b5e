package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/coexstream/coexstream/internal/invalid"
	"github.com/coexstream/coexstream/internal/listen"
	"github.com/coexstream/coexstream/internal/private"
)

// Config is where and how the broker runs.
type Config struct {
	Dir           string        // folder of the log; the caller holds its lock
	Listen        string        // address; port 0 is any free one
	Advertise     string        // address for clients; empty: the address of Listen
	AnyPort       bool          // use another port of 127.0.0.1 if this one is taken
	Password      string        // clients must authenticate as User with it; empty: no authentication
	SyncWrites    bool          // fsync before acknowledging
	SegmentBytes  int64         // of topics without a setting; a start reads segments whole
	CleanInterval time.Duration // between two cleanings of the logs
	MessageBytes  int64         // largest record batch of topics without a setting
	// ConnectionsMax is the maximum number of open connections through the socket.
	ConnectionsMax int
	Metrics        *Metrics // nil: none are kept
}

// DefaultConfig returns the defaults of a folder.
func DefaultConfig(dir string) Config {
	return Config{
		Dir: dir, Listen: "127.0.0.1:9092", SyncWrites: true,
		SegmentBytes: 8 << 20, CleanInterval: time.Hour, MessageBytes: 20 << 20, ConnectionsMax: 1024,
	}
}

// Validate returns an error that names the key, its value, and the allowed values.
func (c *Config) Validate() error {
	host, port, err := net.SplitHostPort(c.Listen)
	if n, e := strconv.Atoi(port); err != nil || e != nil || n < 0 || n > 65535 {
		return invalid.Value("embedded.listen", c.Listen, "host:port")
	}
	if c.Password == "" && !listen.Loopback(c.Listen) {
		return invalid.Value("embedded.listen", c.Listen, "an address on loopback, or any with a password")
	}
	if ip := net.ParseIP(host); c.Advertise == "" && (host == "" || ip != nil && ip.IsUnspecified()) {
		return invalid.Value("embedded.listen", c.Listen, "the address of one interface, or any with embedded.advertise")
	}
	if host, port, err := net.SplitHostPort(c.Advertise); c.Advertise != "" && (err != nil || host == "" || port == "") {
		return invalid.Value("embedded.advertise", c.Advertise, "host:port")
	}
	switch {
	case c.Dir == "":
		return invalid.Value("data_dir", c.Dir, "a path")
	case c.SegmentBytes < 1<<20:
		return invalid.Value("embedded.segment_bytes", c.SegmentBytes, "1MiB or more")
	case c.CleanInterval <= 0:
		return invalid.Value("CleanInterval", c.CleanInterval, "more than 0")
	case c.ConnectionsMax < silentPart:
		return invalid.Value("embedded.connections_max", c.ConnectionsMax, "4 or more")
	case c.MessageBytes < 128<<10:
		return invalid.Value("topics.max_message_bytes", c.MessageBytes, "128KiB or more")
	}
	return nil
}

// Broker is a running broker.
type Broker struct {
	cfg      Config
	folder   folder
	log      *slog.Logger
	cluster  *kfake.Cluster
	journal  *journal
	addr     string // for clients
	socket   string // the listening address
	listener *listen.InProcess
	changes  atomic.Int64 // requests that change the small files
	copied   int64        // its value at the last copy; -1: no copy yet
	copying  sync.Mutex
	unmarked atomic.Bool // there are no marks
	marked   int64       // its value at the last marks
	cleaning sync.Mutex
	closed   sync.Once
	home     home
}

// Open repairs the folder if the last process that used it was killed, and starts the broker.
func Open(cfg Config, log *slog.Logger) (*Broker, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	// The broker opens files itself and follows links, so no other user may create files there.
	if err := private.Tree(cfg.Dir, log); err != nil {
		return nil, fmt.Errorf("use the folder of the embedded broker: %w", err)
	}
	f := folder{osDisk{}, cfg.Dir}
	// The broker stores users at its stop, and prefers them at its start over the given ones.
	if err := f.removeIfThere(f.path(credentialsName)); err != nil {
		return nil, fmt.Errorf("forget the former credentials of the embedded broker: %w", err)
	}
	started := time.Now()
	found, err := recoverFolder(f, started, log)
	if err != nil {
		return nil, fmt.Errorf("recover the embedded broker's folder %s: %w", cfg.Dir, err)
	}
	log.Debug("checked every byte of the embedded broker's logs", "bytes", found.BytesRead, "took", time.Since(started), "damaged", len(found.Damage))
	if found.Partitions > 0 {
		log.Info("recovered the log after a stop that was not orderly", "partitions", found.Partitions, "took", time.Since(started))
	}
	j, err := openJournal(cfg.Dir, cfg.SyncWrites, log)
	if err != nil {
		return nil, err
	}
	cluster, listener, err := start(cfg, log)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the embedded broker on %s: %w", cfg.Listen, err), j.close())
	}
	j.attach(cluster)
	b := &Broker{cfg: cfg, folder: f, log: log, cluster: cluster, journal: j, listener: listener, copied: -1}
	b.watchFiles()
	b.addr, b.socket = cluster.ListenAddrs()[0], listener.Addr().String()
	if err := errors.Join(b.mark(false), b.copyFiles()); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	if b.home, err = f.homeNow(); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// copyFiles copies the small files after a change.
func (b *Broker) copyFiles() error {
	n := b.changes.Load()
	if n == b.copied {
		return nil
	}
	b.cluster.ListenAddrs() // answered when the counted request has been carried out
	b.copying.Lock()
	defer b.copying.Unlock()
	if b.changes.Load() != n {
		return nil // the next request is already waiting
	}
	if err := b.folder.keepCopies(false); err != nil {
		return err
	}
	b.copied = n
	return nil
}

// watchFiles empties the copies of the small files before a request changes one of them.
func (b *Broker) watchFiles() {
	for _, key := range []kmsg.Key{
		kmsg.CreateTopics, kmsg.DeleteTopics, kmsg.CreatePartitions, kmsg.AlterConfigs, kmsg.IncrementalAlterConfigs,
		kmsg.CreateACLs, kmsg.DeleteACLs, kmsg.AlterClientQuotas,
	} {
		b.cluster.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) {
			b.copying.Lock()
			defer b.copying.Unlock()
			b.changes.Add(1)
			if err := b.folder.dropCopies(); err != nil {
				b.log.Error("the copy of the broker's small files is out of date", "error", err)
			}
			return nil, nil, false
		})
	}
	for _, key := range []kmsg.Key{kmsg.DeleteTopics, kmsg.DeleteRecords} {
		b.cluster.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) {
			// Logs begin elsewhere afterwards, or anew. Their ends are unknown until the next marks.
			b.unmarked.Store(true)
			if err := b.folder.removeIfThere(b.folder.path(marksName)); err != nil {
				b.log.Error("the marks of the broker's logs are out of date", "error", err)
			}
			return nil, nil, false
		})
	}
}

const clusterID = "coexstream-embedded"

// User is the name of clients that have to authenticate, by SCRAM.
const User = "coexstream"

// Mechanisms are the allowed ways to authenticate. PLAIN is not one of them: it would send the password.
func Mechanisms() []string { return []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} }

// offsetsRetentionMinutes is ten years.
const offsetsRetentionMinutes = "5256000"

func start(cfg Config, log *slog.Logger) (*kfake.Cluster, *listen.InProcess, error) {
	var listener *listen.InProcess
	_, port, _ := net.SplitHostPort(cfg.Listen)
	n, _ := strconv.Atoi(port)
	opts := []kfake.Opt{
		kfake.Ports(n),
		kfake.ClusterID(clusterID),
		kfake.DataDir(cfg.Dir),
		kfake.WithLogger(logger{log}),
		kfake.ListenFn(func(string, string) (net.Listener, error) {
			l, err := listen.TCP(context.Background(), cfg.Listen)
			if errors.Is(err, syscall.EADDRINUSE) && cfg.AnyPort {
				log.Warn("the embedded broker's port is taken, using another one", "taken", cfg.Listen)
				l, err = listen.TCP(context.Background(), "127.0.0.1:0")
			}
			if err != nil {
				return nil, fmt.Errorf("open embedded.listen %s: %w", cfg.Listen, err)
			}
			listener = listen.WithInProcess(listen.Lasting{Listener: l, Failed: func(err error, _ bool) {
				cfg.Metrics.acceptFailed()
				log.Debug("the embedded broker cannot accept connections; trying again", "error", err)
			}})
			return &gated{
				Listener: advertised{listener, cfg.Advertise},
				bytesMax: max(requestBytesMax, 2*int(cfg.MessageBytes)), shut: cfg.Password != "",
				connections: listen.NewConnections(cfg.ConnectionsMax, cfg.ConnectionsMax/silentPart, cfg.Metrics.connectionClosed),
			}, nil
		}),
		kfake.BrokerConfigs(map[string]string{
			"log.cleaner.backoff.ms":     brokerCleanerOff,
			"log.segment.bytes":          strconv.FormatInt(cfg.SegmentBytes, 10),
			"message.max.bytes":          strconv.FormatInt(cfg.MessageBytes, 10),
			"default.replication.factor": "1",
			// A folder that was unused for weeks continues at its offsets, not at the oldest raw record.
			"offsets.retention.minutes": offsetsRetentionMinutes,
		}),
	}
	if cfg.Password != "" {
		opts = append(opts, kfake.EnableSASL())
		for _, m := range Mechanisms() {
			opts = append(opts, kfake.Superuser(m, User, cfg.Password))
		}
	}
	if cfg.SyncWrites {
		opts = append(opts, kfake.SyncWrites())
	}
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		return nil, nil, err
	}
	listAborted(cluster)
	return cluster, listener, nil
}

// advertised is a listener with another address, which the broker gives to clients.
type advertised struct {
	net.Listener
	address string // empty: its own
}

// Addr implements net.Listener.
func (l advertised) Addr() net.Addr {
	if l.address == "" {
		return l.Listener.Addr()
	}
	return namedAddr(l.address)
}

type namedAddr string

func (namedAddr) Network() string  { return "tcp" }
func (a namedAddr) String() string { return string(a) }

// Addr returns the address for clients.
func (b *Broker) Addr() string { return b.addr }

// Dial connects to the broker without a socket, for clients in its own process. It connects to another address with
// one.
func (b *Broker) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if address == b.addr {
		return b.listener.Dial(ctx)
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// Ready reports whether the broker answers.
func (b *Broker) Ready() error {
	c, err := (&net.Dialer{Timeout: time.Second}).DialContext(context.Background(), "tcp", b.socket)
	if err != nil {
		return fmt.Errorf("connect to the embedded broker: %w", err)
	}
	return c.Close()
}

// Close stops the broker in order. Clients should have closed their connections.
func (b *Broker) Close() error {
	var err error
	b.closed.Do(func() {
		b.cleaning.Lock()
		defer b.cleaning.Unlock()
		err = errors.Join(b.mark(false), b.folder.dropCopies())
		b.cluster.Close()
		err = errors.Join(err, b.journal.close())
		if err == nil {
			err = b.folder.keepCopies(true)
		}
	})
	return err
}

// logger passes the broker's log lines on. Its warnings mostly concern clients.
type logger struct{ log *slog.Logger }

func (l logger) Logf(level kfake.LogLevel, format string, args ...any) {
	to := slog.LevelDebug
	switch level {
	case kfake.LogLevelError:
		to = slog.LevelError
	case kfake.LogLevelWarn:
		to = slog.LevelWarn
		if strings.HasPrefix(format, "txn: ") {
			to = slog.LevelDebug // the duration of an ordinary transaction
		}
	case kfake.LogLevelNone, kfake.LogLevelInfo, kfake.LogLevelDebug:
		return
	}
	if l.log.Enabled(context.Background(), to) {
		l.log.Log(context.Background(), to, "embedded broker: "+fmt.Sprintf(format, args...))
	}
}
