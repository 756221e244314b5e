package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// A role reads the secrets of its own section only, so that others' need not be mounted. All roles have the same hash of
// the configuration.
func TestARoleReadsItsOwnSecretFilesOnly(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "coexstream.yaml")
	yaml := strings.ReplaceAll(`
admin: {listen: "0.0.0.0:9090", token_file: DIR/admin}
kafka: {brokers: ["kafka:9092"], sasl: {mechanism: plain, username: u, password_file: DIR/kafka}}
ingress: {sources: [{name: meta, verify_token_file: DIR/ingress, secrets: [{id: app, value_file: DIR/ingress}]}]}
sink: {postgres: {url_file: DIR/sink.postgres}}
`, "DIR", dir)
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	sections := []string{"admin", "kafka", "ingress", "sink.postgres"}
	// load reads the configuration as a command does, with the files of some sections missing.
	load := func(command string, missing ...string) (string, error) {
		t.Helper()
		for _, s := range sections {
			if err := os.WriteFile(filepath.Join(dir, s), []byte("0123456789abcdef0123456789abcdef\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, s := range missing {
			if err := os.Remove(filepath.Join(dir, s)); err != nil {
				t.Fatal(err)
			}
		}
		a := &app{io: IO{Out: t.Output(), Err: t.Output()}}
		root := a.root()
		args := strings.Fields(command)
		cmd, rest, err := root.Find(args)
		if err != nil || len(rest) > 0 {
			t.Fatalf("%s: no command: %v", command, err)
		}
		hash := ""
		cmd.Args = nil
		cmd.RunE = func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load(cmd, nil)
			if err == nil {
				hash, err = cfg.Hash()
			}
			return err
		}
		root.SetArgs(append(args, "--config", file))
		return hash, root.Execute()
	}
	want, err := load("config validate")
	if err != nil {
		t.Fatal(err)
	}
	for command, own := range map[string]string{
		"ingress": "ingress", "process": "", "topics create": "", "tail": "", "dlq list": "", "spool verify": "",
		"sink postgres": "sink.postgres", "sink postgres migrate": "sink.postgres", "sink webhook": "", "sink archive": "",
		"up": "ingress sink.postgres", "replay": "ingress sink.postgres", "doctor": "ingress sink.postgres", "config validate": "ingress sink.postgres",
	} {
		var others []string
		for _, s := range sections {
			if s == "ingress" || s == "sink.postgres" {
				if !strings.Contains(own, s) {
					others = append(others, s)
				}
			}
		}
		if hash, err := load(command, others...); err != nil || hash != want {
			t.Errorf("%s without the secrets of %v: hash %s, %v; want %s", command, others, hash, err, want)
		}
		for _, s := range append(strings.Fields(own), "admin", "kafka") {
			if _, err := load(command, s); err == nil || !strings.Contains(err.Error(), filepath.Join(dir, s)) {
				t.Errorf("%s without the secrets of %s: %v, want an error", command, s, err)
			}
		}
	}
}
