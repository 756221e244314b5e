package provider

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
)

// Signature is the signature of a provider: HMAC-SHA256 over the body, or over a time and the body, in hexadecimal digits.
//
// The age of the time is not checked: senders retry webhooks for hours or days, and the processor drops replayed ones (ADR
// 0045).
type Signature struct {
	Header         string // as the provider's documents write it
	Prefix         string // in front of the digits
	PrefixOptional bool
	// Time and Digits name the parameters of a header such as t=<time>,s=<digits>. The HMAC is over the time, a dot and
	// the body. Empty: the header is the digits alone, and the HMAC is over the body.
	Time, Digits string
}

// timeBytesMax is room for any time in seconds, milliseconds or nanoseconds.
const timeBytesMax = 20

// Decode decodes the value of a signature header: the MAC, and the time that is signed before the body with a dot between
// them. time is a slice of value, or nil.
func (s *Signature) Decode(mac *[sha256.Size]byte, value []byte) (time []byte, ok bool) {
	if s.Time != "" {
		if time, value, ok = s.parameters(value); !ok {
			return nil, false
		}
	} else if len(value) >= len(s.Prefix) && string(value[:len(s.Prefix)]) == s.Prefix {
		value = value[len(s.Prefix):]
	} else if !s.PrefixOptional {
		return nil, false
	}
	if len(value) != 2*sha256.Size {
		return nil, false
	}
	_, err := hex.Decode(mac[:], value)
	return time, err == nil
}

// parameters splits a header such as t=<time>,s=<digits>, in any order. Other parameters are skipped; a repeated one is an
// error.
func (s *Signature) parameters(value []byte) (time, digits []byte, ok bool) {
	for part := range bytes.SplitSeq(value, []byte{','}) {
		name, v, found := bytes.Cut(bytes.TrimSpace(part), []byte{'='})
		switch {
		case !found:
			return nil, nil, false
		case string(name) == s.Time && time == nil:
			time = v
		case string(name) == s.Digits && digits == nil:
			digits = v
		case string(name) == s.Time || string(name) == s.Digits:
			return nil, nil, false // twice
		}
	}
	if len(time) == 0 || len(time) > timeBytesMax {
		return nil, nil, false
	}
	for _, c := range time {
		if c < '0' || c > '9' {
			return nil, nil, false
		}
	}
	return time, digits, true
}
