package world

import (
	"strconv"

	"github.com/coexstream/coexstream/internal/verify/truth"
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
	versions := [...]int{1, 1, 1, 1, 1, 2, 2, 3}[d.n(8)]
	if how := w.contactTimes(n, contact); how.second || how.undated {
		versions = max(versions, 2)
	}
	return versions
}

// contactTimes is the unusual property by which the versions of a contact differ.
type contactTimes struct {
	second  bool // nothing but the order in which they come: all are of one second
	undated bool // they have no time at all
}

func (w *World) contactTimes(n *number, contact int) contactTimes {
	d := roll(w.cfg.Seed, atContact, uint64(n.index), uint64(contact), 4)
	if w.contactByUser(n, contact) {
		return contactTimes{}
	}
	t := contactTimes{second: d.chance(w.cfg.SameSecond)}
	t.undated = d.chance(w.cfg.Undated) && !t.second
	return t
}

// contactByUser reports whether a contact starts without a phone number; its second version links the
// user id to one.
func (w *World) contactByUser(n *number, contact int) bool {
	d := roll(w.cfg.Seed, atContact, uint64(n.index), uint64(contact), 1)
	return d.chance(w.cfg.Users)
}

// contactNames are the names of a contact's members.
type contactNames struct{ full, first, phone, user string }

var (
	metaNames   = contactNames{`"full_name":`, `"first_name":`, "phone_number", "user_id"}
	ycloudNames = contactNames{`"fullName":`, `"firstName":`, "phoneNumber", "userId"}
)

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
		c.Phone = n.respelt(w.phone(n, int(op.contact)), &d)
		c.Remove = d.chance(0.15)
	}
	// Versions an hour apart, at times in milliseconds, at times different in `version` alone.
	base := w.cfg.Start.Unix() - 30*day + int64(who.n(day))
	tied := who.chance(0.1) && !n.ycloud
	seconds := base + 3600*int64(op.version)
	times := w.contactTimes(n, int(op.contact))
	if times.second || times.undated {
		// Two removals of one second would be one, delivered again.
		tied, c.Remove = false, op.version == 1 && d.chance(0.3)
		seconds = base
	}
	if tied {
		seconds = base
		c.Version = int64(op.version) + 1
	}
	c.TimestampMS = seconds * 1000
	milliseconds := !tied && !times.second && !times.undated && d.chance(0.2)
	if milliseconds {
		c.TimestampMS += int64(d.n(1000))
	}
	start := len(dst)
	names := &metaNames
	if n.ycloud {
		names = &ycloudNames
	}
	dst = append(dst, `{"type":"contact","contact":{`...)
	if !c.Remove {
		c.FirstName = firstNames[d.n(len(firstNames))]
		c.FullName = c.FirstName + " " + lastNames[d.n(len(lastNames))]
		if times.second || times.undated {
			c.FullName = appendNumbered(c.FullName, int(op.version))
		}
		dst = appendQuoted(append(dst, names.full...), c.FullName)
		dst = append(appendQuoted(append(append(dst, ','), names.first...), c.FirstName), ',')
	}
	if c.Phone != "" {
		dst = appendField(dst, names.phone, c.Phone)
	}
	if c.User != "" {
		if c.Phone != "" {
			dst = append(dst, ',')
		}
		dst = appendField(dst, names.user, c.User)
	}
	action := "add"
	if c.Remove {
		action = "remove"
	}
	dst = appendField(append(dst, `},`...), "action", action)
	if times.undated {
		c.TimestampMS = 0
		dst = append(dst, '}')
		if tell != nil {
			c.Digest = truth.Sum(dst[start:])
			tell.Contacts = append(tell.Contacts, c)
		}
		return dst
	}
	if n.ycloud {
		dst = append(dst, `,"timestamp":"`...)
		dst = append(strconv.AppendInt(dst, c.TimestampMS, 10), '"', '}')
		if tell != nil {
			c.Digest = truth.Sum(dst[start:])
			tell.Contacts = append(tell.Contacts, c)
		}
		return dst
	}
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
