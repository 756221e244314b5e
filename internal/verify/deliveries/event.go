package deliveries

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/verify/receiver"
	"github.com/coexstream/coexstream/schemas"
)

// digest identifies bytes.
type digest [16]byte

func sum(b []byte) digest {
	h := sha256.Sum256(b)
	return digest(h[:16])
}

// event is a record of an event topic, as far as the judge needs it.
type event struct {
	ceType     string
	waba       string
	number     string
	historical bool
	replayed   bool
	received   int64  // Unix milliseconds
	key        digest // of a CloudEvent: id and origin; of Meta: the original, or the removal
	content    digest // of a CloudEvent: attributes and data
	arrives    bool   // the format has a counterpart
}

// value has the properties of all events that count here.
type value struct {
	WABAID        string         `json:"waba_id"`
	PhoneNumberID string         `json:"phone_number_id"`
	Historical    bool           `json:"historical"`
	Original      jsontext.Value `json:"original"`
}

// readEvent reads a record. ok is false for one that is no event: the sink makes a letter of it.
func readEvent(format string, r *kgo.Record) (e event, ok bool) {
	header := map[string]string{}
	for _, h := range r.Headers { // the last one counts
		header[h.Key] = string(h.Value)
	}
	e = event{ceType: header[schemas.HeaderCEType], arrives: true}
	_, e.replayed = header[schemas.HeaderReplay]
	_, _ = fmt.Sscan(header[schemas.HeaderReceivedAt], &e.received) // an event without one is as old as can be
	var v value
	if len(r.Value) == 0 {
		waba, number, _ := strings.Cut(strings.TrimPrefix(header[schemas.HeaderCESource], "/whatsapp/"), "/")
		e.waba, e.number = unescaped(waba), unescaped(number)
	} else if err := json.Unmarshal(r.Value, &v, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
		return e, false
	} else {
		e.waba, e.number, e.historical = v.WABAID, v.PhoneNumberID, v.Historical
	}
	if e.waba == "" {
		e.waba = e.number
	}
	if format == receiver.FormatCloudEvents {
		e.key = cloudEventKey(header[schemas.HeaderCEID], header[schemas.HeaderOrigin])
		e.content = contentOf(attributesOf(header, r.Key), r.Value)
		return e, true
	}
	switch {
	case e.ceType == schemas.TypeSync, e.ceType == schemas.TypeSyncRemoved, e.ceType == schemas.TypeAsset:
		e.arrives = false
	case len(r.Value) == 0:
		e.arrives = header[schemas.HeaderContactAction] == schemas.ActionRemove
		e.key = removalKey(e.number, header[schemas.HeaderContactPhone], header[schemas.HeaderContactUserID], header[schemas.HeaderContactTimestamp])
	default:
		e.key = sum(v.Original)
	}
	return e, true
}

