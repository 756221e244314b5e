package embedded

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/coexstream/coexstream/internal/testing/seed"
)

func number(r *kgo.Record) uint64 { return binary.BigEndian.Uint64(r.Value) }

func numbered(topic string, partition int32, n uint64) *kgo.Record {
	return &kgo.Record{Topic: topic, Partition: partition, Value: binary.BigEndian.AppendUint64(nil, n)}
}

func TestAcknowledgedRecordsSurviveAKill(t *testing.T) {
	t.Parallel()
	for _, sync := range []bool{false, true} {
		t.Run(fmt.Sprintf("sync=%v", sync), func(t *testing.T) {
			t.Parallel()
			rng, dir := seed.Rand(t), t.TempDir()
			const partitions = 3
			acked := map[uint64]int32{}
			next := uint64(0)
			for round := range 4 {
				c := startChild(t, dir, sync)
				if round == 0 {
					createTopic(t, c.addr, "t", partitions, nil)
				}
				cl := client(t, c.addr)
				killAfter := 20 + rng.IntN(200)
				for i := 0; ; i++ {
					n, p := next, int32(rng.IntN(partitions))
					next++
					err := c.produce(cl, numbered("t", p, n))
					if err != nil {
						break
					}
					acked[n] = p
					if i == killAfter {
						go c.kill() // while the next ones are in flight
					}
				}
				c.kill()
			}
			c := startChild(t, dir, sync)
			found := map[uint64]int{}
			for p := range int32(partitions) {
				for _, r := range readCommitted(t, c.addr, "t", p) {
					found[number(r)]++
					if at, ok := acked[number(r)]; ok && at != p {
						t.Errorf("record %d is in partition %d, was acknowledged in %d", number(r), p, at)
					}
				}
			}
			for n := range acked {
				if found[n] != 1 {
					t.Errorf("record %d was acknowledged and is there %d times", n, found[n])
				}
			}
			nothingWasDamaged(t, dir)
		})
	}
}

// A producer writes the numbers 1, 2, 3, … into every partition. Each number is one transaction that also commits it as
// an offset. After each kill the producer continues from the committed offset, as a processor does. After a kill at any
// time, every partition has every number up to the committed one once.
func TestTransactionsAreWholeAfterKills(t *testing.T) {
	t.Parallel()
	for _, sync := range []bool{false, true} {
		t.Run(fmt.Sprintf("sync=%v", sync), func(t *testing.T) {
			t.Parallel()
			rng, dir := seed.Rand(t), t.TempDir()
			const partitions, rounds = 8, 12
			for round := range rounds {
				c := startChild(t, dir, sync)
				if round == 0 {
					createTopic(t, c.addr, "out", partitions, nil)
					createTopic(t, c.addr, "in", 1, nil)
				}
				committed := committedOffset(t, c.addr)
				checkNumbers(t, c.addr, partitions, committed)
				transact(t, c, rng, committed, partitions)
				c.kill()
			}
			c := startChild(t, dir, sync)
			committed := committedOffset(t, c.addr)
			if committed < rounds/2 {
				t.Errorf("only %d transactions in %d rounds: the test tests nothing", committed, rounds)
			}
			checkNumbers(t, c.addr, partitions, committed)
			c.stop()
			c = startChild(t, dir, sync)
			checkNumbers(t, c.addr, partitions, committedOffset(t, c.addr))
			nothingWasDamaged(t, dir)
		})
	}
}

// nothingWasDamaged: a kill tears writes, and nothing that was acknowledged.
func nothingWasDamaged(t *testing.T, dir string) {
	t.Helper()
	notes, err := Quarantined(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range notes {
		if d.Topic != "in" { // the group commits offsets that this topic never had
			t.Errorf("a kill counts as damage: %s", &d)
		}
	}
}

func transact(t *testing.T, c *child, rng *rand.Rand, n uint64, partitions int32) {
	ctx := c.alive
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.addr), kgo.TransactionalID("tx"), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.RequestRetries(0), kgo.DisableClientMetrics())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	killAt, inEnd := 1+rng.IntN(12), rng.IntN(3) > 0
	for i := 0; ; i++ {
		n++
		if err := cl.BeginTransaction(); err != nil {
			return
		}
		for p := range partitions {
			if err := c.produce(cl, numbered("out", p, n)); err != nil {
				return
			}
			if i == killAt && !inEnd && p == partitions/2 {
				c.kill()
			}
		}
		id, epoch, err := cl.ProducerID(ctx)
		if err != nil {
			return
		}
		if !stageOffset(ctx, cl, id, epoch, n) {
			return
		}
		if i == killAt {
			// Anywhere from before the broker reads the request until after it has answered.
			time.AfterFunc(time.Duration(rng.IntN(3000))*time.Microsecond, c.kill)
		}
		if err := cl.EndTransaction(ctx, kgo.TryCommit); err != nil {
			return
		}
	}
}

func stageOffset(ctx context.Context, cl *kgo.Client, id int64, epoch int16, n uint64) bool {
	return stageOffsetOf(ctx, cl, id, epoch, "in", n)
}

