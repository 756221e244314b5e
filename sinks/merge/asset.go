package merge

import (
	"github.com/coexstream/coexstream/schemas"
)

// AssetKey names the asset of an event. An event names one at most.
type AssetKey struct {
	Number  string
	EventID string // ce_id of the event
}

// Asset is the outcome of the asset of an event, by the record with the latest time. It is of its own, and found from the content, edit or
// media of a message by the id of the event: the outcome can come before the message.
type Asset struct {
	AssetKey
	Order Order

	WABA     string
	WAMID    string // of the event
	Thread   string // as in the event
	Person   string // as personOf has it
	MediaID  string
	Type     string // of the message
	MIMEType string // declared
	Detected string // what the content looks like
	Filename string
	State    string // stored or missing
	Reason   string // why it is missing
	Detail   string
	SHA256   string // in hexadecimal digits
	Bytes    int64
	Object   string // name in the bucket; empty: it is not stored

	MessageAt int64 // Unix seconds of the message; 0: unknown
	ExpiresAt int64 // Unix seconds
	At        int64 // Unix milliseconds of the outcome
}

// Join is like that of Message.
func (a *Asset) Join(o *Asset) bool {
	if o.Order <= a.Order {
		return false
	}
	*a = *o
	return true
}

func (a *adding) asset(s *schemas.Asset) {
	key := AssetKey{clean(s.PhoneNumberID), clean(s.EventID)}
	put(a.rows.Assets, key, Asset{
		AssetKey: key, Order: ofTime(s.At.UnixNano(), a.digest), WABA: clean(s.WABAID), WAMID: clean(s.WAMID), Thread: clean(s.Thread),
		Person: personOf(messageOf(s)), MediaID: clean(s.MediaID), Type: clean(s.Type), MIMEType: clean(s.MIMEType), Detected: clean(s.DetectedType),
		Filename: clean(s.Filename), State: s.State, Reason: clean(s.Reason), Detail: clean(s.Detail), SHA256: s.SHA256, Bytes: s.Bytes,
		Object: clean(s.Object), MessageAt: max(s.Timestamp, 0), ExpiresAt: s.ExpiresAt.Unix(), At: s.At.UnixMilli(),
	})
}

// messageOf is what an asset says about its message: whom it is about.
func messageOf(s *schemas.Asset) *schemas.Message {
	return &schemas.Message{
		PhoneNumberID: s.PhoneNumberID, WAMID: s.WAMID, Thread: s.Thread, GroupID: s.GroupID, Contact: s.Contact, Timestamp: s.Timestamp,
	}
}
