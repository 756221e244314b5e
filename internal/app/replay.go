package app

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/coexstream/coexstream/ingress"
	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/contentcoding"
	"github.com/coexstream/coexstream/internal/private"
	"github.com/coexstream/coexstream/internal/replay"
	"github.com/coexstream/coexstream/internal/verify"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

type replayOptions struct {
	same           bool
	to             string
	since, until   string
	offsets        []string
	selection      replay.Selection
	verify, dryRun bool
	rate           float64
	bytesRate      string
	resume, output string
	archived       bool
}

func (a *app) replayCommand() *cobra.Command {
	o := replayOptions{output: "text"}
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Process the raw log again: into the topics of another prefix, or into the same",
		Long: `Copy records of the raw log back into the pipeline, in the order of the webhooks.

With --to, another prefix is built from zero, for a new consumer or after a mistake was corrected. Create its
topics first, and run a processor for it in its own group. Beside another process of the machine, it needs its own
--admin-listen. The events are byte for byte those of the first
processing.

Every event of a replay has the header coex-replay with the id of the replay. Sinks with side effects skip such
events. A replay reads the log up to its end at the start. It skips the records of other replays.

With --from-archive, the source is the archive of 'sink archive' instead of Kafka. After a loss of Kafka, create the
topics, then build them anew: --from-archive --to PREFIX, where PREFIX may be that of the archive.

A replay copies whole bodies: those with at least one change that matches all filters. It keeps its progress in
DATA_DIR/replays/ID.json. --resume ID continues an interrupted replay.`,
		Example: `  coexstream replay --dry-run --since 2d
  coexstream topics create --prefix fixed. && coexstream replay --to fixed.
  coexstream process --prefix fixed. --group-id fixed --instance-id fixed-0 --admin-listen 127.0.0.1:9091
  coexstream replay --same-topics --waba 102290129340398 --since 2026-11-20T00:00:00Z --until 2026-11-21T00:00:00Z
  coexstream replay --to fixed. --offsets raw.bulk/3:1000-2000 --rate 200
  coexstream replay --from-archive --to coex.
  coexstream replay --resume 20261121-101500-5f3c`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.replay(cmd, &o) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.to, "to", "", "prefix of the topics to write to; the source is --prefix (key kafka.prefix)")
	f.BoolVar(&o.same, "same-topics", false, "write to the topics of the source")
	f.BoolVar(&o.archived, "from-archive", false, "read the archive instead of Kafka")
	bind(f, "archive-url", "sink.archive.url", "folder or bucket of the archive")
	f.BoolVar(&o.dryRun, "dry-run", false, "count the selected bodies by topic, field and business without writing anything")
	f.StringVar(&o.since, "since", "", "only bodies received since this time: 2d ago, or 2006-01-02T15:04:05Z")
	f.StringVar(&o.until, "until", "", "only bodies received before this time")
	f.StringArrayVar(&o.offsets, "offsets", nil, "only this range of a topic: raw.bulk/3:1000-2000, raw.live/0:500- (without the last offset); repeatable")
	f.StringArrayVar(&o.selection.WABAs, "waba", nil, "only bodies about this WhatsApp Business Account; repeatable, as are number, field and wamid")
	f.StringArrayVar(&o.selection.Numbers, "number", nil, "only bodies about this phone_number_id")
	f.StringArrayVar(&o.selection.Fields, "field", nil, "only bodies with a change of this field: history, messages, …")
	f.StringArrayVar(&o.selection.WAMIDs, "wamid", nil, "only bodies with this message, its edits or its revokes")
	f.BoolVar(&o.selection.Copies, "include-copies", false, "include records of replays and requeues")
	f.BoolVar(&o.verify, "verify-signatures", false, "verify each signature again; bodies that fail are skipped and reported, and the exit code is 3")
	f.Float64Var(&o.rate, "rate", 0, "maximum bodies per second; 0: no limit")
	f.StringVar(&o.bytesRate, "bytes-rate", "0", "maximum bytes per second, such as 5MiB; 0: no limit")
	f.StringVar(&o.resume, "resume", "", "continue the replay with this id, with its selection and target")
	f.StringVarP(&o.output, "output", "o", o.output, "text or json")
	return cmd
}

