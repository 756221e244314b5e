package schemas

import (
	"encoding/binary"
	"encoding/json"
	"math/bits"
	"strconv"
	"time"
	"unicode/utf8"
	"unsafe"
)

// The appenders below write what encoding/json writes for these types with SetEscapeHTML(false): the
// same properties in the same order, the same omitempty rules, the same escapes, invalid UTF-8
// replaced by U+FFFD. They differ in two points, both on purpose:
//   - a json.RawMessage is copied verbatim, byte for byte: the original message is evidence, and the
//     digest of what a vendor sent must be the digest of what a consumer reads. The caller vouches
//     that it is valid JSON; an empty one is written as null;
//   - a nil Sync.Phases is written as [], so that a reader never meets null where it expects a list.
//
// They neither reflect nor allocate (beyond growing dst).

// AppendJSON appends the message as a JSON object.
func (m *Message) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"waba_id":`...)
	dst = appendString(dst, m.WABAID)
	dst = append(dst, `,"phone_number_id":`...)
	dst = appendString(dst, m.PhoneNumberID)
	dst = appendStringField(dst, `,"display_phone_number":`, m.DisplayPhoneNumber)
	dst = appendStringField(dst, `,"kind":`, m.Kind)
	if m.Rank != nil {
		dst = append(dst, `,"rank":`...)
		dst = strconv.AppendUint(dst, uint64(*m.Rank), 10)
	}
	dst = appendStringField(dst, `,"wamid":`, m.WAMID)
	dst = appendStringField(dst, `,"original_wamid":`, m.OriginalWAMID)
	dst = appendStringField(dst, `,"wamid_token":`, m.WAMIDToken)
	dst = appendStringField(dst, `,"thread":`, m.Thread)
	dst = appendStringField(dst, `,"group_id":`, m.GroupID)
	if m.Contact != nil {
		dst = append(dst, `,"contact":`...)
		dst = m.Contact.appendJSON(dst)
	}
	dst = append(dst, `,"direction":`...)
	dst = appendString(dst, m.Direction)
	dst = appendStringField(dst, `,"from":`, m.From)
	dst = appendStringField(dst, `,"to":`, m.To)
	dst = append(dst, `,"timestamp":`...)
	dst = strconv.AppendInt(dst, m.Timestamp, 10)
	dst = appendStringField(dst, `,"type":`, m.Type)
	dst = appendStringField(dst, `,"status":`, m.Status)
	dst = append(dst, `,"historical":`...)
	dst = strconv.AppendBool(dst, m.Historical)
	if m.Standby {
		dst = append(dst, `,"standby":true`...)
	}
	if m.Joined != nil {
		dst = append(dst, `,"joined":`...)
		dst = strconv.AppendBool(dst, *m.Joined)
	}
	if m.Sync != nil {
		dst = append(dst, `,"sync":`...)
		dst = m.Sync.appendJSON(dst)
	}
	if len(m.Profiles) > 0 {
		dst = append(dst, `,"profiles":`...)
		dst = append(dst, m.Profiles...)
	}
	dst = append(dst, `,"original":`...)
	dst = appendRaw(dst, m.Original)
	return append(dst, '}')
}

func (c *Contact) appendJSON(dst []byte) []byte {
	start := len(dst)
	dst = appendStringField(dst, `,"wa_id":`, c.WaID)
	dst = appendStringField(dst, `,"user_id":`, c.UserID)
	dst = appendStringField(dst, `,"parent_user_id":`, c.ParentUserID)
	dst = appendStringField(dst, `,"username":`, c.Username)
	dst = appendStringField(dst, `,"country_code":`, c.CountryCode)
	dst = appendStringField(dst, `,"profile_name":`, c.ProfileName)
	return closeObject(dst, start)
}

func (p *SyncPosition) appendJSON(dst []byte) []byte {
	dst = append(dst, `{"window":`...)
	dst = strconv.AppendInt(dst, int64(p.Window), 10)
	dst = appendInt32Field(dst, `,"phase":`, p.Phase)
	dst = appendInt32Field(dst, `,"chunk_order":`, p.ChunkOrder)
	dst = appendInt32Field(dst, `,"progress":`, p.Progress)
	if p.Late {
		dst = append(dst, `,"late":true`...)
	}
	return append(dst, '}')
}

// AppendJSON appends the contact's state as a JSON object.
func (c *ContactState) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"waba_id":`...)
	dst = appendString(dst, c.WABAID)
	dst = append(dst, `,"phone_number_id":`...)
	dst = appendString(dst, c.PhoneNumberID)
	dst = appendStringField(dst, `,"display_phone_number":`, c.DisplayPhoneNumber)
	dst = append(dst, `,"id":`...)
	dst = appendString(dst, c.ID)
	dst = appendStringField(dst, `,"phone_number":`, c.PhoneNumber)
	dst = appendStringField(dst, `,"user_id":`, c.UserID)
	dst = appendStringField(dst, `,"parent_user_id":`, c.ParentUserID)
	dst = appendStringField(dst, `,"username":`, c.Username)
	dst = appendStringField(dst, `,"full_name":`, c.FullName)
	dst = appendStringField(dst, `,"first_name":`, c.FirstName)
	dst = append(dst, `,"timestamp_ms":`...)
	dst = strconv.AppendInt(dst, c.TimestampMS, 10)
	dst = appendIntField(dst, `,"version":`, c.Version)
	dst = append(dst, `,"original":`...)
	dst = appendRaw(dst, c.Original)
	return append(dst, '}')
}

