package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/ingress"
	"github.com/coexstream/coexstream/ingress/handover"
	"github.com/coexstream/coexstream/ingress/publish"
	"github.com/coexstream/coexstream/ingress/raw"
	"github.com/coexstream/coexstream/ingress/spool"
	"github.com/coexstream/coexstream/internal/admin"
	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/internal/listen"
	"github.com/coexstream/coexstream/internal/reload"
	"github.com/coexstream/coexstream/processors"
)

// service is a long-running process: its parts, their health and their metrics. up, ingress and process
// are services with different parts.
type service struct {
	cfg     *config.Config
	log     *slog.Logger
	parts   *parts
	health  *admin.Health
	metrics *prometheus.Registry
	watcher *reload.Watcher
	admin   *admin.Server // nil: no listener
}

// newService opens the admin listener first, so that /livez answers from the beginning.
func newService(ctx context.Context, cfg *config.Config, log *slog.Logger) (*service, error) {
	s := &service{cfg: cfg, log: log, parts: newParts(log), health: &admin.Health{}, metrics: admin.NewRegistry()}
	if err := registerInfo(s.metrics, cfg); err != nil {
		return nil, err
	}
	var err error
	if s.watcher, err = reload.NewWatcher(s.metrics, log); err != nil {
		return nil, err
	}
	if cfg.Admin.Listen != "" {
		if err := s.startAdmin(ctx); err != nil {
			return nil, err
		}
	}
	s.parts.start("reload", func(ctx context.Context) error { return s.watcher.Run(ctx, cfg.ReloadInterval) })
	return s, nil
}

func (s *service) startAdmin(ctx context.Context) error {
	c, token := s.cfg.Admin, &secret{}
	if err := token.watch(s.watcher, "admin.token", c.Token, c.TokenFile); err != nil {
		return err
	}
	secure, err := listenerTLS(s.watcher, "admin.tls", c.TLS.CertFile, c.TLS.KeyFile, c.TLS.ClientCAFile, "")
	if err != nil {
		return err
	}
	access := admin.Access{TLS: secure, ClientCertificates: c.TLS.ClientCAFile != "", Hosts: c.Hosts}
	if host, _, err := net.SplitHostPort(c.Listen); err == nil && host != "" {
		access.Hosts = append([]string{host}, c.Hosts...)
	}
	if c.Token != "" {
		access.Token = token.get
	}
	if s.admin, err = admin.Listen(ctx, c.Listen, c.ConnectionsMax, access, admin.Deps{Metrics: s.metrics, Health: s.health, Log: s.log}); err != nil {
		return portTaken(err, "--admin-listen")
	}
	s.log.Info("answering operators", "address", s.admin.Addr(), "tls", secure != nil, "token", access.Token != nil)
	s.parts.start("admin", s.admin.Run)
	return nil
}

// portTaken adds the flag for another port to the error of a listener whose port is in use.
func portTaken(err error, flag string) error {
	if !errors.Is(err, syscall.EADDRINUSE) {
		return err
	}
	return fmt.Errorf("%w: choose another address with %s", err, flag)
}

// adminURL returns a URL of the admin listener for this machine; empty: there is no listener.
func (s *service) adminURL() string {
	if s.admin == nil {
		return ""
	}
	return localURL(s.admin.Addr(), s.cfg.Admin.TLS.CertFile != "")
}

// run calls start, which adds the parts, then waits for a signal or a failure, and drains.
func (s *service) run(ctx context.Context, start func(context.Context) error) error {
	err := start(ctx)
	if err == nil {
		err = s.parts.wait(ctx)
	} else if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil // stopped during the start
	}
	if err != nil {
		s.log.Error("stopping", "reason", err)
	} else {
		s.log.Info("draining")
	}
	// Readiness fails before anything stops.
	s.health.Drain()
	began := time.Now()
	if stopErr := s.parts.stop(s.cfg.ShutdownTimeout); stopErr != nil {
		// stop returns the error of the failed part again.
		if err == nil {
			err = stopErr
		}
		return err
	}
	s.log.Info("stopped", "took", time.Since(began).Round(time.Millisecond))
	return err
}

// startIngress adds the publisher and, in front of it, the server. It returns the server's address.
func (s *service) startIngress(ctx context.Context, conn kafka.Connection) (string, error) {
	publisher, err := publish.New(publisherOf(s.cfg), publish.Deps{
		Registerer: s.metrics, Logger: s.log, Now: time.Now, Dial: conn.Dial, SASL: conn.KafkaGoSASL(),
	})
	if err != nil {
		return "", err
	}
	t := s.cfg.Ingress.TLS
	secure, err := listenerTLS(s.watcher, "ingress.tls", t.CertFile, t.KeyFile, t.ClientCAFile, t.MinVersion)
	if err != nil {
		return "", err
	}
	durable := raw.Durable(publisher)
	var spooled *handover.Spooled
	if s.cfg.Ingress.Spool.Enabled {
		if spooled, err = newSpooled(s, publisher); err != nil {
			return "", err
		}
		durable = spooled
	}
	server, err := ingress.New(ingressOf(s.cfg), durable, ingress.Deps{Registerer: s.metrics, Logger: s.log, Now: time.Now, TLS: secure})
	if err != nil {
		return "", err
	}
	for i := range s.cfg.Ingress.Sources {
		if err := watchSource(s.watcher, server, s.cfg.Ingress.Sources[i]); err != nil {
			return "", err
		}
	}
	listener, err := listen.TCP(ctx, s.cfg.Ingress.Listen)
	if err != nil {
		return "", portTaken(fmt.Errorf("open ingress.listen %s: %w", s.cfg.Ingress.Listen, err), "--listen")
	}
	s.health.Add("ingress", server.Ready) // the first one: without it the process is not ready
	s.parts.start("publisher", publisher.Run)
	if spooled != nil {
		// The spool accepts webhooks while the publisher fails. So an error of the publisher is reported only.
		s.health.AddOptional("publisher", publisher.Ready)
		s.parts.start("spool", spooled.Run)
	} else {
		s.health.Add("publisher", publisher.Ready)
	}
	s.parts.start("ingress", func(ctx context.Context) error { return server.Serve(ctx, listener) })
	return listener.Addr().String(), nil
}

// newSpooled combines Kafka with the disk spool.
func newSpooled(s *service, publisher *publish.Publisher) (*handover.Spooled, error) {
	cfg := spoolOf(s.cfg)
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", config.ErrInvalid, err)
	}
	return handover.New(cfg, publisher, handover.Deps{
		FS: spool.OS{Logger: s.log}, Registerer: s.metrics, Logger: s.log, Now: time.Now, Salt: rand.Uint64,
	})
}

func (s *service) startProcessor(conn kafka.Connection) error {
	cfg, err := processorOf(s.cfg)
	if err != nil {
		return err
	}
	p, err := processors.New(cfg, processors.Deps{
		Registerer: s.metrics, Log: s.log, Now: time.Now, ClientOptions: conn.FranzSecurity(),
	})
	if err != nil {
		return err
	}
	s.health.Add("processor", p.Ready)
	s.parts.start("processor", p.Run)
	return nil
}

// ready returns nil when all parts are ready, even if Hold makes the process not ready.
func (s *service) ready() error {
	for _, p := range s.health.Report().Parts {
		if !p.Ready && !p.Optional {
			return fmt.Errorf("not ready: %s: %s", p.Name, p.Error)
		}
	}
	return nil
}
