package processors

import (
	"bytes"
	"time"
)

// liveBusinesses knows whether several businesses have live traffic: the two that wrote last, and when they did.
type liveBusinesses struct {
	last [2]businessAt // the newest first; never the same business twice
}

type businessAt struct {
	business []byte
	at       time.Time // zero: there is none
}

// wrote takes a live record of a business, and when it was written.
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

// since is the crowd without those who wrote before a time. It shares the names of c.
func (c *liveBusinesses) since(t time.Time) (recent liveBusinesses) {
	for i, b := range c.last {
		if b.at.After(t) {
			recent.last[i] = b
		}
	}
	return recent
}

// others tells whether another business than this one is there.
func (c *liveBusinesses) others(business []byte) bool {
	for i := range c.last {
		if b := &c.last[i]; !b.at.IsZero() && !bytes.Equal(b.business, business) {
			return true
		}
	}
	return false
}
