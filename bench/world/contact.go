package world

import (
	"strconv"

	"github.com/coexstream/coexstream/bench/truth"
)

// contactOp is one version of one contact: versions of a contact are made in their order and arrive in
// any.
type contactOp struct{ contact, version int32 }

// contactVersions is how many versions a contact has.
func (w *World) contactVersions(n *number, contact int) int {
	d := roll(w.cfg.Seed, atContact, uint64(n.index), uint64(contact))
	if w.contactByUser(n, contact) {
		return 1 + d.n(2)
	}
	return [...]int{1, 1, 1, 1, 1, 2, 2, 3}[d.n(8)]
}

// contactByUser tells whether a contact starts without a phone number; its second version links the
// user id to one.
func (w *World) contactByUser(n *number, contact int) bool {
	d := roll(w.cfg.Seed, atContact, uint64(n.index), uint64(contact), 1)
	return d.chance(w.cfg.Users)
}

// appendContact appends one item of state_sync[].
func (w *World) appendContact(dst []byte, n *number, op contactOp, tell *truth.Part) []byte {
	d := roll(w.cfg.Seed, atContact, uint64(n.index), uint64(op.contact), 2, uint64(op.version))
	who := roll(w.cfg.Seed, atContact, uint64(n.index), uint64(op.contact), 3)
	c := truth.Contact{}
	if w.contactByUser(n, int(op.contact)) {
		c.User = w.user(n, int(op.contact))
		if op.version > 0 {
			c.Phone = w.phone(n, int(op.contact))
		}
	} else {
		c.Phone = w.phone(n, int(op.contact))
		c.Remove = d.chance(0.15)
	}
	// Versions an hour apart, at times in milliseconds, at times told apart by `version` alone.
	base := w.cfg.Start.Unix() - 30*day + int64(who.n(day))
	tied := who.chance(0.1)
	seconds := base + 3600*int64(op.version)
	if tied {
		seconds = base
		c.Version = int64(op.version) + 1
	}
	c.TimestampMS = seconds * 1000
	milliseconds := !tied && d.chance(0.2)
	if milliseconds {
		c.TimestampMS += int64(d.n(1000))
	}
	start := len(dst)
	dst = append(dst, `{"type":"contact","contact":{`...)
	if !c.Remove {
		c.FirstName = firstNames[d.n(len(firstNames))]
		c.FullName = c.FirstName + " " + lastNames[d.n(len(lastNames))]
		dst = appendQuoted(append(dst, `"full_name":`...), c.FullName)
		dst = append(appendQuoted(append(dst, `,"first_name":`...), c.FirstName), ',')
	}
	if c.Phone != "" {
		dst = appendField(dst, "phone_number", c.Phone)
	}
	if c.User != "" {
		if c.Phone != "" {
			dst = append(dst, ',')
		}
		dst = appendField(dst, "user_id", c.User)
	}
	action := "add"
	if c.Remove {
		action = "remove"
	}
	dst = appendField(append(dst, `},`...), "action", action)
	dst = append(dst, `,"metadata":{"timestamp":`...)
	stamp := seconds
	if milliseconds {
		stamp = c.TimestampMS
	}
	quoted := d.chance(0.7)
	if quoted {
		dst = append(dst, '"')
	}
	dst = strconv.AppendInt(dst, stamp, 10)
	if quoted {
		dst = append(dst, '"')
	}
	if c.Version > 0 {
		dst = strconv.AppendInt(append(dst, `,"version":`...), c.Version, 10)
	}
	dst = append(dst, '}', '}')
	if tell != nil {
		c.Digest = truth.Sum(dst[start:])
		tell.Contacts = append(tell.Contacts, c)
	}
	return dst
}
