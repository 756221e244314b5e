package partition_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/processors/partition"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/fixtures"
)

// outcome returns all that consumers see of a partition: every record of every topic that they read. It omits the syncs
// of a replay with a state of its own, and the time of a letter.
func (p *harness) outcome(syncs bool) (all []string) {
	for _, topic := range schemas.Topics() {
		if topic == schemas.TopicState || topic == schemas.TopicRerouted || topic == schemas.TopicSyncs && !syncs {
			continue
		}
		for _, r := range p.topics[topic] {
			all = append(all, fmt.Sprintf("%s %s %s %s %s %s", topic, r.key, r.headers[schemas.HeaderCEID], r.headers[schemas.HeaderCETime],
				r.headers[schemas.HeaderOrigin], r.value))
		}
	}
	return all
}

// atHome makes a partition that is, or is not, that of every business.
func atHome(t *testing.T, home bool) *harness {
	t.Helper()
	p := newPartition(t)
	p.cfg.Partitions = 2
	if !home {
		p.cfg.Partition = 1
	}
	p.restart()
	return p
}

// playAway plays a body that lies on another partition than its business's, and returns both partitions.
func playAway(t *testing.T, body string) (away, home *harness) {
	t.Helper()
	away, home = atHome(t, false), atHome(t, true)
	away.webhook(body)
	for _, r := range away.topics[schemas.TopicRerouted] {
		if r.partition != 0 {
			t.Fatalf("rerouted to partition %d", r.partition)
		}
		home.labels[len(home.raw)] = r.headers[schemas.HeaderOrigin]
		home.webhook(string(r.value))
	}
	return away, home
}

// settle lets everything leave that waits.
func (p *harness) settle() { p.tick(p.cfg.Media.Hold + time.Minute) }

// Every event of every provider has the same result, for a raw record on its business's partition or on another. This
// holds live and in a replay, into other topics and into its own.
func TestEveryWebhookGivesTheSameWhateverPartitionItLiesOn(t *testing.T) {
	webhooks := fixtures.All()
	for name, body := range map[string]string{
		"errors without changes":            `{"object":"whatsapp_business_account","entry":[{"id":"` + waba + `","time":7}],"errors":[{"code":2593109}]}`,
		"errors without a number":           envelope("history", `{"history":[{"errors":[{"code":2593109}]}]}`),
		"360dialog: errors alone":           `{"id":"e","event":"history","data":{"id":"` + waba + `"},"errors":[{"code":1}]}`,
		"360dialog: a decline beside data":  `{"id":"e","event":"history","data":{"id":"` + waba + `",` + tenant + `},"errors":[{"code":2593109}]}`,
		"360dialog: errors beside messages": `{"id":"e","event":"messages","error":{"code":1},"data":{"id":"` + waba + `",` + tenant + `,"messages":[` + incoming("a", "") + `]}}`,
		"360dialog: errors beside a field":  `{"id":"e","event":"flows","error":{"code":1},"data":{"id":"` + waba + `","x":1}}`,
		"360dialog: another field":          `{"id":"e","event":"flows","data":{"id":"` + waba + `","x":1}}`,
		"YCloud: errors alone":              `{"id":"e","type":"whatsapp.smb.history","wabaId":"` + waba + `","errors":[{"code":2593109}]}`,
	} {
		webhooks = append(webhooks, fixtures.Fixture{Name: name, Body: []byte(body)})
	}
	for _, f := range webhooks {
		if f.Name == "ycloud-history-progress" {
			continue // names nobody: see TestWhatNamesNobodyGoesToDLQ
		}
		t.Run(f.Name, func(t *testing.T) {
			here := atHome(t, true)
			here.webhook(string(f.Body))
			here.settle()
			want := here.outcome(true)

			away, home := playAway(t, string(f.Body))
			home.settle()
			if got := home.outcome(true); !slices.Equal(got, want) {
				t.Errorf("rerouted, it gives\n%q\ninstead of\n%q", got, want)
			}
			if got := away.outcome(true); len(got) != 0 {
				t.Errorf("its own partition gives %q", got)
			}

			for _, own := range []bool{false, true} {
				copied := atHome(t, true)
				copied.raw = []rawRecord{{f.Body, start}}
				copied.copied[0] = &partition.Replay{ID: []byte("r"), Extra: true, Own: own, Seen: start}
				o := copied.origin(0)
				copied.core.PassFor(o, start)
				if !copied.core.Replayed(o) {
					t.Fatal("left out")
				}
				body, err := copied.scanner.Scan(append([]byte{}, f.Body...))
				if err != nil {
					t.Fatal(err)
				}
				copied.core.Webhook(o, body)
				copied.releaseAll()
				copied.commit()
				if own { // at its end all leaves that waits
					copied.core.Replayed(&partition.Origin{Topic: schemas.TopicRawBulk, ReceivedAt: start, Replay: &partition.Replay{ID: []byte("r"), End: true, Own: true, Seen: start}})
					copied.releaseAll()
					copied.commit()
				} else {
					copied.settle()
				}
				if got, want := copied.outcome(!own), here.outcome(!own); !slices.Equal(got, want) {
					t.Errorf("replayed (own state: %v), it gives\n%q\ninstead of\n%q", own, got, want)
				}
			}
		})
	}
}

