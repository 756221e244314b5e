package split

import (
	"fmt"
	"math"
)

const (
	// DefaultItemsMax is room for a body of 16 MiB that is full of the shortest real messages.
	DefaultItemsMax = 200_000

	// depthCeiling is jsontext's: what it refuses is refused, whatever the configuration says.
	depthCeiling = 10_000
	// bodyCeiling keeps offsets in 31 bits.
	bodyCeiling = math.MaxInt32
)

// Validate says which limit cannot be had. NewScanner takes a limit that is out of range for its
// default.
func (l Limits) Validate() error {
	switch {
	case l.BodyBytesMax < 0 || l.BodyBytesMax > bodyCeiling:
		return fmt.Errorf("BodyBytesMax is %d: allowed are 0 (no limit of its own) to %d bytes", l.BodyBytesMax, bodyCeiling)
	case l.DepthMax < 0 || l.DepthMax > depthCeiling:
		return fmt.Errorf("DepthMax is %d: allowed are 0 (the default, %d) to %d", l.DepthMax, DefaultDepthMax, depthCeiling)
	case l.ItemsMax < 0:
		return fmt.Errorf("ItemsMax is %d: allowed are 0 (the default, %d) and above", l.ItemsMax, DefaultItemsMax)
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
