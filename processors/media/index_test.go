package media

import "testing"

// An index of more numbers than two bytes hold has slots of four, and finds all of them.
func TestIndexFindsEveryNumberInSlotsThatAreAsSmallAsTheyMayBe(t *testing.T) {
	var x index
	hashOf := func(number int) uint64 { return uint64(number%50_000) * 0x9e3779b97f4a7c15 >> 20 } // some are alike
	for n := range 150_000 {
		if got := x.find(hashOf(n), func(number int) bool { return number == n }); got != -1 {
			t.Fatalf("number %d is found before it is added", n)
		}
		x.add(hashOf(n), hashOf)
		slots, each := x.slots(), 2
		if slots/5*4 > smallMax {
			each = 4
		}
		if x.n != n+1 || x.n > slots/5*4 || slots > indexMin && x.n <= slots/2/5*4 || x.bytes() != each*slots {
			t.Fatalf("%d numbers in %d slots of %d bytes", x.n, slots, x.bytes())
		}
	}
	for n := range 150_000 {
		if got := x.find(hashOf(n), func(number int) bool { return number == n }); got != n {
			t.Fatalf("number %d is found as %d", n, got)
		}
	}
}
