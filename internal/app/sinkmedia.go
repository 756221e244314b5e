package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/coexstream/coexstream/internal/archive"
	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/desk/office"
	"github.com/coexstream/coexstream/internal/graph"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas/provider"
	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/media"
)

func (a *app) sinkMediaCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "media",
		Short: "Download the media assets of the messages",
		Long: `Read the events of messages, echoes and media, and download the assets that they name before the provider removes them.
An asset is kept under its SHA-256 in a folder or a bucket. The topic 'assets' says where it is stored, or why it is
missing. Tokens come from desk.tokens_dir or desk.token_command, as for the desk.

Instances with the same sink.media.group_id share the partitions. Each process of a machine needs its own admin address
and its own sink.media.dir. 'coexstream up' does the same with sink.media.enabled.`,
		Example: `  coexstream sink media --url file:///var/lib/media --set desk.tokens_dir=/run/secrets/tokens
  coexstream sink media --url 's3://bucket?region=eu-central-1' --admin-listen 127.0.0.1:9093
  coexstream sink media status`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.runSink(cmd, haveMedia, func(ctx context.Context, s *service, conn kafka.Connection) error {
				bucket, err := openMedia(ctx, s.cfg)
				if err != nil {
					return err
				}
				return s.startSinkMedia(conn, bucket, s.health.Add)
			})
		},
	}
	bind(cmd.Flags(), "url", "sink.media.url", "folder or bucket of the assets")
	bind(cmd.Flags(), "group-id", "sink.media.group_id", "consumer group")
	bind(cmd.Flags(), "admin-listen", "admin.listen", "address of the admin listener")
	cmd.AddCommand(a.mediaStatusCommand(), a.mediaLinkCommand())
	return cmd
}

// mediaURL is the folder or bucket of the assets.
func mediaURL(cfg *config.Config) string { return cmp.Or(cfg.Sink.Media.URL, cfg.Sink.Archive.URL) }

// haveMedia names the keys that are missing.
func haveMedia(cfg *config.Config) error {
	if mediaURL(cfg) == "" {
		return usagef("sink.media.url: no folder or bucket is given; set the key, COEXSTREAM_SINK_MEDIA_URL, or --url")
	}
	return nil
}

func openMedia(ctx context.Context, cfg *config.Config) (archive.Contents, error) {
	bucket, err := archive.OpenContents(ctx, mediaURL(cfg), cfg.Sink.Archive.Timeout)
	if err != nil {
		return nil, fmt.Errorf("%w: sink.media.url: %w", config.ErrInvalid, err)
	}
	return bucket, nil
}

// mediaFolder is the folder of the downloads in the data folder.
const mediaFolder = "media"

func mediaOf(cfg *config.Config) media.Config {
	from, c := cfg.Sink.Media, media.DefaultConfig()
	c.Dir = cmp.Or(from.Dir, filepath.Join(cfg.DataDir, mediaFolder))
	c.Life, c.Slots, c.RequestsMax, c.DownloadTimeout = from.Life, from.InFlightMax, float64(from.RequestsPerSecond), from.AttemptTimeout
	c.AssetBytesMax, c.PartsBytesMax, c.TotalBytesMax, c.Types = from.AssetBytesMax, from.PartsBytesMax, from.TotalBytesMax, from.Types
	return c
}

// mediaProvider has the assets of one provider.
type mediaProvider struct {
	provider *provider.Provider
	client   *graph.Client
	loader   *graph.Downloader
	tokens   *office.Tokens
}

// Token implements media.Provider.
func (m *mediaProvider) Token(ctx context.Context, wabaID, phoneNumberID string) (graph.Token, error) {
	return m.tokens.Of(ctx, m.provider, wabaID, phoneNumberID)
}

// Media implements media.Provider.
func (m *mediaProvider) Media(ctx context.Context, token graph.Token, mediaID, phoneNumberID string) (graph.Media, error) {
	return m.client.Media(ctx, token, mediaID, phoneNumberID)
}

