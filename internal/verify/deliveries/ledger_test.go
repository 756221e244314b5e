package deliveries

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/verify/receiver"
	"github.com/coexstream/coexstream/schemas"
)

// scene is a topic of messages of two businesses, and a receiver that took all of them.
type scene struct {
	endpoint receiver.Endpoint
	records  []*kgo.Record
	topics   []schemas.Topic
	lines    []*receiver.Line
}

func original(i int) string { return fmt.Sprintf(`{"id":"wamid.%d","text":{"body":"<%d>"}}`, i, i) }

// message is the i-th message of one of two businesses, in a partition of its own.
func message(i int) *kgo.Record {
	waba := i%2 + 1
	return &kgo.Record{
		Partition: int32(waba), Offset: int64(i), Key: []byte(fmt.Sprintf("n%d/c", waba)), Value: []byte(fmt.Sprintf(`{"waba_id":"w%d","phone_number_id":"n%d","original":%s}`, waba, waba, original(i))),
		Headers: []kgo.RecordHeader{
			{Key: schemas.HeaderCESpecVersion, Value: []byte("1.0")}, {Key: schemas.HeaderCEID, Value: []byte("id" + strconv.Itoa(i))}, {Key: schemas.HeaderCEType, Value: []byte(schemas.TypeMessage)},
			{Key: schemas.HeaderOrigin, Value: []byte("raw.live/1/" + strconv.Itoa(i) + "#0.0")}, {Key: schemas.HeaderReceivedAt, Value: []byte("5000")}, {Key: schemas.HeaderSource, Value: []byte("meta")},
		},
	}
}

func cloudBody(i int) string {
	return fmt.Sprintf(`{"specversion":"1.0","id":"id%d","type":"%s","coexorigin":"raw.live/1/%d#0.0","coexreceivedat":"5000","partitionkey":"%s","datacontenttype":"application/json","data":%s}`,
		i, schemas.TypeMessage, i, message(i).Key, message(i).Value)
}

func metaBody(i int) string {
	return fmt.Sprintf(`{"object":"whatsapp_business_account","entry":[{"id":"w","changes":[{"value":{"metadata":{"phone_number_id":"n"},"contacts":[{"wa_id":"1"}],"messages":[%s]},"field":"messages"}]}]}`, original(i))
}

const messagesInScene = 8

func newScene(format string) *scene {
	s := &scene{endpoint: receiver.Endpoint{Name: "crm", Format: format, InFlight: 3}}
	s.lines = append(s.lines, &receiver.Line{Start: &receiver.Start{Version: 1, Endpoint: "crm", Format: format, AtMS: 4000}})
	for i := range messagesInScene {
		s.add(schemas.TopicMessages, message(i))
		s.request(i, int64(i%2))
	}
	s.request(-1, 0) // later requests on both connections prove that the answers arrived
	s.request(-1, 1)
	return s
}

func (s *scene) add(t schemas.Topic, r *kgo.Record) {
	s.topics, s.records = append(s.topics, t), append(s.records, r)
}

func (s *scene) body(i int) string {
	switch {
	case i < 0 && s.endpoint.Format == receiver.FormatMeta:
		return `{"object":"whatsapp_business_account","entry":[]}`
	case i < 0:
		return `{"specversion":"1.0","id":"p","type":"com.coexstream.webhook.ping.v1","source":"/"}`
	case s.endpoint.Format == receiver.FormatMeta:
		return metaBody(i)
	}
	return cloudBody(i)
}

func (s *scene) request(i int, connection int64) {
	text := s.body(i)
	s.lines = append(s.lines, &receiver.Line{Request: &receiver.Request{AtMS: 6000, Connection: connection, Status: 200, Body: &text}})
}

func (s *scene) drop(i int) { s.lines = append(s.lines[:i+1:i+1], s.lines[i+2:]...) }

// again sends messages again, and has their answers confirmed.
func (s *scene) again(messages ...int) {
	for _, i := range append(messages, -1) {
		s.request(i, 7)
	}
}

func (s *scene) judge(restarts int) *Verdict {
	l := newLedger(&s.endpoint, 4000, 3)
	for i, r := range s.records {
		l.record(s.topics[i], r)
	}
	for _, line := range s.lines {
		l.line(line)
	}
	return l.verdict(restarts * s.endpoint.InFlight)
}

