package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/netip"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/schemas"
)

// TestLogsNameTopicsAndUnitsInBothFormats writes the same line as text and as JSON.
func TestLogsNameTopicsAndUnitsInBothFormats(t *testing.T) {
	line := []any{
		"took", 1181 * time.Millisecond, "topic", schemas.TopicEchoes, "error", errors.New("refused"), "address", netip.MustParseAddr("127.0.0.1"),
		"offset", int64(1468), slog.Group("of", "waited", time.Minute),
	}
	var text, lines bytes.Buffer
	for format, to := range map[string]*bytes.Buffer{"text": &text, "json": &lines} {
		cfg := &config.Config{}
		cfg.Log.Level, cfg.Log.Format = "info", format
		(&app{io: IO{Err: to}}).logger(cfg).Warn("a line", line...)
	}
	var got map[string]any
	if err := json.Unmarshal(lines.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	delete(got, "time")
	of, _ := got["of"].(map[string]any)
	delete(got, "of")
	want := map[string]any{
		"level": "WARN", "msg": "a line", "took": "1.181s", "topic": "echoes", "error": "refused", "address": "127.0.0.1", "offset": 1468.0,
	}
	if !maps.Equal(got, want) || of["waited"] != "1m0s" {
		t.Errorf("%s", lines.Bytes())
	}
	for _, part := range []string{"level=WARN", `msg="a line"`, "took=1.181s", "topic=echoes", "error=refused", "address=127.0.0.1", "offset=1468", "of.waited=1m0s"} {
		if !bytes.Contains(text.Bytes(), []byte(part)) {
			t.Errorf("%q is not in %s", part, text.Bytes())
		}
	}
}