// Open implements media.Provider.
func (m *mediaProvider) Open(ctx context.Context, token graph.Token, address string, offset int64, validator string) (*graph.Content, error) {
	return m.loader.Open(ctx, token, address, offset, validator)
}

// mediaProviders returns where the assets of a source are. A source that the configuration does not have is one of Meta.
func mediaProviders(cfg *config.Config) (func(source string) media.Provider, error) {
	clients, err := deskClients(&cfg.Desk)
	if err != nil {
		return nil, err
	}
	tokens := &office.Tokens{Dir: cfg.Desk.TokensDir, Command: cfg.Desk.TokenCommand}
	known := map[string]media.Provider{}
	for _, p := range provider.Syncing() {
		if !p.Sync.Media {
			continue
		}
		loader, err := graph.NewDownloader(graph.DownloadConfig{Provider: p, Hosts: cfg.Sink.Media.Hosts, Quiet: cfg.Desk.Timeout, Now: time.Now})
		if err != nil {
			return nil, fmt.Errorf("%w: %w", config.ErrInvalid, err)
		}
		known[p.Name] = &mediaProvider{p, clients[p.Name], loader, tokens}
	}
	sources := map[string]string{}
	for i := range cfg.Ingress.Sources {
		sources[cfg.Ingress.Sources[i].Name] = cfg.Ingress.Sources[i].Provider
	}
	return func(source string) media.Provider {
		name := cmp.Or(sources[source], provider.Default().Name)
		if sources[source] == "" && provider.Named(source) != nil {
			name = source // the generated sources have the names of their providers
		}
		return known[name]
	}, nil
}

// startSinkMedia adds the sink, which closes the bucket. add adds its readiness.
func (s *service) startSinkMedia(conn kafka.Connection, bucket archive.Contents, add func(string, func() error)) error {
	from, err := mediaProviders(s.cfg)
	if err != nil {
		return errors.Join(err, bucket.Close())
	}
	c := s.cfg.Sink.Media
	group, err := sinks.NewGroup(conn, s.cfg.Kafka.Prefix, sinks.GroupConfig{ID: c.GroupID, SessionTimeout: c.SessionTimeout, Now: time.Now, Topics: media.Topics()})
	if err != nil {
		return errors.Join(err, bucket.Close())
	}
	log, err := sinks.NewKafkaLogOf(conn, s.cfg.Kafka.Prefix, media.Topics())
	if err != nil {
		return errors.Join(err, bucket.Close())
	}
	publisher, err := media.NewKafkaPublisher(conn)
	if err != nil {
		log.Close()
		return errors.Join(err, bucket.Close())
	}
	end := func() error {
		log.Close()
		publisher.Close()
		return bucket.Close()
	}
	sink, err := media.New(mediaOf(s.cfg), media.Deps{
		Log: log, Group: group, Bucket: bucket, Publisher: publisher, Provider: from, Registerer: s.metrics, Logger: s.log, Now: time.Now,
	})
	if err != nil {
		return errors.Join(fmt.Errorf("%w: %w", config.ErrInvalid, err), end())
	}
	if err := s.startMediaLinks(bucket); err != nil {
		return errors.Join(err, end())
	}
	add("sink media", sink.Ready)
	s.health.AddOptional("media tokens", sink.Trouble)
	s.parts.start("sink media", func(ctx context.Context) error { return errors.Join(sink.Run(ctx), end()) })
	return nil
}

// startMedia adds the media sink of `up`, where it is enabled. A bucket that cannot be opened is logged and stops no other part.
func (s *service) startMedia(ctx context.Context, conn kafka.Connection) error {
	if !s.cfg.Sink.Media.Enabled {
		return nil
	}
	bucket, err := openMedia(ctx, s.cfg)
	if err != nil {
		s.log.Error("no media is downloaded", "error", err)
		s.health.AddOptional("sink media", func() error { return err })
		return nil //nolint:nilerr // logged; up continues without it
	}
	return s.startSinkMedia(conn, bucket, s.health.AddOptional)
}
