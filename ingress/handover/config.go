package handover

import (
	"time"

	"github.com/coexstream/coexstream/internal/invalid"
)

// Config is the configuration of a Spooled.
type Config struct {
	Dir string
	// BytesMax bounds the bytes on the disk: a quarter for raw.live, the rest for raw.bulk.
	BytesMax int64
	// AgeMax bounds the age of the oldest record. Beyond it the spool takes no more. It should be shorter than the
	// dedup window of the processor.
	AgeMax       time.Duration
	SegmentBytes int64
	// Sync: a record is durable only after fsync.
	Sync bool
	// After is the time that Kafka has to acknowledge a record before the record goes to the disk.
	After time.Duration
	// DrainBytesPerSecond and DrainRecordsPerSecond bound, for each lane, how fast the spool becomes emptier. Records
	// that arrive meanwhile are handed over on top of that, otherwise the spool would never become empty.
	DrainBytesPerSecond   int64
	DrainRecordsPerSecond int
}

// DefaultConfig returns the defaults. Dir has none.
func DefaultConfig() Config {
	return Config{
		BytesMax: 4 << 30, AgeMax: 12 * time.Hour, SegmentBytes: 16 << 20, Sync: true,
		After: 250 * time.Millisecond, DrainBytesPerSecond: 16 << 20, DrainRecordsPerSecond: 2000,
	}
}

// Validate returns an error that names the key, its value, and the allowed values.
func (c *Config) Validate() error {
	switch {
	case c.Dir == "":
		return invalid.Value("ingress.spool.dir", c.Dir, "a path")
	case c.SegmentBytes < 64<<10 || c.SegmentBytes > 1<<30:
		return invalid.Value("ingress.spool.segment_bytes", c.SegmentBytes, "%d to %d", 64<<10, 1<<30)
	case c.BytesMax < 4*c.SegmentBytes:
		return invalid.Value("ingress.spool.bytes_max", c.BytesMax, "at least four times ingress.spool.segment_bytes (%d)", 4*c.SegmentBytes)
	case c.AgeMax < time.Second:
		return invalid.Value("ingress.spool.age_max", c.AgeMax, "%s or more", time.Second)
	case c.After < 10*time.Millisecond || c.After > time.Minute:
		return invalid.Value("ingress.spool.after", c.After, "%s to %s", 10*time.Millisecond, time.Minute)
	case c.DrainBytesPerSecond < 1<<10:
		return invalid.Value("ingress.spool.drain.bytes_per_second", c.DrainBytesPerSecond, "%d or more", 1<<10)
	case c.DrainRecordsPerSecond < 1:
		return invalid.Value("ingress.spool.drain.records_per_second", c.DrainRecordsPerSecond, "1 or more")
	}
	return nil
}
