package processors

import (
	"time"

	"github.com/coexstream/coexstream/internal/kafka"
)

// savedLog is the group's knowledge of a log at the time of its committed offset.
type savedLog struct {
	at     int64 // the committed offset; negative: there is none
	marked bool  // mark is set
	mark   kafka.LogMark
}

// currentLog is the present state of a log.
type currentLog struct {
	id         [16]byte // topic id; zero: the brokers have no topic ids
	start, end int64
	// parted is the offset at which the log diverges from the one with the committed offset; negative: unknown. If it
	// equals end, new records may precede it, because some brokers lose records without a new leader epoch.
	parted int64
}

// logFinding is the result of comparing a log with its saved state, and the offset at which the group continues.
type logFinding struct {
	from  int64
	fault string // a kind of kafka.LogFault; empty: the log is unchanged, or new
	// again means that from is the end of the log, and that earlier records may be new ones at used offsets. The caller
	// must read them again.
	again bool
	// read and unread are the offsets that the log lost: those that were processed, and those that were not.
	read, unread span
}

// span is a range of offsets from from to to, without to.
type span struct{ from, to int64 }

func (s span) len() int64 { return max(s.to-s.from, 0) }

// compareLogs compares a log with its saved state. It never skips a record that may be new. If new records cannot be
// distinguished from old ones, the caller reads more than necessary, and deduplication drops the repetitions.
func compareLogs(then savedLog, now currentLog) logFinding {
	known := then.marked && then.mark.ID != [16]byte{} && now.id != [16]byte{}
	// seen is the highest end of the read log that anybody saw.
	seen := then.at
	if then.marked {
		seen = max(seen, then.mark.End)
	}
	switch {
	case known && then.mark.ID != now.id:
		read := max(then.at, then.mark.Next)
		if max(read, seen) <= 0 { // the log was empty
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
	case then.at < now.start: // retention; losses reports the removed records
		return logFinding{from: now.start, unread: span{then.at, now.start}}
	case now.parted >= 0 && now.parted < then.at && now.parted < now.end:
		return logFinding{from: max(now.parted, now.start), fault: kafka.FaultCut, read: span{now.parted, then.at}, unread: span{then.at, seen}}
	case then.at > now.end:
		return logFinding{from: now.end, fault: kafka.FaultCut, again: true, read: span{now.end, then.at}, unread: span{then.at, seen}}
	}
	return logFinding{from: then.at}
}

// stateLost reports whether a partition of `state` has lost records since a mark was written: the topic was created
// again, or the log became shorter, or empty. Compaction never empties it.
func stateLost(then kafka.LogMark, now currentLog) bool {
	return then.ID != [16]byte{} && now.id != [16]byte{} && then.ID != now.id || now.end < then.End || then.Next > 0 && now.start == now.end
}

// faultKept is how long a mark repeats a fault beside the committed offsets.
const faultKept = 7 * 24 * time.Hour