func withHeader(r *kgo.Record, key, value string) *kgo.Record {
	r.Headers = append(r.Headers, kgo.RecordHeader{Key: key, Value: []byte(value)})
	return r
}

// TestEachFaultOfASenderIsNoticed damages a faultless run, in both formats.
func TestEachFaultOfASenderIsNoticed(t *testing.T) {
	cases := map[string]struct {
		change   func(s *scene)
		restarts int
		count    func(v *Verdict) int // of which there is one
		faults   int
	}{
		"none":              {func(*scene) {}, 0, func(v *Verdict) int { return v.Arrived - messagesInScene + 1 }, 0},
		"lost":              {func(s *scene) { s.drop(3) }, 0, func(v *Verdict) int { return v.Lost }, 1},
		"no 2xx":            {func(s *scene) { s.lines[4].Request.Status = 503 }, 0, func(v *Verdict) int { return v.Lost }, 1},
		"out of order":      {func(s *scene) { s.lines[3], s.lines[5] = s.lines[5], s.lines[3] }, 0, func(v *Verdict) int { return v.Disordered }, 1},
		"of others first":   {func(s *scene) { s.lines[3], s.lines[4] = s.lines[4], s.lines[3] }, 0, func(v *Verdict) int { return 1 - v.Disordered }, 0},
		"repeated":          {func(s *scene) { s.again(2) }, 0, func(v *Verdict) int { return v.TooOften }, 1},
		"within the bound":  {func(s *scene) { s.again(2, 4, 6) }, 1, func(v *Verdict) int { return v.Repeated - 2 }, 0},
		"beyond the bound":  {func(s *scene) { s.again(2, 3, 4, 6) }, 1, func(v *Verdict) int { return v.TooOften }, 1},
		"answer lost":       {func(s *scene) { s.lines[3].Request.Connection = 9; s.request(2, 0) }, 0, func(v *Verdict) int { return v.Unconfirmed }, 0},
		"late":              {func(s *scene) { s.request(2, 9) }, 0, func(v *Verdict) int { return v.Unconfirmed }, 0},
		"excluded":          {func(s *scene) { s.endpoint.WABAs = []string{"w2"}; s.drop(0); s.drop(1); s.drop(2) }, 0, func(v *Verdict) int { return v.Excluded }, 1},
		"excluded number":   {func(s *scene) { s.endpoint.Numbers = []string{"n2"}; s.drop(0); s.drop(1); s.drop(2) }, 0, func(v *Verdict) int { return v.Excluded }, 1},
		"excluded type":     {func(s *scene) { s.endpoint.Types = []string{schemas.TypeStatus} }, 0, func(v *Verdict) int { return v.Excluded - messagesInScene + 1 }, messagesInScene},
		"replayed":          {func(s *scene) { withHeader(s.records[2], schemas.HeaderReplay, "r") }, 0, func(v *Verdict) int { return v.Replayed }, 1},
		"historical":        {func(s *scene) { s.topics[5] = schemas.TopicHistory }, 0, func(v *Verdict) int { return v.Historical }, 1},
		"history asked for": {func(s *scene) { s.topics[5], s.endpoint.Historical = schemas.TopicHistory, true }, 0, func(v *Verdict) int { return v.Owed - messagesInScene + 1 }, 0},
		"unknown":           {func(s *scene) { s.request(77, 0) }, 0, func(v *Verdict) int { return v.Unknown }, 1},
		"letter":            {func(s *scene) { s.drop(3); s.letter("crm", s.records[3]) }, 0, func(v *Verdict) int { return v.Letters - v.Lost }, 0},
		"letter of another": {func(s *scene) { s.drop(3); s.letter("erp", s.records[3]) }, 0, func(v *Verdict) int { return v.Lost }, 1},
		"before the start": {func(s *scene) {
			s.endpoint.FromEnd = true
			s.drop(3)
			s.records[3].Headers[4].Value = []byte("3999")
		}, 0, func(v *Verdict) int { return messagesInScene - v.Owed }, 0},
		"nothing": {func(s *scene) { s.lines, s.records = s.lines[:1], nil }, 0, func(v *Verdict) int {
			if v.OK() {
				return 0
			}
			return 1
		}, 0},
	}
	for name, c := range cases {
		for _, format := range []string{receiver.FormatCloudEvents, receiver.FormatMeta} {
			t.Run(name+" "+format, func(t *testing.T) {
				s := newScene(format)
				c.change(s)
				v := s.judge(c.restarts)
				if n := c.count(v); n != 1 || v.Faults != c.faults {
					t.Errorf("%d, %+v", n, v)
				}
			})
		}
	}
}

