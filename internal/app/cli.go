package app

import (
	"context"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/coexstream/coexstream/internal/config"
)

// IO has the standard streams and the environment of a run.
type IO struct {
	In      io.Reader
	Out     io.Writer
	Err     io.Writer
	Environ []string
}

// Main runs the command line until it is done or ctx ends, and returns the exit code.
func Main(ctx context.Context, args []string, surroundings IO) int {
	a := &app{io: surroundings}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.io.In)
	root.SetOut(a.io.Out)
	root.SetErr(a.io.Err)
	cmd, err := root.ExecuteContextC(ctx)
	code := exitCode(err)
	switch {
	case err == nil, errors.Is(err, errFaults):
	case code == ExitInterrupted:
		sayf(a.io.Err, "coexstream: interrupted\n")
	default:
		sayf(a.io.Err, "coexstream: %v\n", a.withoutUp(err))
		if code == ExitUsage && !errors.Is(err, config.ErrInvalid) {
			sayf(a.io.Err, "Run '%s --help' for usage.\n", cmd.CommandPath())
		}
	}
	return code
}

type app struct {
	io     IO
	file   string
	sets   []string
	warned bool // the warnings of the configuration were written

	// guessed is the data folder of a command without brokers. They should come from an up on this folder.
	guessed string
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "coexstream",
		Short: "WhatsApp coexistence webhooks in, ordered and deduplicated Kafka topics out",
		Long: `coexstream receives the webhooks of WhatsApp coexistence onboardings and stores each one before it answers 200.
It turns them into ordered, deduplicated and documented Kafka topics.

` + exitHelp + `

Configuration comes from a YAML file, the environment and flags. A later one overrides an earlier one.
'coexstream config keys' lists every key.`,
		Example: `  coexstream up                               everything in one process, data in ./data
  coexstream tail messages --from-beginning   read a topic
  coexstream doctor                           find problems and their solutions
  coexstream config keys                      every configuration key`,
		SilenceUsage: true, SilenceErrors: true,
		Args: subcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.CompletionOptions.HiddenDefaultCmd = true
	f := root.PersistentFlags()
	f.StringVar(&a.file, "config", "", "configuration file (default ./"+config.DefaultFile+" if it exists; "+config.ConfigEnv+")")
	f.StringArrayVar(&a.sets, "set", nil, "set any configuration key: --set key=value, repeatable")
	bind(f, "data-dir", "data_dir", "data folder")
	bind(f, "brokers", "kafka.brokers", "Kafka bootstrap addresses, separated by commas")
	bind(f, "prefix", "kafka.prefix", "prefix of all topic names")
	bind(f, "log-level", "log.level", "debug, info, warn or error")
	bind(f, "log-format", "log.format", "auto, text or json")
	root.AddCommand(
		a.upCommand(), onlySecrets(a.ingressCommand(), "ingress"), onlySecrets(a.processCommand()), onlySecrets(a.topicsCommand()),
		onlySecrets(a.tailCommand()), a.replayCommand(), onlySecrets(a.dlqCommand()), a.sinkCommand(), onlySecrets(a.deskCommand(), "desk.app_token", "ingress"), onlySecrets(a.syncCommand(), "desk.client_token"), onlySecrets(a.spoolCommand()), a.brokerCommand(), a.simulateCommand(), a.checkCommand(), a.doctorCommand(), a.configCommand(),
		a.versionCommand(),
	)
	return root
}

func suggestions(cmd *cobra.Command, name string) string {
	cmd.SuggestionsMinimumDistance = 2
	if s := cmd.SuggestionsFor(name); len(s) > 0 {
		return fmt.Sprintf("; did you mean %s?", strings.Join(s, ", "))
	}
	return ""
}

// keyAnnotation connects a flag with its configuration key.
const keyAnnotation = "coexstream-key"

// bind adds a flag that sets a configuration key. Package config checks the value.
func bind(f *pflag.FlagSet, flag, key, usage string) {
	f.String(flag, "", usage+" (key "+key+")")
	tie(f, flag, key)
}

// bindBool is bind for a flag whose value can be omitted.
func bindBool(f *pflag.FlagSet, flag, key, usage string) {
	f.Bool(flag, true, usage+" (key "+key+")")
	tie(f, flag, key)
}

func tie(f *pflag.FlagSet, flag, key string) {
	f.Lookup(flag).Annotations = map[string][]string{keyAnnotation: {key}}
}

// given returns the keys that flags of this run set.
func (a *app) given(cmd *cobra.Command) (map[string]string, error) {
	values := map[string]string{}
	for _, set := range a.sets {
		key, value, ok := strings.Cut(set, "=")
		if !ok {
			return nil, usagef("--set %q is not key=value", set)
		}
		values[key] = value
	}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if key := f.Annotations[keyAnnotation]; len(key) == 1 {
			values[key[0]] = f.Value.String()
		}
	})
	return values, nil
}

