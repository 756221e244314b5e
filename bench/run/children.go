package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/coexstream/coexstream/bench/child"
	"github.com/coexstream/coexstream/bench/load"
	"github.com/coexstream/coexstream/bench/peers"
	"github.com/coexstream/coexstream/bench/peers/bare"
	"github.com/coexstream/coexstream/bench/peers/fastfranz"
	"github.com/coexstream/coexstream/bench/peers/franzgo"
	"github.com/coexstream/coexstream/bench/peers/kafkago"
	"github.com/coexstream/coexstream/internal/embedded"
)

// runLoad is the load's process: a Spec comes in, a Report goes out.
func runLoad(ctx context.Context) error {
	in, err := io.ReadAll(os.Stdin)
	if err != nil {
		return fmt.Errorf("read the spec of the load: %w", err)
	}
	var spec load.Spec
	if err := json.Unmarshal(in, &spec); err != nil {
		return fmt.Errorf("read the spec of the load: %w", err)
	}
	report, err := load.Run(ctx, spec)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(report)
}

// untilOrphaned ends with ctx, and when the process that started this one is gone.
func untilOrphaned(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	gone := child.Orphaned()
	go func() {
		select {
		case <-gone:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// runBroker is the embedded broker in a process of its own, so that its cost is separate from the servers'.
func runBroker(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("broker", flag.ContinueOnError)
	dir, listen, syncWrites := f.String("dir", "", ""), f.String("listen", "", ""), f.Bool("sync-writes", false, "")
	if err := f.Parse(args); err != nil {
		return err
	}
	ctx, cancel := untilOrphaned(ctx)
	defer cancel()
	cfg := embedded.DefaultConfig(*dir)
	cfg.Listen, cfg.SyncWrites = *listen, *syncWrites
	broker, err := embedded.Open(cfg, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		return err
	}
	return errors.Join(broker.Run(ctx), broker.Close())
}

// runPeer is one of the yardsticks that are written in Go.
func runPeer(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("peer: no name is given")
	}
	f := flag.NewFlagSet("peer", flag.ContinueOnError)
	var cfg peers.Config
	listen, broker := f.String("listen", "", ""), f.String("broker", "", "")
	f.StringVar(&cfg.Topic, "topic", "", "")
	f.StringVar(&cfg.Secret, "secret", "", "")
	if err := f.Parse(args[1:]); err != nil {
		return err
	}
	cfg.Brokers = strings.Split(*broker, ",")
	ctx, cancel := untilOrphaned(ctx)
	defer cancel()
	if args[0] == "unpublished" {
		return runUnpublished(ctx, *listen, cfg.Secret)
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *listen)
	if err != nil {
		return err
	}
	switch args[0] {
	case "bare":
		return bare.Serve(ctx, ln, cfg)
	case "kafkago":
		return kafkago.Serve(ctx, ln, cfg, 0)
	case "kafkago-10ms":
		return kafkago.Serve(ctx, ln, cfg, 10*time.Millisecond)
	case "franzgo":
		return franzgo.Serve(ctx, ln, cfg)
	case "fastfranz":
		return fastfranz.Serve(ctx, ln, cfg, false)
	case "fastfranz-idempotent":
		return fastfranz.Serve(ctx, ln, cfg, true)
	}
	return errors.Join(fmt.Errorf("peer: %q is not known", args[0]), ln.Close())
}
