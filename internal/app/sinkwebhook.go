package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/internal/reload"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/media/link"
	"github.com/coexstream/coexstream/sinks/webhook"
)

func (a *app) sinkWebhookCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "webhook",
		Short: "Send the events to HTTP endpoints",
		Long: `Read the event topics and send the events to the endpoints of sink.webhook.endpoints_file, as CloudEvents or as Meta's
own webhooks. The events of a business arrive in order, one request at a time. An endpoint that fails gets its events
later, and delays no other one. A changed file takes effect without a restart.

Instances with the same sink.webhook.group_id share the partitions. Each process of a machine needs its own admin
address. 'coexstream up' does the same when the key is set.`,
		Example: `  coexstream sink webhook --endpoints-file endpoints.yaml --brokers kafka:9092
  coexstream sink webhook ping crm
  coexstream sink webhook letters`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.runSink(cmd, haveEndpoints, func(_ context.Context, s *service, conn kafka.Connection) error {
				return s.startSinkWebhook(conn, s.health.Add)
			})
		},
	}
	bindEndpoints(cmd)
	bind(cmd.Flags(), "group-id", "sink.webhook.group_id", "begin of the names of the consumer groups")
	bind(cmd.Flags(), "admin-listen", "admin.listen", "address of the admin listener")
	cmd.AddCommand(a.webhookPingCommand(), a.webhookLettersCommand(), a.webhookResendCommand())
	return cmd
}

func bindEndpoints(cmd *cobra.Command) {
	bind(cmd.Flags(), "endpoints-file", "sink.webhook.endpoints_file", "YAML file with the endpoints")
}

// haveEndpoints names the key that is missing.
func haveEndpoints(cfg *config.Config) error {
	if cfg.Sink.Webhook.EndpointsFile == "" {
		return usagef("sink.webhook.endpoints_file: no endpoints are given; set the key, COEXSTREAM_SINK_WEBHOOK_ENDPOINTS_FILE, or --endpoints-file")
	}
	return nil
}

// endpointsOf watches the file of the endpoints and the files that it names. apply gets the endpoints, at first too.
func endpointsOf(w *reload.Watcher, path string, apply func(webhook.Endpoints) error) error {
	const key = "sink.webhook.endpoints_file"
	return watch(w, reload.Set{
		Name: "sink.webhook.endpoints", Files: []reload.File{{Key: key, Path: path}},
		Named: func(contents [][]byte) (files []reload.File) {
			endpoints, err := webhook.Parse(contents[0])
			if err != nil {
				return nil // Load reports it
			}
			for _, f := range endpoints.Files() {
				files = append(files, reload.File(f))
			}
			return files
		},
		Load: func(contents [][]byte) error {
			endpoints, err := webhook.Parse(contents[0])
			if err == nil {
				err = endpoints.Load(contents[1:])
			}
			if err == nil {
				err = apply(endpoints)
			}
			if err != nil {
				return fmt.Errorf("%s %s:\n  %w", key, path, err)
			}
			return nil
		},
	})
}

// readEndpoints reads the endpoints once, for commands that end soon.
func readEndpoints(cfg *config.Config) (all webhook.Endpoints, err error) {
	err = endpointsOf(nil, cfg.Sink.Webhook.EndpointsFile, func(e webhook.Endpoints) error {
		all = e
		m := cfg.Sink.Media
		return e.WithLinks(linksBy(m.LinkURL, func() string { return m.LinkKey }))
	})
	return all, err
}

// assetLinks makes the links in events about assets; nil: the configuration has no key or no address for links.
func (s *service) assetLinks() (webhook.Links, error) {
	m := s.cfg.Sink.Media
	if m.LinkURL == "" || m.LinkKey == "" {
		return linksBy("", nil), nil
	}
	key := &secret{}
	if err := key.watch(s.watcher, "sink.media.link_key", m.LinkKey, m.LinkKeyFile); err != nil {
		return nil, err
	}
	return linksBy(m.LinkURL, key.get), nil
}