func (s *scene) letter(endpoint string, r *kgo.Record) {
	l := &kgo.Record{Partition: r.Partition, Value: r.Value}
	withHeader(withHeader(withHeader(l, schemas.HeaderDLQTopic, "messages"), schemas.HeaderDLQOffset, strconv.FormatInt(r.Offset, 10)), schemas.HeaderWebhookEndpoint, endpoint)
	s.add(schemas.TopicDLQ, l)
}

func TestAChangedCloudEventIsNoticed(t *testing.T) {
	for _, change := range [][2]string{
		{`"phone_number_id":"n1"`, `"phone_number_id":"n9"`}, {`"type":"` + schemas.TypeMessage, `"type":"` + schemas.TypeEcho}, {`"partitionkey":"n1/c",`, ``}, {`"coexreceivedat":"5000"`, `"coexreceivedat":"5001"`},
		{`"datacontenttype":"application/json"`, `"datacontenttype":"text/plain"`}, {`"data":{`, `"data":{ `}, {`"specversion":"1.0",`, `"specversion":"1.0","extra":"1",`},
	} {
		s := newScene(receiver.FormatCloudEvents)
		text := strings.Replace(*s.lines[3].Request.Body, change[0], change[1], 1)
		if text == *s.lines[3].Request.Body {
			t.Fatalf("%s is not in the body", change[0])
		}
		s.lines[3].Request.Body = &text
		if v := s.judge(0); v.Changed != 1 || v.Faults != 1 {
			t.Errorf("%v: %+v", change, v)
		}
	}
}

func TestAChangedWebhookOfMetaIsUnknownAndItsEventIsLost(t *testing.T) {
	s := newScene(receiver.FormatMeta)
	text := strings.Replace(*s.lines[3].Request.Body, `<2>`, `<>`, 1)
	s.lines[3].Request.Body = &text
	if v := s.judge(0); v.Unknown != 1 || v.Lost != 1 || v.Faults != 2 {
		t.Errorf("%+v", v)
	}
}

// TestARemovedContactIsKnownByItsHeaders has the removal of a contact, and one that a merge caused.
func TestARemovedContactIsKnownByItsHeaders(t *testing.T) {
	removal := func(offset int64, action string) *kgo.Record {
		r := &kgo.Record{Offset: offset, Key: []byte("n1/15551234")}
		for _, h := range [][2]string{
			{schemas.HeaderCEType, schemas.TypeContactRemoved}, {schemas.HeaderCESource, "/whatsapp/w1/n1"}, {schemas.HeaderContactAction, action},
			{schemas.HeaderContactPhone, "15551234"}, {schemas.HeaderContactTimestamp, "1700000000123"},
		} {
			withHeader(r, h[0], h[1])
		}
		return r
	}
	s := &scene{endpoint: receiver.Endpoint{Name: "crm", Format: receiver.FormatMeta}}
	s.add(schemas.TopicContacts, removal(1, schemas.ActionRemove))
	s.add(schemas.TopicContacts, removal(2, "merge"))
	text := `{"entry":[{"id":"w1","changes":[{"value":{"metadata":{"phone_number_id":"n1"},"state_sync":[{"type":"contact","contact":{"phone_number":"15551234"},"action":"remove","metadata":{"timestamp":"1700000000123"}}]},"field":"smb_app_state_sync"}]}]}`
	s.lines = []*receiver.Line{{Request: &receiver.Request{Status: 200, Body: &text}}}
	if v := s.judge(0); v.Owed != 1 || v.Lost != 0 || v.Faults != 0 || v.Arrived != 1 {
		t.Errorf("%+v", v)
	}
	s.endpoint.Format = receiver.FormatCloudEvents
	if v := s.judge(0); v.Owed != 2 || v.Lost != 2 {
		t.Errorf("%+v", v)
	}
}