func unescaped(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

func cloudEventKey(id, origin string) digest { return sum([]byte(id + "\x00" + origin)) }

func removalKey(number, phone, user, timestamp string) digest {
	return sum([]byte(strings.Join([]string{"removal", number, phone, user, timestamp}, "\x00")))
}

// attributeNames are the attributes of a CloudEvent, by the headers of the record.
var attributeNames = map[string]string{
	schemas.HeaderCESpecVersion: "specversion", schemas.HeaderCEID: "id", schemas.HeaderCESource: "source", schemas.HeaderCEType: "type",
	schemas.HeaderCETime: "time", schemas.HeaderCESubject: "subject", schemas.HeaderTraceParent: "traceparent", schemas.HeaderTraceState: "tracestate",
	schemas.HeaderReceivedAt: "coexreceivedat", schemas.HeaderOrigin: "coexorigin", schemas.HeaderContactAction: "coexcontactaction",
}

func attributesOf(header map[string]string, key []byte) map[string]string {
	attributes := map[string]string{}
	for name, v := range header {
		if a := attributeNames[name]; a != "" {
			attributes[a] = strings.ToValidUTF8(v, "\uFFFD")
		}
	}
	if len(key) > 0 {
		attributes["partitionkey"] = strings.ToValidUTF8(string(key), "\uFFFD")
	}
	return attributes
}

func contentOf(attributes map[string]string, data []byte) digest {
	var all []string
	for name, v := range attributes {
		all = append(all, name+"\x00"+v)
	}
	slices.Sort(all)
	inner := sum(data)
	return sum(append([]byte(strings.Join(all, "\x01")+"\x01"), inner[:]...))
}

// arrival is an event that a request brought.
type arrival struct {
	keys    []digest // of which one is its own, the likely ones first
	content digest
	ceType  string // of a CloudEvent
	field   string // of a change
}

// arrivals reads a body. A ping has none.
func arrivals(format string, body []byte) ([]arrival, error) {
	if format == receiver.FormatCloudEvents {
		return cloudEvent(body)
	}
	var webhook struct {
		Entry []struct {
			Changes []jsontext.Value `json:"changes"`
		} `json:"entry"`
	}
	if err := json.Unmarshal(body, &webhook, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
		return nil, err
	}
	var all []arrival
	for _, entry := range webhook.Entry {
		for _, change := range entry.Changes {
			all = append(all, changeOf(change))
		}
	}
	return all, nil
}

// assetLink is the attribute with the link to a stored content.
const assetLink = "coexassetlink"

func cloudEvent(body []byte) ([]arrival, error) {
	var members map[string]jsontext.Value
	if err := json.Unmarshal(body, &members, jsontext.AllowInvalidUTF8(true)); err != nil {
		return nil, err
	}
	attributes, data := map[string]string{}, []byte(nil)
	for name, v := range members {
		var text string
		switch {
		case name == "data":
			data = v
			continue
		case json.Unmarshal(v, &text) != nil:
			return nil, fmt.Errorf("the attribute %q is no text", name)
		case name == "datacontenttype" && text == "application/json" && len(members["data"]) > 0:
			continue // of all events with data
		}
		attributes[name] = text
	}
	if attributes["type"] == schemas.TypeAsset {
		delete(attributes, assetLink) // no record has it, and each attempt another one
	}
	if strings.HasPrefix(attributes["type"], pingPrefix) {
		return nil, nil
	}
	return []arrival{{
		keys: []digest{cloudEventKey(attributes["id"], attributes["coexorigin"])}, content: contentOf(attributes, data), ceType: attributes["type"],
	}}, nil
}

// pingPrefix is that of requests that are no events.
const pingPrefix = "com.coexstream.webhook."

// depthMax is above that of any original: history, threads, messages, each an array.
const depthMax = 9

// changeOf lists the objects of a change, the outer ones first. The original is the first one that is a record's.
func changeOf(change jsontext.Value) arrival {
	var c struct {
		Field string `json:"field"`
		Value struct {
			Metadata struct {
				Number string `json:"phone_number_id"`
			} `json:"metadata"`
			StateSync []struct {
				Action  string `json:"action"`
				Contact struct {
					Phone  string `json:"phone_number"`
					UserID string `json:"user_id"`
				} `json:"contact"`
				Metadata struct {
					Timestamp jsontext.Value `json:"timestamp"`
				} `json:"metadata"`
			} `json:"state_sync"`
		} `json:"value"`
	}
	lenient := []json.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}
	_ = json.Unmarshal(change, &c, json.JoinOptions(lenient...)) // another shape has no removal
	a := arrival{field: c.Field}
	level := []jsontext.Value{change}
	for range depthMax {
		var next []jsontext.Value
		for _, v := range level {
			if v.Kind() == '{' {
				a.keys = append(a.keys, sum(v))
			}
			next = append(next, children(v)...)
		}
		level = next
	}
	for _, s := range c.Value.StateSync {
		if s.Action == schemas.ActionRemove {
			at := strings.Trim(string(s.Metadata.Timestamp), `"`)
			a.keys = append(a.keys, removalKey(c.Value.Metadata.Number, s.Contact.Phone, s.Contact.UserID, at))
		}
	}
	return a
}

// children are the objects and arrays of a value.
func children(v jsontext.Value) (all []jsontext.Value) {
	d := jsontext.NewDecoder(bytes.NewReader(v), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	t, err := d.ReadToken()
	if err != nil || t.Kind() != '{' && t.Kind() != '[' {
		return nil
	}
	object := t.Kind() == '{'
	for d.PeekKind() != '}' && d.PeekKind() != ']' {
		if object {
			if _, err := d.ReadToken(); err != nil {
				return all
			}
		}
		v, err := d.ReadValue()
		if err != nil {
			return all
		}
		if k := v.Kind(); k == '{' || k == '[' {
			all = append(all, bytes.Clone(v))
		}
	}
	return all
}
