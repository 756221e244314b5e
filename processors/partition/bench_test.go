package partition_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/processors/partition"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// BenchmarkChunk is what a history chunk costs from its bytes to its events: split, order, de-duplicate,
// encode; without Kafka.
func BenchmarkChunk(b *testing.B) {
	const messages = 10_000
	text := strings.Repeat("Thank you for your order, we will \\u00e9tudier it. ", 2)
	body := func(order int) []byte {
		var s strings.Builder
		fmt.Fprintf(&s, `{"object":"whatsapp_business_account","entry":[{"id":%q,"changes":[{"value":{"messaging_product":"whatsapp",%s,"history":[{"metadata":{"phase":0,"chunk_order":%d,"progress":1},"threads":[`, waba, tenant, order)
		for thread := range 100 {
			if thread > 0 {
				s.WriteByte(',')
			}
			fmt.Fprintf(&s, `{"id":"1555010%04d","messages":[`, thread)
			for i := range messages / 100 {
				if i > 0 {
					s.WriteByte(',')
				}
				fmt.Fprintf(&s, `{"from":"1555010%04d","id":"wamid.HBgLMTY0NjcwNDM1OTUVAgARGBIyNDlBOEI5QUQ4ND%08d%04d%04d","timestamp":"1739230955","type":"text","text":{"body":"%s"},"history_context":{"status":"READ"}}`, thread, order, thread, i, text)
			}
			s.WriteString(`]}`)
		}
		s.WriteString(`]}]},"field":"history"}]}]}`)
		return []byte(s.String())
	}
	cfg := partition.DefaultConfig()
	cfg.Partitions = 1
	cfg.PartitionOf = func([]byte) int32 { return 0 }
	sc := split.NewScanner(split.Limits{})
	part, err := partition.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	events := 0
	var space partition.Workspace
	out := func(r partition.Record) {
		if r.Topic == schemas.TopicHistory {
			events++
		}
	}
	first := body(1)
	b.SetBytes(int64(len(first)))
	b.ReportAllocs()
	order := 0
	for b.Loop() {
		order++
		b.StopTimer()
		raw := body(order)
		b.StartTimer()
		parsed, err := sc.Scan(raw)
		if err != nil {
			b.Fatal(err)
		}
		space.Reset()
		part.Begin(out, &space)
		part.Webhook(&partition.Origin{Topic: schemas.TopicRawBulk, Offset: int64(order), Label: []byte("raw.bulk/0/1"), ReceivedAt: start, Value: raw}, parsed)
		part.Flush()
	}
	if events != order*messages {
		b.Fatalf("%d events of %d messages", events, order*messages)
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "messages/s")
}
