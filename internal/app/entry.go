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
)

// entry is a record as `tail` shows it.
type entry struct {
	record  *kgo.Record
	topic   schemas.Topic
	headers map[string]string
	event   event
}

// event is what the values of the event topics have in common, as far as a line shows it.
type event struct {
	WABAID             string `json:"waba_id"`
	PhoneNumberID      string `json:"phone_number_id"`
	DisplayPhoneNumber string `json:"display_phone_number"`
	Thread             string `json:"thread"`
	ID                 string `json:"id"` // of a contact
	Direction          string `json:"direction"`
	Type               string `json:"type"`
	Status             string `json:"status"`
	Timestamp          int64  `json:"timestamp"`
	TimestampMS        int64  `json:"timestamp_ms"`
	FullName           string `json:"full_name"`
	Event              string `json:"event"`
	Field              string `json:"field"`
	State              string `json:"state"`
	Window             int32  `json:"window"`
	Progress           int32  `json:"progress"`
	Messages           int64  `json:"messages"`
	ChunksHeld         int64  `json:"chunks_held"`

	Original json.RawMessage `json:"original"`
}

func readEntry(r *kgo.Record, prefix string) *entry {
	e := &entry{record: r, headers: make(map[string]string, len(r.Headers))}
	e.topic, _ = schemas.ParseTopic(strings.TrimPrefix(r.Topic, prefix))
	for _, h := range r.Headers {
		e.headers[h.Key] = string(h.Value)
	}
	if e.isEvent() {
		_ = json.Unmarshal(r.Value, &e.event) // a value that is no event is shown as bytes
		if len(r.Value) == 0 {
			e.event.PhoneNumberID, e.event.ID, _ = strings.Cut(string(r.Key), "/") // a tombstone has its key only
		}
	}
	return e
}

// isEvent tells whether the value is one of ours: raw topics, dead letters and state are not.
func (e *entry) isEvent() bool {
	return !e.topic.Raw() && e.topic != schemas.TopicRerouted && e.topic != schemas.TopicDLQ && e.topic != schemas.TopicState
}

// tailFilter chooses records. In topics whose values are not events a WABA is compared with the key, and
// numbers and threads are looked for in the bytes.
type tailFilter struct{ waba, number, thread string }

func (f *tailFilter) match(e *entry) bool {
	if !e.isEvent() {
		return (f.waba == "" || string(e.record.Key) == f.waba) &&
			(f.number == "" || bytes.Contains(e.record.Value, []byte(f.number))) &&
			(f.thread == "" || bytes.Contains(e.record.Value, []byte(f.thread)))
	}
	ev := &e.event
	waba := f.waba == "" || ev.WABAID == f.waba
	number := f.number == "" || ev.PhoneNumberID == f.number || digits(ev.DisplayPhoneNumber) == digits(f.number) && digits(f.number) != ""
	thread := f.thread == "" || ev.Thread == f.thread || ev.ID == f.thread
	return waba && number && thread
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
	Value     any               `json:"value"` // JSON where it is JSON, else text where it is UTF-8, else absent
	Base64    []byte            `json:"value_base64,omitempty"`
}

func (e *entry) json() (string, error) {
	r := e.record
	j := jsonEntry{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Time: r.Timestamp.UTC(), Key: string(r.Key), Headers: e.headers}
	switch {
	case r.Value == nil:
	case !utf8.Valid(r.Value): // encoding/json takes such bytes for JSON, and passes them on as they are
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

// text is one line: time, place, and what the kind of record has to say.
func (e *entry) text(withTopic bool) string { return oneLine(e.line(withTopic)) }

func (e *entry) line(withTopic bool) string {
	fields := []string{e.time().Local().Format("2006-01-02 15:04:05")}
	if withTopic {
		fields = append(fields, fmt.Sprintf("%-8s", e.topic))
	}
	if !e.isEvent() {
		return strings.Join(append(fields, e.foreign()), "  ")
	}
	ev := &e.event
	fields = append(fields, or(ev.WABAID, "-"), or(ev.DisplayPhoneNumber, ev.PhoneNumberID, "-"))
	switch e.topic {
	case schemas.TopicContacts:
		fields = append(fields, e.contact())
	case schemas.TopicSyncs:
		fields = append(fields, e.sync())
	case schemas.TopicAccount:
		fields = append(fields, or(ev.Event, "-"))
	case schemas.TopicOther:
		fields = append(fields, or(ev.Field, "-"), shorten(string(ev.Original)))
	default:
		fields = append(fields, e.message())
	}
	return strings.Join(fields, "  ")
}

// time is the event's own time where it has one.
func (e *entry) time() time.Time {
	switch {
	case e.event.Timestamp > 0:
		return time.Unix(e.event.Timestamp, 0)
	case e.event.TimestampMS > 0:
		return time.UnixMilli(e.event.TimestampMS)
	}
	return e.record.Timestamp
}

func (e *entry) contact() string {
	if len(e.record.Value) == 0 {
		return "removed  " + e.event.ID
	}
	return e.event.ID + "  " + shorten(e.event.FullName)
}

func (e *entry) sync() string {
	if len(e.record.Value) == 0 {
		return "removed  goes on under its WABA"
	}
	ev := &e.event
	return fmt.Sprintf("window %d  %s  progress %d  messages %d  held %d", ev.Window, ev.State, ev.Progress, ev.Messages, ev.ChunksHeld)
}

func (e *entry) message() string {
	ev := &e.event
	arrow := map[string]string{schemas.DirectionInbound: "<-", schemas.DirectionOutbound: "->"}[ev.Direction]
	kind := or(ev.Type, "-")
	if e.headers[schemas.HeaderCEType] == schemas.TypeStatus {
		kind = "status " + ev.Status
	}
	return fmt.Sprintf("%s %s  %s  %s", or(arrow, "--"), or(ev.Thread, "-"), kind, shorten(messageText(ev.Original, ev.Type)))
}

// foreign shows a record whose value is not ours.
func (e *entry) foreign() string {
	what := or(e.headers[schemas.HeaderSource], "-")
	if reason := e.headers[schemas.HeaderDLQReason]; reason != "" {
		what = reason + " " + e.headers[schemas.HeaderDLQMessage]
	}
	return fmt.Sprintf("%d@%d  %s  %s  %d bytes  %s", e.record.Partition, e.record.Offset, or(string(e.record.Key), "-"), what, len(e.record.Value), shorten(string(e.record.Value)))
}

// messageText is what a person would read of a message: its text, its caption, or nothing.
func messageText(original json.RawMessage, kind string) string {
	var m map[string]json.RawMessage
	if json.Unmarshal(original, &m) != nil {
		return ""
	}
	var content struct {
		Body     string `json:"body"`
		Caption  string `json:"caption"`
		Filename string `json:"filename"`
		Name     string `json:"name"`
		Emoji    string `json:"emoji"`
		Message  struct {
			Type string `json:"type"`
			Text struct {
				Body string `json:"body"`
			} `json:"text"`
		} `json:"message"`
	}
	if json.Unmarshal(m[kind], &content) != nil {
		return ""
	}
	return or(content.Body, content.Caption, content.Filename, content.Name, content.Emoji, content.Message.Text.Body)
}

// shorten fits a text into a line: no line ends, nothing that moves a cursor, 80 characters.
func shorten(s string) string {
	const most = 80
	s = oneLine(s[:min(len(s), 4*most)])
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return s
}

// oneLine is a text without line ends and what moves a cursor.
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
