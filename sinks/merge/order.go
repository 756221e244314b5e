package merge

import (
	"encoding/binary"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/coexstream/coexstream/schemas"
)

// Order decides between two values of a register: the greater one, byte by byte, wins. Empty: no value.
type Order string

// order builds an Order.
type order struct {
	bytes [40]byte
	n     int
}

func (o *order) flag(v bool) *order {
	if v {
		o.bytes[o.n] = 1
	}
	o.n++
	return o
}

func (o *order) window(v int32) *order {
	binary.BigEndian.PutUint32(o.bytes[o.n:], uint32(v))
	o.n += 4
	return o
}

// number appends a number; negative ones sort before others.
func (o *order) number(v int64) *order {
	binary.BigEndian.PutUint64(o.bytes[o.n:], uint64(v)^1<<63)
	o.n += 8
	return o
}

func (o *order) digest(v uint64) Order {
	binary.BigEndian.PutUint64(o.bytes[o.n:], v)
	return Order(o.bytes[:o.n+8])
}

func digestOf(value []byte) uint64 { return schemas.HashBytes(value).Hi }

func ofTime(at int64, digest uint64) Order { return new(order).number(at).digest(digest) }

func ofPlace(p Place) Order { return new(order).number(p.Offset).digest(uint64(p.Partition)) }

// clean removes characters that databases and terminals refuse: U+0000 and other control characters, except line ends
// and tabs.
func clean(s string) string {
	if !strings.ContainsFunc(s, unclean) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if unclean(r) {
			return -1
		}
		return r
	}, s)
}

func unclean(r rune) bool {
	if r < utf8.RuneSelf {
		return r < ' ' && r != '\n' && r != '\t' || r == 0x7f
	}
	return unicode.IsControl(r)
}
