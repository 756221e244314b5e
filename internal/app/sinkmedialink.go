package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/coexstream/coexstream/internal/archive"
	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/listen"
	"github.com/coexstream/coexstream/sinks/media/link"
	"github.com/coexstream/coexstream/sinks/media/plan"
)

// linkLifeMax is the longest time of a link.
const linkLifeMax = 7 * 24 * time.Hour

func (a *app) mediaLinkCommand() *cobra.Command {
	life, filename := time.Hour, ""
	cmd := &cobra.Command{
		Use:   "link SHA256",
		Short: "Print a link to a stored asset, which ends at a time",
		Long: `Print a URL from which everybody who has it can download a stored asset until its time is over. The hash is 'sha256' of a
record in 'assets'. With sink.media.link_url, the link leads to the listener of the sink (sink.media.link_listen).
Without it, the bucket signs the link (S3, Azure).`,
		Example: `  coexstream sink media link de7d1b721a1e0632b7cf04edf5032c8ecffa9f9a08492152b926f1a5a7e765d7 --for 15m --filename photo.jpg`,
		Args:    exactly(1, "the SHA-256 of an asset"),
		RunE: func(cmd *cobra.Command, args []string) error {
			hash := args[0]
			if plan.Digest(hash) != hash {
				return invalidUsage("SHA256", hash, "64 hexadecimal digits in lower case")
			}
			if life < time.Second || life > linkLifeMax {
				return invalidUsage("--for", life, "1s to %s", linkLifeMax)
			}
			cfg, _, err := a.loadBeside(cmd)
			if err != nil {
				return err
			}
			address, err := mediaLink(cmd.Context(), cfg, hash, filename, life)
			if err != nil {
				return err
			}
			sayf(cmd.OutOrStdout(), "%s\n", address)
			return nil
		},
	}
	cmd.Flags().DurationVar(&life, "for", life, "time until the link ends")
	cmd.Flags().StringVar(&filename, "filename", filename, "suggested name of the file")
	return cmd
}

// mediaLink makes a link to a content that is stored.
func mediaLink(ctx context.Context, cfg *config.Config, hash, filename string, life time.Duration) (string, error) {
	if err := haveMedia(cfg); err != nil {
		return "", err
	}
	bucket, err := openMedia(ctx, cfg)
	if err != nil {
		return "", err
	}
	defer func() { _ = bucket.Close() }() // it was only read
	if _, err := bucket.Bytes(ctx, plan.ObjectName(hash)); err != nil {
		return "", err
	}
	m := cfg.Sink.Media
	if m.LinkURL == "" {
		address, err := archive.Link(ctx, bucket, plan.ObjectName(hash), life)
		if errors.Is(err, archive.ErrNoLinks) {
			return "", usagef("sink.media.link_url: %v; set sink.media.link_url, sink.media.link_key and sink.media.link_listen", err)
		}
		return address, err
	}
	if m.LinkKey == "" {
		return "", usagef("sink.media.link_key: the key that signs the link is missing")
	}
	return link.Make(link.Key(m.LinkKey), m.LinkURL, hash, filename, time.Now().Add(life)), nil
}

// The limits of the listener of links.
const (
	linkConnectionsMax = 256
	linkHeaderTimeout  = 10 * time.Second
	linkWriteTimeout   = 10 * time.Minute
)

// startMediaLinks adds the listener of links, where there is one.
func (s *service) startMediaLinks(bucket archive.Contents) error {
	m := s.cfg.Sink.Media
	if m.LinkListen == "" {
		return nil
	}
	key := &secret{}
	if err := key.watch(s.watcher, "sink.media.link_key", m.LinkKey, m.LinkKeyFile); err != nil {
		return err
	}
	l, err := listen.TCP(context.Background(), m.LinkListen)
	if err != nil {
		return fmt.Errorf("sink.media.link_listen: %w", err)
	}
	open := make(chan struct{}, linkConnectionsMax)
	handler := &link.Handler{Key: func() link.Key { return link.Key(strings.TrimSpace(key.get())) }, Bucket: bucket, Now: time.Now, Logger: s.log}
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case open <- struct{}{}:
				defer func() { <-open }()
				handler.ServeHTTP(w, r)
			default:
				w.Header().Set("Retry-After", "1")
				http.Error(w, "too many downloads", http.StatusServiceUnavailable)
			}
		}),
		ReadHeaderTimeout: linkHeaderTimeout, ReadTimeout: linkHeaderTimeout, WriteTimeout: linkWriteTimeout, IdleTimeout: linkHeaderTimeout,
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	s.log.Info("serving links to media assets", "address", l.Addr().String())
	s.parts.start("media links", func(ctx context.Context) error {
		served := make(chan error, 1)
		go func() { served <- server.Serve(l) }()
		select {
		case err := <-served:
			return fmt.Errorf("serve links on %s: %w", m.LinkListen, err)
		case <-ctx.Done():
		}
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if err := server.Shutdown(grace); err != nil {
			_ = server.Close() // downloads are cut off
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve links on %s: %w", m.LinkListen, err)
		}
		return nil
	})
	return nil
}
