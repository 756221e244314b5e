package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/coexstream/coexstream/bench/child"
	"github.com/coexstream/coexstream/bench/compare"
	"github.com/coexstream/coexstream/bench/load"
)

// Peers that are programs of others.
const (
	collectorName = "OpenTelemetry collector, OTLP to Kafka"
	nginxName     = "nginx + lua-resty-kafka"
	strimziName   = "Strimzi Kafka Bridge"
	connectName   = "Redpanda Connect"
)

// absent are peers that cannot take part, and why.
func absent() []compare.Contestant {
	return []compare.Contestant{
		{Name: nginxName, Skip: "the newest that Debian has (lua-nginx-kafka 0.07) produces with versions 0 to 2 of the protocol, which neither Apache Kafka 4 nor the embedded broker takes"},
		{Name: strimziName, Skip: "it is not in the Maven registry"},
		{Name: connectName, Skip: "its modules cannot be had, or not be verified, through the Go module proxy"},
	}
}

// collector builds and starts the collector of bench/peers/otelcol, a module of its own. Why it cannot be
// built is an answer, too.
func (h *harness) collector(ctx context.Context, match string, b *broker) (s *server, why string, err error) {
	const source = "bench/peers/otelcol"
	if h.o.short {
		return nil, "short; it takes minutes to build", nil
	}
	config, err := filepath.Abs(filepath.Join(source, "config.yaml"))
	if err != nil {
		return nil, "", err
	}
	if _, err := os.Stat(config); errors.Is(err, fs.ErrNotExist) {
		return nil, "its folder " + source + " is not here; run from the root of the repository", nil
	}
	binary := h.path("otelcol")
	fmt.Fprintln(os.Stderr, "building the OpenTelemetry collector")
	if _, err := child.Run(ctx, child.Command{Name: "build " + source, Args: []string{"go", "build", "-o", binary, "."}, Dir: source}, nil); err != nil {
		if ctx.Err() != nil {
			return nil, "", ctx.Err()
		}
		return nil, strings.Join(strings.Fields(err.Error()), " "), nil
	}
	address, err := child.FreeAddress()
	if err != nil {
		return nil, "", err
	}
	const topic = "peer.otelcol"
	if err := b.topic(ctx, topic); err != nil {
		return nil, "", err
	}
	p, err := child.Start(ctx, child.Command{
		Name: "otelcol", Args: []string{binary, "--config", config}, CPUs: h.o.serverCPUs, Log: h.path(match + "-otelcol.log"),
		Env: []string{"LISTEN=" + address, "BROKER=" + strings.Join(b.addresses, ","), "TOPIC=" + topic}, Ready: child.Listening(address),
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil, "", ctx.Err()
		}
		// What others wrote may fail on a machine that this was not tried on; the rest of the run is as good.
		return nil, strings.Join(strings.Fields(err.Error()), " "), nil
	}
	// It verifies no signatures, and does not take a webhook as it is.
	s = &server{name: collectorName, proc: p, url: "http://" + address + "/v1/logs", wrap: load.WrapOTLP}
	return s, "", s.keepsIn(ctx, b, topic)
}
