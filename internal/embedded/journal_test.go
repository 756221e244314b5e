package embedded

import (
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A commit that was decided is finished by the next start, however far the broker had come with it: the
// markers of no, some or all partitions, and no offset.
func TestDecidedCommitIsFinished(t *testing.T) {
	t.Parallel()
	const partitions = 4
	for marked := range int32(partitions + 1) {
		t.Run(fmt.Sprintf("after %d of %d markers", marked, partitions), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			id, epoch := dieInCommit(t, dir, partitions)
			for p := range marked {
				folder := topicPartition{"out", p}.folder(dir)
				size := testFolder("").size(dataFile(folder, 0))
				marker := appendMarker(nil, 1, 0, id, epoch, true, time.Now())
				if err := testFolder("").writeAt(dataFile(folder, 0), marker, size); err != nil {
					t.Fatal(err)
				}
			}
			// Started, killed and started again: what the first start repaired stays repaired.
			for range 2 {
				c := startChild(t, dir, false)
				if got := committedOffset(t, c.addr); got != 1 {
					t.Fatalf("committed offset is %d, want 1", got)
				}
				checkNumbers(t, c.addr, partitions, 1)
				c.kill()
			}
			goOn(t, dir, partitions)
		})
	}
}

// Without a decision the same transaction is aborted, in every partition.
func TestUndecidedTransactionIsAborted(t *testing.T) {
	t.Parallel()
	const partitions = 4
	dir := t.TempDir()
	dieInCommit(t, dir, partitions)
	// A write of the journal that a power cut tore.
	if err := os.Truncate(dir+"/"+journalName, 20); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		c := startChild(t, dir, false)
		if got := committedOffset(t, c.addr); got != 0 {
			t.Fatalf("committed offset is %d, want none", got)
		}
		checkNumbers(t, c.addr, partitions, 0)
		c.kill()
	}
	goOn(t, dir, partitions)
}

// dieInCommit runs one transaction up to its commit, in which the broker dies.
func dieInCommit(t *testing.T, dir string, partitions int32) (int64, int16) {
	t.Helper()
	c := startChild(t, dir, false, childDieEnv+"=1")
	createTopic(t, c.addr, "out", partitions, nil)
	createTopic(t, c.addr, "in", 1, nil)
	cl := client(t, c.addr, kgo.TransactionalID("tx"))
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for p := range partitions {
		if err := c.produce(cl, numbered("out", p, 1)); err != nil {
			t.Fatal(err)
		}
	}
	id, epoch, err := cl.ProducerID(c.alive)
	if err != nil || !stageOffset(c.alive, cl, id, epoch, 1) {
		t.Fatalf("stage the offset: %v", err)
	}
	go c.wait()
	if err := cl.EndTransaction(c.alive, kgo.TryCommit); err == nil {
		t.Fatal("the broker lives")
	}
	return id, epoch
}

// goOn writes the next number, as a producer with the same transactional id that starts again.
func goOn(t *testing.T, dir string, partitions int32) {
	t.Helper()
	c := startChild(t, dir, false)
	n := committedOffset(t, c.addr) + 1
	cl := client(t, c.addr, kgo.TransactionalID("tx"), kgo.RequestRetries(5))
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for p := range partitions {
		if err := c.produce(cl, numbered("out", p, n)); err != nil {
			t.Fatal(err)
		}
	}
	id, epoch, err := cl.ProducerID(c.alive)
	if err != nil || !stageOffset(c.alive, cl, id, epoch, n) {
		t.Fatalf("stage the offset: %v", err)
	}
	if err := cl.EndTransaction(c.alive, kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	c.kill()
	c = startChild(t, dir, false)
	checkNumbers(t, c.addr, partitions, n)
}

// If transactions share an epoch, a decision is dropped as soon as the producer continues. So it cannot count as a
// decision about the next transaction.
func TestDecisionOfASharedEpochIsDroppedByTheNextTransaction(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, err := openJournal(dir, true, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	end := func(version int16) {
		if err := j.end(&kmsg.EndTxnRequest{Version: version, ProducerID: 7, ProducerEpoch: 3, Commit: true}); err != nil {
			t.Fatal(err)
		}
	}
	decided := func() bool {
		d, err := newRecovery(testFolder(dir), time.Now(), slog.New(slog.DiscardHandler)).readJournal()
		if err != nil {
			t.Fatal(err)
		}
		return d != nil && d.ProducerID == 7 && d.Epoch == 3
	}
	end(4)
	j.begin(8)
	if !decided() {
		t.Error("another producer's transaction dropped the decision")
	}
	j.begin(7)
	if decided() {
		t.Error("the decision is still there when the next transaction began")
	}
	end(epochPerTxnSince)
	j.begin(7)
	if !decided() {
		t.Error("a decision whose epoch is its own was dropped")
	}
}

// A commit that cannot be written down does not begin.
func TestCommitWaitsForItsJournal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, err := openJournal(dir, false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	j.attach(cluster)
	if err := j.close(); err != nil { // every write fails from now on
		t.Fatal(err)
	}
	addr := cluster.ListenAddrs()[0]
	cl := client(t, addr, kgo.TransactionalID("tx"))
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := cl.ProduceSync(t.Context(), numbered("out", 0, 1)).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := cl.EndTransaction(t.Context(), kgo.TryCommit); err == nil {
		t.Fatal("the transaction was committed")
	}
	if info := cluster.PartitionInfo("out", 0); info.LastStableOffset != 0 {
		t.Errorf("last stable offset is %d: the transaction was ended", info.LastStableOffset)
	}
}