func (a *app) replay(cmd *cobra.Command, o *replayOptions) error {
	if err := checkOutput(o.output, "text", "json"); err != nil {
		return err
	}
	pace, err := o.pace()
	if err != nil {
		return err
	}
	cfg, _, err := a.loadBeside(cmd)
	if err != nil {
		return err
	}
	conn, err := connectionOf(cfg, a.logger(cfg))
	if err != nil {
		return err
	}
	p, err := o.progress(cmd, cfg)
	if err != nil {
		return err
	}
	source, err := o.source(cmd.Context(), cfg, p)
	if err != nil {
		return err
	}
	if source != nil {
		defer func() { _ = source.Bucket.Close() }() // it was only read
	}
	if o.resume == "" {
		if err := o.plan(cmd.Context(), conn, source, p); err != nil {
			return err
		}
	}
	rc := replay.Config{
		Connection: conn, Archive: source, DryRun: o.dryRun, Pace: pace, CheckpointEvery: time.Second, Now: time.Now,
		Split:  split.Limits{BodyBytesMax: int(cfg.Processor.BodyBytesMax), DepthMax: cfg.Processor.DepthMax},
		Decode: contentcoding.Limits{BytesMax: int(cfg.Processor.BodyBytesMax)},
		Watch:  verify.NewProgress(cmd.ErrOrStderr(), isTerminal(a.io.Err)),
		Save:   func(*replay.Progress) error { return nil },
	}
	if p.Verify {
		if rc.Verify, err = verifierOf(cfg); err != nil {
			return err
		}
	}
	if !o.dryRun {
		dir := replaysDir(cfg)
		if err := private.Folder(dir, nil, a.logger(cfg)); err != nil {
			return fmt.Errorf("keep the progress: %w", err)
		}
		rc.Save = func(p *replay.Progress) error { return saveReplay(dir, p) }
	}
	for failed := false; ; {
		if err := a.replayOne(cmd, o, &rc, p); err != nil {
			return err
		}
		failed = failed || len(p.Counts.Unverified) > 0
		generation, ok := p.Following()
		switch {
		case !ok && failed:
			return errFaults
		case !ok:
			return nil
		}
		p = &replay.Progress{
			ID: newReplayID(time.Now()), Source: p.Source, Target: p.Target, Selection: p.Selection, Verify: p.Verify, Fresh: p.Fresh,
			Archive: &replay.FromArchive{URL: p.Archive.URL, Only: p.Archive.Only},
		}
		if err := replay.PlanArchive(cmd.Context(), source, p, generation, time.Now()); err != nil {
			return err
		}
	}
}

// replayOne runs one replay, and reports it.
func (a *app) replayOne(cmd *cobra.Command, o *replayOptions, rc *replay.Config, p *replay.Progress) error {
	if !o.dryRun {
		if err := rc.Save(p); err != nil {
			return err
		}
		sayf(cmd.ErrOrStderr(), "replay %s from %s to %s\n", p.ID, sourceName(p), p.Target)
	}
	if err := replay.Run(cmd.Context(), *rc, p); err != nil {
		if !o.dryRun {
			done, total := p.Offsets()
			sayf(cmd.ErrOrStderr(), "%d of %d offsets are done; continue with `coexstream replay --resume %s`\n", done, total, p.ID)
		}
		return err
	}
	if o.output == "json" {
		return writeJSON(cmd.OutOrStdout(), p)
	}
	return writeReplay(cmd.OutOrStdout(), p, o.dryRun)
}

// progress returns the replay to run: a new plan, or a started one.
func (o *replayOptions) progress(cmd *cobra.Command, cfg *config.Config) (*replay.Progress, error) {
	if o.resume != "" {
		for _, name := range []string{"to", "same-topics", "dry-run", "from-archive", "archive-url", "since", "until", "offsets", "waba", "number", "field", "wamid", "include-copies", "verify-signatures"} {
			if cmd.Flags().Changed(name) {
				return nil, usagef("--resume uses the options of the replay: --%s cannot be given with it", name)
			}
		}
		return loadReplay(cfg, o.resume)
	}
	switch {
	case o.to != "" && o.same:
		return nil, usagef("--to and --same-topics exclude each other")
	case o.to == "" && !o.same && !o.dryRun:
		return nil, usagef("say where to: --to PREFIX, or --same-topics; or --dry-run to count only")
	case o.to == cfg.Kafka.Prefix && !o.archived:
		return nil, usagef("--to %q is the prefix that is read; to replay into the same topics say --same-topics", o.to)
	}
	now := time.Now()
	p := &replay.Progress{ID: newReplayID(now), Source: cfg.Kafka.Prefix, Target: o.to, Selection: o.selection, Verify: o.verify}
	if o.same {
		p.Target = p.Source
	}
	var err error
	if p.Selection.From, err = pointInTime("since", o.since, now); err != nil {
		return nil, err
	}
	if p.Selection.Until, err = pointInTime("until", o.until, now); err != nil {
		return nil, err
	}
	if err := inOrder(p.Selection.From, p.Selection.Until); err != nil {
		return nil, err
	}
	for flag, values := range map[string][]string{"waba": o.selection.WABAs, "number": o.selection.Numbers, "field": o.selection.Fields, "wamid": o.selection.WAMIDs} {
		if err := noneEmpty(flag, values); err != nil {
			return nil, err
		}
	}
	if o.archived {
		p.Archive, p.Fresh = &replay.FromArchive{URL: cfg.Sink.Archive.URL}, o.to == cfg.Kafka.Prefix
	} else if cmd.Flags().Changed("archive-url") {
		return nil, usagef("--archive-url needs --from-archive")
	}
	return p, nil
}

