package app

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/embedded"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/internal/private"
	"github.com/coexstream/coexstream/schemas/provider"
	"github.com/coexstream/coexstream/sinks/sqlite"
)

func (a *app) upCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run everything in one process, with an embedded Kafka broker",
		Long: `Run the ingress, the processor and an embedded Kafka broker in one process, with all data in one folder.
No configuration is needed. The first start generates a verify token and an app secret. It keeps them in the data
folder and prints them once, with a curl command that sends a signed webhook.

Every webhook with a 200 survives a restart, a kill -9 and a power cut. The broker is one node for trials, tests
and small installations. Any Kafka client of this machine can read its topics. With
--set embedded.authentication=always, and beyond loopback, clients need the password in the data folder.

The first Ctrl-C drains, the second one stops immediately.`,
		Example: `  coexstream up
  coexstream up --data-dir /var/lib/coexstream --listen :8443
  coexstream up --sync-writes=false     faster; survives a kill -9, not a power cut`,
		Args: none,
		RunE: a.runUp,
	}
	f := cmd.Flags()
	bind(f, "listen", "ingress.listen", "address of the webhook listener")
	bind(f, "admin-listen", "admin.listen", "address of the admin listener")
	bind(f, "broker-listen", "embedded.listen", "address of the embedded broker")
	bind(f, "partitions", "kafka.partitions", "partitions of every topic, at the first start")
	bindBool(f, "sync-writes", "embedded.sync_writes", "fsync before a write is acknowledged")
	return cmd
}

func (a *app) runUp(cmd *cobra.Command, _ []string) error {
	cfg, err := a.load(cmd, config.UpDefaults())
	if err != nil {
		return err
	}
	if cfg.IsSet("kafka.brokers") {
		return usagef("up brings its own broker, but kafka.brokers is set by %s; use 'coexstream ingress' and 'coexstream process' with a cluster", cfg.Origin("kafka.brokers"))
	}
	log := a.logger(cfg)
	a.limitMemory(cfg)
	fitConnections(cfg, openFilesMax(), log)
	private.Mask() // the broker creates files itself
	if err := private.Folder(cfg.DataDir, ofDataFolder, log); err != nil {
		return fmt.Errorf("use the data folder: %w", err)
	}
	lock, err := embedded.Acquire(cfg.DataDir)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Release() }()

	generated, err := useSecrets(cfg)
	if err != nil {
		return err
	}
	password, newPassword, err := brokerPassword(cfg)
	if err != nil {
		return err
	}
	s, err := newService(cmd.Context(), cfg, log)
	if err != nil {
		return err
	}
	release := s.health.Hold()
	defer forgetRunning(cfg.DataDir)
	return s.run(cmd.Context(), func(ctx context.Context) error {
		up := newRunning(cfg, s.adminURL())
		if err := up.write(cfg.DataDir); err != nil { // `doctor` may run during the start
			return err
		}
		broker, err := startBroker(s, password)
		if err != nil {
			return err
		}
		up.Defaults["kafka.brokers"] = broker.Addr()
		if err := errors.Join(up.write(cfg.DataDir), keepBrokerProperties(cfg.DataDir, broker.Addr(), password)); err != nil {
			return err
		}
		if up.Ingress, err = startRoles(ctx, s, broker, password, a.deskDoctor(cmd)); err != nil {
			return err
		}
		if err := up.write(cfg.DataDir); err != nil {
			return err
		}
		if generated {
			if err := keepSecrets(cfg.DataDir, cfg.Ingress.Sources); err != nil {
				return err
			}
			sayf(cmd.OutOrStdout(), "%s", firstSteps(cfg, up))
		}
		if generated || newPassword {
			sayf(cmd.OutOrStdout(), "%s\n", brokerReaders(cfg, broker.Addr(), up.Authenticates))
		}
		release() // all files exist when the process is ready
		log.Info("ready", "webhooks", up.Ingress, "admin", up.Admin, "broker", broker.Addr(), "broker_password", up.Authenticates, "data", cfg.DataDir)
		return nil
	})
}

