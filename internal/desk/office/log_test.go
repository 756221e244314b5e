package office

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/embedded"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/syncrequest"
)

func TestTheLogInKafkaKeepsItsOrderAndCopiesIntoThePartitionOfTheBusiness(t *testing.T) {
	t.Parallel()
	c := embedded.DefaultConfig(t.TempDir())
	c.Listen, c.SyncWrites = "127.0.0.1:0", false
	broker, err := embedded.Open(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = broker.Close() }()
	conn := kafka.Connection{Brokers: []string{broker.Addr()}, ClientID: "test", DialTimeout: 10 * time.Second, RequestTimeout: 30 * time.Second}
	layout := kafka.Layout{
		Prefix: "t.", Partitions: 4, ReplicationFactor: 1, MinInsyncReplicas: 1, MaxMessageBytes: 1 << 20, SegmentBytes: 1 << 20,
		RawRetention: time.Hour, ReroutedRetention: time.Hour, EventsRetention: time.Hour, DLQRetention: time.Hour, ContactTombstones: time.Hour, StateTombstones: time.Hour,
	}
	admin, err := kafka.NewAdmin(conn)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if _, err := admin.Create(t.Context(), layout); err != nil {
		t.Fatal(err)
	}
	var logs []*KafkaLog
	for range 2 { // the second one finds the topic
		l, err := NewKafkaLog(conn, layout)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		logs = append(logs, l)
	}
	if entries, next, err := logs[0].Read(t.Context(), 0); err != nil || len(entries) != 0 || next != 0 {
		t.Fatalf("an empty log: %q %d %v", entries, next, err)
	}
	for i, text := range []string{"a", "b", "c"} {
		if err := logs[i%2].Write(t.Context(), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	for _, l := range logs {
		entries, next, err := l.Read(t.Context(), 1)
		if err != nil || next != 3 || len(entries) != 2 || string(entries[0]) != "b" || string(entries[1]) != "c" {
			t.Errorf("%q %d %v", entries, next, err)
		}
	}
	r := syncrequest.Record{
		WABAID: "102290129340398", PhoneNumberID: "77", SyncType: syncrequest.History, State: syncrequest.Intended, Attempt: "a1", At: 1, RequestedBy: "cli", Provider: "meta",
	}
	if err := logs[0].Raw(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	reader, err := kafka.NewReader(conn, []string{"t.raw.live"})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	ranges, err := reader.Ranges(t.Context(), kafka.FromStart())
	if err != nil {
		t.Fatal(err)
	}
	var got []*kgo.Record
	if err := reader.ReadRanges(t.Context(), ranges, func(rec *kgo.Record) error { got = append(got, rec); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].Partition != kafka.Partition([]byte(r.WABAID), 4) || string(got[0].Key) != r.WABAID {
		t.Fatalf("%+v", got)
	}
	if decoded, err := syncrequest.Decode(got[0].Value); err != nil || decoded != r {
		t.Errorf("%+v %v", decoded, err)
	}
	if !slices.ContainsFunc(got[0].Headers, func(h kgo.RecordHeader) bool {
		return h.Key == schemas.HeaderSource && string(h.Value) == syncrequest.Source
	}) {
		t.Errorf("headers %v", got[0].Headers)
	}
}