func (o *replayOptions) pace() (replay.Pace, error) {
	p := replay.Pace{BodiesPerSecond: o.rate}
	if !(o.rate >= 0) || math.IsInf(o.rate, 0) {
		return p, invalidUsage("--rate", o.rate, "0 or more")
	}
	n, err := config.ParseBytes(o.bytesRate)
	if err != nil || n < 0 {
		return p, invalidUsage("--bytes-rate", o.bytesRate, "a size such as 500KiB or 5MiB")
	}
	p.BytesPerSecond = float64(n)
	return p, nil
}

func pointInTime(flag, value string, now time.Time) (time.Time, error) {
	if value == "" {
		return time.Time{}, nil
	}
	if d, err := config.ParseDuration(value); err == nil && d > 0 {
		return now.Add(-d), nil
	}
	at, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return time.Time{}, invalidUsage("--"+flag, value, "a duration such as 30m or 2d, or a time such as 2006-01-02T15:04:05Z")
	}
	return at, nil
}

// inOrder refuses an empty span of time.
func inOrder(since, until time.Time) error {
	if !until.IsZero() && !since.Before(until) {
		return invalidUsage("--until", until.UTC().Format(time.RFC3339), "a time behind --since (%s)", since.UTC().Format(time.RFC3339))
	}
	return nil
}

var offsetsPattern = regexp.MustCompile(`^(raw\.(?:live|bulk)/\d+):(\d*)-(\d*)$`)

func parseOffsets(list []string) (replay.Offsets, error) {
	if len(list) == 0 {
		return nil, nil
	}
	only := replay.Offsets{}
	for _, s := range list {
		m := offsetsPattern.FindStringSubmatch(s)
		if m == nil {
			return nil, invalidUsage("--offsets", s, "LANE:FROM-UNTIL such as raw.bulk/3:1000-2000, either end may be missing")
		}
		var r replay.Range
		for to, from := range map[*int64]string{&r.Start: m[2], &r.End: m[3]} {
			if from == "" {
				continue
			}
			n, err := strconv.ParseInt(from, 10, 64)
			if err != nil {
				return nil, usagef("--offsets %q: %w", s, err)
			}
			*to = n
		}
		if _, twice := only[m[1]]; twice {
			return nil, usagef("--offsets: %s is given twice; allowed: one range of each lane", m[1])
		}
		only[m[1]] = r
	}
	return only, nil
}

// verifierOf returns a verifier with the secrets of the configured sources.
func verifierOf(cfg *config.Config) (func(*replay.Record) error, error) {
	if len(cfg.Ingress.Sources) == 0 {
		sources, err := readSecrets(cfg.DataDir)
		if err != nil {
			return nil, err
		}
		cfg.Ingress.Sources = sources
	}
	v := ingress.NewVerifier(ingressOf(cfg).Sources)
	return func(r *replay.Record) error {
		err := v.Verify(r.Header(schemas.HeaderSource), r.Header(schemas.HeaderSignature), r.Header(schemas.HeaderSecretID), r.Value)
		if errors.Is(err, ingress.ErrNotSigned) {
			return replay.ErrUnsigned
		}
		return err
	}, nil
}

func newReplayID(now time.Time) string {
	var b [2]byte
	_, _ = rand.Read(b[:]) // never fails
	return now.UTC().Format("20060102-150405-") + hex.EncodeToString(b[:])
}

func replaysDir(cfg *config.Config) string { return filepath.Join(cfg.DataDir, "replays") }

func saveReplay(dir string, p *replay.Progress) error {
	b, err := jsonOf(p)
	if err != nil {
		return err
	}
	if err := private.Replace(filepath.Join(dir, p.ID+".json"), b); err != nil {
		return fmt.Errorf("keep the progress: %w", err)
	}
	return nil
}

func loadReplay(cfg *config.Config, id string) (*replay.Progress, error) {
	path := filepath.Join(replaysDir(cfg), filepath.Base(id)+".json")
	b, err := private.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		known, _ := filepath.Glob(filepath.Join(replaysDir(cfg), "*.json"))
		for i := range known {
			known[i] = strings.TrimSuffix(filepath.Base(known[i]), ".json")
		}
		return nil, usagef("--resume %q: there is no %s; known: %s", id, path, or(strings.Join(known, ", "), "none"))
	}
	if err != nil {
		return nil, fmt.Errorf("read the progress: %w", err)
	}
	p, err := replay.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("read the progress: %s: %w", path, err)
	}
	if p.Done {
		return nil, usagef("--resume %q: that replay is done", id)
	}
	return p, nil
}
