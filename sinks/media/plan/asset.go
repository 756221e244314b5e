package plan

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/event"
)

// Asset is what an event says about the media asset that it names.
type Asset struct {
	WABA, Number, Display string
	EventID, EventType    string
	WAMID, Thread, Group  string
	WaID, UserID          string // of the user on the other side; in a group, of the participant
	Timestamp             int64  // of the message, in Unix seconds
	Historical            bool
	Source                string // ce_source of the event
	MediaID               string
	Type                  string // of the message
	MIMEType              string
	Filename              string
	SHA256                string // in hexadecimal digits; empty: the event has none
	Expires               time.Time
}

// types are the message types whose object has the id of an asset.
var types = [...]string{"image", "video", "audio", "voice", "document", "sticker"}

// editsMax bounds edits within edits.
const editsMax = 4

// AssetOf returns the asset that an event names. life is how long the provider has an asset, from the receipt of its webhook.
func AssetOf(e *event.Event, life time.Duration) (a Asset, ok bool) {
	m := e.Message
	if m == nil || m.Standby && m.Kind == schemas.KindHandover {
		return a, false
	}
	kind, object := mediaObject(m.Original, m.Type, 0)
	id := identifier(event.Member(object, "id"))
	if id == "" {
		return a, false
	}
	received := e.Time
	if e.ReceivedAt > 0 {
		received = time.UnixMilli(e.ReceivedAt)
	}
	wa, user := personOf(m)
	return Asset{
		WABA: m.WABAID, Number: m.PhoneNumberID, Display: m.DisplayPhoneNumber, EventID: e.ID, EventType: e.Type, WAMID: m.WAMID, Thread: m.Thread, Group: m.GroupID, WaID: wa, UserID: user, Timestamp: m.Timestamp,
		Historical: m.Historical, Source: e.Source, MediaID: id, Type: kind, MIMEType: event.String(event.Member(object, "mime_type")),
		Filename: event.String(event.Member(object, "filename")), SHA256: Digest(event.String(event.Member(object, "sha256"))), Expires: received.Add(life).UTC(),
	}, true
}

// personOf returns the ids of the user on the other side. A participant of a group without a contact is the sender.
func personOf(m *schemas.Message) (wa, user string) {
	if m.Contact != nil {
		wa, user = m.Contact.WaID, m.Contact.UserID
	}
	if wa == "" && user == "" && m.GroupID != "" && m.Direction == schemas.DirectionInbound {
		wa = m.From
	}
	return wa, user
}

// mediaObject finds the object with the asset: that of the message's type, or of the message in an edit.
func mediaObject(original []byte, messageType string, depth int) (kind string, object []byte) {
	for _, t := range types {
		if messageType == t {
			return t, event.Member(original, t)
		}
	}
	if depth >= editsMax || messageType != "edit" {
		return "", nil
	}
	inner := event.Member(event.Member(original, "edit"), "message")
	return mediaObject(inner, event.String(event.Member(inner, "type")), depth+1)
}

// identifier reads an id, which some senders write as a number.
func identifier(value []byte) string {
	if s := event.String(value); s != "" {
		return s
	}
	if len(value) > 0 && len(value) <= 32 && strings.Trim(string(value), "0123456789") == "" {
		return string(value)
	}
	return ""
}

// Digest reads a SHA-256 that is written in base64 or in hexadecimal digits. It is empty for any other text.
func Digest(text string) string {
	text = strings.TrimSpace(text)
	if len(text) == 2*digestBytes {
		if b, err := hex.DecodeString(text); err == nil {
			return hex.EncodeToString(b)
		}
	}
	plain := strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(text), "=")
	if b, err := base64.RawStdEncoding.DecodeString(plain); err == nil && len(b) == digestBytes {
		return hex.EncodeToString(b)
	}
	return ""
}

const digestBytes = 32

// ObjectFolder is the begin of the names of all contents in the bucket.
const ObjectFolder = "media/sha256/"

// ObjectName is the name of a content in the bucket.
func ObjectName(sha256 string) string { return ObjectFolder + sha256[:2] + "/" + sha256 }

// Clone copies the texts, which are parts of the event's record.
func (a *Asset) Clone() Asset {
	c := *a
	for _, text := range []*string{
		&c.WABA, &c.Number, &c.Display, &c.EventID, &c.EventType, &c.WAMID, &c.Thread, &c.Group, &c.WaID, &c.UserID, &c.Source, &c.MediaID, &c.Type, &c.MIMEType, &c.Filename, &c.SHA256,
	} {
		*text = strings.Clone(*text)
	}
	return c
}
