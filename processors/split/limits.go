package split

import (
	"math"

	"github.com/coexstream/coexstream/internal/invalid"
)

const (
	// DefaultItemsMax is room for a body of 16 MiB that is full of the shortest real messages.
	DefaultItemsMax = 200_000

	// depthCeiling is the limit of jsontext. Deeper bodies are rejected with any configured limit.
	depthCeiling = 10_000
	// bodyCeiling keeps offsets in 31 bits.
	bodyCeiling = math.MaxInt32
)

// Validate returns an error that names the first invalid limit. NewScanner replaces a limit out of range by its
// default.
func (l Limits) Validate() error {
	switch {
	case l.BodyBytesMax < 0 || l.BodyBytesMax > bodyCeiling:
		return invalid.Value("BodyBytesMax", l.BodyBytesMax, "0 (no limit of its own) to %d", bodyCeiling)
	case l.DepthMax < 0 || l.DepthMax > depthCeiling:
		return invalid.Value("DepthMax", l.DepthMax, "0 (the default, %d) to %d", DefaultDepthMax, depthCeiling)
	case l.ItemsMax < 0:
		return invalid.Value("ItemsMax", l.ItemsMax, "0 (the default, %d) or more", DefaultItemsMax)
	}
	return nil
}

func (l Limits) withDefaults() Limits {
	if l.BodyBytesMax <= 0 || l.BodyBytesMax > bodyCeiling {
		l.BodyBytesMax = bodyCeiling
	}
	if l.DepthMax <= 0 || l.DepthMax > depthCeiling {
		l.DepthMax = DefaultDepthMax
	}
	if l.ItemsMax <= 0 {
		l.ItemsMax = DefaultItemsMax
	}
	return l
}