// secretsAnnotation has the sections and keys whose secret files a command reads.
const secretsAnnotation = "coexstream-secrets"

// onlySecrets lets a command and its subcommands read the secret files of Kafka, the admin listener and these sections or keys only.
// The role then needs no access to the secrets of others. Without it, a command reads all.
func onlySecrets(cmd *cobra.Command, sections ...string) *cobra.Command {
	cmd.Annotations = map[string]string{secretsAnnotation: strings.Join(append([]string{"kafka", "admin"}, sections...), " ")}
	return cmd
}

// secretsOf returns the sections and keys whose secret files the command reads; nil: all.
func secretsOf(cmd *cobra.Command) []string {
	for ; cmd != nil; cmd = cmd.Parent() {
		if sections, ok := cmd.Annotations[secretsAnnotation]; ok {
			return strings.Fields(sections)
		}
	}
	return nil
}

// load reads the configuration for a command.
func (a *app) load(cmd *cobra.Command, defaults config.Default) (*config.Config, error) {
	flags, err := a.given(cmd)
	if err != nil {
		return nil, err
	}
	file := a.file
	if file == "" {
		for _, kv := range a.io.Environ {
			if v, ok := strings.CutPrefix(kv, config.ConfigEnv+"="); ok {
				file = v
			}
		}
	}
	cfg, err := config.Load(config.Input{File: file, Environ: a.io.Environ, Flags: flags, Defaults: defaults, Secrets: secretsOf(cmd)})
	if err != nil {
		return nil, err
	}
	if !a.warned {
		for _, w := range cfg.Warnings() {
			a.logger(cfg).Warn(w)
		}
		a.warned = true
	}
	return cfg, nil
}

// loadBeside reads the configuration for a command. If an `up` runs on the same data folder, its settings are the
// defaults.
func (a *app) loadBeside(cmd *cobra.Command) (*config.Config, *running, error) {
	cfg, err := a.load(cmd, nil)
	if err != nil {
		return nil, nil, err
	}
	up, err := readRunning(cfg.DataDir)
	if err != nil {
		return cfg, nil, err
	}
	if !cfg.IsSet("kafka.brokers") {
		a.guessed = cfg.DataDir
	}
	if up != nil && !cfg.IsSet("kafka.brokers") {
		defaults := maps.Clone(up.Defaults)
		if up.Authenticates {
			// The folder is where this command finds it.
			defaults["kafka.sasl.password_file"] = brokerPasswordPath(cfg.DataDir)
		}
		cfg, err = a.load(cmd, defaults)
		return cfg, up, err
	}
	if len(cfg.Kafka.Brokers) == 0 {
		cfg.Kafka.Brokers = []string{"127.0.0.1:9092"}
	}
	return cfg, nil, nil
}

// withoutUp adds to the error of a command without brokers that no up runs.
func (a *app) withoutUp(err error) error {
	if a.guessed == "" || !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return fmt.Errorf("no up runs on data folder %s: start one, or name the cluster with --brokers or --config (%w)", a.guessed, err)
}

// logger returns a logger to standard error with the configured level and format.
func (a *app) logger(cfg *config.Config) *slog.Logger {
	level := slog.LevelInfo
	_ = level.UnmarshalText([]byte(cfg.Log.Level)) // validated by config
	opts := &slog.HandlerOptions{Level: level}
	if cfg.Log.Format == "json" || cfg.Log.Format == "auto" && !isTerminal(a.io.Err) {
		opts.ReplaceAttr = asText
		return slog.New(slog.NewJSONHandler(a.io.Err, opts))
	}
	return slog.New(slog.NewTextHandler(a.io.Err, opts))
}

// asText writes durations and named numbers, such as a topic, as the text format does. JSON would have nanoseconds and the bare number.
func asText(_ []string, a slog.Attr) slog.Attr {
	switch v := a.Value.Any().(type) {
	case time.Duration:
		a.Value = slog.StringValue(v.String())
	case error, json.Marshaler, encoding.TextMarshaler, slog.Level:
	case fmt.Stringer:
		a.Value = slog.StringValue(v.String())
	}
	return a
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// sayf writes text for users. A closed output is no error of the command.
func sayf(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }

// counted returns a number with its noun, "1 letter" or "2 letters".
func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// subcommand, atLeast, exactly and none check arguments. Their errors are usage errors.
func subcommand(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("unknown command %q for %q%s", args[0], cmd.CommandPath(), suggestions(cmd, args[0]))
	}
	return nil
}

func atLeast(n int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < n {
			return usagef("want %s, got %d arguments", what, len(args))
		}
		return nil
	}
}

func exactly(n int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != n {
			return usagef("want %s, got %s", what, counted(len(args), "argument"))
		}
		return nil
	}
}

func none(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("unexpected argument %q", args[0])
	}
	return nil
}

// checkOutput checks the value of --output.
func checkOutput(value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return invalidUsage("--output", value, "%s", strings.Join(allowed, ", "))
}