func stageOffsetOf(ctx context.Context, cl *kgo.Client, id int64, epoch int16, topic string, n uint64) bool {
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID, req.Group, req.ProducerID, req.ProducerEpoch, req.Generation = "tx", "group", id, epoch, -1
	rt := kmsg.NewTxnOffsetCommitRequestTopic()
	rt.Topic = topic // up to version 5
	if rt.TopicID = topicID(ctx, cl, topic); rt.TopicID == [16]byte{} {
		return false
	}
	rp := kmsg.NewTxnOffsetCommitRequestTopicPartition()
	rp.Offset = int64(n)
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(ctx, cl)
	return err == nil && resp.Topics[0].Partitions[0].ErrorCode == 0
}

func topicID(ctx context.Context, cl *kgo.Client, topic string) [16]byte {
	req := kmsg.NewPtrMetadataRequest()
	rt := kmsg.NewMetadataRequestTopic()
	rt.Topic = kmsg.StringPtr(topic)
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(ctx, cl)
	if err != nil || len(resp.Topics) != 1 {
		return [16]byte{}
	}
	return resp.Topics[0].TopicID
}

func committedOffset(t *testing.T, addr string) uint64 {
	t.Helper()
	offsets, err := kadm.NewClient(client(t, addr, kgo.RequestRetries(5))).FetchOffsets(t.Context(), "group")
	if errors.Is(err, kerr.GroupIDNotFound) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	o, ok := offsets.Lookup("in", 0)
	if !ok || o.At < 0 {
		return 0
	}
	return uint64(o.At)
}

func checkNumbers(t *testing.T, addr string, partitions int32, committed uint64) {
	t.Helper()
	for p := range partitions {
		got := readCommitted(t, addr, "out", p)
		if uint64(len(got)) != committed {
			t.Errorf("partition %d holds %d numbers, %d are committed", p, len(got), committed)
		}
		for i, r := range got {
			if number(r) != uint64(i+1) {
				t.Fatalf("partition %d: number %d stands in place %d", p, number(r), i+1)
			}
		}
	}
}

func TestRecoveryOfAnOrderlyStopTouchesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := startChild(t, dir, false)
	createTopic(t, c.addr, "t", 2, nil)
	if err := client(t, c.addr).ProduceSync(t.Context(), numbered("t", 1, 7)).FirstErr(); err != nil {
		t.Fatal(err)
	}
	c.stop()
	found, err := recoverFolder(testFolder(dir), time.Now(), slog.New(slog.DiscardHandler))
	if err != nil || found.Partitions != 0 || len(found.Damage) != 0 {
		t.Fatalf("recovered %d partitions, damage %v, err %v; want none", found.Partitions, found.Damage, err)
	}
}

// Bytes behind the last batch of the index were never acknowledged. The last batch of the index may have been: if it is
// damaged, its offset is not used again.
func TestTornWriteIsCutOffAndADamagedLastBatchIsNot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := startChild(t, dir, false)
	createTopic(t, c.addr, "t", 1, nil)
	cl := client(t, c.addr)
	for n := range uint64(5) {
		if err := cl.ProduceSync(t.Context(), numbered("t", 0, n)).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	c.kill()
	path := dataFile(topicPartition{"t", 0}.folder(dir), 0)
	whole := testFolder("").size(path)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(b, b[:30]...), 0o644); err != nil {
		t.Fatal(err)
	}
	c = startChild(t, dir, false)
	if got := readCommitted(t, c.addr, "t", 0); len(got) != 5 {
		t.Errorf("%d records are left, want 5", len(got))
	}
	c.kill()
	if n := testFolder("").size(path); n != whole {
		t.Errorf("segment has %d bytes, want %d", n, whole)
	}
	if notes, err := Quarantined(dir); err != nil || len(notes) != 0 {
		t.Errorf("a torn write was set aside: %v, %v", notes, err)
	}

	b[len(b)-1] ^= 0xff
	if err := os.WriteFile(path, append(b, b[:30]...), 0o644); err != nil {
		t.Fatal(err)
	}
	c = startChild(t, dir, false)
	if got := readCommitted(t, c.addr, "t", 0); len(got) != 4 {
		t.Errorf("%d records are left, want the 4 whole ones", len(got))
	}
	if err := client(t, c.addr).ProduceSync(t.Context(), numbered("t", 0, 9)).FirstErr(); err != nil {
		t.Fatal(err)
	}
	c.kill()
	c = startChild(t, dir, false)
	got := readCommitted(t, c.addr, "t", 0)
	if len(got) != 5 || number(got[4]) != 9 || got[4].Offset < 5 {
		t.Errorf("%d records are there after a write behind the damaged batch, the last at %d; want 5, the last behind offset 4", len(got), got[len(got)-1].Offset)
	}
	if notes, err := Quarantined(dir); err != nil || len(notes) != 1 || notes[0].FirstOffset != 4 || !notes[0].Lost {
		t.Errorf("quarantine holds %v, %v; want offset 4", notes, err)
	}
}
