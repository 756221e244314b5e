package app

import (
	"bytes"
	"net"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func invoke(t *testing.T, environ []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Main(t.Context(), args, IO{In: strings.NewReader(""), Out: &out, Err: &errs, Environ: environ})
	return out.String(), errs.String(), code
}

func TestEveryCommandHasHelpWithAnExample(t *testing.T) {
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		if cmd.Short == "" || cmd.Example == "" || !strings.HasPrefix(cmd.Example, "  coexstream") {
			t.Errorf("%s: short %q, example %q", cmd.CommandPath(), cmd.Short, cmd.Example)
		}
		args := append(strings.Fields(cmd.CommandPath())[1:], "--help")
		if out, _, code := invoke(t, nil, args...); code != ExitOK || !strings.Contains(out, "Usage:") {
			t.Errorf("%v: exit code %d\n%s", args, code, out)
		}
		for _, sub := range cmd.Commands() {
			if !sub.Hidden && sub.Name() != "help" && sub.Name() != "completion" {
				visit(sub)
			}
		}
	}
	root := (&app{}).root()
	visit(root)
	var names []string
	for _, sub := range root.Commands() {
		names = append(names, sub.Name())
	}
	for _, want := range []string{"up", "ingress", "process", "topics", "tail", "simulate", "check", "doctor", "config", "version"} {
		if !slices.Contains(names, want) {
			t.Errorf("there is no command %s", want)
		}
	}
}

func TestExitCodesAreDocumentedAndTold(t *testing.T) {
	t.Chdir(t.TempDir())
	help, _, _ := invoke(t, nil, "--help")
	for _, line := range []string{"  0    ", "  1    ", "  2    ", "  3    ", "  130  "} {
		if !strings.Contains(help, line) {
			t.Errorf("help does not explain%s", line)
		}
	}
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"version"}, ExitOK, ""},
		{[]string{"config", "validate"}, ExitOK, ""},
		{[]string{"nonsense"}, ExitUsage, `unknown command "nonsense"`},
		{[]string{"topcs"}, ExitUsage, "did you mean topics?"},
		{[]string{"topics", "descibe"}, ExitUsage, "did you mean describe?"},
		{[]string{"up", "--nonsense"}, ExitUsage, "unknown flag: --nonsense"},
		{[]string{"up", "extra"}, ExitUsage, "unexpected argument"},
		{[]string{"tail"}, ExitUsage, "at least one topic"},
		{[]string{"tail", "nothing"}, ExitUsage, "allowed: raw.live, raw.bulk"},
		{[]string{"tail", "history", "--since", "soon"}, ExitUsage, "--since"},
		{[]string{"tail", "history", "--since", "1h", "--from-beginning"}, ExitUsage, "exclude each other"},
		{[]string{"tail", "history", "--output", "xml"}, ExitUsage, "allowed: text, json"},
		{[]string{"config", "print", "--set", "kafka.prefix"}, ExitUsage, "is not key=value"},
		{[]string{"config", "print", "--set", "kafka.partitions=0"}, ExitUsage, "1 to 1024"},
		{[]string{"config", "print", "--config", "absent.yaml"}, ExitUsage, "absent.yaml"},
		{[]string{"ingress"}, ExitUsage, "ingress.sources"},
		{[]string{"simulate"}, ExitUsage, "no up runs on data folder"},
		{[]string{"simulate", "--url", "x", "--secret", "y"}, ExitUsage, "url"},
		{[]string{"simulate", "--businesses", "0", "--url", "http://localhost:1/x", "--secret", "y"}, ExitUsage, "businesses: 0 is not allowed"},
		{[]string{"simulate", "--secret-file", "absent"}, ExitUsage, "--secret-file: open absent"},
		{[]string{"simulate", "--dialog-secret-file", "absent"}, ExitUsage, "--dialog-secret-file: open absent"},
		{[]string{"check", "--secret-file", "absent"}, ExitUsage, "--secret-file: open absent"},
		{[]string{"check", "--secret-file", os.DevNull}, ExitUsage, "it holds no secret"},
		{[]string{"doctor", "--only", "nothing"}, ExitUsage, "allowed: config, secrets, certificates"},
		{[]string{"doctor", "--output", "xml"}, ExitUsage, "allowed: text, json"},
		{[]string{"doctor", "--timeout", "0s"}, ExitUsage, "more than 0"},
		{[]string{"doctor", "--admin", "ftp://x"}, ExitUsage, "http://host:port"},
		{[]string{"doctor", "--only", "config"}, ExitOK, ""},
		{[]string{"doctor", "--only", "config", "--set", "kafka.partitions=0"}, ExitFaults, ""},
		{[]string{"doctor", "--brokers", "127.0.0.1:1", "--timeout", "10s"}, ExitFaults, ""},
		{[]string{"topics", "verify", "--brokers", "127.0.0.1:1"}, ExitFailure, "127.0.0.1:1"},
		{[]string{"topics", "verify", "--brokers", "nonsense"}, ExitUsage, "host:port"},
		{[]string{"check", "--brokers", "127.0.0.1:1", "--truth", "absent.jsonl"}, ExitFailure, ""},
	} {
		_, stderr, code := invoke(t, nil, tt.args...)
		if code != tt.code || !strings.Contains(stderr, tt.says) {
			t.Errorf("%v: exit code %d, want %d; says %q, want %q", tt.args, code, tt.code, stderr, tt.says)
		}
	}
}