// YCloud sends its events without a key, so they are on one partition, for all businesses.
func TestYCloudHistoryOfEveryBusinessReachesItsTopic(t *testing.T) {
	away, home := atHome(t, false), atHome(t, true)
	var want []string
	for i := range 6 {
		for _, side := range []string{"whatsappInboundMessage", "whatsappMessage"} {
			id := fmt.Sprintf("wamid.%d.%s", i, side)
			want = append(want, id)
			away.webhook(fmt.Sprintf(`{"id":"evt","type":"whatsapp.smb.history","createTime":"2026-01-05T00:00:00.000Z","%s":{"wamid":"%s","wabaId":"71%d",`+
				`"from":"+16505550100","to":"+15550009001","type":"text","sendTime":"2025-12-01T00:00:00.000Z"},"phase":0,"progress":10}`, side, id, i))
		}
	}
	for i, r := range away.topics[schemas.TopicRerouted] {
		home.labels[i] = r.headers[schemas.HeaderOrigin]
		home.webhook(string(r.value))
	}
	home.settle()
	got := wamids(events[schemas.Message](home, schemas.TopicHistory))
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) || len(home.topics[schemas.TopicOther]) != 0 {
		t.Errorf("history is %v, want %v; other has %d", got, want, len(home.topics[schemas.TopicOther]))
	}
}

func TestPartsOfOtherPartitionsAreReroutedAndUnderstoodThere(t *testing.T) {
	home := newPartition(t)
	home.cfg.Partitions = 2
	home.cfg.PartitionOf = func(b []byte) int32 {
		if string(b) == waba {
			return 0
		}
		return 1
	}
	home.restart()
	two := strings.Replace(envelope("smb_message_echoes", value(`"message_echoes":[{"from":"`+biz+`","to":"`+user+`","id":"w1","timestamp":"1772366400","type":"text","text":{"body":"a"}}]`)),
		`"entry":[`, `"entry":[{"id":"555","time":1,"changes":[{"field":"smb_message_echoes","value":`+value(`"message_echoes":[{"from":"`+biz+`","to":"`+user+`","id":"w2","timestamp":"1772366400","type":"text","text":{"body":"b"}}]`)+`}]},`, 1)
	home.webhook(two)
	moved := slices.DeleteFunc(home.topics[schemas.TopicRerouted], func(r record) bool { return r.value == nil }) // notes
	if len(moved) != 1 || moved[0].partition != 1 || moved[0].key != "555" || moved[0].headers[schemas.HeaderOrigin] != "raw.bulk/0/0#0.0" {
		t.Fatalf("rerouted: %+v", moved)
	}
	away := newPartition(t)
	away.webhook(string(moved[0].value))
	got := events[schemas.Message](away, schemas.TopicEchoes)
	if len(got) != 1 || got[0].WAMID != "w2" || got[0].WABAID != "555" {
		t.Fatalf("the other partition made %+v of it", got)
	}
}