// linksBy makes links below a URL that are signed with the key of the moment.
func linksBy(url string, key func() string) webhook.Links {
	if url == "" || key == nil || key() == "" {
		return nil
	}
	return func(sha256, filename string, expires time.Time) string {
		return link.Make(link.Key(strings.TrimSpace(key())), url, sha256, filename, expires)
	}
}

// userAgent names the program in requests.
func userAgent() string { return "coexstream/" + version() }

// startSinkWebhook adds the sink. add adds its readiness: it is what the process is for, or beside that.
func (s *service) startSinkWebhook(conn kafka.Connection, add func(string, func() error)) error {
	w, cfg := s.cfg.Sink.Webhook, webhook.DefaultConfig()
	cfg.InFlightMax, cfg.Name = w.InFlightMax, userAgent()
	links, err := s.assetLinks()
	if err != nil {
		return err
	}
	log, err := sinks.NewKafkaLog(conn, s.cfg.Kafka.Prefix)
	if err != nil {
		return err
	}
	letters, err := webhook.NewKafkaLetters(conn, s.cfg.Kafka.Prefix, int32(s.cfg.Topics.MaxMessageBytes)) //nolint:gosec // at most 1 GiB
	if err != nil {
		log.Close()
		return err
	}
	end := func() {
		log.Close()
		letters.Close()
	}
	sink, err := webhook.New(cfg, webhook.Deps{
		Log: log, Letters: letters, Registerer: s.metrics, Logger: s.log, Now: time.Now,
		Group: func(endpoint string) (webhook.Group, error) {
			return sinks.NewGroup(conn, s.cfg.Kafka.Prefix, sinks.GroupConfig{ID: w.GroupID + "." + endpoint, SessionTimeout: w.SessionTimeout, Now: time.Now, Optional: []schemas.Topic{schemas.TopicAssets}})
		},
	}, nil)
	if err == nil {
		err = endpointsOf(s.watcher, w.EndpointsFile, func(all webhook.Endpoints) error {
			if err := all.WithLinks(links); err != nil {
				return err
			}
			return sink.Apply(all)
		})
	}
	if err != nil {
		end()
		return err
	}
	add("sink webhook", sink.Ready)
	s.health.AddOptional("webhook endpoints", sink.Trouble)
	s.parts.start("sink webhook", func(ctx context.Context) error {
		defer end()
		return sink.Run(ctx)
	})
	return nil
}

func (a *app) webhookPingCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ping ENDPOINT",
		Short: "Send a test request to an endpoint",
		Long: `Send one signed request, with the address check, the certificates and the timeout of the endpoint. A CloudEvent has the
type ` + webhook.TypePing + `. An endpoint of the format meta with verify_token gets Meta's GET verification, and
one without it a webhook without entries. The exit code is 1 unless the answer is 2xx.`,
		Example: `  coexstream sink webhook ping crm`,
		Args:    exactly(1, "the name of an endpoint"),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, _, err := a.loadBeside(cmd)
			if err != nil {
				return err
			}
			e, err := endpointNamed(cfg, args[0])
			if err != nil {
				return err
			}
			p := webhook.Ping(cmd.Context(), e, userAgent(), time.Now)
			sayf(cmd.OutOrStdout(), "%s: %s in %s\n", p.Sent, p.Answer.Why, p.Answer.Took.Round(time.Millisecond))
			if !p.OK {
				return errors.New("the endpoint did not accept the test request")
			}
			return nil
		},
	}
	bindEndpoints(cmd)
	return cmd
}

// endpointNamed reads the endpoints and chooses one.
func endpointNamed(cfg *config.Config, name string) (*webhook.Endpoint, error) {
	if err := haveEndpoints(cfg); err != nil {
		return nil, err
	}
	all, err := readEndpoints(cfg)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range all {
		if e.Name == name {
			return e, nil
		}
		names = append(names, e.Name)
	}
	return nil, invalidUsage("ENDPOINT", name, "%s", listed(names))
}
