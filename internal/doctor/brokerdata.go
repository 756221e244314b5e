package doctor

import "time"

// BrokerData is the folder of the embedded broker on this machine.
type BrokerData struct {
	Path   string         // empty: there is none
	Damage []BrokerDamage // that is in the files, or was set aside and not acknowledged
	// UnreadBytes are of files too large for the doctor to read; 0: they were read.
	UnreadBytes int64
}

// BrokerDamage is a part of it that was not as the broker had written it.
type BrokerDamage struct {
	InPlace     bool // it is in the files; the next start sets it aside
	Lost        bool // records or committed positions are gone; else all was put right
	What, File  string
	Topic       string // empty: one of the broker's own files
	Class       string // the topic without its prefix
	Partition   int32
	First, Last int64 // offsets
	Exact       bool  // and not more of them
	After       time.Time
	Before      time.Time // times of the records around them
}

const acknowledge = "Look at the disk (dmesg, SMART); then coexstream broker acknowledge (docs/operations.md, The embedded broker's data is damaged)."

// brokerDamageMost bounds the findings of one folder.
const brokerDamageMost = 20

func judgeBrokerData(f *Facts, fr *finder) {
	switch {
	case f.BrokerData == nil:
		fr.add(Skip, "", "", "this machine's data folder was not looked at")
		return
	case f.BrokerData.Path == "":
		fr.add(Skip, "", "", "no embedded broker has run on this data folder")
		return
	}
	for i, d := range f.BrokerData.Damage {
		if i == brokerDamageMost {
			fr.add(Fail, f.BrokerData.Path, acknowledge, "%s in quarantine", numbered(len(f.BrokerData.Damage)-i, "more damage is", "more damages are"))
			return
		}
		d.judge(fr)
	}
	if n := f.BrokerData.UnreadBytes; n > 0 {
		fr.fine(f.BrokerData.Path, "nothing is in quarantine; the files (%s) are too large to be read here: see coexstream broker verify", bytesText(uint64(n)))
		return
	}
	fr.fine(f.BrokerData.Path, "nothing is in quarantine, and the files are not damaged")
}

const repair = "Look at the disk (dmesg, SMART), and restart up: its start moves the damage to quarantine and repairs the rest (docs/operations.md, The embedded broker's data is damaged)."

func (d *BrokerDamage) judgeInPlace(fr *finder) {
	switch {
	case !d.Lost:
		fr.add(Warn, d.File, repair, "%s; nothing is lost", d.What)
		return
	case d.Topic == "":
		fr.add(Fail, d.File, repair, "%s", d.What)
		return
	}
	fr.add(Fail, sprintf("%s/%d", d.Topic, d.Partition), repair, "%s, in %s at offsets %d to %d; readers stop there", d.What, d.File, d.First, d.Last)
}

func (d *BrokerDamage) judge(fr *finder) {
	switch {
	case d.InPlace:
		d.judgeInPlace(fr)
		return
	case !d.Lost:
		fr.add(Warn, d.File, acknowledge, "%s; nothing is lost", d.What)
		return
	case d.Topic == "":
		fr.add(Fail, d.File, acknowledge, "%s", d.What)
		return
	}
	records := sprintf("records at offsets %d to %d are gone", d.First, d.Last)
	if !d.Exact {
		records = sprintf("records from offset %d on are gone; their number is unknown, and offsets continue at %d", d.First, d.Last+1)
	}
	if !d.After.IsZero() {
		records += sprintf(", from %s", d.After.UTC().Format(time.RFC3339))
		if !d.Before.IsZero() {
			records += sprintf(" to %s", d.Before.UTC().Format(time.RFC3339))
		}
	}
	do := "Run coexstream replay --same-topics for that time: it writes the events of all topics again, with the same ids. "
	switch d.Class {
	case "raw.live", "raw.bulk":
		do = "Ask the sender for the webhooks of that time; a history sync may have a gap (check syncs). "
	case "rerouted":
		do = "Run coexstream replay --same-topics for that time: raw.live and raw.bulk still have the webhooks. "
	case "state":
		do = "Webhooks that are delivered again within processor.dedup_window may become two events, and held chunks may be missing (check syncs). "
	case "dlq":
		do = ""
	}
	fr.add(Fail, sprintf("%s/%d", d.Topic, d.Partition), do+acknowledge, "%s", records)
}
