package embedded

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestABrokerWithoutItsFolderEnds(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(dir string) error{
		"moved":            func(dir string) error { return os.Rename(dir, dir+".away") },
		"removed":          os.RemoveAll,
		"its logs removed": func(dir string) error { return os.RemoveAll(filepath.Join(dir, "partitions")) },
		"replaced": func(dir string) error {
			if err := os.Rename(dir, dir+".away"); err != nil {
				return err
			}
			return os.Mkdir(dir, 0o700)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "broker")
			b, err := Open(testConfig(dir, false), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = b.Close() })
			createTopic(t, b.Addr(), "table", 1, nil)
			writeKeys(t, b.Addr(), "table", 3)
			if err := b.checkHome(); err != nil {
				t.Error(err)
			}
			if err := lose(dir); err != nil {
				t.Fatal(err)
			}
			if err := b.Run(t.Context()); err == nil || !strings.Contains(err.Error(), dir+" was moved or removed") {
				t.Errorf("the broker ended with %v", err)
			}
		})
	}
}
