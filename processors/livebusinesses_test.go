package processors

import (
	"testing"
	"time"

	"github.com/coexstream/coexstream/processors/bulk"
)

func TestOtherBusinessesCountWhileTheyWrite(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	var c liveBusinesses
	others := func(business string, after time.Duration) bool {
		recent := c.since(now.Add(after - bulk.LiveRecent))
		return recent.others([]byte(business))
	}
	if others("mad", 0) {
		t.Error("somebody is there before anybody wrote")
	}
	for range 3 {
		c.wrote([]byte("mad"), now)
	}
	if others("mad", 0) {
		t.Error("a business that writes alone is not alone")
	}
	if !others("a", 0) {
		t.Error("for another business, the one that writes is not there")
	}
	c.wrote([]byte("a"), now.Add(-time.Second))
	for range 1000 {
		c.wrote([]byte("mad"), now)
	}
	if !others("mad", 0) {
		t.Error("a business that wrote a second ago is forgotten behind a thousand records of another one")
	}
	if others("mad", bulk.LiveRecent-time.Second) {
		t.Error("a business that wrote long ago is still there")
	}
	c.wrote([]byte("b"), now.Add(time.Second)) // in the place of a
	c.wrote([]byte("a"), now.Add(time.Second)) // in the place of mad
	for _, business := range []string{"mad", "a", "b"} {
		if !others(business, time.Second) {
			t.Errorf("%s is alone", business)
		}
	}
	if n := testing.AllocsPerRun(100, func() {
		c.wrote([]byte("a"), now)
		c.wrote([]byte("b"), now)
	}); n != 0 {
		t.Errorf("%v allocations for businesses that are known", n)
	}
}
