// Command kafkaup runs Apache Kafka on loopback until it is interrupted: see package kafkacluster.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/coexstream/coexstream/internal/testing/kafkacluster"
)

func main() {
	brokers := flag.Int("brokers", 3, "1 or 3 brokers")
	dir := flag.String("dir", "", "folder for everything; empty: a temporary one, removed in the end")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, kafkacluster.Config{Brokers: *brokers, Dir: *dir}); err != nil {
		fmt.Fprintln(os.Stderr, "kafkaup:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, cfg kafkacluster.Config) error {
	c, err := kafkacluster.Start(ctx, cfg)
	if err != nil {
		return err
	}
	fmt.Printf("Apache Kafka, brokers: %d, data in %s\n", c.Brokers(), c.Dir())
	fmt.Printf("export COEXSTREAM_KAFKA_BROKERS=%s\n", strings.Join(c.Addrs(), ","))
	fmt.Println("Ctrl-C ends it.")
	<-ctx.Done()
	return c.Close()
}
