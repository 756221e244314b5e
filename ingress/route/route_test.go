package route

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/ingress/rawtest"
	"github.com/coexstream/coexstream/internal/testing/cost"
	"github.com/coexstream/coexstream/internal/testing/seed"
	"github.com/coexstream/coexstream/schemas"
)

func TestRoute(t *testing.T) {
	long := strings.Repeat(`{"id":"4917000","messages":[{"id":"wamid.x","text":{"body":"a \"history\" ] } of it"}}]},`, 400)
	for _, c := range []struct {
		name, body string
		topic      schemas.Topic
		waba       string
	}{
		{"message", `{"object":"whatsapp_business_account","entry":[{"id":"1029","changes":[{"value":{"messages":[{"id":"wamid.1"}]},"field":"messages"}]}]}`, schemas.TopicRawLive, "1029"},
		{"history", `{"object":"whatsapp_business_account","entry":[{"id":"1029","changes":[{"value":{"history":[{}]},"field":"history"}]}]}`, schemas.TopicRawBulk, "1029"},
		{"white space", "{ \"entry\" : [ { \"id\" :\n\t\"1029\" , \"changes\" : [ { \"field\"\r\n : \t\"history\" } ] } ] }", schemas.TopicRawBulk, "1029"},
		{"history array with white space", `{"x":{"history" : [ ]}}`, schemas.TopicRawBulk, ""},
		{"media of the past", `{"entry":[{"id":"1029","changes":[{"field":"history","value":{"messages":[]}}]}]}`, schemas.TopicRawBulk, "1029"},
		{"the word in a text", `{"entry":[{"id":"1029","changes":[{"field":"messages","value":{"messages":[{"text":{"body":"history"}},{"text":{"body":"\"field\":\"history\""}},{"text":{"body":"\"history\":[1]"}}]}}]}]}`, schemas.TopicRawLive, "1029"},
		{"a name that ends with the word behind a quote", `{"entry":[{"id":"1029","changes":[{"value":{"x\"history":[1]}}]}]}`, schemas.TopicRawLive, "1029"},
		{"a text that ends with the word behind a quote", `{"entry":[{"id":"1029","changes":[{"value":{"field":"\"history","x":[]}}]}]}`, schemas.TopicRawLive, "1029"},
		{"an object called history", `{"entry":[{"id":"1029","changes":[{"field":"other","value":{"history":{"a":1},"event":"browsing_history"}}]}]}`, schemas.TopicRawLive, "1029"},
		{"history_context", `{"entry":[{"id":"1029","changes":[{"field":"smb_message_echoes","value":{"x":{"history_context":{"status":"READ"}}}}]}]}`, schemas.TopicRawLive, "1029"},
		{"mixed fields", `{"entry":[{"id":"1029","changes":[{"field":"messages","value":{}},{"value":{},"field":"history"}]}]}`, schemas.TopicRawBulk, "1029"},
		{"360dialog", `{"id":"evt-1","event":"history","data":{"id":"1029","history":[{"threads":[{"id":"49"}]}]}}`, schemas.TopicRawBulk, "1029"},
		{"360dialog, data first", `{"data":{"metadata":{"id":"7"},"id":"1029"},"event":"smb_app_state_sync","id":"evt-1"}`, schemas.TopicRawLive, "1029"},
		{"YCloud", `{"id":"e","type":"whatsapp.smb.history","phase":0}`, schemas.TopicRawBulk, ""},
		{"YCloud's business", `{"id":"e","type":"whatsapp.smb.history","whatsappMessage":{"id":"5","wabaId":"1029","text":{"body":"\"wabaId\":\"1\""}},"phase":0}`, schemas.TopicRawBulk, "1029"},
		{"YCloud's other events", `{"id":"e","type":"whatsapp.smb.message.echoes","whatsappMessage":{"wabaId":"1029"}}`, schemas.TopicRawLive, "1029"},
		{"echoes by their other name", `{"entry":[{"id":"1029","changes":[{"field":"message_echoes","value":{"message_echoes":[{"history_context":{}}]}}]}]}`, schemas.TopicRawLive, "1029"},
		{"standby", `{"entry":[{"id":"1029","changes":[{"field":"standby","value":{"standby":{"messages":[{}]}}}]}]}`, schemas.TopicRawLive, "1029"},
		{"handover with its history", `{"entry":[{"id":"1029","changes":[{"field":"messaging_handovers","value":{"type":"control_passed","control_passed":{"conversation_context":{"type":"history","history":{"items":[]}}}}}]}]}`, schemas.TopicRawLive, "1029"},
		{"byte order mark", "\ufeff" + `{"entry":[{"id":"1029","changes":[{"field":"history"}]}]}`, schemas.TopicRawBulk, "1029"},
		{"YCloud's group", `{"id":"e","type":"whatsapp.group.inbound_message.received","whatsappInboundMessage":{"wabaId":"1029","text":{"body":"whatsapp.smb.history"}}}`, schemas.TopicRawLive, "1029"},
		{"YCloud's type and more", `{"id":"e","type":"x.whatsapp.smb.history"}`, schemas.TopicRawLive, ""},
		{"YCloud's word as a field", `{"id":"e","field":"whatsapp.smb.history"}`, schemas.TopicRawLive, ""},
		{"another's word as YCloud's type", `{"id":"e","type":"history"}`, schemas.TopicRawLive, ""},
		{"not quite YCloud", `{"id":"e","body":"whatsapp.smb.history"}`, schemas.TopicRawLive, ""},
		{"id after the changes", `{"entry":[{"changes":[{"value":{"messages":[{"id":"5"}]}}],"id":"1029","time":1}],"object":"x"}`, schemas.TopicRawLive, "1029"},
		{"id after long changes", `{"entry":[{"changes":[{"value":{"history":[` + long + `{}]}}],"id":"1029","time":1}],"object":"x"}`, schemas.TopicRawBulk, "1029"},
		{"id after long changes, more after it", `{"entry":[{"changes":[` + long + `{}],"id":"1029","why":{}}],"object":"x"}`, schemas.TopicRawLive, "1029"},
		{"thread id last", `{"entry":[{"changes":[` + long + `{"id":"77"}],"id":"1029"}]}`, schemas.TopicRawLive, "1029"},
		{"number as id", `{"entry":[{"id":1029,"changes":[]}]}`, schemas.TopicRawLive, "1029"},
		{"portfolio", `{"entry":[{"id":"9000","changes":[{"field":"account_update","value":{"event":"PARTNER_REMOVED","waba_info":{"owner_business_id":"9000","waba_id":"1029"}}}]}]}`, schemas.TopicRawLive, "1029"},
		{"portfolio without a WABA", `{"entry":[{"id":"9000","changes":[{"value":{"waba_info":{"owner_business_id":"9000"}}}]}]}`, schemas.TopicRawLive, "9000"},
		{"escaped id", `{"entry":[{"id":"10\u00329"}]}`, schemas.TopicRawLive, ""},
		{"id escaped from its beginning on", `{"entry":[{"id":"\u0031029"}]}`, schemas.TopicRawLive, ""},
		{"id of 64 bytes", `{"entry":[{"id":"` + strings.Repeat("1", 64) + `"}]}`, schemas.TopicRawLive, strings.Repeat("1", 64)},
		{"number of 64 digits as id", `{"entry":[{"id":` + strings.Repeat("1", 64) + `}]}`, schemas.TopicRawLive, strings.Repeat("1", 64)},
		{"number of 65 digits as id", `{"entry":[{"id":` + strings.Repeat("1", 65) + `}]}`, schemas.TopicRawLive, ""},
		{"number that is none as id", `{"entry":[{"id":1029.5}]}`, schemas.TopicRawLive, ""},
		{"digits of all kinds", `{"entry":[{"id":9876543210}]}`, schemas.TopicRawLive, "9876543210"},
		{"empty id", `{"entry":[{"id":""}]}`, schemas.TopicRawLive, ""},
		{"a member without a value before the id", `{"entry":[{"x":,"id":"1029"}]}`, schemas.TopicRawLive, ""},
		{"id too long", `{"entry":[{"id":"` + strings.Repeat("1", 65) + `"}]}`, schemas.TopicRawLive, ""},
		{"id of the wrong kind", `{"entry":[{"id":{"id":"3"}}]}`, schemas.TopicRawLive, ""},
		{"bare decline", `{"messaging_product":"whatsapp","metadata":{"phone_number_id":"555"},"history":[{"errors":[{"code":2593109}]}]}`, schemas.TopicRawBulk, ""},
		{"nothing", `{}`, schemas.TopicRawLive, ""},
		{"empty", ``, schemas.TopicRawLive, ""},
		{"cut", `{"entry":[{"id":"10`, schemas.TopicRawLive, ""},
		{"cut at an escape", `{"entry":[{"x\`, schemas.TopicRawLive, ""},
		{"no JSON", `history" : [`, schemas.TopicRawLive, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			topic, waba := LaneAndKey([]byte(c.body))
			if topic != c.topic || string(waba) != c.waba {
				t.Errorf("%s, WABA %q; want %s, %q", topic, waba, c.topic, c.waba)
			}
		})
	}
}

