package main

import (
	"context"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/ingress"
	"github.com/coexstream/coexstream/ingress/raw"
)

// forgetting is a Durable that keeps nothing.
type forgetting struct{}

func (forgetting) Publish(*raw.Record, time.Time) error { return nil }
func (forgetting) Ready() error                         { return nil }

// runUnpublished is the ingress with the publish left out: what taking, verifying and routing a body costs.
func runUnpublished(ctx context.Context, listen, secret string) error {
	cfg := ingress.DefaultConfig()
	cfg.InFlightBytesMax = inFlightBytesMax
	cfg.Sources = []ingress.Source{{
		Name: "meta", Provider: "meta", Path: sourcePath, SignatureRequired: true,
		Secrets: []ingress.Secret{{ID: "app", Value: ingress.Credential(secret)}},
	}}
	s, err := ingress.New(cfg, forgetting{}, ingress.Deps{
		Registerer: prometheus.NewRegistry(), Now: time.Now,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return err
	}
	return s.Serve(ctx, ln)
}
