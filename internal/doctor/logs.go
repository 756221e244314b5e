package doctor

import (
	"fmt"
	"slices"
	"time"
)

const aLogIsNot = "docs/operations.md, A log was cut or created again"

// faultFails is the time for which a processor's finding is a failure; then it is a warning, until it is forgotten.
const faultFails = 24 * time.Hour

// judgeLogs judges whether the logs of an input are those that were read.
func judgeLogs(f *Facts, fr *finder, inputs []Input, name string) {
	var cut, again []string
	var told []*LogFault
	for _, in := range inputs {
		at := fmt.Sprintf("%s/%d", name, in.Partition)
		known := in.ID != [16]byte{} && in.ReadID != [16]byte{}
		switch {
		case known && in.ID != in.ReadID && max(in.Committed, in.Seen) > 0: // else there was nothing in it
			again = append(again, at)
		case in.Committed > in.Stable:
			cut = append(cut, fmt.Sprintf("%s (%s)", at, counted(int(max(in.Seen, in.Committed)-in.Stable), "offset")))
		}
		if in.Fault != nil {
			told = append(told, in.Fault)
		}
	}
	if len(again) > 0 {
		fr.add(Fail, some(again), "Start processors: they read it from its start. Unread records of the old one are lost ("+aLogIsNot+").", "the topic was deleted and created again since it was processed")
	}
	if len(cut) > 0 {
		fr.add(Fail, some(cut), "Start processors: they read again from a place before the cut. Look at the disks and logs of the brokers ("+aLogIsNot+").", "the log ends before processed offsets: it was cut, and records behind the cut are gone")
	}
	judgeTold(f, fr, told)
}

// judgeTold reports the findings of processors.
func judgeTold(f *Facts, fr *finder, told []*LogFault) {
	slices.SortFunc(told, func(a, b *LogFault) int { return b.Found.Compare(a.Found) })
	if len(told) == 0 {
		return
	}
	newest, sum := told[0], int64(0)
	for _, t := range told {
		sum += max(t.To-t.From, 0)
	}
	fr.add(or(f.Now.Sub(newest.Found) < faultFails, Fail, Warn), f.Config.Kafka.Prefix+newest.Topic,
		"See "+aLogIsNot+". This finding stays for a week.",
		"%s ago a processor found it %s, in %s: %s gone, and it continued", ageText(f.Now.Sub(newest.Found)), faultText(newest.Kind), counted(len(told), "partition"), numbered(int(sum), "offset is", "offsets are"))
}

func faultText(kind string) string {
	switch kind {
	case "cut":
		return "cut"
	case "recreated":
		return "created again"
	case "forgotten":
		return "without a committed offset"
	case "state_lost":
		return "without its records"
	case "state_incomplete":
		return "without some of its records"
	}
	return kind
}

// judgeState judges whether the state is there from which processors are restored.
func judgeState(f *Facts, fr *finder) {
	var lost []string
	var told []*LogFault
	for _, s := range f.States {
		known := s.ID != [16]byte{} && s.MarkedID != [16]byte{}
		emptied := s.Start == s.End && (s.Records > 0 || !s.Marked && s.End > 0)
		if s.Committed && (emptied || s.Marked && (s.End < s.Seen || known && s.ID != s.MarkedID)) {
			lost = append(lost, fmt.Sprintf("%d", s.Partition))
		}
		if s.Fault != nil {
			told = append(told, s.Fault)
		}
	}
	on := f.Config.Kafka.Prefix + "state"
	if len(f.States) == 0 {
		fr.add(Skip, on, "", "the topic is not there")
		return
	}
	if len(lost) > 0 {
		fr.add(Fail, on, "Stop the processors before they continue without it, if a copy of the topic exists ("+aLogIsNot+").",
			"partitions %s have lost their records, and the group has committed offsets: earlier events would be produced again, and held history is gone", some(lost))
	}
	judgeTold(f, fr, told)
	fr.fine(on, "%s, and no record of their state is missing", counted(len(f.States), "partition"))
}

// judgeReading judges whether the topics can be read.
func judgeReading(f *Facts, fr *finder) {
	var bad []string
	for _, u := range f.Reading.Bad {
		bad = append(bad, fmt.Sprintf("%s/%d@%d", u.Topic, u.Partition, u.Offset))
	}
	if len(bad) > 0 {
		fr.add(Fail, some(bad), "Look at the disks and logs of the brokers that lead them; another replica may be whole: move the leader (docs/operations.md, A partition cannot be read).",
			"%s cannot be read: %s", counted(len(bad), "partition"), oneLine(f.Reading.Bad[0].Err.Error()))
	}
	fr.fine("", "%s can be read, start and end", counted(f.Reading.Partitions, "partition"))
}
