package event

import "github.com/coexstream/coexstream/schemas"

// Properties of an asset that it must have.
const (
	assetWABA = 1 << iota
	assetNumber
	assetDisplay
	assetEventID
	assetEventType
	assetWAMID
	assetThread
	assetGroup
	assetContact
	assetTimestamp
	assetHistorical
	assetMediaID
	assetType
	assetMIME
	assetDetected
	assetFilename
	assetState
	assetReason
	assetDetail
	assetSHA256
	assetBytes
	assetObject
	assetExpires
	assetAt
)

var assetRequired = []property{
	{assetWABA, "waba_id"}, {assetNumber, "phone_number_id"}, {assetEventID, "event_id"}, {assetEventType, "event_type"},
	{assetHistorical, "historical"}, {assetMediaID, "media_id"}, {assetType, "type"}, {assetState, "state"},
	{assetExpires, "expires_at"}, {assetAt, "at"},
}

func (s *scanner) asset() *schemas.Asset {
	a, seen := new(schemas.Asset), uint32(0)
	texts := map[string]struct {
		bit uint32
		to  *string
	}{
		"display_phone_number": {assetDisplay, &a.DisplayPhoneNumber}, "event_id": {assetEventID, &a.EventID},
		"event_type": {assetEventType, &a.EventType}, "wamid": {assetWAMID, &a.WAMID}, "thread": {assetThread, &a.Thread}, "group_id": {assetGroup, &a.GroupID},
		"media_id": {assetMediaID, &a.MediaID}, "type": {assetType, &a.Type}, "mime_type": {assetMIME, &a.MIMEType},
		"detected_type": {assetDetected, &a.DetectedType}, "filename": {assetFilename, &a.Filename},
		"reason": {assetReason, &a.Reason}, "detail": {assetDetail, &a.Detail}, "object": {assetObject, &a.Object},
	}
	s.enter('{')
	for s.key() {
		if text, ok := texts[string(s.name)]; ok {
			s.once(&seen, text.bit)
			*text.to = s.filled()
			continue
		}
		switch string(s.name) {
		case "waba_id":
			s.once(&seen, assetWABA)
			a.WABAID = s.str()
		case "phone_number_id":
			s.once(&seen, assetNumber)
			a.PhoneNumberID = s.str()
		case "contact":
			s.once(&seen, assetContact)
			a.Contact = new(schemas.Contact)
			s.contactOf(a.Contact)
		case "timestamp":
			s.once(&seen, assetTimestamp)
			a.Timestamp = s.integer()
		case "historical":
			s.once(&seen, assetHistorical)
			a.Historical = s.boolean()
		case "state":
			s.once(&seen, assetState)
			a.State = s.oneOf(schemas.AssetStored, schemas.AssetMissing)
		case "sha256":
			s.once(&seen, assetSHA256)
			a.SHA256 = s.sha256()
		case "bytes":
			s.once(&seen, assetBytes)
			a.Bytes = s.count()
		case "expires_at":
			s.once(&seen, assetExpires)
			a.ExpiresAt = s.time()
		case "at":
			s.once(&seen, assetAt)
			a.At = s.time()
		default:
			s.skip()
		}
	}
	s.require(seen, assetRequired)
	s.named(a.WABAID, a.PhoneNumberID)
	return a
}

// sha256 reads 64 hexadecimal digits in lower case.
func (s *scanner) sha256() string {
	v := s.str()
	if s.err != nil {
		return v
	}
	ok := len(v) == 64
	for _, c := range []byte(v) {
		ok = ok && (c >= '0' && c <= '9' || c >= 'a' && c <= 'f')
	}
	if !ok {
		s.fail("is no SHA-256 in hexadecimal digits")
	}
	return v
}