func TestFlagsWinOverEnvironmentOverFile(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("other.yaml", []byte("kafka: {prefix: file., client_id: file}\nlog: {level: warn}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	environ := []string{"COEXSTREAM_CONFIG=other.yaml", "COEXSTREAM_KAFKA_PREFIX=env.", "COEXSTREAM_KAFKA_CLIENT_ID=env"}
	out, stderr, code := invoke(t, environ, "config", "print", "--prefix", "flag.", "--set", "kafka.partitions=7")
	if code != ExitOK {
		t.Fatal(stderr)
	}
	for _, line := range []string{"prefix: flag. # from a flag", "client_id: env # from COEXSTREAM_KAFKA_CLIENT_ID", "level: warn # from other.yaml", "partitions: 7 # from a flag"} {
		if !strings.Contains(out, line) {
			t.Errorf("%q is not in\n%s", line, out)
		}
	}
}

// The default address of a broker has nobody behind it: the error says what to start, as that of simulate does.
func TestCommandsWithoutAnUpAndWithoutBrokersSayWhatToStart(t *testing.T) {
	t.Chdir(t.TempDir())
	stale := &running{Defaults: map[string]string{"kafka.brokers": "127.0.0.1:1"}} // as a kill -9 leaves it
	if err := os.Mkdir("data", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := stale.write("data"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("truth.jsonl", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"tail", "messages"}, {"dlq", "list"}, {"topics", "verify"}, {"topics", "describe"}, {"check", "--truth", "truth.jsonl"},
	} {
		_, stderr, code := invoke(t, nil, args...)
		if want := "no up runs on data folder data: start one, or name the cluster with --brokers"; code != ExitFailure || !strings.Contains(stderr, want) {
			t.Errorf("%v: exit code %d\n%s", args, code, stderr)
		}
		if _, stderr, code := invoke(t, nil, append(args, "--brokers", "127.0.0.1:1")...); code != ExitFailure || strings.Contains(stderr, "no up runs") {
			t.Errorf("%v with brokers: exit code %d\n%s", args, code, stderr)
		}
	}
}

func TestCheckWithoutAGroundTruthSaysWhatToRunFirst(t *testing.T) {
	t.Chdir(t.TempDir())
	_, stderr, code := invoke(t, nil, "check", "--brokers", "127.0.0.1:1")
	if code != ExitFailure || !strings.Contains(stderr, "there is no ground truth at simulate-truth.jsonl: run 'coexstream simulate' first") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}

func TestAPortThatIsTakenNamesTheFlagThatChoosesAnother(t *testing.T) {
	t.Chdir(t.TempDir())
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	taken := l.Addr().String()
	for flag, args := range map[string][]string{
		"--admin-listen":  {"process", "--brokers", "127.0.0.1:1", "--instance-id", "a", "--admin-listen", taken},
		"--listen":        {"up", "--admin-listen", "", "--broker-listen", "127.0.0.1:0", "--listen", taken},
		"--broker-listen": {"up", "--admin-listen", "", "--listen", "127.0.0.1:0", "--broker-listen", taken},
	} {
		_, stderr, code := invoke(t, nil, args...)
		if code != ExitFailure || !strings.Contains(stderr, "listen "+taken) || !strings.Contains(stderr, "choose another address with "+flag+"\n") {
			t.Errorf("%v: exit code %d\n%s", args, code, stderr)
		}
	}
}

// Commands beside an `up` have its settings as defaults, and nothing else of it.
func TestCommandsFindTheUpBesideThem(t *testing.T) {
	t.Chdir(t.TempDir())
	a := &app{io: IO{}}
	load := func(args ...string) *loaded {
		t.Helper()
		l := &loaded{}
		cmd := a.root()
		cmd.SetArgs(append([]string{"probe"}, args...))
		cmd.AddCommand(&cobra.Command{Use: "probe", RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, up, err := a.loadBeside(cmd)
			if err == nil {
				l.brokers, l.partitions, l.found = cfg.Kafka.Brokers, cfg.Kafka.Partitions, up != nil
			}
			return err
		}})
		if err := cmd.Execute(); err != nil {
			t.Fatal(err)
		}
		return l
	}
	if l := load(); l.found || l.brokers[0] != "127.0.0.1:9092" || l.partitions != 12 {
		t.Errorf("without an up: %+v", l)
	}
	if err := os.Mkdir("data", 0o755); err != nil {
		t.Fatal(err)
	}
	up := &running{Defaults: map[string]string{"kafka.brokers": "127.0.0.1:4711", "kafka.partitions": "4"}}
	if err := up.write("data"); err != nil {
		t.Fatal(err)
	}
	if l := load(); !l.found || l.brokers[0] != "127.0.0.1:4711" || l.partitions != 4 {
		t.Errorf("beside an up: %+v", l)
	}
	if l := load("--brokers", "kafka:1"); l.found || l.brokers[0] != "kafka:1" || l.partitions != 12 {
		t.Errorf("with other brokers: %+v", l)
	}
}

type loaded struct {
	brokers    []string
	partitions int
	found      bool
}
