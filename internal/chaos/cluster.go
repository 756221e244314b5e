package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/coexstream/coexstream/internal/kafkacluster"
)

// cluster is Apache Kafka with a link between each client group and each broker.
type cluster struct {
	*kafkacluster.Cluster
	links map[string][]*link // by client, then broker
}

const (
	brokerCount   = 3
	processorsMax = 3
)

// clients are the processes that have links of their own.
func clients() []string {
	names := []string{ingressName}
	for i := range processorsMax {
		names = append(names, processorName(i+1))
	}
	return names
}

// listenerOf is the name of a client's listener.
func listenerOf(client string) string {
	return strings.ToUpper(strings.ReplaceAll(client, "-", ""))
}

func startCluster(ctx context.Context) (*cluster, error) {
	c := &cluster{links: map[string][]*link{}}
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
		client := byListener[listener]
		l, err := newLink(ctx, client+"~"+brokerName(broker), addr)
		if err != nil {
			failed = errors.Join(failed, err)
			return addr
		}
		c.links[client] = append(c.links[client], l) // brokers come in their order
		return l.addr()
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
	for _, l := range c.links[client] {
		addrs = append(addrs, l.addr())
	}
	return strings.Join(addrs, ",")
}

// between are the links of a target such as ingress~broker-2 or ingress~every-broker.
func (c *cluster) between(target string) ([]*link, error) {
	client, broker, _ := strings.Cut(target, "~")
	if broker == everyBroker && c.links[client] != nil {
		return c.links[client], nil
	}
	for i, l := range c.links[client] {
		if broker == brokerName(i) {
			return []*link{l}, nil
		}
	}
	return nil, fmt.Errorf("no link %q", target)
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
	for _, links := range c.links {
		for _, l := range links {
			l.close()
		}
	}
	return err
}
