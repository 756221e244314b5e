// Command fuzzall runs every fuzz target of the module for a while, one after another: `go test -fuzz`
// takes one target of one package at a time.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"time"
)

func main() {
	fuzzTime := flag.Duration("time", 10*time.Second, "how long each target runs")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *fuzzTime); err != nil {
		fmt.Fprintln(os.Stderr, "fuzzall:", err)
		os.Exit(1)
	}
}

type target struct{ pkg, name string }

func run(ctx context.Context, fuzzTime time.Duration) error {
	targets, err := list(ctx)
	if err != nil {
		return err
	}
	if len(targets) == 0 {
		return fmt.Errorf("go test -list found no fuzz target")
	}
	for _, t := range targets {
		fmt.Printf("fuzz %s %s\n", t.pkg, t.name)
		out, err := fuzz(ctx, t, fuzzTime)
		for again := 0; again < againMax && err != nil && onlyDeadline(out); again++ {
			fmt.Printf("fuzz %s %s: no input failed, the time ran out (golang/go#75804): once more\n", t.pkg, t.name)
			out, err = fuzz(ctx, t, fuzzTime)
		}
		if err != nil {
			return fmt.Errorf("%s %s: %w (the input is kept in the package's testdata/fuzz)", t.pkg, t.name, err)
		}
	}
	return nil
}

// againMax bounds how often a run is made once more.
const againMax = 2

func fuzz(ctx context.Context, t target, fuzzTime time.Duration) (out []byte, err error) {
	var kept bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-fuzz", "^"+t.name+"$", "-fuzztime", fuzzTime.String(), t.pkg)
	cmd.Stdout, cmd.Stderr = io.MultiWriter(os.Stdout, &kept), os.Stderr
	err = cmd.Run()
	return kept.Bytes(), err
}

// onlyDeadline tells a run that failed for nothing but the end of its own time, which Go's fuzzing may take for a
// failure until Go 1.27: all that is said of the target is that deadline, and no input is named.
func onlyDeadline(out []byte) bool {
	_, said, failed := bytes.Cut(out, []byte("--- FAIL: "))
	_, said, _ = bytes.Cut(said, []byte("\n"))
	said, _, _ = bytes.Cut(said, []byte("\nFAIL"))
	return failed && string(bytes.TrimSpace(said)) == context.DeadlineExceeded.Error()
}

// list asks each package for its fuzz targets: names come before the line that names their package.
func list(ctx context.Context) ([]target, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-list", "^Fuzz", "./...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go test -list: %w", err)
	}
	var targets []target
	var names []string
	for line := range bytes.Lines(out) {
		fields := strings.Fields(string(line))
		switch {
		case len(fields) == 1 && strings.HasPrefix(fields[0], "Fuzz"):
			names = append(names, fields[0])
		case len(fields) > 1 && fields[0] == "ok":
			for _, n := range names {
				targets = append(targets, target{fields[1], n})
			}
			names = nil
		}
	}
	return targets, nil
}
