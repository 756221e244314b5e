// Package directory says which WABA a phone number is of, where a webhook names the number alone. The answer depends on
// the times at which webhooks were received, and not on when they were processed:
//
//   - Named notes that a webhook named a number together with its WABA, and when it was received.
//   - Of is the WABA that was named last, at least Settled before the time that is asked for.
//
// The partition that asks hears of a name a little after it was received, since another partition reads that webhook and
// tells it. Settled is longer than that takes. So a pipeline that works as webhooks come, and a replay, which reads them
// all in order, answer the same.
//
// The package has no clock and does no I/O. A Number is not safe for concurrent use.
package directory

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"time"
)

// Settled is how long before a webhook its number has to have been named.
const Settled = 5 * time.Minute

// NamedAtOnceMax is of how many numbers of a WABA an account event that begins an onboarding names each at once, by the time at which
// it was received. Of more numbers each is named by the next live webhook about it that is received after the event.
const NamedAtOnceMax = 4

// namesMax bounds the WABAs that are remembered of a number: it moves rarely, and the latest moves are asked for.
const namesMax = 4

// Number is the knowledge about a phone number. The zero Number is not known.
type Number struct {
	names []name // by since, then by WABA; no two in a row have one WABA
	last  string
}

type name struct {
	waba  string
	since time.Time
}

func (n *name) after(at time.Time, waba string) bool {
	return n.since.After(at) || n.since.Equal(at) && n.waba > waba
}

// Known notes a WABA without a time: Last is it from now on.
func (n *Number) Known(waba string) (changed bool) {
	changed = n.last != waba
	n.last = strings.Clone(waba)
	return changed
}

// Named notes that a webhook received at a time named the number with a WABA. The order of the calls does not matter.
func (n *Number) Named(waba string, at time.Time) (changed bool) {
	at = time.UnixMilli(at.UnixMilli())
	i := len(n.names)
	for i > 0 && n.names[i-1].after(at, waba) {
		i--
	}
	if n.last == "" || i == len(n.names) {
		changed = n.Known(waba)
	}
	switch {
	case i > 0 && n.names[i-1].waba == waba:
		return changed
	case i < len(n.names) && n.names[i].waba == waba:
		n.names[i].since = at
		return true
	}
	n.names = slices.Insert(n.names, i, name{strings.Clone(waba), at})
	if len(n.names) > namesMax {
		n.names = slices.Delete(n.names, 0, 1)
	}
	return true
}

// Of is the WABA of a webhook that was received at a time and names the number alone; empty where none is settled.
func (n *Number) Of(at time.Time) string {
	for i := len(n.names) - 1; i >= 0; i-- {
		if !n.names[i].since.Add(Settled).After(at) {
			return n.names[i].waba
		}
	}
	return ""
}

// Last returns the WABA that was named last, at any time.
func (n *Number) Last() string { return n.last }

// Versions of the record. Those of the first version have the WABA alone.
const (
	versionWABA  = 1
	versionNames = 2
)

var errRecord = errors.New("not a record of a number's WABA")

// AppendRecord appends the number as Restore takes it.
func (n *Number) AppendRecord(dst []byte) []byte {
	dst = appendText(append(dst, versionNames), n.last)
	for i := range n.names {
		dst = binary.AppendVarint(appendText(dst, n.names[i].waba), n.names[i].since.UnixMilli())
	}
	return dst
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// Restore reads a record. A WABA of the first version counts as named since ever.
func Restore(record []byte) (*Number, error) {
	if len(record) < 2 {
		return nil, errRecord
	}
	n := &Number{}
	switch version, rest := record[0], record[1:]; version {
	case versionWABA:
		n.Named(string(rest), time.UnixMilli(0))
		return n, nil
	case versionNames:
		var err error
		if n.last, rest, err = text(rest); err != nil {
			return nil, err
		}
		for len(rest) > 0 {
			var waba string
			if waba, rest, err = text(rest); err != nil {
				return nil, err
			}
			ms, size := binary.Varint(rest)
			if size <= 0 {
				return nil, errRecord
			}
			rest = rest[size:]
			n.names = append(n.names, name{waba, time.UnixMilli(ms)})
		}
		return n, nil
	}
	return nil, errRecord
}

func text(b []byte) (s string, rest []byte, err error) {
	length, size := binary.Uvarint(b)
	if size <= 0 || length > uint64(len(b)-size) {
		return "", nil, errRecord
	}
	end := size + int(length)
	return string(b[size:end]), b[end:], nil
}
