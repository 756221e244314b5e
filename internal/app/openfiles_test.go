package app

import (
	"bytes"
	"log/slog"
	"math"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/internal/config"
)

func TestConnectionsLeaveFilesForLogsAndTables(t *testing.T) {
	for _, c := range []struct {
		files                          uint64
		perClient                      int // configured
		ingress, client, admin, broker int // after it
		lowered                        bool
	}{
		{0, 512, 4096, 512, 128, 1024, false}, // unknown
		{math.MaxUint64, 512, 4096, 512, 128, 1024, false},
		{20000, 512, 4096, 512, 128, 1024, false},
		{6998, 512, 4095, 511, 127, 1023, true}, // three quarters are 5247, one too few
		{7000, 512, 4096, 512, 128, 1024, false},
		{1024, 512, 599, 74, 18, 149, true},
		{1024, 0, 599, 0, 18, 149, true},
		{64, 512, 37, 8, 8, 9, true},
		{8, 512, 8, 8, 8, 8, true},
	} {
		cfg := &config.Config{}
		cfg.Ingress.ConnectionsMax, cfg.Ingress.PerClientMax, cfg.Admin.ConnectionsMax, cfg.Embedded.ConnectionsMax = 4096, c.perClient, 128, 1024
		var log bytes.Buffer
		fitConnections(cfg, c.files, slog.New(slog.NewTextHandler(&log, nil)))
		got := [4]int{cfg.Ingress.ConnectionsMax, cfg.Ingress.PerClientMax, cfg.Admin.ConnectionsMax, cfg.Embedded.ConnectionsMax}
		if want := [4]int{c.ingress, c.client, c.admin, c.broker}; got != want {
			t.Errorf("%d files: %v, want %v", c.files, got, want)
		}
		if lowered := strings.Contains(log.String(), "connection limits are lowered"); lowered != c.lowered {
			t.Errorf("%d files: logged %q", c.files, log.String())
		}
	}
}