// ofDataFolder reports whether a name in the data folder belongs to this program or to a mounted disk.
func ofDataFolder(name string) bool {
	readModel := sqlite.Files(readModelName)
	return slices.Contains(readModel, name) || slices.Contains([]string{
		"lock", "broker", "spool", mediaFolder, filepath.Base(replaysDir(&config.Config{})), secretsName, runningName, brokerPasswordName, brokerPropertiesName, "lost+found",
	}, strings.TrimSuffix(name, ".tmp"))
}

// startBroker opens the broker and makes it a part, so that it stops after everything that uses it.
func startBroker(s *service, password string) (*embedded.Broker, error) {
	c := embedded.DefaultConfig(brokerFolder(s.cfg))
	c.Listen, c.AnyPort = s.cfg.Embedded.Listen, !s.cfg.IsSet("embedded.listen")
	c.Advertise, c.Password = s.cfg.Embedded.Advertise, password
	c.ConnectionsMax, c.Metrics = s.cfg.Embedded.ConnectionsMax, embedded.NewMetrics(c.Dir)
	c.SyncWrites, c.SegmentBytes, c.MessageBytes = s.cfg.Embedded.SyncWrites, s.cfg.Embedded.SegmentBytes, s.cfg.Topics.MaxMessageBytes
	broker, err := embedded.Open(c, s.log)
	if err != nil {
		return nil, portTaken(err, "--broker-listen")
	}
	// Reading the log of a large folder needed memory that is free now.
	debug.FreeOSMemory()
	s.health.Add("broker", broker.Ready)
	s.health.AddOptional("broker data", func() error { return quarantineReady(c.Dir) })
	if err := c.Metrics.Register(s.metrics); err != nil {
		return nil, errors.Join(err, broker.Close())
	}
	s.parts.start("broker", func(ctx context.Context) error {
		return errors.Join(broker.Run(ctx), broker.Close())
	})
	return broker, nil
}

// startRoles creates the topics, then starts the processor and the ingress, and waits until all parts are ready. It returns
// the ingress's base URL.
func startRoles(ctx context.Context, s *service, broker *embedded.Broker, password string, doctor deskDoctor) (string, error) {
	cfg := s.cfg
	cfg.Kafka.Brokers = []string{broker.Addr()}
	if password != "" {
		cfg.Kafka.SASL = config.SASL{Mechanism: brokerMechanism, Username: embedded.User, Password: password}
	}
	cfg.Topics.SegmentBytes = cfg.Embedded.SegmentBytes
	if cfg.Processor.InstanceID == "" {
		cfg.Processor.InstanceID = "up" // a folder has one process at a time
	}
	conn, err := connect(cfg, s.watcher, s.log)
	if err != nil {
		return "", err
	}
	conn.Reach = broker.Dial
	if err := createTopics(ctx, conn, layoutOf(cfg), cfg.Kafka.RequestTimeout); err != nil {
		return "", err
	}
	if err := s.startProcessor(conn); err != nil {
		return "", err
	}
	if err := s.startReadModel(ctx, conn); err != nil {
		return "", err
	}
	if cfg.Sink.Webhook.EndpointsFile != "" {
		if err := s.startSinkWebhook(conn, s.health.AddOptional); err != nil {
			return "", err
		}
	}
	if err := s.startArchive(ctx, conn); err != nil {
		return "", err
	}
	if err := s.startMedia(ctx, conn); err != nil {
		return "", err
	}
	if cfg.Desk.Enabled {
		if err := s.startDesk(conn, doctor, deskSpool(cfg)); err != nil {
			return "", err
		}
	}
	address, err := s.startIngress(ctx, conn)
	if err != nil {
		return "", err
	}
	return localURL(address, cfg.Ingress.TLS.CertFile != ""), s.parts.poll(ctx, s.ready)
}

