package processors_test

import (
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
)

// A bare decline is keyed by the number's id, whose partition is not that of its WABA.
func TestABareDeclineReachesThePartitionOfItsWABA(t *testing.T) {
	t.Parallel()
	for _, knownFirst := range []bool{true, false} {
		t.Run(strconv.FormatBool(knownFirst), func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			waba := 1
			home := func(key string) int32 { return kafka.Partition([]byte(key), partitions) }
			for home(strconv.Itoa(waba)) == home("9"+strconv.Itoa(waba)) {
				waba++
			}
			id, number := strconv.Itoa(waba), "9"+strconv.Itoa(waba)
			const decline = `{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550100","phone_number_id":"`
			bare := decline + number + `"},"history":[{"errors":[{"code":2593109,"title":"off"}]}]}`
			settled := func(waba, number string) func([]*kgo.Record) bool {
				return func(rs []*kgo.Record) bool {
					newest := map[int32]*kgo.Record{}
					for _, r := range rs {
						if string(r.Key) == number {
							newest[r.Partition] = r
						}
					}
					right, stray := newest[home(waba)], newest[home(number)]
					return right != nil && right.Value != nil && (stray == nil || stray.Value == nil) || waba == "" && stray != nil && stray.Value != nil
				}
			}
			c.run(c.config("a"))
			if knownFirst {
				c.put(schemas.TopicRawLive, id, echo(id, "e"))
				c.read(schemas.TopicRerouted, atLeast(1)) // the note
				c.put(schemas.TopicRawBulk, number, bare)
			} else {
				c.put(schemas.TopicRawBulk, number, bare)
				c.read(schemas.TopicSyncs, settled("", number))
				c.put(schemas.TopicRawLive, id, echo(id, "e"))
			}
			rs := c.read(schemas.TopicSyncs, settled(id, number))
			if knownFirst && len(rs) != 1 {
				t.Logf("%d records of syncs: the note came after the decline", len(rs))
			}
			if !knownFirst && len(rs) != 3 {
				t.Errorf("%d records of syncs, want the stray one, its tombstone, and the right one", len(rs))
			}
		})
	}
}
