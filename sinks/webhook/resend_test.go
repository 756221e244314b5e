package webhook_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks/webhook"
	"github.com/coexstream/coexstream/sinks/webhook/envelope"
)

// letterOf is the record of a letter about a message.
func letterOf(offset int64, original string) *kgo.Record {
	r := message(1, int(offset), 0, func(m *schemas.Message, _ *kgo.Record) { m.Original = []byte(original) })
	r.Offset = offset
	for key, value := range map[string]string{
		schemas.HeaderDLQTopic: "messages", schemas.HeaderDLQOffset: "7", schemas.HeaderDLQReason: "webhook_noformat", schemas.HeaderWebhookEndpoint: "crm",
	} {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: key, Value: []byte(value)})
	}
	return r
}

func TestALetterThatTheFormatCannotRepresentIsNotSentAndNoFaultOfTheEndpoint(t *testing.T) {
	t.Parallel()
	for original, want := range map[string]error{`{"whatsappInboundMessage":{}}`: envelope.ErrForeign, `{"id":"wamid.1"}`: nil} {
		book := webhook.NewLetterBook()
		book.Add(letterOf(3, original))
		to := webhook.NewResender(endpoints(t, "format: meta")[0], "test", time.Now)
		defer to.Close()
		it, err := to.Letter(book.Letters("crm")[0])
		if !errors.Is(err, want) || (it == nil) != (want != nil) {
			t.Errorf("%s: %v, %v", original, it, err)
		}
		if it != nil && (it.Offset != 7 || it.Event.ID != "1-3") {
			t.Errorf("%+v", it)
		}
	}
}

func TestResendTellsARefusedEventFromAnEndpointThatIsAway(t *testing.T) {
	t.Parallel()
	var status atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(status.Load())) }))
	defer s.Close()
	e := endpoints(t, "attempts_max: 1\nurl: "+s.URL+local)[0]
	to := webhook.NewResender(e, "test", time.Now)
	defer to.Close()
	it := to.Event(schemas.TopicMessages, message(1, 1, 0), &webhook.Selection{})
	for code, away := range map[int32]bool{422: false, 401: false, 503: true, 429: true, 410: true, 302: true} {
		status.Store(code)
		if err := to.Send(t.Context(), it); err == nil || errors.Is(err, webhook.ErrAway) != away {
			t.Errorf("%d: %v", code, err)
		}
	}
	status.Store(204)
	if err := to.Send(t.Context(), it); err != nil {
		t.Error(err)
	}
}
