package processors

import (
	"time"

	"github.com/coexstream/coexstream/internal/kafka"
)

// savedLog is what the group knows of a log from when it committed an offset of it.
type savedLog struct {
	at     int64 // the committed offset; negative: there is none
	marked bool  // it is known which log it was, and how far it went
	mark   kafka.LogMark
}

// currentLog is a log as it is.
type currentLog struct {
	id         [16]byte // zero: the brokers give topics none
	start, end int64
	// parted is where the log parts from the one in which the committed offset was read; negative: not known. Where it is
	// the end, new records may lie before it: not every broker counts a leader epoch when it has lost records.
	parted int64
}

// logFinding is what became of a log since an offset of it was committed, and where the group goes on.
type logFinding struct {
	from  int64
	fault string // a kind of kafka.LogFault; empty: it is the log that it was, or a new one
	// again: from is the end of the log, and records before it may be new ones at used offsets. They have to be read.
	again bool
	// Offsets that are gone, [from, to): those that were read, and those that nobody has read.
	read, unread span
}

// span is a range of offsets, without to.
type span struct{ from, to int64 }

func (s span) len() int64 { return max(s.to-s.from, 0) }

// compareLogs compares a log with what is known of it. It never goes on behind a record that may be new: where it cannot tell
// which ones are, the caller reads more than was read, and repetitions are left out by their identity.
func compareLogs(then savedLog, now currentLog) logFinding {
	known := then.marked && then.mark.ID != [16]byte{} && now.id != [16]byte{}
	// How far the log went that was read, as far as anybody saw it.
	seen := then.at
	if then.marked {
		seen = max(seen, then.mark.End)
	}
	switch {
	case known && then.mark.ID != now.id:
		read := max(then.at, then.mark.Next)
		if max(read, seen) <= 0 { // there was nothing in it
			return logFinding{from: now.start}
		}
		return logFinding{from: now.start, fault: kafka.FaultRecreated, read: span{0, read}, unread: span{read, seen}}
	case then.at < 0 && !then.marked:
		return logFinding{from: now.start}
	case then.at < 0:
		v := compareLogs(savedLog{at: then.mark.Next, marked: true, mark: then.mark}, now)
		if v.fault == "" {
			v.fault = kafka.FaultForgotten
		}
		return v
	case then.at < now.start: // retention; what it removed is told by losses
		return logFinding{from: now.start, unread: span{then.at, now.start}}
	case now.parted >= 0 && now.parted < then.at && now.parted < now.end:
		return logFinding{from: max(now.parted, now.start), fault: kafka.FaultCut, read: span{now.parted, then.at}, unread: span{then.at, seen}}
	case then.at > now.end:
		return logFinding{from: now.end, fault: kafka.FaultCut, again: true, read: span{now.end, then.at}, unread: span{then.at, seen}}
	}
	return logFinding{from: then.at}
}

// stateLost tells whether a partition of `state` has lost records since a mark was written: the topic was made again, or
// the log is shorter than it was, or empty, which compaction never makes it.
func stateLost(then kafka.LogMark, now currentLog) bool {
	return then.ID != [16]byte{} && now.id != [16]byte{} && then.ID != now.id || now.end < then.End || then.Next > 0 && now.start == now.end
}

// faultKept is how long a fault is told beside the committed offsets.
const faultKept = 7 * 24 * time.Hour
