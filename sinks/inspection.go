package sinks

import "time"

// Inspection is the state of a target, for observers.
type Inspection struct {
	Bytes     int64           // the size of the target
	Positions []TopicPosition // by topic and partition
	Letters   []SetAside      // the newest first, at most the requested number
	LetterSum int64           // of all letters
}

// TopicPosition is the position of a topic of a partition.
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
