package split

import (
	"bytes"
	"errors"
	"io"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/coexstream/coexstream/schemas"
	"github.com/go-json-experiment/json/jsontext"
)

// node is a JSON value.
type node struct {
	kind    jsontext.Kind
	raw     []byte
	str     string // of a string, decoded
	members []member
	items   []*node
}

type member struct {
	name  string
	value *node
}

// lenient is jsontext's grammar alone: names twice and invalid UTF-8 are left to strictness.
var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// parseTree reads body with jsontext, by its grammar alone.
func parseTree(body []byte) (*node, error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(bytes.Clone(body)), lenient...)
	n, err := parseNode(d, body)
	if err != nil {
		return nil, err
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the value")
	}
	return n, nil
}

func parseNode(d *jsontext.Decoder, body []byte) (*node, error) {
	n := &node{kind: d.PeekKind()}
	if n.kind != '{' && n.kind != '[' {
		v, err := d.ReadValue()
		if err != nil {
			return nil, err
		}
		end := int(d.InputOffset())
		n.raw = body[end-len(v) : end]
		if n.kind == '"' {
			t, err := jsontext.NewDecoder(bytes.NewBuffer(bytes.Clone(v)), lenient...).ReadToken()
			if err != nil {
				return nil, err
			}
			n.str = t.String()
		}
		return n, nil
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	start := int(d.InputOffset()) - 1
	for d.PeekKind() != '}' && d.PeekKind() != ']' {
		var name string
		if n.kind == '{' {
			t, err := d.ReadToken()
			if err != nil {
				return nil, err
			}
			name = t.String()
		}
		v, err := parseNode(d, body)
		if err != nil {
			return nil, err
		}
		if n.kind == '{' {
			n.members = append(n.members, member{name, v})
		} else {
			n.items = append(n.items, v)
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	n.raw = body[start:d.InputOffset()]
	return n, nil
}

// get is the member name; nil when absent or null, or when n is no object.
func (n *node) get(name string) *node {
	if n == nil {
		return nil
	}
	for _, m := range n.members {
		if m.name == name && m.value.kind != 'n' {
			return m.value
		}
	}
	return nil
}

func (n *node) text() []byte {
	if n == nil || n.kind != '"' {
		return nil
	}
	return []byte(n.str)
}

func (n *node) id() []byte {
	if n != nil && n.kind == '0' && strings.Trim(string(n.raw), "0123456789") == "" {
		return n.raw
	}
	return n.text()
}

var numberText = regexp.MustCompile(`^(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$`)

// decimal splits a number, quoted or not, at its point.
func (n *node) decimal() (whole int64, fraction, ok bool) {
	if n == nil {
		return 0, false, false
	}
	t := strings.TrimPrefix(strings.Trim(n.str, " \t\r\n"), "+")
	if n.kind == '0' {
		t = string(n.raw)
	}
	m := numberText.FindStringSubmatch(t)
	if m == nil {
		return 0, false, false
	}
	digits, exponent := m[2]+m[3], new(big.Int)
	if m[4] != "" {
		exponent.SetString(strings.TrimPrefix(m[4], "+"), 10)
	}
	point := exponent.Add(exponent, big.NewInt(int64(len(m[2]))))
	switch {
	case strings.Trim(digits, "0") == "":
		return 0, false, true
	case m[1] == "-":
		return 0, false, false
	case point.Sign() <= 0:
		return 0, true, true
	case point.Cmp(big.NewInt(int64(len(digits)+20))) > 0:
		return 0, false, false // no room for so many digits
	}
	at := int(point.Int64())
	digits += strings.Repeat("0", max(0, at-len(digits)))
	v, _ := new(big.Int).SetString(digits[:at], 10)
	return v.Int64(), strings.Trim(digits[at:], "0") != "", v.IsInt64()
}

func (n *node) ordinal() (int32, bool) {
	v, fraction, ok := n.decimal()
	if !ok || fraction || v > 1<<31-1 {
		return 0, false
	}
	return int32(v), true
}

func (n *node) integer() int64 {
	if v, fraction, ok := n.decimal(); ok && !fraction {
		return v
	}
	return 0
}

func (n *node) millis() int64 {
	v, _, ok := n.decimal()
	if !ok {
		return 0
	}
	if v < 1e11 {
		return v * 1000
	}
	for v >= 1e14 {
		v /= 1000
	}
	return v
}

func (n *node) seconds() int64 { return n.millis() / 1000 }

func (n *node) date() int64 {
	if n == nil || n.kind != '"' || len(n.str) < len(time.DateTime)+1 { // RFC 3339 has two digits of the hour, and Go takes one
		return 0
	}
	var t time.Time
	if err := t.UnmarshalText([]byte(n.str)); err != nil {
		return 0
	}
	return t.Unix()
}

// without returns n's bytes with the parts replaced by a number each, so that oddness inside them does not count.
func (n *node) without(parts []*node) []byte {
	raw := bytes.Clone(n.raw)
	for _, p := range parts {
		at := cap(n.raw) - cap(p.raw) // both are slices of the body
		for k := range p.raw {
			raw[at+k] = ' '
		}
		raw[at] = '0'
	}
	return raw
}

// list is an array that is cut into objects; of another kind it makes what holds it odd.
func (n *node) list() []*node {
	if n == nil {
		return nil
	}
	if n.kind != '[' {
		panic(odd{schemas.ReasonShape})
	}
	return n.items
}

// arrays are a value's arrays of some names, in the order of the document; those of standby among them.
func (n *node) arrays(names ...string) (all []*node) {
	for _, m := range n.members {
		switch {
		case m.value.kind == 'n':
		case slices.Contains(names, m.name):
			all = append(all, m.value)
		case m.name == "standby" && m.value.kind == '{':
			for _, inner := range m.value.members {
				if inner.value.kind != 'n' && slices.Contains(names, inner.name) {
					all = append(all, inner.value)
				}
			}
		}
	}
	return all
}

// all are the members of an object, none of nil.
func (n *node) all() []member {
	if n == nil {
		return nil
	}
	return n.members
}
