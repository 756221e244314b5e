package schemas

import (
	"github.com/zeebo/xxh3"
)

// Rank orders the versions of one message under one wamid: a later version replaces an earlier one
// only when it ranks higher. docs/webhooks.md: a 131060 `unsupported` message, or a media placeholder, is
// followed by the real one with the same wamid.
type Rank uint8

// The ranks.
const (
	RankPlaceholder Rank = iota // media_placeholder, unsupported, unknown, errors; errors in place of content
	RankConcrete
	RankEdit
	RankRevoke
)

// RankOf is the rank of a message of a type, which may be absent, with or without errors. hasContent says that the property
// which the type names is there and not null. Errors of a message without it, or whose type is none of those with content, stand
// in the place of the content: it may follow.
func RankOf(messageType []byte, hasErrors, hasContent bool) Rank {
	switch string(messageType) {
	case "media_placeholder", "unsupported", "unknown", "errors":
		return RankPlaceholder
	}
	if hasErrors && !(hasContent && namesContent(messageType)) {
		return RankPlaceholder
	}
	switch string(messageType) {
	case "edit":
		return RankEdit
	case "revoke":
		return RankRevoke
	}
	return RankConcrete
}

// namesContent reports whether a message of a type is documented to have content of its own.
func namesContent(messageType []byte) bool {
	switch string(messageType) {
	case "text", "image", "video", "audio", "voice", "document", "sticker", "location", "contacts", "reaction", "interactive",
		"button", "order", "template", "system", "request_welcome", "poll", "edit", "revoke":
		return true
	}
	return false
}

// Hash is a 128-bit identity.
type Hash struct{ Hi, Lo uint64 }

// Hex is the hash as 32 lower-case hexadecimal digits.
func (h Hash) Hex() string { return string(h.AppendHex(nil)) }

// AppendHex appends the hash as 32 lower-case hexadecimal digits.
func (h Hash) AppendHex(dst []byte) []byte {
	b := xxh3.Uint128{Hi: h.Hi, Lo: h.Lo}.Bytes()
	var digits [32]byte
	for i, c := range b {
		pair := &hexPairs[c]
		digits[2*i], digits[2*i+1] = pair[0], pair[1]
	}
	return append(dst, digits[:]...)
}

// hexPairs are the two digits of each byte. It is never written to. With it an id costs half of what encoding/hex takes for it.
var hexPairs = func() (pairs [256][2]byte) {
	for i := range pairs {
		pairs[i] = [2]byte{hexDigits[i>>4], hexDigits[i&15]}
	}
	return pairs
}()

// HashBytes is the identity of b's bytes.
func HashBytes(b []byte) Hash {
	u := xxh3.Hash128(b)
	return Hash{u.Hi, u.Lo}
}

// AppendCompact appends a JSON text without white space between its tokens. Ids of content do not depend on it.
func AppendCompact(dst, text []byte) []byte {
	start := 0
	for i := 0; i < len(text); {
		switch text[i] {
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
			i++
		case ' ', '\n', '\t', '\r':
			dst = append(dst, text[start:i]...)
			i++
			start = i
		default:
			i++
		}
	}
	return append(dst, text[start:]...)
}

// HashParts is the identity of a sequence of byte strings: the parts are length-delimited, so ("ab","c")
// and ("a","bc") differ. scratch is reused and returned.
func HashParts(scratch []byte, parts ...[]byte) (Hash, []byte) {
	scratch = scratch[:0]
	for _, p := range parts {
		n := uint32(len(p))
		scratch = append(scratch, byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
		scratch = append(scratch, p...)
	}
	return HashBytes(scratch), scratch
}

// MessageKey is the identity of a message within the pipeline: its number and its wamid.
func MessageKey(scratch []byte, phoneNumberID, wamid []byte) (Hash, []byte) {
	return HashParts(scratch, phoneNumberID, wamid)
}

// EditKey is the identity of one edit of a message: there may be several under one wamid. The timestamp is that of the
// edit, in Unix seconds; content distinguishes it from others at that time.
func EditKey(message Hash, timestamp int64, content []byte) Hash {
	digest := HashBytes(content)
	var b [40]byte
	p := b[:0]
	for _, v := range [...]uint64{message.Hi, message.Lo, uint64(timestamp), digest.Hi, digest.Lo} {
		p = appendUint64(p, v)
	}
	return HashBytes(p)
}

// StandbyKey returns the identity of a copy under the field `standby` of the message with a key. The copy and the message
// differ, because an application that got the copy first must still answer the message.
func StandbyKey(key Hash) Hash {
	var b [32]byte
	p := append(b[:0], "standby\x00"...)
	p = appendUint64(p, key.Hi)
	p = appendUint64(p, key.Lo)
	return HashBytes(p)
}

// MessageEventID is the ce_id of a version of a message: a function of the event type, the message's
// key and its rank, and of nothing else, so that every delivery and every replay gives the same id.
func MessageEventID(eventType string, key Hash, rank Rank) Hash {
	var b [64]byte
	p := append(b[:0], eventType...)
	p = append(p, 0, byte(rank))
	p = appendUint64(p, key.Hi)
	p = appendUint64(p, key.Lo)
	return HashBytes(p)
}

func appendUint64(b []byte, v uint64) []byte {
	return append(b, byte(v>>56), byte(v>>48), byte(v>>40), byte(v>>32), byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
}
