package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/coexstream/coexstream/ingress/handover"
	"github.com/coexstream/coexstream/ingress/publish"
	"github.com/coexstream/coexstream/ingress/raw"
	"github.com/coexstream/coexstream/ingress/spool"
	"github.com/coexstream/coexstream/internal/admin"
	"github.com/coexstream/coexstream/schemas"
)

type drainOptions struct {
	timeout  time.Duration
	ifUnused bool
	output   string
}

func (a *app) spoolDrainCommand() *cobra.Command {
	var o drainOptions
	cmd := &cobra.Command{
		Use:   "drain",
		Short: "Hand the spool of a removed ingress over to Kafka",
		Long: `Hand over all records of a spool whose ingress is gone, in the order of each business, at the rate of
ingress.spool.drain. The records leave the spool after Kafka has acknowledged them. The command locks the folder, so an
ingress cannot use it meanwhile. A missing folder is an empty spool.

The exit code is 0 when no record waits any more, and 1 when records are left after --timeout. It is 3 when nothing
waits, but files are damaged or in quarantine: look at them before you delete the volume. A folder that another process
uses is an error; with --if-unused it is left to that process, and the exit code is 0.`,
		Example: `  coexstream spool drain
  coexstream spool drain --data-dir /mnt/spool-of-ingress-3 --timeout 10m
  coexstream spool drain --if-unused --output json | jq .waiting`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.drainSpool(cmd, &o) },
	}
	cmd.Flags().DurationVar(&o.timeout, "timeout", 0, "maximum time; 0: no limit")
	cmd.Flags().BoolVar(&o.ifUnused, "if-unused", false, "succeed without doing anything while another process uses the folder")
	cmd.Flags().StringVarP(&o.output, "output", "o", "text", "text or json")
	return cmd
}

// drainedJSON is the output of `spool drain`.
type drainedJSON struct {
	Dir        string  `json:"dir"`
	InUse      bool    `json:"in_use"`      // another process uses the folder; all numbers are 0
	HandedOver int     `json:"handed_over"` // records
	Waiting    int     `json:"waiting"`     // records that are left
	Unreadable int     `json:"unreadable"`  // files that could not be read
	Faults     int     `json:"faults"`      // files that are damaged or in quarantine
	Took       float64 `json:"took_seconds"`
}

// spoolState is the content of a spool.
type spoolState struct{ waiting, unreadable, faults int }

func stateOfSpool(dir string) (state spoolState, err error) {
	for _, topic := range raw.Topics() {
		segments, err := handover.Inspect(spool.OS{}, dir, topic, nil)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return state, err
		}
		for _, s := range segments {
			state.waiting += s.Waiting
			switch {
			case s.Quarantine, s.DamagedBytes > 0:
				state.faults++
			case s.Err != nil && s.TailBytes == 0:
				state.unreadable++
			}
		}
	}
	return state, nil
}

// end returns the error of a drain that left this state.
func (state *spoolState) end(dir string) error {
	switch {
	case state.waiting > 0:
		return fmt.Errorf("%s: %s still wait for Kafka", dir, counted(state.waiting, "record"))
	case state.unreadable > 0:
		return fmt.Errorf("%s: %s cannot be read", dir, counted(state.unreadable, "file"))
	case state.faults > 0:
		return errFaults
	}
	return nil
}

func (a *app) drainSpool(cmd *cobra.Command, o *drainOptions) error {
	if err := checkOutput(o.output, "text", "json"); err != nil {
		return err
	}
	if o.timeout < 0 {
		return invalidUsage("--timeout", o.timeout, "0 or more")
	}
	cfg, err := a.load(cmd, nil)
	if err != nil {
		return err
	}
	result := drainedJSON{Dir: spoolOf(cfg).Dir}
	report := func(ended error) error {
		if o.output == "json" {
			return errors.Join(encodeLine(cmd.OutOrStdout(), result), ended)
		}
		out := cmd.OutOrStdout()
		if result.InUse {
			sayf(out, "%s: another process uses it and hands its records over\n", result.Dir)
			return ended
		}
		sayf(out, "%s: %d records were handed over to Kafka, %d wait, %d files are damaged or in quarantine\n", result.Dir, result.HandedOver, result.Waiting, result.Faults)
		return ended
	}
	if _, err := os.Stat(result.Dir); errors.Is(err, fs.ErrNotExist) {
		return report(nil) // it was never used
	}
	began := time.Now()
	s := &service{cfg: cfg, log: a.logger(cfg), metrics: admin.NewRegistry()}
	s.parts = newParts(s.log)
	conn, err := connectionOf(cfg, nil)
	if err != nil {
		return err
	}
	publisher, err := publish.New(publisherOf(cfg), publish.Deps{
		Registerer: s.metrics, Logger: s.log, Now: time.Now, Dial: conn.Dial, SASL: conn.KafkaGoSASL(),
	})
	if err != nil {
		return err
	}
	spooled, err := newSpooled(s, publisher)
	if errors.Is(err, spool.ErrLocked) && o.ifUnused {
		result.InUse = true
		return report(nil)
	}
	if err != nil {
		return err
	}
	before, err := stateOfSpool(result.Dir)
	if err != nil {
		return err
	}
	s.parts.start("publisher", publisher.Run)
	s.parts.start("spool", spooled.Run)
	ended := s.awaitDrain(cmd.Context(), spooled, o.timeout)
	ended = errors.Join(ended, s.parts.stop(cfg.ShutdownTimeout))
	// The files decide: they have what the next process would find.
	after, err := stateOfSpool(result.Dir)
	if err != nil {
		return errors.Join(ended, err)
	}
	result.HandedOver, result.Waiting, result.Unreadable, result.Faults = max(0, before.waiting-after.waiting), after.waiting, after.unreadable, after.faults
	result.Took = time.Since(began).Seconds()
	if ended == nil || errors.Is(ended, errDrainTimeout) {
		ended = after.end(result.Dir)
	}
	return report(ended)
}

// errDrainTimeout ends awaitDrain after the timeout.
var errDrainTimeout = errors.New("the timeout of the drain")

// awaitDrain waits until no record is left, the timeout (0: none) or ctx ends, or a part fails.
func (s *service) awaitDrain(ctx context.Context, spooled *handover.Spooled, timeout time.Duration) error {
	const pause, tell = 50 * time.Millisecond, 10 * time.Second
	var limit <-chan time.Time
	if timeout > 0 {
		limit = time.After(timeout)
	}
	for told := time.Now(); !spooled.Drained(); {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-s.parts.failed:
			return err
		case <-limit:
			return errDrainTimeout
		case <-time.After(pause):
		}
		if now := time.Now(); now.Sub(told) >= tell {
			told = now
			for _, topic := range []schemas.Topic{schemas.TopicRawLive, schemas.TopicRawBulk} {
				s.log.Info("handing the spool over", "topic", topic.String(), "records", spooled.Stats(topic).Records)
			}
		}
	}
	return nil
}
