package partition_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/internal/testing/cost"
	"github.com/coexstream/coexstream/processors/partition"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

const costMessages = 200 // of a chunk

// TestCosts guards the way from a body to its events: split, order, de-duplicate, encode; without Kafka.
func TestCosts(t *testing.T) {
	text := strings.Repeat("Thank you for your order, we will \\u00e9tudier it. ", 2)
	chunk := func(order int) []byte {
		var s bytes.Buffer
		fmt.Fprintf(&s, `{"object":"whatsapp_business_account","entry":[{"id":%q,"changes":[{"value":{"messaging_product":"whatsapp",%s,"history":[{"metadata":{"phase":0,"chunk_order":%d,"progress":1},"threads":[{"id":"15550100000","messages":[`, waba, tenant, order+1)
		for i := range costMessages {
			if i > 0 {
				s.WriteByte(',')
			}
			fmt.Fprintf(&s, `{"from":"15550100000","id":"wamid.HBgLMTY0NjcwNDM1OTUVAgARGBIyNDlBOEI5QUQ4ND%08d%08d","timestamp":"1739230955","type":"text","text":{"body":"%s"},"history_context":{"status":"READ"}}`, order, i, text)
		}
		s.WriteString(`]}]}]},"field":"history"}]}]}`)
		return s.Bytes()
	}
	cost.Check(t,
		cost.Operation{Name: "history chunk to events", Per: "chunk of 200 messages", Times: 30, Start: processing(30, chunk, schemas.TopicRawBulk, schemas.TopicHistory, costMessages)},
		cost.Operation{Name: "echo to event", Per: "echo", Times: 2000, Start: processing(2000, func(i int) []byte {
			id := fmt.Sprintf("\x1c\x18\x0b16467043595\x15\x02\x00\x11\x18\x12249A8B9AD8%08X\x00", i) // as real ones are laid out
			return []byte(echo("wamid."+base64.StdEncoding.EncodeToString([]byte(id)), "text", `"text":{"body":"`+text+`"}`, start))
		}, schemas.TopicRawLive, schemas.TopicEchoes, 1)},
	)
}

// processing gives one body after another to a partition, each in a transaction of its own. A partition sees up to eleven times as
// many as are counted: buffers grow first, and counts are repeated.
func processing(counted int, body func(i int) []byte, from, to schemas.Topic, each int) func(t *testing.T) func(int) {
	return func(t *testing.T) func(int) {
		cfg := partition.DefaultConfig()
		cfg.Partitions = 1
		cfg.PartitionOf = func([]byte) int32 { return 0 }
		part, err := partition.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		var bodies [][]byte
		for i := range 12 * counted {
			bodies = append(bodies, body(i))
		}
		scanner, label := split.NewScanner(split.Limits{}), []byte("raw/0/1")
		received := strconv.AppendInt(nil, start.UnixMilli(), 10)
		events, next := 0, 0
		var space partition.Workspace
		out := func(r partition.Record) {
			if r.Topic == to {
				events++
			}
		}
		return func(times int) {
			for range times {
				raw := bodies[next]
				next++
				parsed, err := scanner.Scan(raw)
				if err != nil {
					t.Fatal(err)
				}
				space.Reset()
				part.Begin(out, &space)
				part.Webhook(&partition.Origin{Topic: from, Offset: int64(next), Label: label, ReceivedAt: start, Received: received, Value: raw}, parsed)
				part.Flush()
			}
			if events != next*each {
				t.Fatalf("%d events of %d webhooks, want %d", events, next, next*each)
			}
		}
	}
}
