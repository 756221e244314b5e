package app

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/verify"
	"github.com/coexstream/coexstream/internal/verify/world"
)

func (a *app) simulateCommand() *cobra.Command {
	c := verify.DefaultSimulateConfig()
	output, caFile := "text", ""
	var secretFile, dialogSecretFile, ycloudSecretFile string
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Play onboardings against an ingress, signed, from a seed",
		Long: `Play onboardings of generated businesses against an ingress, as Meta, 360dialog and YCloud do. The history comes in
three phases, out of order, with repetitions and late gaps. There are contacts, media in three shapes, declines,
re-onboardings, echoes with edits and revokes, account events, unknown fields and broken bodies. Phone numbers have
several spellings, and some users have a business-scoped id only. docs/simulator.md describes the rest. A webhook
without a 200 is sent again.

The ground truth goes to a file for 'coexstream check'.

Beside an 'up' on the same data folder, the command finds the URL and the secret itself. The same --seed makes the
same world. Play a seed once on the same topics: a second run repeats webhooks that left before, and 'check' then
fails. The exit code is 1 if webhooks were given up.`,
		Example: `  coexstream simulate --businesses 20 --messages 200000
  coexstream simulate --seed 42 --rate 200
  coexstream simulate --url https://hooks.example.com/webhooks/meta --secret-file ./app-secret
  coexstream simulate --url https://127.0.0.1:8443/webhooks/meta --ca-file ./ca.pem --secret-file ./app-secret`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output, "text", "json"); err != nil {
				return err
			}
			if err := secretOf("secret-file", secretFile, &c.Secret); err != nil {
				return err
			}
			if err := secretOf("dialog-secret-file", dialogSecretFile, &c.DialogSecret); err != nil {
				return err
			}
			if err := secretOf("ycloud-secret-file", ycloudSecretFile, &c.YCloudSecret); err != nil {
				return err
			}
			if err := a.aim(cmd, &c); err != nil {
				return err
			}
			if caFile != "" {
				pem, err := os.ReadFile(caFile)
				if err != nil {
					return usagef("--ca-file: %w", err)
				}
				if c.Roots = x509.NewCertPool(); !c.Roots.AppendCertsFromPEM(pem) {
					return usagef("--ca-file %s: it holds no certificate in PEM", caFile)
				}
			}
			if err := c.Validate(); err != nil {
				return usageError{err}
			}
			return a.simulate(cmd, c, output)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&c.URL, "url", c.URL, "URL of the source (default: the one of a running up)")
	f.StringVar(&c.Provider, "provider", c.Provider, "provider of that source: meta or 360dialog")
	f.StringVar(&c.Secret, "secret", c.Secret, "temporary app secret of the source; other users of this machine can see it in the process list")
	f.StringVar(&secretFile, "secret-file", secretFile, "file with the app secret")
	f.StringVar(&caFile, "ca-file", caFile, "PEM file of the certificate authorities for https URLs (default: those of the system)")
	f.StringVar(&c.DialogURL, "dialog-url", c.DialogURL, "URL of a second source, for 360dialog's partner webhooks")
	f.StringVar(&c.DialogSecret, "dialog-secret", c.DialogSecret, "its temporary secret")
	f.StringVar(&dialogSecretFile, "dialog-secret-file", dialogSecretFile, "file with its secret")
	f.StringVar(&c.YCloudURL, "ycloud-url", c.YCloudURL, "URL of a source for YCloud's webhooks")
	f.StringVar(&c.YCloudSecret, "ycloud-secret", c.YCloudSecret, "its temporary secret")
	f.StringVar(&ycloudSecretFile, "ycloud-secret-file", ycloudSecretFile, "file with its secret")
	f.StringVar(&c.TruthFile, "truth", c.TruthFile, "file for the ground truth")
	f.IntVar(&c.Concurrency, "concurrency", c.Concurrency, "maximum webhooks in flight")
	f.Float64Var(&c.Rate, "rate", c.Rate, "maximum webhooks per second; 0: no limit")
	durationFlag(f, &c.Timeout, "timeout", "maximum time for one attempt")
	durationFlag(f, &c.RetryFor, "retry-for", "maximum time for the retries of a webhook")
	worldFlags(f, &c.World)
	f.StringVarP(&output, "output", "o", output, "text or json")
	cmd.AddCommand(onlySecrets(a.simulateReceiverCommand())) // it may run where the secrets of the ingress are not
	return cmd
}

