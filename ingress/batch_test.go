package ingress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

func batchOf(n int) *batch {
	b := new(batch)
	b.reset()
	for i := range n {
		b.records = append(b.records, record("1", fmt.Sprint(i)))
	}
	return b
}

// readOne reads a record as the client does.
func readOne(t *testing.T, b *batch) (string, error) {
	t.Helper()
	r, err := b.ReadRecord()
	if err != nil {
		return "", err
	}
	value, err := io.ReadAll(r.Value)
	if err != nil {
		t.Fatal(err)
	}
	return string(value), r.Value.Close()
}

func TestDroppedRecordIsNotReadAndStoppedBatchReadsNothing(t *testing.T) {
	b := batchOf(4)
	b.drop(0)
	b.drop(2)
	for _, want := range []string{"1", "3"} {
		if got, err := readOne(t, b); got != want || err != nil {
			t.Errorf("%q %v, want %q", got, err, want)
		}
	}
	if _, err := readOne(t, b); err != io.EOF {
		t.Errorf("%v, want the end", err)
	}
	b = batchOf(2)
	if _, err := readOne(t, b); err != nil {
		t.Fatal(err)
	}
	b.stop()
	if _, err := readOne(t, b); !errors.Is(err, errBatchStopped) {
		t.Errorf("%v, want stopped", err)
	}
}

func TestRecordIsGivenBackOnlyWhenItIsNotBeingRead(t *testing.T) {
	for name, giveBack := range map[string]func(*batch){"drop": func(b *batch) { b.drop(0) }, "stop": (*batch).stop} {
		b := batchOf(1)
		r, err := b.ReadRecord()
		if err != nil {
			t.Fatal(err)
		}
		given := make(chan struct{})
		go func() {
			giveBack(b)
			close(given)
		}()
		select {
		case <-given:
			t.Errorf("%s returned while the record was being read", name)
		case <-time.After(20 * time.Millisecond):
		}
		if err := r.Value.Close(); err != nil {
			t.Fatal(err)
		}
		<-given
	}
}

func TestJudge(t *testing.T) {
	type outcome struct {
		kind                             string
		final, unknown, tooLarge, atOnce bool
	}
	for _, c := range []struct {
		err  error
		want outcome
	}{
		{kafka.NotLeaderForPartition, outcome{kind: "leader"}},
		{protocol.NewErrNoLeader("t", 1), outcome{kind: "leader"}},
		{protocol.NewErrNoTopic("t"), outcome{kind: "leader"}},
		{kafka.RequestTimedOut, outcome{kind: "timeout", unknown: true}},
		{context.DeadlineExceeded, outcome{kind: "timeout", unknown: true, atOnce: true}},
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, outcome{kind: "timeout", unknown: true, atOnce: true}},
		{kafka.NotEnoughReplicas, outcome{kind: "replicas"}},
		{kafka.NotEnoughReplicasAfterAppend, outcome{kind: "replicas", unknown: true}},
		{kafka.MessageSizeTooLarge, outcome{kind: "too_large", final: true, tooLarge: true}},
		{kafka.TopicAuthorizationFailed, outcome{kind: "auth", final: true}},
		{kafka.SASLAuthenticationFailed, outcome{kind: "auth", final: true}},
		{kafka.InvalidTimestamp, outcome{kind: "rejected", final: true}},
		{kafka.KafkaStorageError, outcome{kind: "other", unknown: true}},
		{kafka.Error(12345), outcome{kind: "other", unknown: true}},
		{io.EOF, outcome{kind: "cut", unknown: true, atOnce: true}},
		{io.ErrUnexpectedEOF, outcome{kind: "cut", unknown: true, atOnce: true}},
		{syscall.ECONNRESET, outcome{kind: "cut", unknown: true, atOnce: true}},
		{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, outcome{kind: "cut"}},
	} {
		v := judge(fmt.Errorf("kafka.(*Client).Produce: %w", c.err))
		if got := (outcome{v.kind.String(), v.final, v.unknown, v.tooLarge, v.atOnce}); got != c.want {
			t.Errorf("%v: %+v, want %+v", c.err, got, c.want)
		}
	}
}

func TestReadinessFailsAfterTheGraceAndComesBackByItself(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	h := &health{log: slog.New(slog.DiscardHandler), now: func() time.Time { return now }, grace: 5 * time.Second, forget: 10 * time.Second}
	step := func(d time.Duration, what func(), ready bool) {
		t.Helper()
		now = now.Add(d)
		if what != nil {
			what()
		}
		if err := h.ready(); (err == nil) != ready {
			t.Errorf("at %s: %v", now, err)
		}
	}
	fail := func() { h.failed(errors.New("why")) }
	step(0, nil, true)
	step(time.Second, fail, true)
	step(4*time.Second, fail, true)
	step(time.Second, fail, false)
	if err := h.ready(); !strings.Contains(err.Error(), "why") {
		t.Errorf("%v does not say why", err)
	}
	step(9*time.Second, nil, false)
	step(time.Second, nil, true) // let somebody try
	step(0, fail, false)
	step(0, h.succeeded, true)
	step(time.Second, fail, true)
}
