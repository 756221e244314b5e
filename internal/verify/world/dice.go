package world

import "math/bits"

// dice is a stream of random numbers (SplitMix64) that is a value: it costs nothing to make one for
// each message, so that every message is a function of the seed and of its place.
type dice struct{ s uint64 }

// roll makes the dice of a place.
func roll(seed uint64, place ...uint64) dice {
	s := mix(seed)
	for _, p := range place {
		s = mix(s ^ mix(p+0x9e3779b97f4a7c15))
	}
	return dice{s}
}

// mix is a bijection of 64-bit numbers.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (d *dice) next() uint64 {
	d.s += 0x9e3779b97f4a7c15
	return mix(d.s)
}

// n is a number from 0 to k-1; k is at least 1.
func (d *dice) n(k int) int {
	hi, _ := bits.Mul64(d.next(), uint64(k))
	return int(hi)
}

// share is a number from 0 to 1, without 1.
func (d *dice) share() float64 { return float64(d.next()>>11) / (1 << 53) }

func (d *dice) chance(p float64) bool { return p > 0 && d.share() < p }

func shuffle[T any](d *dice, s []T) {
	for i := len(s) - 1; i > 0; i-- {
		j := d.n(i + 1)
		s[i], s[j] = s[j], s[i]
	}
}
