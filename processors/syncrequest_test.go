package processors_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/event"
	"github.com/coexstream/coexstream/schemas/syncrequest"
)

// A record of the desk in raw.live becomes a sync that turns silent by itself. A bad one becomes a dead letter.
func TestARequestOfTheDeskBecomesASyncThatTurnsSilent(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	cfg := c.config("a")
	cfg.Partition.History.SilentAfter = time.Second
	c.run(cfg)
	fromDesk := func(value []byte) {
		r := &kgo.Record{
			Topic: schemas.TopicRawLive.Name("coex."), Partition: kafka.Partition([]byte("7"), partitions), Key: []byte("7"), Value: value,
			Headers: []kgo.RecordHeader{
				{Key: schemas.HeaderReceivedAt, Value: strconv.AppendInt(nil, time.Now().UnixMilli(), 10)}, {Key: schemas.HeaderSource, Value: []byte(syncrequest.Source)},
			},
		}
		if err := c.client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	fromDesk([]byte(`{"object":"coexstream_sync_request"}`))
	fromDesk(syncrequest.Record{
		WABAID: "7", PhoneNumberID: "97", SyncType: syncrequest.History, State: syncrequest.Accepted, Attempt: "a", At: time.Now().UnixMilli(), RequestedBy: "cli", Provider: "meta",
	}.Append(nil))
	statusOf := func(r *kgo.Record) string {
		e, err := event.Value(schemas.TypeSync, r.Value)
		if err != nil {
			t.Fatal(err)
		}
		return e.Sync.Status
	}
	rs := c.read(schemas.TopicSyncs, func(rs []*kgo.Record) bool {
		return len(rs) > 0 && statusOf(rs[len(rs)-1]) == schemas.SyncStatusSilent
	})
	if first := statusOf(rs[0]); first != schemas.SyncStatusRequested && first != schemas.SyncStatusSilent || string(rs[0].Key) != "97" {
		t.Errorf("first %s of %s", first, rs[0].Key)
	}
	letters := c.read(schemas.TopicDLQ, atLeast(1))
	for _, h := range letters[0].Headers {
		if h.Key == schemas.HeaderDLQReason && string(h.Value) != string(schemas.ReasonSyncRequest) {
			t.Errorf("reason %s", h.Value)
		}
	}
}