func worldFlags(f *pflag.FlagSet, w *world.Config) {
	f.Uint64Var(&w.Seed, "seed", w.Seed, "seed of the world; 0: a random one")
	for _, v := range []struct {
		to         *int
		name, what string
	}{
		{&w.Businesses, "businesses", "WhatsApp Business Accounts"},
		{&w.Messages, "messages", "past messages of all businesses together"},
		{&w.Live, "live", "live webhooks of all businesses together"},
		{&w.Contacts, "contacts", "contacts of all businesses together"},
		{&w.ChunkBytesMin, "chunk-bytes-min", "minimum target size of chunks"},
		{&w.ChunkBytesMax, "chunk-bytes-max", "maximum target size of chunks"},
		{&w.ShuffleWindow, "shuffle-window", "number of chunks that are shuffled together; 1: none, 0: all"},
		{&w.Unknown, "unknown", "webhooks of unknown fields per business"},
		{&w.Broken, "broken", "broken bodies of all businesses together"},
	} {
		f.IntVar(v.to, v.name, *v.to, v.what)
	}
	f.StringVar(&w.Numbering, "numbering", w.Numbering, "chunk_order: restart, through, none or mixed. All but restart cause the phase hold of the processor")
	f.StringVar(&w.Progress, "progress", w.Progress, "progress: phase, overall or mixed")
	durationFlag(f, &w.LateAfter, "late-after", "time until late chunks are sent")
	for _, v := range []struct {
		to         *float64
		name, what string
	}{
		{&w.DuplicateRate, "duplicate-rate", "share of bodies that are sent again"},
		{&w.OverlapRate, "overlap-rate", "share of chunks that repeat messages of another one"},
		{&w.LateHoles, "late-holes", "share of chunks that come after all others"},
		{&w.SecondNumber, "second-number", "share of businesses with two numbers"},
		{&w.Dialog, "dialog", "share of businesses that come through 360dialog"},
		{&w.Declines, "declines", "share of numbers that do not share their history"},
		{&w.Reonboard, "reonboard", "share of businesses that leave and come back"},
		{&w.Users, "users", "share of chats with a business-scoped user id only"},
		{&w.Media, "media", "share of past messages that are media placeholders"},
		{&w.MediaFollow, "media-follow", "share of recent placeholders whose asset follows"},
		{&w.MediaEchoed, "media-echoed", "share of assets that come as an echo"},
		{&w.Unsupported, "unsupported", "share of live messages with a placeholder of type unsupported first, and of repeated past messages"},
		{&w.Mixed, "mixed", "share of chunks that share their body with other fields"},
		{&w.Several, "several", "share of live webhooks that share their body with another business"},
		{&w.YCloud, "ycloud", "share of businesses that come through YCloud"},
		{&w.Spellings, "spellings", "share of numbers whose webhooks write phone numbers in several ways"},
		{&w.NoName, "no-name", "share of numbers whose history lacks their phone number"},
		{&w.NoSender, "no-sender", "share of past messages without a sender"},
		{&w.Groups, "groups", "share of live webhooks of groups"},
		{&w.Crowds, "crowds", "share of live webhooks with messages of several users"},
		{&w.SameSecond, "same-second", "share of contacts and statuses with a second one in the same second"},
		{&w.Undated, "undated", "share of contacts without a timestamp, and of businesses whose account events have no time"},
		{&w.Twins, "twins", "share of messages and assets that are repeated under the second wamid of their message"},
		{&w.Aliases, "aliases", "share of echoes, account events and errors under another name"},
		{&w.Standby, "standby", "share of live webhooks that are copies for another application"},
		{&w.Handovers, "handovers", "share of live webhooks with a thread handover"},
		{&w.Odd, "odd", "share of live webhooks, chunks and contact webhooks with an invalid part"},
		{&w.Failures, "failures", "share of chunks with an additional error"},
		{&w.NewestFirst, "newest-first", "share of threads with the newest message first"},
		{&w.ZeroStart, "zero-start", "share of numbers whose chunk_order starts at 0"},
		{&w.NoLastPhase, "no-last-phase", "share of numbers without messages of the last phase"},
		{&w.SkipPhase, "skip-phase", "share of numbers without messages of the middle phase, which causes the phase hold of the processor"},
	} {
		f.Float64Var(v.to, v.name, *v.to, v.what)
	}
}