// createTopics creates missing topics, and applies changes of the configuration since the last start.
func createTopics(ctx context.Context, conn kafka.Connection, layout kafka.Layout, timeout time.Duration) error {
	admin, err := kafka.NewAdmin(conn)
	if err != nil {
		return err
	}
	defer admin.Close()
	ctx, cancel := context.WithTimeout(ctx, 3*timeout)
	defer cancel()
	if _, err := admin.Create(ctx, layout); err != nil {
		return err
	}
	_, err = admin.Apply(ctx, layout)
	return err
}

// useSecrets adds the generated sources to a configuration without sources. It reports whether they are new. They are
// written to their file when they are printed, so that a first start that fails does not hide them.
func useSecrets(cfg *config.Config) (bool, error) {
	if len(cfg.Ingress.Sources) > 0 {
		return false, nil
	}
	sources, err := readSecrets(cfg.DataDir)
	if err != nil {
		return false, err
	}
	isNew := sources == nil
	if isNew {
		sources = generateSecrets()
	}
	cfg.Ingress.Sources = sources
	return isNew, nil
}

// limitMemory sets the memory limit and the collection of garbage.
func (a *app) limitMemory(cfg *config.Config) {
	a.collectEarly()
	if !a.environmentSets("GOMEMLIMIT") {
		limit := cfg.Embedded.MemoryLimit
		if limit == 0 {
			limit = math.MaxInt64
		}
		debug.SetMemoryLimit(limit)
	}
}

func (a *app) environmentSets(name string) bool {
	return slices.ContainsFunc(a.io.Environ, func(kv string) bool { return strings.HasPrefix(kv, name+"=") })
}

// firstSteps is the text that the first start prints.
func firstSteps(cfg *config.Config, up *running) string {
	source := cfg.Ingress.Sources[0]
	url := up.Ingress + source.Path
	self := "coexstream"
	if len(os.Args) > 0 && strings.ContainsRune(os.Args[0], filepath.Separator) {
		self = os.Args[0]
	}
	flags := ""
	if cfg.IsSet("data_dir") {
		flags = " --data-dir " + cfg.DataDir
	}
	return fmt.Sprintf(`
Generated, kept in %[1]s, and shown only now:

  webhook URL    %[2]s
  verify token   %[3]s
  app secret     %[4]s

The same file has those of sources for %[8]s.

Send a signed webhook:

  body='%[5]s'
  curl -sS -w '%%{http_code}\n' %[2]s -H 'Content-Type: application/json' \
    -H "X-Hub-Signature-256: sha256=$(printf %%s "$body" | openssl dgst -sha256 -hmac %[4]s | sed 's/^.* //')" \
    --data-binary "$body"

See its event, then play whole onboardings and check every event of them:

  %[6]s tail messages --from-beginning%[7]s
  %[6]s simulate --businesses 5 --messages 20000%[7]s
  %[6]s check%[7]s

`, filepath.Join(cfg.DataDir, secretsName), url, source.VerifyToken, source.Secrets[0].Value, exampleBody, self, flags, partners())
}

// partners lists the titles of the other providers than Meta.
func partners() string {
	var titles []string
	for _, p := range provider.All()[1:] {
		titles = append(titles, p.Title)
	}
	return strings.Join(titles, " and ")
}

// exampleBody is a live message of a number that does not exist.
const exampleBody = `{"object":"whatsapp_business_account","entry":[{"id":"100000000000001","changes":[{"field":"messages","value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550001234","phone_number_id":"200000000000001"},"contacts":[{"profile":{"name":"Ada"},"wa_id":"15550005678"}],"messages":[{"from":"15550005678","id":"wamid.EXAMPLE1","timestamp":"1700000000","type":"text","text":{"body":"Hello"}}]}}]}]}`
