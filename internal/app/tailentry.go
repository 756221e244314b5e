package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/event"
)

// entry is a record as `tail` shows it.
type entry struct {
	record  *kgo.Record
	topic   schemas.Topic
	headers map[string]string
	// event is the record's event. Raw topics, dead letters and state have none.
	event   event.Event
	isEvent bool
}

func readEntry(r *kgo.Record, prefix string) *entry {
	e := &entry{record: r, headers: make(map[string]string, len(r.Headers))}
	e.topic, _ = schemas.ParseTopic(strings.TrimPrefix(r.Topic, prefix))
	for _, h := range r.Headers {
		e.headers[h.Key] = string(h.Value)
	}
	if ceType := event.TypeOf(e.topic); ceType != "" {
		if named := e.headers[schemas.HeaderCEType]; named != "" {
			ceType = named
		} else if len(r.Value) == 0 {
			ceType = map[schemas.Topic]string{schemas.TopicContacts: schemas.TypeContactRemoved, schemas.TopicSyncs: schemas.TypeSyncRemoved}[e.topic]
		}
		var err error
		e.event, err = event.Value(ceType, r.Value)
		e.isEvent = err == nil // else it is shown as bytes
	}
	return e
}

// subject returns the business, number and thread of the event. A tombstone has only its key.
func (e *entry) subject() (waba, number, display, thread string) {
	switch ev := &e.event; {
	case ev.Message != nil:
		return ev.Message.WABAID, ev.Message.PhoneNumberID, ev.Message.DisplayPhoneNumber, ev.Message.Thread
	case ev.Contact != nil:
		return ev.Contact.WABAID, ev.Contact.PhoneNumberID, ev.Contact.DisplayPhoneNumber, ev.Contact.ID
	case ev.Sync != nil:
		return ev.Sync.WABAID, ev.Sync.PhoneNumberID, ev.Sync.DisplayPhoneNumber, ""
	case ev.Account != nil:
		return ev.Account.WABAID, ev.Account.PhoneNumberID, ev.Account.PhoneNumber, ""
	case ev.Other != nil:
		return ev.Other.WABAID, ev.Other.PhoneNumberID, "", ""
	case ev.Asset != nil:
		return ev.Asset.WABAID, ev.Asset.PhoneNumberID, ev.Asset.DisplayPhoneNumber, ev.Asset.Thread
	}
	number, thread, _ = strings.Cut(string(e.record.Key), "/")
	return "", number, "", thread
}

// tailFilter selects records. In topics whose values are not events, a WABA is compared with the key, and numbers and
// threads are searched for in the bytes.
type tailFilter struct{ waba, number, thread string }

func (f *tailFilter) match(e *entry) bool {
	if !e.isEvent {
		return (f.waba == "" || string(e.record.Key) == f.waba) &&
			(f.number == "" || bytes.Contains(e.record.Value, []byte(f.number))) &&
			(f.thread == "" || bytes.Contains(e.record.Value, []byte(f.thread)))
	}
	waba, number, display, thread := e.subject()
	return (f.waba == "" || waba == f.waba) &&
		(f.number == "" || number == f.number || digits(display) == digits(f.number) && digits(f.number) != "") &&
		(f.thread == "" || thread == f.thread)
}

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
}

type jsonEntry struct {
	Topic     string            `json:"topic"`
	Partition int32             `json:"partition"`
	Offset    int64             `json:"offset"`
	Time      time.Time         `json:"time"`
	Key       string            `json:"key"`
	Headers   map[string]string `json:"headers"`
	Value     any               `json:"value"` // JSON, else text if it is UTF-8, else absent
	Base64    []byte            `json:"value_base64,omitempty"`
}

