package app

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/coexstream/coexstream/internal/config"
)

// The report of an erasure names the places of the configuration that have copies of the events, and no others.
func TestTheReportOfAnErasureNamesOtherCopies(t *testing.T) {
	cfg := &config.Config{DataDir: t.TempDir()}
	if got := leftCopies(cfg); len(got) != 0 {
		t.Errorf("without other sinks: %+v", got)
	}
	file := filepath.Join(cfg.DataDir, "read.db")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg.Sink.Archive.URL, cfg.Sink.Webhook.EndpointsFile = "s3://bucket", "endpoints.yaml"
	var places []string
	for _, c := range leftCopies(cfg) {
		places = append(places, c.Place)
	}
	if got, want := fmt.Sprint(places), fmt.Sprint([]string{file, "s3://bucket", "endpoints.yaml"}); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
