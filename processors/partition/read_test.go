package partition_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/event"
	"github.com/coexstream/coexstream/schemas/fixtures"
)

// TestEveryGoldenEventIsRead holds what package event reads of each record to what a JSON library reads.
func TestEveryGoldenEventIsRead(t *testing.T) {
	type header struct {
		Key   string
		Value []byte
	}
	read := map[string]int{}
	for _, f := range fixtures.All() {
		p := newPartition(t)
		p.webhook(string(f.Body))
		p.tick(p.cfg.Media.Hold + time.Minute)
		for topic, records := range p.topics {
			if event.TypeOf(topic) == "" {
				continue
			}
			for _, r := range records {
				var headers []header
				for name, value := range r.headers {
					headers = append(headers, header{name, []byte(value)})
				}
				e, err := event.Read(topic, []byte(r.key), headers, r.value)
				if err != nil {
					t.Errorf("%s: %v\n%s", f.Name, err, r.value)
					continue
				}
				read[e.Type]++
				var got, want any
				switch {
				case e.Message != nil:
					got, want = e.Message, new(schemas.Message)
				case e.Contact != nil:
					got, want = e.Contact, new(schemas.ContactState)
				case e.Account != nil:
					got, want = e.Account, new(schemas.Account)
				case e.Sync != nil:
					got, want = e.Sync, new(schemas.Sync)
				case e.Other != nil:
					got, want = e.Other, new(schemas.Other)
				default:
					continue // a tombstone
				}
				if err := json.Unmarshal(r.value, want); err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("%s: read %+v, want %+v (%v)", f.Name, got, want, err)
				}
			}
		}
	}
	for _, typ := range schemas.EventTypes() {
		if read[typ.Type] == 0 && typ.Type != schemas.TypeSyncRemoved && typ.Type != schemas.TypeAsset {
			t.Errorf("no golden webhook makes an event of type %s", typ.Type)
		}
	}
}
