package kafka

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func newReader(t *testing.T, conn Connection, topics ...string) *Reader {
	t.Helper()
	r, err := NewReader(conn, topics)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// transact writes values in one transaction each, and aborts those that are odd.
func transact(t *testing.T, conn Connection, topic string, values ...byte) {
	t.Helper()
	cl, err := kgo.NewClient(append(conn.Franz(), kgo.TransactionalID("tx"), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for _, v := range values {
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: []byte{v}}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := cl.EndTransaction(t.Context(), kgo.TransactionEndTry(v%2 == 0)); err != nil {
			t.Fatal(err)
		}
	}
}

func topicsFor(t *testing.T) Connection {
	t.Helper()
	conn := cluster(t)
	if _, err := newAdmin(t, conn).Create(t.Context(), testLayout()); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestReaderReturnsCommittedRecordsOnly(t *testing.T) {
	conn := topicsFor(t)
	transact(t, conn, "test.history", 2, 3, 4, 5, 6, 7)
	r := newReader(t, conn, "test.history")
	ranges, err := r.Ranges(t.Context(), FromStart())
	if err != nil {
		t.Fatal(err)
	}
	var got []byte
	if err := r.ReadRanges(t.Context(), ranges, func(rec *kgo.Record) error {
		got = append(got, rec.Value...)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, []byte{2, 4, 6}) {
		t.Errorf("read %v, want 2 4 6", got)
	}
}

// The end of a range is fixed at the request, for any later records.
func TestReadRangesEndsAtItsEnd(t *testing.T) {
	conn := topicsFor(t)
	produce(t, conn, "test.raw.live", 0, 3)
	produce(t, conn, "test.raw.live", 2, 2)
	r := newReader(t, conn, "test.raw.live", "test.raw.bulk")
	ranges, err := r.Ranges(t.Context(), FromStart())
	if err != nil {
		t.Fatal(err)
	}
	produce(t, conn, "test.raw.live", 0, 4)
	perPartition := map[int32]int{}
	if err := r.ReadRanges(t.Context(), ranges, func(rec *kgo.Record) error {
		perPartition[rec.Partition]++
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if perPartition[0] != 3 || perPartition[2] != 2 || len(perPartition) != 2 {
		t.Errorf("read %v, want 3 of partition 0 and 2 of partition 2", perPartition)
	}
}

func TestReadRangesStopsAtTheFirstError(t *testing.T) {
	conn := topicsFor(t)
	for p := range int32(3) {
		produce(t, conn, "test.raw.live", p, 3)
	}
	r := newReader(t, conn, "test.raw.live")
	ranges, err := r.Ranges(t.Context(), FromStart())
	if err != nil {
		t.Fatal(err)
	}
	failure := errors.New("enough")
	calls := 0
	err = r.ReadRanges(t.Context(), ranges, func(*kgo.Record) error { calls++; return failure })
	if !errors.Is(err, failure) || calls != 1 {
		t.Errorf("%d calls, err %v", calls, err)
	}
	calls = 0
	if err := r.ReadRanges(t.Context(), ranges, func(*kgo.Record) error { calls++; return ErrStop }); err != nil || calls != 1 {
		t.Errorf("told to stop: %d calls, err %v", calls, err)
	}
}

func TestFollowSeesWhatComesLater(t *testing.T) {
	conn := topicsFor(t)
	produce(t, conn, "test.raw.live", 0, 2)
	r := newReader(t, conn, "test.raw.live")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var got int
	err := r.Follow(ctx, FromStart(), func(rec *kgo.Record) error {
		if got++; got == 2 {
			produce(t, conn, "test.raw.live", 1, 1)
		}
		if got == 3 && rec.Partition == 1 {
			return ErrStop
		}
		return nil
	})
	if err != nil || got != 3 {
		t.Errorf("%d records, err %v", got, err)
	}
}

func TestFollowFromATimeLeavesOutWhatIsOlder(t *testing.T) {
	conn := topicsFor(t)
	cl, err := kgo.NewClient(conn.Franz()...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	now := time.Now()
	for i, age := range []time.Duration{3 * time.Hour, 2 * time.Hour, time.Minute} {
		rec := &kgo.Record{Topic: "test.raw.live", Value: []byte{byte(i)}, Timestamp: now.Add(-age)}
		if err := cl.ProduceSync(t.Context(), rec).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	var got []byte
	r := newReader(t, conn, "test.raw.live")
	err = r.Follow(t.Context(), FromTime(now.Add(-time.Hour)), func(rec *kgo.Record) error {
		got = append(got, rec.Value...)
		return ErrStop
	})
	if err != nil || !slices.Equal(got, []byte{2}) {
		t.Errorf("read %v, err %v", got, err)
	}
	ranges, err := r.Ranges(t.Context(), FromEnd())
	if err != nil {
		t.Fatal(err)
	}
	for p, rg := range ranges {
		if rg.Start != rg.End {
			t.Errorf("%v from the end: %v", p, rg)
		}
	}
}

func TestMissingTopicIsToldByItsName(t *testing.T) {
	r := newReader(t, topicsFor(t), "test.nothing")
	if _, err := r.Ranges(t.Context(), FromStart()); !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Errorf("%v", err)
	}
}

// Right after an election a leader does not know its end, and for a moment there is none.
func TestRangesAreAskedForAgainWhileALeaderIsElected(t *testing.T) {
	conn := topicsFor(t)
	transact(t, conn, "test.history", 2, 4)
	r := newReader(t, conn, "test.history")
	answers := []*kerr.Error{kerr.OffsetNotAvailable, kerr.LeaderNotAvailable, kerr.NotLeaderForPartition, nil}
	asked := 0
	list := func(ctx context.Context, topics ...string) (kadm.ListedOffsets, error) {
		got, err := r.adm.ListCommittedOffsets(ctx, topics...)
		if e := answers[min(asked, len(answers)-1)]; e != nil {
			for topic, partitions := range got {
				o := partitions[0]
				o.Err = e
				got[topic][0] = o
			}
		}
		asked++
		return got, err
	}
	offsets, err := r.listed(t.Context(), list)
	if err != nil || asked != len(answers) || len(offsets) == 0 {
		t.Errorf("%v after %d attempts: %v", err, asked, offsets)
	}
	answers, asked = []*kerr.Error{kerr.OffsetNotAvailable}, 0
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	untilThree := func(_ context.Context, topics ...string) (kadm.ListedOffsets, error) {
		defer func() {
			if asked == 3 {
				cancel()
			}
		}()
		return list(t.Context(), topics...)
	}
	if _, err = r.listed(ctx, untilThree); !errors.Is(err, kerr.OffsetNotAvailable) || asked != 3 {
		t.Errorf("it never ends: %v after %d attempts", err, asked)
	}
	answers, asked = []*kerr.Error{kerr.TopicAuthorizationFailed}, 0
	if _, err = r.listed(t.Context(), list); !errors.Is(err, kerr.TopicAuthorizationFailed) || asked != 1 {
		t.Errorf("what does not pass: %v after %d attempts", err, asked)
	}
}
