package kafkacluster

import (
	"fmt"
	"strings"
	"testing"
)

func TestWhatStandsBetweenBrokersHasAnAddressForEachPair(t *testing.T) {
	type pair struct{ from, to int }
	pairs := map[string]pair{}
	cfg := Config{Brokers: 3}
	ports := make([]map[string]int, cfg.Brokers)
	cfg.Between = func(from, to int, listen, forward string) error {
		host, port, _ := strings.Cut(listen, ":")
		if p, there := pairs[host]; there && p != (pair{from, to}) {
			t.Errorf("%s stands for %v and for %d, %d", host, p, from, to)
		}
		pairs[host] = pair{from, to}
		if forward != "127.0.0.1:"+port {
			t.Errorf("%s is forwarded to %s, another port", listen, forward)
		}
		if !strings.Contains(cfg.hosts(from), fmt.Sprintf("%s %s\n", host, cfg.hostOf(to))) {
			t.Errorf("broker %d does not look for broker %d at %s", from, to, host)
		}
		return nil
	}
	for i := range ports {
		ports[i] = map[string]int{}
		for j, name := range cfg.listeners() {
			ports[i][name] = 15000 + 10*i + j
		}
	}
	for i := range ports {
		if err := cfg.between(i, ports); err != nil {
			t.Fatal(err)
		}
		p := cfg.properties(i, "data", ports, nil)
		for _, want := range []string{
			fmt.Sprintf("INTERNAL://%s:%d", cfg.hostOf(i), ports[i][listenerInternal]),
			fmt.Sprintf("CONTROLLER://%s:%d", cfg.hostOf(i), ports[i][listenerController]),
			fmt.Sprintf("DIRECT://127.0.0.1:%d", ports[i][listenerDirect]),
		} {
			if _, told, _ := strings.Cut(p, "advertised.listeners="); !strings.Contains(strings.SplitN(told, "\n", 2)[0], want) {
				t.Errorf("broker %d does not advertise %s:\n%s", i, want, p)
			}
		}
	}
	if len(pairs) != 6 || pairs["127.0.0.1"] != (pair{}) {
		t.Errorf("%v", pairs)
	}
}

func TestWhatCannotStandBetweenBrokersIsTold(t *testing.T) {
	cfg := Config{Brokers: 3, Between: func(int, int, string, string) error { return fmt.Errorf("no such address") }}
	ports := []map[string]int{{}, {}, {}}
	if err := cfg.between(0, ports); err == nil || !strings.Contains(err.Error(), "broker 0") || !strings.Contains(err.Error(), "broker 1") {
		t.Errorf("%v", err)
	}
}