func TestNumberStandsInForAMissingWABA(t *testing.T) {
	for body, want := range map[string]string{
		`{"metadata":{"display_phone_number":"1","phone_number_id" : "555"}}`: "555",
		`{"a":"\"phone_number_id\":\"1\"","phone_number_id":2}`:               "2",
		`{"phone_number_id":{}}`: "",
		`{}`:                     "",
	} {
		if got := PhoneNumberID([]byte(body)); string(got) != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}

func TestNestingDoesNotCostItsSquare(t *testing.T) {
	for _, unit := range []string{`{"phone_number_id":`, `{"waba_info":`, `{"data":`, `{"entry":[`, `"field":"history`, `"history"`, `\\\\"`} {
		t.Run(unit, func(t *testing.T) {
			whole := []byte(`{"x":` + strings.Repeat(unit, 4<<20/len(unit)))
			cost.Linear(t, len(whole), func(n int) func() {
				body := whole[:n]
				return func() {
					if _, waba := LaneAndKey(body); waba != nil || PhoneNumberID(body) != nil {
						t.Errorf("%q, %q", waba, PhoneNumberID(body))
					}
				}
			})
		})
	}
}

// parsed returns what LaneAndKey looks for, found by a real parser.
func parsed(t *testing.T, body string) (topic schemas.Topic, wabas []string) {
	t.Helper()
	type value struct {
		History  *[]json.RawMessage `json:"history"`
		WABAInfo struct {
			ID string `json:"waba_id"`
		} `json:"waba_info"`
	}
	var doc struct {
		Event string `json:"event"`
		Data  struct {
			ID string `json:"id"`
			value
		} `json:"data"`
		Entry []struct {
			ID      string `json:"id"`
			Changes []struct {
				Field string `json:"field"`
				Value value  `json:"value"`
			} `json:"changes"`
		} `json:"entry"`
	}
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	bulk := doc.Event == "history" || doc.Data.History != nil
	infos := []string{}
	for _, e := range doc.Entry {
		for _, c := range e.Changes {
			bulk = bulk || c.Field == "history" || c.Value.History != nil
			if c.Value.WABAInfo.ID != "" {
				infos = append(infos, c.Value.WABAInfo.ID)
			}
		}
		wabas = append(wabas, e.ID)
	}
	if doc.Data.ID != "" {
		wabas = append(wabas, doc.Data.ID)
	}
	switch at := strings.Index(body, `"waba_info"`); {
	case len(infos) == 0 || at > accountBytesMax:
	case at > accountBytesMax-512: // it may or may not end inside of the scanned bytes
		wabas = append(wabas, infos...)
	default:
		wabas = infos
	}
	if bulk {
		return schemas.TopicRawBulk, wabas
	}
	return schemas.TopicRawLive, wabas
}

func TestRouteAgreesWithAParser(t *testing.T) {
	seed := seed.Of(t)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 400 {
		body := rawtest.RandomBody(rng)
		topic, waba := LaneAndKey([]byte(body))
		wantTopic, wabas := parsed(t, body)
		if topic != wantTopic || !slices.Contains(wabas, string(waba)) {
			t.Fatalf("%s, WABA %q; the parser says %s, one of %q, in\n%s", topic, waba, wantTopic, wabas, body)
		}
	}
}

func FuzzRouteStaysInsideTheBody(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		f.Add([]byte(rawtest.RandomBody(rng)))
	}
	f.Add([]byte(`"history":[`))
	f.Add([]byte(`{"entry":[{"changes":[` + strings.Repeat(`"id":"1",`, 1000) + `"id":"1"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		topic, waba := LaneAndKey(body)
		if !topic.Raw() {
			t.Fatalf("topic %s", topic)
		}
		for _, id := range [][]byte{waba, PhoneNumberID(body)} {
			if len(id) > IDBytesMax || !bytes.Contains(body, id) {
				t.Fatalf("id %q", id)
			}
		}
	})
}

func BenchmarkLaneAndKey(b *testing.B) {
	message := `{"from":"4915112345678","id":"wamid.HBgNNDkxNTExMjM0NTY3OBUCABIYFDNBMDJ","timestamp":"1739230955","type":"text","text":{"body":"Here is the \"info\" you asked for"},"history_context":{"status":"READ"}},`
	thousands := strings.Repeat(message, 3<<20/len(message))
	for _, c := range []struct{ name, body string }{
		{"1KB", `{"object":"whatsapp_business_account","entry":[{"id":"1029","changes":[{"value":{"messages":[` + strings.Repeat(message, 4) + `{}]},"field":"messages"}]}]}`},
		{"3MBHistory", `{"object":"whatsapp_business_account","entry":[{"id":"1029","changes":[{"value":{"history":[{"threads":[{"messages":[` + thousands + `{}]}]}]},"field":"history"}]}]}`},
		{"3MBContacts", `{"object":"whatsapp_business_account","entry":[{"id":"1029","changes":[{"value":{"state_sync":[` + thousands + `{}]},"field":"smb_app_state_sync"}]}]}`},
		{"3MBIDLast", `{"object":"whatsapp_business_account","entry":[{"changes":[{"value":{"history":[` + thousands + `{}]},"field":"history"}],"id":"1029"}]}`},
		{"3MBIDLastOfTwo", `{"entry":[{"changes":[{"value":{"history":[` + thousands + `{}]},"field":"history"}],"id":"1029"},{"id":"1030","changes":[]}]}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			body := []byte(c.body)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, waba := LaneAndKey(body); len(waba) != 4 {
					b.Fatal("no WABA")
				}
			}
		})
	}
}

