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
	benthosName   = "Benthos (Redpanda Connect)"
	vectorName    = "Vector"
	restName      = "Kafka REST Proxy"
)

// absent are peers that cannot take part, and why.
func absent() []compare.Contestant {
	return []compare.Contestant{
		{Name: nginxName, Skip: "the newest that Debian has (lua-nginx-kafka 0.07) produces with versions 0 to 2 of the protocol, which neither Apache Kafka 4 nor the embedded broker takes"},
		{Name: strimziName, Skip: "it is not in the Maven registry"},
		{Name: vectorName, Skip: "it is in no registry: neither in Debian's packages nor in npm, and the crate of that name is a vector database"},
		{Name: restName, Skip: "Confluent publishes it in a registry of its own, not in Maven Central"},
	}
}

// builtPeer is a program of others that is built from a module of its own in bench/peers, through the Go module proxy.
type builtPeer struct {
	name, folder string
	args         func(config string) []string
	path         string // of its webhooks
	wrap         string // in what it takes them
	remark       string
}

// builtPeers verify no signatures.
func builtPeers() []builtPeer {
	return []builtPeer{
		{
			name: collectorName, folder: "otelcol", args: func(config string) []string { return []string{"--config", config} },
			path: "/v1/logs", wrap: load.WrapOTLP,
			remark: "acks=all, no queue; verifies no signature, and is sent each webhook in an OTLP log record",
		},
		{
			name: benthosName, folder: "benthos", args: func(config string) []string { return []string{"-c", config} },
			path: "/webhooks", remark: "acks=all, idempotent, no buffer; verifies no signature",
		},
	}
}

// build builds and starts a peer. Why it cannot be built is an answer, too.
func (h *harness) build(ctx context.Context, match string, b *broker, peer *builtPeer) (s *server, why string, err error) {
	source := "bench/peers/" + peer.folder
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
	binary := h.path(peer.folder)
	fmt.Fprintln(os.Stderr, "building "+peer.name)
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
	topic := "peer." + peer.folder
	if err := b.topic(ctx, topic); err != nil {
		return nil, "", err
	}
	p, err := child.Start(ctx, child.Command{
		Name: peer.folder, Args: append([]string{binary}, peer.args(config)...), CPUs: h.o.serverCPUs, Log: h.path(match + "-" + peer.folder + ".log"),
		Env: []string{"LISTEN=" + address, "BROKER=" + strings.Join(b.addresses, ","), "TOPIC=" + topic}, Ready: child.Listening(address),
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil, "", ctx.Err()
		}
		// Foreign programs may fail on a machine that this was not tried on; the rest of the run is still valid.
		return nil, strings.Join(strings.Fields(err.Error()), " "), nil
	}
	s = &server{name: peer.name, proc: p, url: "http://" + address + peer.path, wrap: peer.wrap}
	return s, "", s.keepsIn(ctx, b, topic)
}
