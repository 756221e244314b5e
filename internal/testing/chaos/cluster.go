package main

import (
	"context"
	"errors"
	"strings"

	"github.com/coexstream/coexstream/internal/testing/kafkacluster"
)

// cluster is Apache Kafka with a link between each client and each broker, and between each two brokers.
type cluster struct {
	*kafkacluster.Cluster
	links links
}

const (
	brokerCount   = 3
	processorsMax = 3
	sinksMax      = 3
)

// clients are the processes that have links of their own.
func clients() []string {
	names := []string{ingressName}
	for i := range processorsMax {
		names = append(names, processorName(i+1))
	}
	for i := range sinksMax {
		names = append(names, sinkName(i+1))
	}
	return append(append(names, webhookNames()...), archiveNames()...)
}

// listenerOf is the name of a client's listener.
func listenerOf(client string) string {
	return strings.ToUpper(strings.ReplaceAll(client, "-", ""))
}

func startCluster(ctx context.Context) (*cluster, error) {
	c := &cluster{}
	byListener := map[string]string{}
	cfg := kafkacluster.Config{Brokers: brokerCount, MinISR: 2, Properties: map[string]string{
		// A broker that was killed or stopped is not waited for longer than faults take.
		"broker.session.timeout.ms":    "6000",
		"broker.heartbeat.interval.ms": "1000",
		"replica.lag.time.max.ms":      "8000",
		// The others may see what a producer left behind soon.
		"transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
		"group.initial.rebalance.delay.ms":                            "500",
	}}
	for _, name := range clients() {
		byListener[listenerOf(name)] = name
		cfg.Clients = append(cfg.Clients, listenerOf(name))
	}
	var failed error
	cfg.Advertise = func(listener string, broker int, addr string) string {
		l, err := newLink(ctx, byListener[listener], brokerName(broker), anyPort, addr)
		if err != nil {
			failed = errors.Join(failed, err)
			return addr
		}
		c.links = append(c.links, l)
		return l.addr()
	}
	cfg.Between = func(from, to int, listen, forward string) error {
		l, err := newLink(ctx, brokerName(from), brokerName(to), listen, forward)
		if err == nil {
			c.links = append(c.links, l)
		}
		return err
	}
	var err error
	if c.Cluster, err = kafkacluster.Start(ctx, cfg); err == nil && failed == nil {
		return c, nil
	}
	return nil, errors.Join(err, failed, c.close())
}

// addrs are where a client finds the brokers: at its links.
func (c *cluster) addrs(client string) string {
	var addrs []string
	for _, l := range c.links.of(client) {
		addrs = append(addrs, l.addr())
	}
	return strings.Join(addrs, ",")
}

// byName is a broker by the plan's name.
func (c *cluster) byName(name string) *kafkacluster.Broker {
	for i := range c.Brokers() {
		if name == brokerName(i) {
			return c.Broker(i)
		}
	}
	return nil
}

func (c *cluster) close() error {
	var err error
	if c.Cluster != nil {
		err = c.Close()
	}
	c.links.close()
	return err
}
