// Package link makes and checks links to stored contents that end at a time. A link names a content by its hash, and is signed with HMAC-SHA-256.
// It gives access to one content to everybody who has it, until its time is over.
package link

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Key signs links.
type Key []byte

// Path begins the path of a link, behind which the hash follows.
const Path = "/media/"

// The parameters of a link.
const (
	paramExpires   = "expires"
	paramName      = "name"
	paramSignature = "signature"
)

// filenameBytesMax bounds the name of a file in a link.
const filenameBytesMax = 200

// Make returns a link below a base URL. sha256 has hexadecimal digits. filename is a suggestion for the person who saves the content; empty: none.
func Make(key Key, base, sha256, filename string, expires time.Time) string {
	filename = clean(filename)
	until := strconv.FormatInt(expires.Unix(), 10)
	q := url.Values{paramExpires: {until}, paramSignature: {sign(key, sha256, filename, until)}}
	if filename != "" {
		q.Set(paramName, filename)
	}
	return strings.TrimRight(base, "/") + Path + sha256 + "?" + q.Encode()
}

// The errors of Check.
var (
	ErrSignature = errors.New("the link is not signed by this installation")
	ErrExpired   = errors.New("the link has expired")
)

// Check returns the hash and the file name of a link. path is the part behind Path.
func Check(key Key, path string, query url.Values, now time.Time) (sha256, filename string, err error) {
	filename, until := query.Get(paramName), query.Get(paramExpires)
	if !hmac.Equal([]byte(sign(key, path, filename, until)), []byte(query.Get(paramSignature))) {
		return "", "", ErrSignature
	}
	seconds, err := strconv.ParseInt(until, 10, 64)
	if err != nil || !isHash(path) {
		return "", "", ErrSignature
	}
	if now.Unix() >= seconds {
		return "", "", ErrExpired
	}
	return path, clean(filename), nil
}

// sign returns the signature of a link. The parts have no line feeds, so their sequence is one.
func sign(key Key, hash, filename, until string) string {
	m := hmac.New(sha256.New, key)
	m.Write([]byte("coexstream media link 1\n" + hash + "\n" + until + "\n" + filename))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

func isHash(text string) bool {
	return len(text) == 2*sha256.Size && strings.Trim(text, "0123456789abcdef") == ""
}

// clean returns a file name without a path and without characters that have a meaning in headers.
func clean(filename string) string {
	filename = filename[strings.LastIndexAny(filename, `/\`)+1:]
	filename = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '"' || r == ';' || r == '\u2028' || r == '\u2029' || r == '\u202e' {
			return '_'
		}
		return r
	}, strings.ToValidUTF8(filename, "_"))
	filename = strings.TrimLeft(filename, ".")
	if len(filename) > filenameBytesMax {
		filename = strings.ToValidUTF8(filename[:filenameBytesMax], "")
	}
	return filename
}
