package handover

import (
	"errors"
	"fmt"
	"time"
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
	// DrainBytesPerSecond and DrainRecordsPerSecond bound, for each lane, by how much the spool becomes emptier. What
	// arrives meanwhile is handed over on top of that, otherwise the spool would never become empty.
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

// Validate returns an error that names the key, its value, and what is allowed.
func (c *Config) Validate() error {
	switch {
	case c.Dir == "":
		return errors.New("ingress.spool.dir is empty: want a path")
	case c.SegmentBytes < 64<<10 || c.SegmentBytes > 1<<30:
		return fmt.Errorf("ingress.spool.segment_bytes is %d: want %d to %d", c.SegmentBytes, 64<<10, 1<<30)
	case c.BytesMax < 4*c.SegmentBytes:
		return fmt.Errorf("ingress.spool.bytes_max is %d: want at least four segments, %d", c.BytesMax, 4*c.SegmentBytes)
	case c.AgeMax < time.Second:
		return fmt.Errorf("ingress.spool.age_max is %s: want at least %s", c.AgeMax, time.Second)
	case c.After < 10*time.Millisecond || c.After > time.Minute:
		return fmt.Errorf("ingress.spool.after is %s: want %s to %s", c.After, 10*time.Millisecond, time.Minute)
	case c.DrainBytesPerSecond < 1<<10:
		return fmt.Errorf("ingress.spool.drain.bytes_per_second is %d: want at least %d", c.DrainBytesPerSecond, 1<<10)
	case c.DrainRecordsPerSecond < 1:
		return fmt.Errorf("ingress.spool.drain.records_per_second is %d: want at least 1", c.DrainRecordsPerSecond)
	}
	return nil
}
