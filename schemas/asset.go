package schemas

import (
	"strconv"
	"time"
)

// Asset is the value of `assets`: the fate of the media asset that one message event names. The media sink writes it.
type Asset struct {
	WABAID             string `json:"waba_id"`
	PhoneNumberID      string `json:"phone_number_id"`
	DisplayPhoneNumber string `json:"display_phone_number,omitempty"`

	// EventID and EventType are the ce_id and the ce_type of the event that names the asset. An event names one at most.
	EventID   string `json:"event_id"`
	EventType string `json:"event_type"`
	WAMID     string `json:"wamid,omitempty"`
	Thread    string `json:"thread,omitempty"`
	GroupID   string `json:"group_id,omitempty"`
	// Contact has the ids of the user on the other side; in a group, of the participant. It has no names.
	Contact *Contact `json:"contact,omitempty"`
	// Timestamp is that of the event, in Unix seconds. Records of earlier versions have none.
	Timestamp int64 `json:"timestamp,omitempty"`
	// Historical is that of the event.
	Historical bool `json:"historical"`

	MediaID string `json:"media_id"`
	Type    string `json:"type"` // of the message: image, video, …
	// MIMEType is what the webhook or the provider declared. DetectedType is what the first bytes of the content look like.
	// Neither may be believed: a reader shows nothing of an asset inline that could run.
	MIMEType     string `json:"mime_type,omitempty"`
	DetectedType string `json:"detected_type,omitempty"`
	Filename     string `json:"filename,omitempty"` // as the sender named it

	State  string `json:"state"`            // AssetStored or AssetMissing
	Reason string `json:"reason,omitempty"` // why it is missing: AssetExpired, …
	Detail string `json:"detail,omitempty"` // for people
	// SHA256 is the hash of the content, in hexadecimal digits, and Bytes its size. Of a missing asset they are those that
	// are known.
	SHA256 string `json:"sha256,omitempty"`
	Bytes  int64  `json:"bytes,omitempty"`
	// Object is the name of the content in the bucket.
	Object string `json:"object,omitempty"`

	ExpiresAt time.Time `json:"expires_at"` // until when the provider has the asset
	At        time.Time `json:"at"`         // when the outcome was known
}

// States of an asset.
const (
	AssetStored  = "stored"
	AssetMissing = "missing"
)

// Reasons for which an asset is missing. The set is open.
const (
	AssetExpired        = "expired"          // not downloaded in the time in which the provider has it
	AssetRefused        = "refused"          // the provider does not give it
	AssetDenied         = "denied"           // there is no token that the provider accepts
	AssetHashDiffers    = "hash_differs"     // the content is not the one that was announced
	AssetTooLarge       = "too_large"        // it exceeds sink.media.asset_bytes_max
	AssetTypeNotAllowed = "type_not_allowed" // its type is none of sink.media.types
	AssetUnsupported    = "unsupported"      // there is no known way to download from this provider
)

// AssetReasons lists all reasons.
func AssetReasons() []string {
	return []string{AssetExpired, AssetRefused, AssetDenied, AssetHashDiffers, AssetTooLarge, AssetTypeNotAllowed, AssetUnsupported}
}

// AssetEventID is the ce_id of the fate of the asset that an event names, so that each attempt gives the same id.
func AssetEventID(eventID string) Hash {
	h, _ := HashParts(nil, []byte(TypeAsset), []byte(eventID))
	return h
}

// AppendJSON appends the asset as a JSON object.
func (a *Asset) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"waba_id":`...)
	dst = appendString(dst, a.WABAID)
	dst = append(dst, `,"phone_number_id":`...)
	dst = appendString(dst, a.PhoneNumberID)
	dst = appendStringField(dst, `,"display_phone_number":`, a.DisplayPhoneNumber)
	dst = append(dst, `,"event_id":`...)
	dst = appendString(dst, a.EventID)
	dst = append(dst, `,"event_type":`...)
	dst = appendString(dst, a.EventType)
	dst = appendStringField(dst, `,"wamid":`, a.WAMID)
	dst = appendStringField(dst, `,"thread":`, a.Thread)
	dst = appendStringField(dst, `,"group_id":`, a.GroupID)
	if a.Contact != nil {
		dst = append(dst, `,"contact":`...)
		dst = a.Contact.appendJSON(dst)
	}
	dst = appendIntField(dst, `,"timestamp":`, a.Timestamp)
	dst = append(dst, `,"historical":`...)
	dst = strconv.AppendBool(dst, a.Historical)
	dst = append(dst, `,"media_id":`...)
	dst = appendString(dst, a.MediaID)
	dst = append(dst, `,"type":`...)
	dst = appendString(dst, a.Type)
	dst = appendStringField(dst, `,"mime_type":`, a.MIMEType)
	dst = appendStringField(dst, `,"detected_type":`, a.DetectedType)
	dst = appendStringField(dst, `,"filename":`, a.Filename)
	dst = append(dst, `,"state":`...)
	dst = appendString(dst, a.State)
	dst = appendStringField(dst, `,"reason":`, a.Reason)
	dst = appendStringField(dst, `,"detail":`, a.Detail)
	dst = appendStringField(dst, `,"sha256":`, a.SHA256)
	dst = appendIntField(dst, `,"bytes":`, a.Bytes)
	dst = appendStringField(dst, `,"object":`, a.Object)
	dst = append(dst, `,"expires_at":`...)
	dst = appendTime(dst, a.ExpiresAt)
	dst = append(dst, `,"at":`...)
	dst = appendTime(dst, a.At)
	return append(dst, '}')
}
