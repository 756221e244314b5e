package embedded

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/internal/private"
)

func TestFolderHasOneUser(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Acquire(dir)
	if !errors.Is(err, private.ErrInUse) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "--data-dir") {
		t.Errorf("second user: %v", err)
	}
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	again, err := Acquire(dir)
	if err != nil {
		t.Fatalf("after the first user left: %v", err)
	}
	if err := again.Release(); err != nil {
		t.Error(err)
	}
}

func TestLockOfAKilledProcessIsFree(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	startChild(t, dir, false).kill()
	l, err := Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Release(); err != nil {
		t.Error(err)
	}
}

func TestTakenPortIsAnErrorUnlessAnyWillDo(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cfg := testConfig(t.TempDir(), false)
	cfg.Listen = l.Addr().String()
	if _, err := Open(cfg, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), cfg.Listen) {
		t.Errorf("taken port: %v", err)
	}
	cfg.AnyPort = true
	b, err := Open(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if b.Addr() == cfg.Listen {
		t.Errorf("broker listens on %s, which is taken", b.Addr())
	}
	if err := b.Ready(); err != nil {
		t.Error(err)
	}
}

func TestConfigNamesKeyValueAndAllowed(t *testing.T) {
	t.Parallel()
	for key, change := range map[string]func(*Config){
		"embedded.listen":          func(c *Config) { c.Listen, c.Advertise = "0.0.0.0:9092", "broker:9092" }, // without a password
		"embedded.advertise":       func(c *Config) { c.Listen, c.Password = ":9092", "x" },
		"data_dir":                 func(c *Config) { c.Dir = "" },
		"embedded.segment_bytes":   func(c *Config) { c.SegmentBytes = 10 },
		"CleanInterval":            func(c *Config) { c.CleanInterval = 0 },
		"topics.max_message_bytes": func(c *Config) { c.MessageBytes = 10 },
	} {
		cfg := DefaultConfig("x")
		change(&cfg)
		err := cfg.Validate()
		if err == nil || !strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), "allowed") {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func TestFolderOfAnotherFormatIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/meta.json", []byte(`{"version":2}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(testConfig(dir, false), slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "version 2, want 1") {
		t.Errorf("%v", err)
	}
}
