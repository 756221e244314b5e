package app

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/coexstream/coexstream/internal/config"
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
desk: {app_token_file: DIR/desk.app_token, client_token_file: DIR/desk.client_token}
`, "DIR", dir)
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	restricted := []string{"ingress", "sink.postgres", "desk.app_token", "desk.client_token"}
	sections := append([]string{"admin", "kafka"}, restricted...)
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
	all := strings.Join(restricted, " ")
	for command, own := range map[string]string{
		"ingress": "ingress", "process": "", "topics create": "", "tail": "", "dlq list": "", "spool verify": "",
		"sink postgres": "sink.postgres", "sink postgres migrate": "sink.postgres", "sink webhook": "", "sink archive": "",
		"desk": "ingress desk.app_token", "sync start": "desk.client_token", "sync list": "desk.client_token",
		"up": all, "replay": all, "doctor": all, "config validate": all,
	} {
		var others []string
		for _, s := range restricted {
			if !slices.Contains(strings.Fields(own), s) {
				others = append(others, s)
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

// The desk of a preflight runs doctor without the secret files of other roles. They may be absent there.
func TestDoctorLooksAtTheSecretFilesOfItsRole(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "coexstream.yaml")
	yaml := strings.ReplaceAll(`
sink: {postgres: {url_file: DIR/sink.postgres}}
desk: {app_token_file: DIR/desk.app_token, client_token_file: DIR/desk.client_token, access_file: DIR/access}
`, "DIR", dir)
	for name, content := range map[string]string{"coexstream.yaml": yaml, "desk.app_token": "555|0123456789abcdef"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a := &app{io: IO{Out: t.Output(), Err: t.Output()}}
	cmd, _, err := a.root().Find([]string{"desk"})
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(config.Input{File: file, Secrets: secretsOf(cmd)})
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, f := range secretFiles(cfg, nil) {
		keys = append(keys, f.Key)
	}
	if want := []string{"desk.app_token_file", "desk.access_file"}; !slices.Equal(keys, want) {
		t.Errorf("files of %q, want %q", keys, want)
	}
}
