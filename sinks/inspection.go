package sinks

import "time"

// Inspection is where a target stands, for those who look at it from outside.
type Inspection struct {
	Bytes     int64           // that the target occupies
	Positions []TopicPosition // by topic and partition
	Letters   []SetAside      // the newest first, at most as many as were asked for
	LetterSum int64           // of all letters
}

// TopicPosition is where a topic of a partition is read on.
type TopicPosition struct {
	Topic     string // without the prefix
	Partition int32
	Next      int64
	At        time.Time // when the position was written
}

// SetAside is a letter without its record.
type SetAside struct {
	Topic     string
	Partition int32
	Offset    int64
	At        time.Time
	Reason    string
}
