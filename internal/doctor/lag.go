package doctor

import (
	"fmt"
	"time"

	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/schemas"
)

// Ages of the oldest waiting record. Live records are processed within a second; history may take its time while there
// is live traffic.
const (
	liveAgeWarn, liveAgeFail = 30 * time.Second, 5 * time.Minute
	bulkAgeWarn, bulkAgeFail = 30 * time.Minute, 6 * time.Hour
)

func judgeGroup(f *Facts, fr *finder) {
	g, on := f.Group, "group "+f.Config.Processor.GroupID
	partitions, served := f.Config.Kafka.Partitions, 0
	for _, m := range g.Members {
		served += m.Partitions
	}
	start := "Start processors: coexstream process; look at the log of those that should run."
	switch {
	case g.State == "Dead" || g.State == "Empty" || len(g.Members) == 0:
		fr.add(Fail, on, start, "no processor is in the group (%s)", g.State)
	case g.State != "Stable":
		fr.add(Warn, on, "Run the doctor again in a minute; when it stays so, look for instances that restart or share one processor.instance_id.", "%s: partitions are being handed over among %s", g.State, counted(len(g.Members), "member"))
	case served < partitions:
		fr.add(Fail, on, start, "%d of %s no processor", partitions-served, numbered(partitions, "partition has", "partitions have"))
	case len(g.Members) > partitions:
		fr.add(Warn, on, "Stop some: more processors than partitions stand by.", "%s for %s", counted(len(g.Members), "processor"), counted(partitions, "partition"))
	}
	idle := 0
	for _, m := range g.Members {
		if m.Partitions == 0 {
			idle++
		}
	}
	fr.fine(on, "%s, %s %s, %s", g.State, numbered(len(g.Members)-idle, "processor serves", "processors serve"), counted(served, "partition"), numbered(idle, "stands by", "stand by"))
}

func judgeLag(f *Facts, fr *finder) {
	for _, topic := range schemas.Inputs() {
		judgeInput(f, fr, topic)
	}
}

// judgeInput judges one input: how old its oldest record is that waits, by patience and by retention.
func judgeInput(f *Facts, fr *finder, topic schemas.Topic) {
	var records int64
	var age time.Duration
	var behind, gone []string
	partitions := 0
	var inputs []Input
	for _, in := range f.Inputs {
		if in.Topic != topic {
			continue
		}
		partitions++
		inputs = append(inputs, in)
		at := fmt.Sprintf("%s/%d", topic.Name(f.Config.Kafka.Prefix), in.Partition)
		if in.Committed >= 0 && in.Committed < in.Start {
			gone = append(gone, fmt.Sprintf("%s (%s)", at, counted(int(in.Start-in.Committed), "offset")))
		}
		if !in.Waiting {
			continue
		}
		records += in.Stable - max(in.Committed, in.Start)
		behind = append(behind, at)
		age = max(age, f.Now.Sub(in.OldestAt))
	}
	on := topic.Name(f.Config.Kafka.Prefix)
	if partitions == 0 {
		fr.add(Skip, on, "", "the topic is not there")
		return
	}
	if len(gone) > 0 {
		fr.add(Fail, some(gone), "Raise the retention, and look which businesses are concerned; a history sync cannot be asked for again (docs/operations.md, Raw records are lost).", "records were deleted before they were processed")
	}
	judgeLogs(f, fr, inputs, on)
	if len(behind) == 0 {
		fr.add(OK, on, "", "%s, nothing waits", counted(partitions, "partition"))
		return
	}
	kept := retentionOf(f.Config, topic)
	warn, fail := liveAgeWarn, liveAgeFail
	if topic == schemas.TopicRawBulk {
		warn, fail = bulkAgeWarn, bulkAgeFail
	}
	found := sprintf("about %s in %s, the oldest for %s", numbered(int(records), "record waits", "records wait"), counted(len(behind), "partition"), ageText(age))
	switch {
	case age > kept/2:
		fr.add(Fail, on, "Start or add processors now, or raise the retention first: coexstream topics create --update.", "%s; retention deletes them after %s", found, ageText(kept))
	case age > fail:
		fr.add(Fail, on, "Look at the checks group and transactions, then add processors (docs/operations.md, Processor lag).", "%s: %s", some(behind), found)
	case age > warn:
		fr.add(Warn, on, "Look whether it falls; else add processors (docs/operations.md, Processor lag).", "%s: %s", some(behind), found)
	default:
		fr.add(OK, on, "", "%s", found)
	}
}

func retentionOf(c *config.Config, t schemas.Topic) time.Duration {
	if t == schemas.TopicRerouted {
		return c.Topics.Rerouted.Retention
	}
	return c.Topics.Raw.Retention
}
