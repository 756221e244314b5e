package processors

import (
	"bytes"
	"time"
)

// liveBusinesses records the two businesses that wrote live records last. This shows whether several have live traffic.
type liveBusinesses struct {
	last [2]businessAt // newest first, two different businesses
}

type businessAt struct {
	business []byte
	at       time.Time // zero: there is none
}

// wrote records a live record of a business and the time when it was written.
func (c *liveBusinesses) wrote(business []byte, at time.Time) {
	newest, before := &c.last[0], &c.last[1]
	switch {
	case !newest.at.IsZero() && bytes.Equal(newest.business, business):
		newest.later(at)
	case before.at.IsZero() || !bytes.Equal(before.business, business):
		before.business = append(before.business[:0], business...)
		before.at = at
		*newest, *before = *before, *newest
	default:
		before.later(at)
		*newest, *before = *before, *newest
	}
}

func (b *businessAt) later(at time.Time) {
	if at.After(b.at) {
		b.at = at
	}
}

// since returns a copy without businesses that wrote before t. The copy shares the bytes of their ids with c.
func (c *liveBusinesses) since(t time.Time) (recent liveBusinesses) {
	for i, b := range c.last {
		if b.at.After(t) {
			recent.last[i] = b
		}
	}
	return recent
}

// others reports whether it has a business other than this one.
func (c *liveBusinesses) others(business []byte) bool {
	for i := range c.last {
		if b := &c.last[i]; !b.at.IsZero() && !bytes.Equal(b.business, business) {
			return true
		}
	}
	return false
}
