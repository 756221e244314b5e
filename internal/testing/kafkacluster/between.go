package kafkacluster

import (
	"fmt"
	"os"
	"strings"
)

// Brokers tell each other one address for all clients. To put a link between each two of them, each broker announces a
// name instead. Each broker has a hosts file of its own, in which the names of the others are addresses of loopback
// that nobody else uses.

// amongBrokers reports whether brokers use a listener to reach each other.
func amongBrokers(listener string) bool {
	return listener == listenerInternal || listener == listenerController
}

// clientListener is the one for clients that nothing stands in the way of.
func (c *Config) clientListener() string {
	if c.Between != nil {
		return listenerDirect
	}
	return listenerInternal
}

// hostOf is what the brokers call one of them.
func (c *Config) hostOf(id int) string {
	if c.Between == nil {
		return "127.0.0.1"
	}
	return fmt.Sprintf("broker-%d.kafka.test", id)
}

// hostSeenFrom is the address behind that name for one of the brokers.
func hostSeenFrom(from, to int) string {
	if from == to {
		return "127.0.0.1"
	}
	return fmt.Sprintf("127.0.%d.%d", from+1, to+1)
}

// hosts is the hosts file of a broker. Java looks nowhere else then.
func (c *Config) hosts(id int) string {
	var b strings.Builder
	b.WriteString("127.0.0.1 localhost\n")
	if name, err := os.Hostname(); err == nil {
		fmt.Fprintf(&b, "127.0.0.1 %s\n", name)
	}
	for other := range c.Brokers {
		fmt.Fprintf(&b, "%s %s\n", hostSeenFrom(id, other), c.hostOf(other))
	}
	return b.String()
}

// between calls Config.Between for what a broker sends to the others.
func (c *Config) between(from int, ports []map[string]int) error {
	for to := range ports {
		if to == from {
			continue
		}
		for _, name := range []string{listenerInternal, listenerController} {
			port := ports[to][name]
			if err := c.Between(from, to, fmt.Sprintf("%s:%d", hostSeenFrom(from, to), port), fmt.Sprintf("127.0.0.1:%d", port)); err != nil {
				return fmt.Errorf("between broker %d and the listener %s of broker %d: %w", from, name, to, err)
			}
		}
	}
	return nil
}
