package spool

import (
	"fmt"
	"strings"
)

// segmentID names a segment.
type segmentID struct {
	sequence uint32 // orders segments; never used twice in a folder
	salt     uint64 // random
}

const segmentSuffix = ".v1.spool"

func (id segmentID) name() string {
	return fmt.Sprintf("%08x-%016x%s", id.sequence, id.salt, segmentSuffix)
}

// parseName is the segment of a file name.
func parseName(name string) (segmentID, bool) {
	var id segmentID
	stem, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok {
		return id, false
	}
	if n, err := fmt.Sscanf(stem, "%08x-%016x", &id.sequence, &id.salt); n != 2 || err != nil || id.name() != name {
		return segmentID{}, false
	}
	return id, true
}

// position is a place in a spool: the segment's sequence, then the offset in it.
type position uint64

func positionOf(sequence uint32, offset int64) position {
	return position(uint64(sequence)<<32 | uint64(uint32(offset)))
}

func (p position) sequence() uint32 { return uint32(p >> 32) }
