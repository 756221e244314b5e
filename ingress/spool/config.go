package spool

import (
	"errors"
	"time"

	"github.com/coexstream/coexstream/internal/invalid"
	"github.com/coexstream/coexstream/internal/private"
)

// Config is the configuration of a Spool.
type Config struct {
	Dir string
	// BytesMax bounds the files, those in quarantine included.
	BytesMax int64
	// AgeMax bounds the age of the oldest record. Beyond it Append fails.
	AgeMax time.Duration
	// SegmentBytes is the approximate length of a segment.
	SegmentBytes int64
	// Sync makes Append wait for fsync. Without it records survive the process, not the machine.
	Sync bool
}

// Validate returns an error that names the key, its value, and the allowed values.
func (c *Config) Validate() error {
	switch {
	case c.Dir == "":
		return invalid.Value("ingress.spool.dir", c.Dir, "a path")
	case c.SegmentBytes < 4<<10 || c.SegmentBytes > 1<<30:
		return invalid.Value("ingress.spool.segment_bytes", c.SegmentBytes, "%d to %d", 4<<10, 1<<30)
	case c.BytesMax < c.SegmentBytes:
		return invalid.Value("ingress.spool.bytes_max", c.BytesMax, "at least ingress.spool.segment_bytes (%d)", c.SegmentBytes)
	case c.AgeMax <= 0:
		return invalid.Value("ingress.spool.age_max", c.AgeMax, "more than 0")
	}
	return nil
}

// The errors of Append, for errors.Is. After each of them the record may still be on the disk.
var (
	ErrFullBytes = errors.New("the spool has reached its limit of bytes")
	ErrFullAge   = errors.New("the oldest record of the spool has reached the limit of age")
	// ErrFailed: the disk cannot be written. The spool tries again after a moment.
	ErrFailed = errors.New("the spool cannot be written")
	// ErrBusy: the limit of bytes that wait to be written is reached.
	ErrBusy = errors.New("too many bytes wait for the spool")
	// ErrTimeout: the record was not synced before the deadline.
	ErrTimeout = errors.New("the spool was not written in time")
	ErrClosed  = errors.New("spool closed")
	// ErrLocked is of Open: another process uses the folder.
	ErrLocked = private.ErrInUse
)
