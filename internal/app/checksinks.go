package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/internal/verify"
	"github.com/coexstream/coexstream/internal/verify/archived"
	"github.com/coexstream/coexstream/internal/verify/deliveries"
	"github.com/coexstream/coexstream/internal/verify/receiver"
	"github.com/coexstream/coexstream/internal/verify/tables"
)

// checkedSinks are the targets of sinks that check compares with the topics.
type checkedSinks struct {
	checkedTables
	receiver string // file or folder of `simulate receiver`
	restarts int    // of the sink
	archive  string // URL
}

// besides configures the checks of sinks.
type besides struct {
	tables    []tables.Config
	receivers []deliveries.Config
	archive   *archived.Config
}

func (s *checkedSinks) configs(ctx context.Context, cfg *config.Config, c *verify.CheckConfig, conn kafka.Connection) (b besides, err error) {
	if s.restarts < 0 {
		return b, invalidUsage("--receiver-restarts", s.restarts, "0 or more")
	}
	if s.receiver != "" {
		if err := haveEndpoints(cfg); err != nil {
			return b, err
		}
		endpoints, err := receiver.Endpoints(cfg.Sink.Webhook.EndpointsFile)
		if err != nil {
			return b, fmt.Errorf("sink.webhook.endpoints_file: %w", err)
		}
		files, err := deliveries.Files(s.receiver)
		if err != nil {
			return b, fmt.Errorf("--receiver: %w", err)
		}
		for _, file := range files {
			b.receivers = append(b.receivers, deliveries.Config{
				File: file, Endpoints: endpoints, Connection: conn, Prefix: c.Prefix, Restarts: s.restarts, Wait: c.Wait, Poll: c.Poll, SamplesMax: c.SamplesMax,
			})
		}
	}
	if s.archive != "" {
		from := cfg.Sink.Archive
		topics := archived.Topics()
		if len(from.Topics) > 0 {
			if topics, err = topicsNamed(from.Topics); err != nil {
				return b, fmt.Errorf("%w: sink.archive.topics: %w", config.ErrInvalid, err)
			}
		}
		b.archive = &archived.Config{
			URL: s.archive, Topics: topics, Snapshots: from.Snapshots > 0, Connection: conn, Prefix: c.Prefix, TruthFile: c.TruthFile,
			Wait: c.Wait + from.Rotation, Poll: c.Poll, SamplesMax: c.SamplesMax, // a record may wait for its object that long
		}
	}
	b.tables, err = s.checkedTables.configs(ctx, cfg, c, conn)
	return b, err
}

// verdict is the outcome of the check of a sink.
type verdict interface {
	OK() bool
	WriteTable(w io.Writer) error
}

// checked is the outcome of a check with sinks, as JSON.
type checked struct {
	verify.Verdict
	Sinks     []*tables.Verdict     `json:"sinks,omitempty"`
	Receivers []*deliveries.Verdict `json:"receivers,omitempty"`
	Archive   *archived.Verdict     `json:"archive,omitempty"`
}

// sinks judges the targets of sinks, and returns their verdicts in the order of the report.
func (c *checked) sinks(ctx context.Context, b *besides, p verify.Progress) (all []verdict, err error) {
	for i := range b.tables {
		v, err := tables.Check(ctx, b.tables[i])
		if err != nil {
			return nil, err
		}
		c.Sinks, all = append(c.Sinks, v), append(all, v)
	}
	for i := range b.receivers {
		v, err := deliveries.Check(ctx, b.receivers[i])
		if err != nil {
			return nil, err
		}
		c.Receivers, all = append(c.Receivers, v), append(all, v)
	}
	if b.archive != nil {
		b.archive.Progress = p
		if c.Archive, err = archived.Check(ctx, *b.archive); err != nil {
			return nil, err
		}
		all = append(all, c.Archive)
	}
	return all, nil
}

func (a *app) check(cmd *cobra.Command, c verify.CheckConfig, beside besides, output string) (err error) {
	defer func() {
		for i := range beside.tables {
			err = errors.Join(err, beside.tables[i].DB.Close())
		}
	}()
	if !a.environmentSets("GOGC") {
		// The memory of a long check has no pointers, so a collection is cheap.
		debug.SetGCPercent(collectEarlyPercent)
	}
	progress := verify.NewProgress(cmd.ErrOrStderr(), isTerminal(a.io.Err))
	topics, err := verify.Check(cmd.Context(), c, progress)
	if err != nil {
		return err
	}
	outcome, ok := checked{Verdict: topics}, topics.OK()
	all, err := outcome.sinks(cmd.Context(), &beside, progress)
	if err != nil {
		return err
	}
	for _, v := range all {
		ok = ok && v.OK()
	}
	if output == "json" {
		err = writeJSON(cmd.OutOrStdout(), outcome)
	} else {
		err = topics.WriteTable(cmd.OutOrStdout())
		for _, v := range all {
			err = errors.Join(err, v.WriteTable(cmd.OutOrStdout()))
		}
	}
	if err != nil {
		return err
	}
	if !ok {
		return errFaults
	}
	return nil
}