func TestTheIDBehindLongChangesIsFoundAtTheEnd(t *testing.T) {
	for end, want := range map[string]string{
		`}],"id":"1029"}]}`:                       "1029",
		`}],"id":1029}]}`:                         "1029",
		`}],"id":"1029","time":1}],"object":"x"}`: "1029",
		`}],"id":"1029","a":null,"b":"{","c":-1.5e3}],"d":true,"e":1}`:       "1029",
		"}],\"id\" : \"1029\" , \"time\" :\n1 } ] ,\t\"object\":\"x\" }\r\n": "1029",
		`"id":"77"}],"id":"1029"}]}`:                                         "1029",
		`"id":"a","id":"1029"}]}`:                                            "1029",
		`"id":"77"}]}],"x":1}]}`:                                             "", // nested deeper
		`"id":"77"}]}]}`:                                                     "",
		`"id":"1029","why":{}}]}`:                                            "", // an object may hold the id of another
		`"id":"1029","why":[]}]}`:                                            "",
		`"id":"1029"}],"why":{}}`:                                            "",
		`"id":"1029",}]}`:                                                    "",
		`"id":"1029"}}]}`:                                                    "",
		`"id":"1029"]]}`:                                                     "",
		`"id":"1029"}]}x`:                                                    "",
		`"id":"1029"}]`:                                                      "",
		`"id":"abc"}]}`:                                                      "",
		`"id":""}]}`:                                                         "",
		`"id" "1029"}]}`:                                                     "",
		`"id","1029"}]}`:                                                     "",
		`}]}`:                                                                "",
	} {
		body := strings.Repeat(" ", tailBytes) + end
		if got := tailID([]byte(body)); string(got) != want {
			t.Errorf("%s: %q, want %q", end, got, want)
		}
	}
}
