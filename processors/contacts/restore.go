package contacts

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/coexstream/coexstream/schemas"
)

// Restore reads a record of the `contacts` topic: its key, its headers (nil: absent), and whether it is a tombstone.
// The records of one key come in their order; the order of keys does not matter. A record without the header of arrival
// is older than all that have one.
func (b *Book) Restore(key []byte, header func(name string) []byte, tombstone bool) error {
	number, id, ok := bytes.Cut(key, []byte{'/'})
	if !ok || len(number) == 0 || len(id) == 0 {
		return fmt.Errorf("restore contact %q: the key is not phone_number_id/contact", key)
	}
	v, err := versionOf(header)
	if err != nil {
		return fmt.Errorf("restore contact %q: %w", key, err)
	}
	phone, user, linked := header(schemas.HeaderContactPhone), header(schemas.HeaderContactUserID), header(schemas.HeaderContactLinked)
	isPhone, isUser := bytes.Equal(phone, id), bytes.Equal(user, id)
	if !isPhone && !isUser {
		return fmt.Errorf("restore contact %q: neither header %s %q nor %s %q is the key's id", key,
			schemas.HeaderContactPhone, phone, schemas.HeaderContactUserID, user)
	}

	pair := len(phone) > 0 && len(user) > 0 && !(isPhone && isUser)
	tied, err := tiedOf(header)
	if err != nil {
		return fmt.Errorf("restore contact %q: %w", key, err)
	}
	e := b.entry(number, id)
	b.raise(e, v, !pair)
	for _, digest := range tied {
		b.gaveWay(e, Version{TimestampMS: v.TimestampMS, Number: v.Number, Digest: digest})
	}
	// Each spelling of a number has records of its own. The row has the spelling of the newest one.
	switch spelling := longer(id); {
	case tombstone:
		e.shown = e.shown && e.longer != spelling
	case !e.newest.after(v):
		e.shown, e.longer = true, spelling
	}
	other := linked
	if pair {
		other = phone
		if isPhone {
			other = user
		}
		b.raise(b.entry(number, other), v, false)
	}
	if len(other) > 0 {
		b.link(e, b.entry(number, other), id, other)
	}
	return nil
}

func versionOf(header func(name string) []byte) (v Version, err error) {
	if v.TimestampMS, err = number(header, schemas.HeaderContactTimestamp); err != nil {
		return v, err
	}
	if v.Number, err = number(header, schemas.HeaderContactVersion); err != nil {
		return v, err
	}
	if v.Digest, err = digestOf(schemas.HeaderContactDigest, header(schemas.HeaderContactDigest)); err != nil {
		return v, err
	}
	v.Arrival, err = parseArrival(header(schemas.HeaderContactArrival))
	return v, err
}

// tiedOf parses the digests of the changes that gave way to the record's change.
func tiedOf(header func(name string) []byte) (tied []uint64, err error) {
	text := header(schemas.HeaderContactTied)
	if len(text) == 0 {
		return nil, nil
	}
	for one := range bytes.SplitSeq(text, []byte{','}) {
		digest, err := digestOf(schemas.HeaderContactTied, one)
		if err != nil {
			return nil, err
		}
		tied = append(tied, digest)
	}
	return tied, nil
}

func digestOf(name string, text []byte) (uint64, error) {
	var digest [8]byte
	if n, err := hex.Decode(digest[:], text[:min(len(text), 16)]); err != nil || n != len(digest) || len(text) != 16 {
		return 0, fmt.Errorf("header %s %q: want 16 hexadecimal digits", name, text)
	}
	return binary.BigEndian.Uint64(digest[:]), nil
}

func number(header func(name string) []byte, name string) (int64, error) {
	text := header(name)
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("header %s %q: want a decimal number", name, text)
	}
	return n, nil
}