// AppendJSON appends the account event as a JSON object.
func (a *Account) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"waba_id":`...)
	dst = appendString(dst, a.WABAID)
	dst = appendStringField(dst, `,"entry_id":`, a.EntryID)
	dst = appendStringField(dst, `,"phone_number":`, a.PhoneNumber)
	dst = appendStringField(dst, `,"phone_number_id":`, a.PhoneNumberID)
	dst = appendStringField(dst, `,"event":`, a.Event)
	dst = appendIntField(dst, `,"time":`, a.Time)
	dst = append(dst, `,"original":`...)
	dst = appendRaw(dst, a.Original)
	return append(dst, '}')
}

// AppendJSON appends the change as a JSON object.
func (o *Other) AppendJSON(dst []byte) []byte {
	start := len(dst)
	dst = appendStringField(dst, `,"waba_id":`, o.WABAID)
	dst = appendStringField(dst, `,"phone_number_id":`, o.PhoneNumberID)
	dst = append(dst, `,"field":`...)
	dst = appendString(dst, o.Field)
	dst = append(dst, `,"original":`...)
	dst = appendRaw(dst, o.Original)
	return closeObject(dst, start)
}

// AppendJSON appends the sync's state as a JSON object.
func (s *Sync) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"waba_id":`...)
	dst = appendString(dst, s.WABAID)
	dst = append(dst, `,"phone_number_id":`...)
	dst = appendString(dst, s.PhoneNumberID)
	dst = appendStringField(dst, `,"display_phone_number":`, s.DisplayPhoneNumber)
	dst = append(dst, `,"window":`...)
	dst = strconv.AppendInt(dst, int64(s.Window), 10)
	dst = append(dst, `,"state":`...)
	dst = appendString(dst, s.State)
	dst = appendStringField(dst, `,"end_reason":`, s.EndReason)
	dst = append(dst, `,"order_known":`...)
	dst = strconv.AppendBool(dst, s.OrderKnown)
	dst = append(dst, `,"phases":[`...)
	for i := range s.Phases {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = s.Phases[i].appendJSON(dst)
	}
	dst = append(dst, `],"progress":`...)
	dst = strconv.AppendInt(dst, int64(s.Progress), 10)
	dst = append(dst, `,"chunks":`...)
	dst = strconv.AppendInt(dst, s.Chunks, 10)
	dst = append(dst, `,"chunks_held":`...)
	dst = strconv.AppendInt(dst, s.ChunksHeld, 10)
	dst = append(dst, `,"chunks_late":`...)
	dst = strconv.AppendInt(dst, s.ChunksLate, 10)
	dst = append(dst, `,"chunks_duplicate":`...)
	dst = strconv.AppendInt(dst, s.ChunksDuplicate, 10)
	dst = appendIntField(dst, `,"chunks_lost":`, s.ChunksLost)
	dst = append(dst, `,"messages":`...)
	dst = strconv.AppendInt(dst, s.Messages, 10)
	dst = append(dst, `,"duplicates":`...)
	dst = strconv.AppendInt(dst, s.Duplicates, 10)
	dst = append(dst, `,"opened_at":`...)
	dst = appendTime(dst, s.OpenedAt)
	dst = append(dst, `,"last_chunk_at":`...)
	dst = appendTime(dst, s.LastAt)
	dst = appendTimeField(dst, `,"deadline_at":`, s.DeadlineAt)
	dst = appendTimeField(dst, `,"ended_at":`, s.EndedAt)
	if len(s.Error) > 0 {
		dst = append(dst, `,"error":`...)
		dst = append(dst, s.Error...)
	}
	if len(s.Errors) > 0 {
		dst = append(dst, `,"errors":[`...)
		for i := range s.Errors {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = s.Errors[i].appendJSON(dst)
		}
		dst = append(dst, ']')
	}
	dst = appendIntField(dst, `,"errors_omitted":`, s.ErrorsOmitted)
	dst = appendStringField(dst, `,"status":`, s.Status)
	dst = appendTimeField(dst, `,"onboarded_at":`, s.OnboardedAt)
	dst = appendTimeField(dst, `,"requested_at":`, s.RequestedAt)
	dst = appendTimeField(dst, `,"request_deadline_at":`, s.RequestDeadlineAt)
	if len(s.Requests) > 0 {
		dst = append(dst, `,"requests":[`...)
		for i := range s.Requests {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = s.Requests[i].appendJSON(dst)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

func (r *SyncRequest) appendJSON(dst []byte) []byte {
	dst = append(dst, `{"sync_type":`...)
	dst = appendString(dst, r.SyncType)
	dst = append(dst, `,"state":`...)
	dst = appendString(dst, r.State)
	dst = append(dst, `,"at":`...)
	dst = appendTime(dst, r.At)
	dst = appendTimeField(dst, `,"requested_at":`, r.RequestedAt)
	dst = append(dst, `,"requested_by":`...)
	dst = appendString(dst, r.RequestedBy)
	dst = append(dst, `,"provider":`...)
	dst = appendString(dst, r.Provider)
	dst = appendStringField(dst, `,"request_id":`, r.RequestID)
	dst = append(dst, `,"attempt":`...)
	dst = appendString(dst, r.Attempt)
	dst = append(dst, `,"attempts":`...)
	dst = strconv.AppendInt(dst, r.Attempts, 10)
	dst = appendTimeField(dst, `,"arrived_at":`, r.ArrivedAt)
	if e := r.Error; e != nil {
		dst = append(dst, `,"error":{"code":`...)
		dst = strconv.AppendInt(dst, e.Code, 10)
		dst = appendIntField(dst, `,"subcode":`, e.Subcode)
		dst = appendStringField(dst, `,"message":`, e.Message)
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

func (e *SyncError) appendJSON(dst []byte) []byte {
	dst = append(dst, `{"code":`...)
	dst = strconv.AppendInt(dst, e.Code, 10)
	dst = appendStringField(dst, `,"title":`, e.Title)
	dst = appendInt32Field(dst, `,"phase":`, e.Phase)
	dst = appendInt32Field(dst, `,"chunk_order":`, e.ChunkOrder)
	dst = append(dst, `,"at":`...)
	dst = appendTime(dst, e.At)
	return append(dst, '}')
}

func (p *SyncPhase) appendJSON(dst []byte) []byte {
	dst = append(dst, `{"phase":`...)
	dst = strconv.AppendInt(dst, int64(p.Phase), 10)
	dst = append(dst, `,"next":`...)
	dst = strconv.AppendInt(dst, int64(p.Next), 10)
	dst = append(dst, `,"left":`...)
	dst = strconv.AppendInt(dst, p.Left, 10)
	dst = append(dst, `,"held":`...)
	dst = strconv.AppendInt(dst, p.Held, 10)
	dst = append(dst, `,"progress":`...)
	dst = strconv.AppendInt(dst, int64(p.Progress), 10)
	if p.Finished {
		dst = append(dst, `,"finished":true`...)
	}
	if len(p.Gaps) > 0 {
		dst = append(dst, `,"gaps":[`...)
		for i := range p.Gaps {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = p.Gaps[i].appendJSON(dst)
		}
		dst = append(dst, ']')
	}
	dst = appendIntField(dst, `,"gaps_omitted":`, p.GapsOmitted)
	return append(dst, '}')
}

func (g *SyncGap) appendJSON(dst []byte) []byte {
	dst = append(dst, `{"from":`...)
	dst = strconv.AppendInt(dst, int64(g.From), 10)
	dst = append(dst, `,"to":`...)
	dst = strconv.AppendInt(dst, int64(g.To), 10)
	dst = append(dst, `,"since":`...)
	dst = appendTime(dst, g.Since)
	if g.GivenUp {
		dst = append(dst, `,"given_up":true`...)
	}
	if g.Lost {
		dst = append(dst, `,"lost":true`...)
	}
	return append(dst, '}')
}

// closeObject ends an object whose properties were all appended with a leading comma: the first comma
// becomes the opening brace.
func closeObject(dst []byte, start int) []byte {
	if len(dst) == start {
		return append(dst, '{', '}')
	}
	dst[start] = '{'
	return append(dst, '}')
}

func appendStringField(dst []byte, key, s string) []byte {
	if s == "" {
		return dst
	}
	return appendString(append(dst, key...), s)
}

func appendIntField(dst []byte, key string, v int64) []byte {
	if v == 0 {
		return dst
	}
	return strconv.AppendInt(append(dst, key...), v, 10)
}

func appendInt32Field(dst []byte, key string, v *int32) []byte {
	if v == nil {
		return dst
	}
	return strconv.AppendInt(append(dst, key...), int64(*v), 10)
}

func appendRaw(dst []byte, raw json.RawMessage) []byte {
	if len(raw) == 0 {
		return append(dst, "null"...)
	}
	return append(dst, raw...)
}

func appendTimeField(dst []byte, key string, t *time.Time) []byte {
	if t == nil {
		return dst
	}
	return appendTime(append(dst, key...), *t)
}

// appendTime writes RFC 3339 with as many digits of the second as there are, as time.Time's own
// MarshalJSON does for the years 0 to 9999.
func appendTime(dst []byte, t time.Time) []byte {
	dst = append(dst, '"')
	dst = t.AppendFormat(dst, time.RFC3339Nano)
	return append(dst, '"')
}

const hexDigits = "0123456789abcdef"

// plain is the position of the first byte from i on that is not written as it is, or len(s). It looks at eight bytes at a
// time: a mark in the high bit of its byte says that the byte is below 0x20, a quote, a backslash, or not ASCII.
func plain(s string, i int) int {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	b := unsafe.Slice(unsafe.StringData(s), len(s))
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		if m := (x | (x - ' '*ones) | ((x ^ '"'*ones) - ones) | ((x ^ '\\'*ones) - ones)) & highs; m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	if i < len(b) && len(b) >= 8 { // the last eight bytes, of which the first were looked at before
		seen := 8 - (len(b) - i)
		x := binary.LittleEndian.Uint64(b[len(b)-8:])
		if m := (x | (x - ' '*ones) | ((x ^ '"'*ones) - ones) | ((x ^ '\\'*ones) - ones)) & highs >> (8 * seen); m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
		return len(b)
	}
	for i < len(b) && b[i] >= ' ' && b[i] < utf8.RuneSelf && b[i] != '"' && b[i] != '\\' {
		i++
	}
	return i
}

func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := plain(s, 0); i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' {
				i = plain(s, i+1)
				continue
			}
			dst = append(dst, s[start:i]...)
			switch c {
			case '"', '\\':
				dst = append(dst, '\\', c)
			case '\b':
				dst = append(dst, '\\', 'b')
			case '\f':
				dst = append(dst, '\\', 'f')
			case '\n':
				dst = append(dst, '\\', 'n')
			case '\r':
				dst = append(dst, '\\', 'r')
			case '\t':
				dst = append(dst, '\\', 't')
			default:
				dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
			i++
			start = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			dst = append(dst, s[start:i]...)
			dst = append(dst, `\ufffd`...)
			start = i + n
		case r == '\u2028' || r == '\u2029':
			// Legal JSON, but not legal in older JavaScript source; encoding/json escapes them too.
			dst = append(dst, s[start:i]...)
			dst = append(dst, `\u202`...)
			dst = append(dst, hexDigits[r&15])
			start = i + n
		}
		i += n
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}