// aim sets the target and the signature for values without a flag, from the `up` on the data folder.
func (a *app) aim(cmd *cobra.Command, c *verify.SimulateConfig) error {
	if c.URL != "" {
		return nil
	}
	cfg, up, err := a.loadBeside(cmd)
	if err != nil {
		return err
	}
	if up == nil {
		return usagef("no up runs on data folder %s: start one, or say where to send to with --url and --secret-file", cfg.DataDir)
	}
	if up.Ingress == "" {
		return fmt.Errorf("the up on data folder %s is still starting: try again when %s/readyz answers with 200", cfg.DataDir, or(up.Admin, "its"))
	}
	sources := cfg.Ingress.Sources
	if len(sources) == 0 {
		if sources, err = readSecrets(cfg.DataDir); err != nil {
			return err
		}
	}
	for _, s := range sources {
		if len(s.Secrets) == 0 {
			continue
		}
		switch {
		case s.Provider == verify.ProviderMeta && c.URL == "":
			c.URL, c.Provider = up.Ingress+s.Path, s.Provider
			if c.Secret == "" {
				c.Secret = s.Secrets[0].Value
			}
		case s.Provider == verify.Provider360Dialog && c.DialogURL == "":
			c.DialogURL = up.Ingress + s.Path
			if c.DialogSecret == "" {
				c.DialogSecret = s.Secrets[0].Value
			}
		case s.Provider == verify.ProviderYCloud && c.YCloudURL == "":
			c.YCloudURL = up.Ingress + s.Path
			if c.YCloudSecret == "" {
				c.YCloudSecret = s.Secrets[0].Value
			}
		}
	}
	if c.URL == "" {
		return usagef("the up on data folder %s has no source of provider meta with a secret; say where to send to with --url and --secret-file", cfg.DataDir)
	}
	return nil
}

func (a *app) simulate(cmd *cobra.Command, c verify.SimulateConfig, output string) error {
	report, err := verify.Simulate(cmd.Context(), c, verify.NewProgress(cmd.ErrOrStderr(), isTerminal(a.io.Err)))
	if err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	out := cmd.OutOrStdout()
	if output == "json" {
		if err := writeJSON(out, report); err != nil {
			return err
		}
	} else if err := writeReport(out, &report, c.TruthFile); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	if cmd.Context().Err() != nil {
		return cmd.Context().Err()
	}
	if given := report.Unacked + report.Skipped; given > 0 {
		return fmt.Errorf("%d deliveries were given up or not begun; the last reason: %s", given, report.LastError)
	}
	return nil
}

func writeReport(out io.Writer, r *verify.SimulateReport, truthFile string) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	seconds := r.Elapsed.Seconds()
	sayf(w, "seed\t%d\n", r.Seed)
	sayf(w, "numbers\t%d\n", r.Numbers)
	sayf(w, "past messages\t%d\n", r.Messages)
	sayf(w, "webhooks\t%d, %d deliveries with repetitions\n", r.Bodies, r.Deliveries)
	sayf(w, "acknowledged\t%d, %d retries\n", r.Acked, r.Retries)
	sayf(w, "given up\t%d, %d not begun\n", r.Unacked, r.Skipped)
	if seconds > 0 {
		sayf(w, "took\t%s, %.1f MB/s\n", r.Elapsed.Round(10*time.Millisecond), float64(r.Bytes)/1e6/seconds)
	}
	sayf(w, "truth\t%s\n", truthFile)
	return w.Flush()
}

// durationFlag is a duration flag that accepts days.
func durationFlag(f *pflag.FlagSet, to *time.Duration, name, what string) {
	f.Var((*durationValue)(to), name, what)
}

type durationValue time.Duration

func (d *durationValue) String() string { return config.FormatDuration(time.Duration(*d)) }
func (d *durationValue) Type() string   { return "duration" }
func (d *durationValue) Set(s string) error {
	v, err := config.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("%w; allowed: a duration such as 250ms, 30m or 14d", err)
	}
	*d = durationValue(v)
	return nil
}
