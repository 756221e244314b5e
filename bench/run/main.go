package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	binary, results, data string
	only                  string
	short                 bool
	rounds                int
	turn                  time.Duration
	backlogBytes          int64
	importMessages        int
	echoRate              int // at the usual one each echo is on its own, for the most part: it is time that is measured, not throughput
	kafka                 string
	kafkaBrokers          int
	syncWrites            bool
	serverCPUs, loadCPUs  string
	brokerCPUs            string
	document, flamegraphs string
	builds                []build
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := errors.ErrUnsupported
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "load":
			err = runLoad(ctx)
		case "broker":
			err = runBroker(ctx, os.Args[2:])
		case "peer":
			err = runPeer(ctx, os.Args[2:])
		}
	}
	if errors.Is(err, errors.ErrUnsupported) {
		err = runMatches(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func parse() (options, error) {
	var o options
	flag.StringVar(&o.binary, "binary", "./coexstream", "the program under test")
	flag.StringVar(&o.results, "results", "bench/results", "folder for the results; empty: they are only printed")
	flag.StringVar(&o.data, "data", "", "folder for logs and the brokers' data; empty: a temporary one, removed when all is well")
	flag.StringVar(&o.only, "only", "", "matches to play, separated by commas; empty: all of "+strings.Join(names(), ", "))
	flag.BoolVar(&o.short, "short", false, "one short round of everything: shows that the harness works, not how fast anything is")
	flag.IntVar(&o.rounds, "rounds", 5, "turns of each contestant")
	flag.DurationVar(&o.turn, "turn", 4*time.Second, "length of a turn under load")
	flag.Int64Var(&o.backlogBytes, "backlog", 200_000_000, "bytes of history that wait in each turn of the matches processor and isolation")
	flag.IntVar(&o.importMessages, "import", 1_000_000, "messages of history that the match tables loads into PostgreSQL")
	flag.IntVar(&o.echoRate, "echo-rate", 25, "live echoes a second in the matches endtoend, isolation, tenant and tables")
	flag.StringVar(&o.kafka, "kafka", "", "bootstrap addresses of an Apache Kafka, separated by commas, for the end-to-end matches; empty: one is started")
	flag.IntVar(&o.kafkaBrokers, "kafka-brokers", 1, "brokers of the Apache Kafka that is started: 1 or 3")
	flag.BoolVar(&o.syncWrites, "sync-writes", false, "let the embedded broker fsync before it acknowledges")
	flag.StringVar(&o.serverCPUs, "server-cpus", "", "processors of the servers under test, as taskset has them; empty: all")
	flag.StringVar(&o.loadCPUs, "load-cpus", "", "processors of the load")
	flag.StringVar(&o.brokerCPUs, "broker-cpus", "", "processors of the broker")
	flag.StringVar(&o.document, "document", "", "play nothing: fill in the tables of "+documentFile+" from these results, separated by commas")
	flag.StringVar(&o.flamegraphs, "flamegraphs", "", "play nothing: profile the ingress and the processor, and draw flame graphs into this folder")
	builds := flag.String("builds", "", "compare builds of the program in the same turns: name=path,name=path; ratios are to the first one; -only selects among "+strings.Join(namesOf(buildMatches()), ", "))
	flag.Parse()
	if flag.NArg() > 0 {
		return o, fmt.Errorf("%q is not understood; all is said by flags, see -help", flag.Args())
	}
	var err error
	if o.builds, err = parseBuilds(*builds); err != nil {
		return o, err
	}
	if o.short {
		o.rounds, o.turn, o.backlogBytes, o.results = 1, 500*time.Millisecond, min(o.backlogBytes, 5_000_000), ""
		o.importMessages = min(o.importMessages, 20_000)
	}
	switch {
	case o.rounds < 1:
		return o, fmt.Errorf("rounds: %d is not allowed, only 1 and more", o.rounds)
	case o.turn < 100*time.Millisecond:
		return o, fmt.Errorf("turn: %s is not allowed, only 100ms and more", o.turn)
	case o.kafkaBrokers != 1 && o.kafkaBrokers != 3:
		return o, fmt.Errorf("kafka-brokers: %d is not allowed, only 1 and 3", o.kafkaBrokers)
	case o.echoRate < 1 || o.echoRate > 1000:
		return o, fmt.Errorf("echo-rate: %d is not allowed, only 1 to 1000", o.echoRate)
	case o.backlogBytes < 1_000_000:
		return o, fmt.Errorf("backlog: %d is not allowed, only 1000000 and more", o.backlogBytes)
	case o.importMessages < 1000:
		return o, fmt.Errorf("import: %d is not allowed, only 1000 and more", o.importMessages)
	}
	for _, name := range o.selected() {
		if names := namesOf(o.programme()); !slices.Contains(names, name) {
			return o, fmt.Errorf("only: %q is not allowed, only %q", name, names)
		}
	}
	return o, nil
}

// selected are the names of the matches to play.
func (o *options) selected() []string {
	if o.only == "" {
		return namesOf(o.programme())
	}
	return strings.Split(o.only, ",")
}

// programme are the matches that may be selected.
func (o *options) programme() []match {
	if len(o.builds) > 0 {
		return buildMatches()
	}
	return matches()
}
