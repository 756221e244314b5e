package kafka

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Mark is the metadata of a committed offset: the logs that the processor had read, and their ends. An offset alone does
// not show whether its log is still the same (ADR 0029).
//
// It is text: `coex1 at=<ms> <topic>=<topic id>,<next>,<end> ...`. Readers skip words they do not know.
type Mark struct {
	At    time.Time // of the commit
	Logs  []LogMark
	Fault *LogFault // the last one that was found in this partition
}

// LogMark is one log at the time of a commit.
type LogMark struct {
	Topic string // without the prefix: raw.live, raw.bulk, rerouted, state
	ID    [16]byte
	// Next is the offset after the last record that was processed; of state, how many records it had at least.
	Next int64
	// End is how far the log went, as far as it was seen.
	End int64
}

// LogFault is how a log differs from the one that was read.
type LogFault struct {
	Kind string // FaultCut, FaultRecreated, FaultForgotten, FaultStateLost, FaultStateIncomplete
	// Topic is without the prefix.
	Topic string
	// From and To are the offsets that are missing, To without: read or not.
	From, To int64
	Found    time.Time
}

// The kinds of faults.
const (
	// FaultCut: the log ends before the committed offset, or differs from the log that was read.
	FaultCut = "cut"
	// FaultRecreated: the topic was deleted and made again.
	FaultRecreated = "recreated"
	// FaultForgotten: the group has lost a committed offset.
	FaultForgotten = "forgotten"
	// FaultStateLost: the partition of `state` lost its records.
	FaultStateLost = "state_lost"
	// FaultStateIncomplete: records of the partition of `state` are missing among others.
	FaultStateIncomplete = "state_incomplete"
)

const markVersion = "coex1"

var markID = base64.RawURLEncoding

// String is the mark as metadata.
func (m *Mark) String() string {
	b := make([]byte, 0, 256)
	b = append(b, markVersion...)
	b = strconv.AppendInt(append(b, " at="...), m.At.UnixMilli(), 10)
	for i := range m.Logs {
		l := &m.Logs[i]
		b = append(append(append(b, ' '), l.Topic...), '=')
		b = markID.AppendEncode(b, l.ID[:])
		b = strconv.AppendInt(append(b, ','), l.Next, 10)
		b = strconv.AppendInt(append(b, ','), l.End, 10)
	}
	if f := m.Fault; f != nil {
		b = fmt.Appendf(b, " fault=%s,%s,%d,%d,%d", f.Kind, f.Topic, f.From, f.To, f.Found.UnixMilli())
	}
	return string(b)
}

// ParseMark reads the metadata of a committed offset. ok is false if it is no mark, because an older version or
// another program committed it.
func ParseMark(metadata string) (m Mark, ok bool) {
	words := strings.Fields(metadata)
	if len(words) == 0 || words[0] != markVersion {
		return Mark{}, false
	}
	for _, word := range words[1:] {
		key, value, _ := strings.Cut(word, "=")
		parts := strings.Split(value, ",")
		switch {
		case key == "at":
			ms, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return Mark{}, false
			}
			m.At = time.UnixMilli(ms)
		case key == "fault" && len(parts) == 5:
			n, ok := numbers(parts[2:])
			if !ok {
				return Mark{}, false
			}
			m.Fault = &LogFault{Kind: parts[0], Topic: parts[1], From: n[0], To: n[1], Found: time.UnixMilli(n[2])}
		case len(parts) == 3:
			n, ok := numbers(parts[1:])
			id, err := markID.DecodeString(parts[0])
			if !ok || err != nil || len(id) != 16 {
				return Mark{}, false
			}
			m.Logs = append(m.Logs, LogMark{Topic: key, ID: [16]byte(id), Next: n[0], End: n[1]})
		}
	}
	return m, !m.At.IsZero()
}

func numbers(words []string) (all []int64, ok bool) {
	for _, w := range words {
		n, err := strconv.ParseInt(w, 10, 64)
		if err != nil {
			return nil, false
		}
		all = append(all, n)
	}
	return all, true
}

// Log is a topic's log in a mark.
func (m *Mark) Log(topic string) (LogMark, bool) {
	i := slices.IndexFunc(m.Logs, func(l LogMark) bool { return l.Topic == topic })
	if i < 0 {
		return LogMark{}, false
	}
	return m.Logs[i], true
}
