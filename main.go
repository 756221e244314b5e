// Command coexstream takes the webhooks of WhatsApp coexistence onboardings and turns them into ordered,
// de-duplicated Kafka topics.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/coexstream/coexstream/internal/app"
)

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel() // drain
		<-signals
		fmt.Fprintln(os.Stderr, "coexstream: stopped at once")
		os.Exit(app.ExitInterrupted)
	}()
	code := app.Main(ctx, os.Args[1:], app.IO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Environ: os.Environ()})
	cancel()
	os.Exit(code)
}