func (e *entry) json() (string, error) {
	r := e.record
	j := jsonEntry{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Time: r.Timestamp.UTC(), Key: string(r.Key), Headers: e.headers}
	switch {
	case r.Value == nil:
	case !utf8.Valid(r.Value): // encoding/json accepts such bytes as JSON, and passes them on unchanged
		j.Base64 = r.Value
	case json.Valid(r.Value):
		j.Value = json.RawMessage(r.Value)
	default:
		j.Value = string(r.Value)
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(j); err != nil {
		return "", fmt.Errorf("show %s/%d@%d: %w", r.Topic, r.Partition, r.Offset, err)
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// text returns one line: time, place and content.
func (e *entry) text(withTopic bool) string { return oneLine(e.line(withTopic)) }

func (e *entry) line(withTopic bool) string {
	fields := []string{e.time().Local().Format("2006-01-02 15:04:05")}
	if withTopic {
		fields = append(fields, fmt.Sprintf("%-8s", e.topic))
	}
	if !e.isEvent {
		return strings.Join(append(fields, e.foreign()), "  ")
	}
	waba, number, display, _ := e.subject()
	fields = append(fields, or(waba, "-"), or(display, number, "-"))
	switch ev := &e.event; {
	case ev.Message != nil:
		fields = append(fields, e.message(ev.Message))
	case e.topic == schemas.TopicContacts:
		fields = append(fields, e.contact())
	case e.topic == schemas.TopicSyncs:
		fields = append(fields, e.sync())
	case ev.Account != nil:
		fields = append(fields, or(ev.Account.Event, "-"))
	case ev.Other != nil:
		fields = append(fields, or(ev.Other.Field, "-"), shorten(string(ev.Other.Original)))
	case ev.Asset != nil:
		fields = append(fields, or(ev.Asset.Thread, "-"), ev.Asset.Type, or(ev.Asset.Reason, ev.Asset.State), or(ev.Asset.Object, shorten(ev.Asset.Detail)))
	}
	return strings.Join(fields, "  ")
}

// time returns the event's own time if it has one.
func (e *entry) time() time.Time {
	switch ev := &e.event; {
	case ev.Message != nil && ev.Message.Timestamp > 0:
		return time.Unix(ev.Message.Timestamp, 0)
	case ev.Contact != nil && ev.Contact.TimestampMS > 0:
		return time.UnixMilli(ev.Contact.TimestampMS)
	}
	return e.record.Timestamp
}

func (e *entry) contact() string {
	_, _, _, id := e.subject()
	if e.event.Contact == nil {
		return "removed  " + id
	}
	return id + "  " + shorten(e.event.Contact.FullName)
}

func (e *entry) sync() string {
	s := e.event.Sync
	if s == nil {
		return "removed  continues under its WABA"
	}
	line := fmt.Sprintf("window %d  %s  progress %d  messages %d  held %d", s.Window, s.State, s.Progress, s.Messages, s.ChunksHeld)
	if s.Status != "" {
		line += "  " + shorten(s.Status)
	}
	return line
}

func (e *entry) message(m *schemas.Message) string {
	arrow := map[string]string{schemas.DirectionInbound: "<-", schemas.DirectionOutbound: "->"}[m.Direction]
	kind := or(m.Type, "-")
	if e.event.Type == schemas.TypeStatus {
		kind = "status " + m.Status
	}
	return fmt.Sprintf("%s %s  %s  %s", or(arrow, "--"), or(m.Thread, "-"), kind, shorten(event.Text(m.Original, m.Type)))
}

// foreign returns a text for a record whose value is no event.
func (e *entry) foreign() string {
	what := or(e.headers[schemas.HeaderSource], "-")
	if reason := e.headers[schemas.HeaderDLQReason]; reason != "" {
		what = reason + " " + e.headers[schemas.HeaderDLQMessage]
	}
	return fmt.Sprintf("%d@%d  %s  %s  %d bytes  %s", e.record.Partition, e.record.Offset, or(string(e.record.Key), "-"), what, len(e.record.Value), shorten(string(e.record.Value)))
}

// shorten returns at most 80 characters of a text, without line ends and control characters.
func shorten(s string) string {
	const most = 80
	s = oneLine(s[:min(len(s), 4*most)])
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return s
}

// oneLine returns a text without line ends and control characters.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r) || r == utf8.RuneError || unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, s)
}

func or(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
