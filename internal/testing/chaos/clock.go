package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"time"
)

// A process takes its time from the kernel, and the machine's clock is not ours. So the program under test is built
// with another clock where its parts are put together: the time of the kernel, and what a file adds to it.

//go:embed clock/jumping_clock.go.txt
var jumpingClock string

// clockVariable names the file to the process.
const clockVariable = "COEXSTREAM_CHAOS_CLOCK"

// clockNoticed is how long a process takes at most to read the file again.
const clockNoticed = 100 * time.Millisecond

// setClock is the change: ingress, publisher, spool and processor of a process share one clock.
func setClock() variant {
	return variant{
		file: "internal/app/service.go",
		edits: [][2]string{
			{"\twatcher *reload.Watcher\n", "\twatcher *reload.Watcher\n\tclock *jumpingClock\n"},
			{"metrics: admin.NewRegistry()}", "metrics: admin.NewRegistry(), clock: newJumpingClock()}"},
			{"Now: time.Now, Dial:", "Now: s.clock.Now, Dial:"},
			{"Now: time.Now, TLS:", "Now: s.clock.Now, TLS:"},
			{"Now: time.Now, Salt:", "Now: s.clock.Now, Salt:"},
			{"Now: time.Now, ClientOptions:", "Now: s.clock.Now, ClientOptions:"},
		},
		added: "internal/app/jumping_clock.go", code: jumpingClock,
	}
}

// buildClocked builds the program with that clock.
func buildClocked(ctx context.Context, dir string) (string, error) {
	return buildVariant(ctx, dir, "clocked", setClock())
}

// setClock lets the process's clock be wrong by d from now on. A life that starts later has the wrong clock, too.
func (p *process) setClock(d time.Duration) error {
	// Renamed into place: a file that is half written would say another time.
	next := p.clockFile() + ".next"
	if err := os.WriteFile(next, []byte(d.String()), 0o600); err != nil {
		return fmt.Errorf("set the clock of %s: %w", p.name, err)
	}
	if err := os.Rename(next, p.clockFile()); err != nil {
		return fmt.Errorf("set the clock of %s: %w", p.name, err)
	}
	return nil
}

// jumpClock lets the clock be wrong for a while.
func jumpClock(ctx context.Context, p *process, f fault) error {
	if err := p.setClock(f.jump); err != nil {
		return err
	}
	_ = rest(ctx, f.length) // told to stop: the clock is set right all the same
	if err := p.setClock(0); err != nil {
		return err
	}
	return rest(ctx, clockNoticed)
}
