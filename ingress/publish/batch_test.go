package publish

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/coexstream/coexstream/ingress/raw"
	"github.com/coexstream/coexstream/ingress/rawtest"
)

func batchOf(n int) *batch {
	b := new(batch)
	for i := range n {
		b.records = append(b.records, rawtest.Record("1", fmt.Sprint(i)))
	}
	return b
}

// decoded decodes a batch with the client library.
func decoded(t *testing.T, wire []byte) (protocol.RecordSet, []raw.Record) {
	t.Helper()
	var set protocol.RecordSet
	if _, err := set.ReadFrom(bytes.NewReader(wire)); err != nil {
		t.Fatal(err)
	}
	var got []raw.Record
	for {
		r, err := set.Records.ReadRecord()
		if errors.Is(err, io.EOF) {
			return set, got
		}
		if err != nil {
			t.Fatal(err)
		}
		all := func(from kafka.Bytes) []byte {
			if from == nil {
				return nil
			}
			out, err := io.ReadAll(from)
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		if r.Offset != int64(len(got)) {
			t.Errorf("offset %d of record %d", r.Offset, len(got))
		}
		record := raw.Record{Key: all(r.Key), Value: all(r.Value), Time: r.Time.UTC()}
		for _, h := range r.Headers {
			record.Headers = append(record.Headers, raw.Header(h))
		}
		got = append(got, record)
	}
}

func TestBatchIsWhatTheClientLibraryReads(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	random := func(most int) []byte {
		b := make([]byte, rng.IntN(most+1))
		for i := range b {
			b[i] = "abcdefgh"[rng.IntN(8)]
		}
		return b
	}
	for _, codec := range []kafka.Compression{0, kafka.Snappy, kafka.Lz4, kafka.Zstd} {
		for range 50 {
			b := new(batch)
			var want []raw.Record
			for range 1 + rng.IntN(20) {
				r := &raw.Record{Key: random(9), Value: random(1 << rng.IntN(18)), Time: time.UnixMilli(1_700_000_000_000 + rng.Int64N(2000)).UTC()}
				for range rng.IntN(4) {
					r.Headers = append(r.Headers, raw.Header{Key: string(random(200)), Value: random(70)})
				}
				b.records = append(b.records, r)
				want = append(want, *r)
			}
			if gone := rng.IntN(len(want) + 1); gone < len(want) && len(want) > 1 {
				b.drop(gone)
				want = slices.Delete(want, gone, gone+1)
			}
			before := random(100)
			wire, some, err := b.encode(bytes.Clone(before), newCompressor(codec))
			if !some || err != nil {
				t.Fatalf("%v %v", some, err)
			}
			wire, ok := bytes.CutPrefix(wire, before)
			if !ok {
				t.Fatal("what was there before is not there any more")
			}
			set, got := decoded(t, wire)
			if set.Attributes.Compression() != codec {
				t.Errorf("attributes %v, want %v", set.Attributes, codec)
			}
			if len(got) != len(want) {
				t.Fatalf("%d records, want %d", len(got), len(want))
			}
			for i := range want {
				if !bytes.Equal(got[i].Key, want[i].Key) || !bytes.Equal(got[i].Value, want[i].Value) || !got[i].Time.Equal(want[i].Time) ||
					!slices.EqualFunc(got[i].Headers, want[i].Headers, func(a, b raw.Header) bool { return a.Key == b.Key && bytes.Equal(a.Value, b.Value) }) {
					t.Errorf("%s record %d:\n%+v, want\n%+v", codec, i, got[i], want[i])
				}
			}
			if sum := crc32.Checksum(wire[4+21:], crc32.MakeTable(crc32.Castagnoli)); binary.BigEndian.Uint32(wire[4+17:]) != sum {
				t.Errorf("checksum is not %x", sum)
			}
		}
	}
}

func TestBatchOfNobodyIsNone(t *testing.T) {
	b := batchOf(2)
	b.drop(0)
	b.drop(1)
	for _, codec := range []kafka.Compression{0, kafka.Snappy} {
		if wire, some, err := b.encode([]byte("before"), newCompressor(codec)); string(wire) != "before" || some || err != nil {
			t.Errorf("%q %v %v", wire, some, err)
		}
	}
}

func TestRecordIsNotReadAfterItsBatchIsEncoded(t *testing.T) {
	b := batchOf(2)
	wire, _, err := b.encode(nil, newCompressor(0))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range b.records {
		clear(r.Value) // as its owner does, who has it back
	}
	b.drop(0)
	if _, got := decoded(t, wire); len(got) != 2 || string(got[0].Value) != "0" || string(got[1].Value) != "1" {
		t.Errorf("%+v", got)
	}
}

func TestErrorsAreClassified(t *testing.T) {
	type outcome struct {
		kind                                    string
		final, maybeWritten, tooLarge, retryNow bool
	}
	for _, c := range []struct {
		err  error
		want outcome
	}{
		{kafka.NotLeaderForPartition, outcome{kind: "leader"}},
		{protocol.NewErrNoLeader("t", 1), outcome{kind: "leader"}},
		{protocol.NewErrNoTopic("t"), outcome{kind: "leader"}},
		{kafka.RequestTimedOut, outcome{kind: "timeout", maybeWritten: true}},
		{context.DeadlineExceeded, outcome{kind: "timeout", maybeWritten: true, retryNow: true}},
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, outcome{kind: "timeout", maybeWritten: true, retryNow: true}},
		{kafka.NotEnoughReplicas, outcome{kind: "replicas"}},
		{kafka.NotEnoughReplicasAfterAppend, outcome{kind: "replicas", maybeWritten: true}},
		{kafka.MessageSizeTooLarge, outcome{kind: "too_large", final: true, tooLarge: true}},
		{kafka.TopicAuthorizationFailed, outcome{kind: "auth", final: true}},
		{kafka.SASLAuthenticationFailed, outcome{kind: "auth", final: true}},
		{kafka.InvalidTimestamp, outcome{kind: "rejected", final: true}},
		{kafka.KafkaStorageError, outcome{kind: "other", maybeWritten: true}},
		{kafka.Error(12345), outcome{kind: "other", maybeWritten: true}},
		{io.EOF, outcome{kind: "cut", maybeWritten: true, retryNow: true}},
		{io.ErrUnexpectedEOF, outcome{kind: "cut", maybeWritten: true, retryNow: true}},
		{syscall.ECONNRESET, outcome{kind: "cut", maybeWritten: true, retryNow: true}},
		{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, outcome{kind: "cut"}},
	} {
		v := classify(fmt.Errorf("kafka.(*Client).Produce: %w", c.err))
		if got := (outcome{v.kind.String(), v.final, v.maybeWritten, v.tooLarge, v.retryNow}); got != c.want {
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
