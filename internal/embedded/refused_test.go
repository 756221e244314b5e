package embedded

import (
	"context"
	"errors"
	"log/slog"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const childLimitEnv = "EMBEDDED_TEST_FILE_BYTES"

// limitFiles makes the kernel cut and refuse writes beyond a size, as a full disk does: the write that crosses it is
// torn, and later ones are refused.
func limitFiles(value string) error {
	if value == "" {
		return nil
	}
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil {
		return err
	}
	signal.Ignore(syscall.SIGXFSZ)
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: n})
}

// The disk tears a write and refuses others, in logs, indexes and state logs. Acknowledged records are present once at
// their offsets, and none of them counts as lost.
func TestTornAndRefusedWritesLoseNothingAcknowledged(t *testing.T) {
	t.Parallel()
	for _, limit := range []string{"2000", "5000", "20011"} {
		t.Run(limit, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			c := startChild(t, dir, true)
			createTopic(t, c.addr, "t", 1, nil)
			c.stop()

			c = startChild(t, dir, true, childLimitEnv+"="+limit)
			cl := client(t, c.addr, kgo.DisableIdempotentWrite(), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.RecordRetries(0))
			acked, refused := map[uint64]int64{}, 0
			for n := uint64(0); refused < 5 && n < 1000; n++ {
				r := numbered("t", 0, n)
				r.Key = make([]byte, n*37%300)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				if err := cl.ProduceSync(ctx, r).FirstErr(); err == nil {
					acked[n] = r.Offset
				} else {
					refused++
				}
				cancel()
			}
			if refused == 0 || len(acked) == 0 {
				t.Fatalf("%d refused, %d acknowledged: the test tests nothing", refused, len(acked))
			}
			c.kill()

			c = startChild(t, dir, true)
			found := map[uint64]int64{}
			for _, r := range readCommitted(t, c.addr, "t", 0) {
				if at, twice := found[number(r)]; twice {
					t.Errorf("record %d is there at %d and %d", number(r), at, r.Offset)
				}
				found[number(r)] = r.Offset
			}
			for n, offset := range acked {
				if at, ok := found[n]; !ok || at != offset {
					t.Errorf("record %d was acknowledged at %d; is there: %v, at %d", n, offset, ok, at)
				}
			}
			notes, err := Quarantined(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range notes {
				if d.Lost {
					t.Errorf("counted as lost: %s", &d)
				}
			}
		})
	}
}

// A verification of a running broker finds nothing, at any work of the broker.
func TestVerificationBesideABrokerAtWorkFindsNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := open(t, dir)
	createTopic(t, b.Addr(), "table", 1, compactedTopic)
	createTopic(t, b.Addr(), "log", 1, map[string]string{"segment.bytes": "4000", "retention.bytes": "20000"})
	cl := client(t, b.Addr())
	var written atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		for n := uint64(0); ctx.Err() == nil; n++ {
			r, k := numbered("log", 0, n), numbered("table", 0, n)
			k.Key = []byte{byte(n % 10)}
			if err := cl.ProduceSync(ctx, r, k).FirstErr(); err != nil && !errors.Is(err, context.Canceled) {
				ended <- err
				return
			}
			written.Add(1)
		}
		ended <- nil
	}()
	for round := 0; round < 40 || written.Load() < 200; round++ {
		if _, err := b.Clean(t.Context()); err != nil {
			t.Fatal(err)
		}
		v, err := Verify(dir, VerifyOptions{Running: true})
		if err != nil || len(v.Damage) > 0 {
			t.Fatalf("round %d: %v, %v", round, v.Damage, err)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if v, err := Verify(dir, VerifyOptions{}); err != nil || len(v.Damage) > 0 || v.Partitions != 2 {
		t.Errorf("after a stop: %+v, %v", v, err)
	}
	if r, err := recoverFolder(testFolder(dir), time.Now(), slog.New(slog.DiscardHandler)); err != nil || r.Partitions != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}
