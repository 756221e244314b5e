package kafka

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestErrorsOfAClientAreWarningsAndRepeatedOnesAreNot(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	var out bytes.Buffer
	l := newClientLog(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelInfo})), func() time.Time { return now })
	if l.Level() != kgo.LogLevelError {
		t.Errorf("level %v", l.Level())
	}
	for range 3 {
		l.Log(kgo.LogLevelError, "one", "broker", "1")
	}
	l.Log(kgo.LogLevelError, "other")
	l.Log(kgo.LogLevelWarn, "retried")
	now = now.Add(clientLogPause)
	l.Log(kgo.LogLevelError, "one", "broker", "2")
	var got []string
	for line := range strings.Lines(out.String()) {
		_, line, _ = strings.Cut(strings.TrimSpace(line), " ")
		got = append(got, line)
	}
	want := `level=WARN msg=one component="kafka client" broker=1
level=WARN msg=other component="kafka client"
level=WARN msg=one component="kafka client" broker=2`
	if s := strings.Join(got, "\n"); s != want {
		t.Errorf("logged\n%s\nwant\n%s", s, want)
	}
	for i := range 3 * clientLogMessagesMax {
		l.Log(kgo.LogLevelError, strings.Repeat("x", i))
	}
	if n := len(l.warned); n > clientLogMessagesMax {
		t.Errorf("%d messages are remembered", n)
	}
}

func TestClientsOfAConnectionLog(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	var out bytes.Buffer
	c := Connection{
		Brokers: cluster.ListenAddrs(), ClientID: "test", DialTimeout: time.Second, RequestTimeout: time.Second,
		Log: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	cl, err := kgo.NewClient(append(c.Franz(), kgo.TransactionalID("tx"))...)
	if err != nil {
		t.Fatal(err)
	}
	if err := cl.BeginTransaction(); err != nil {
		t.Error(err)
	}
	cl.Close()
	if s := out.String(); !strings.Contains(s, `msg="beginning transaction" component="kafka client"`) {
		t.Errorf("logged %q", s)
	}
}
