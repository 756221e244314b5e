package embedded

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// readLog reads a state log. Damaged entries are omitted, and entries of its copy are restored.
func (r *recovery) readLog(name, consequence string, fn func(data []byte) error) (int64, error) {
	b, there, err := r.current(name)
	if err != nil {
		return 0, err
	}
	var base []byte
	if r.copies != nil {
		base = r.copies.Files[name]
	}
	original := b
	switch {
	case !there && len(base) > 0:
		r.found(Damage{Lost: !r.copies.Stopped, What: "the file is missing; it was made from its copy of the last start" + consequence, File: name}, nil)
		b = base
	case len(b) < len(base) && bytes.HasPrefix(base, b):
		r.found(Damage{Lost: true, What: "the file was cut; it was made from its copy of the last start" + consequence, File: name, Position: int64(len(b))}, nil)
		b = base
	}
	entries, bad, tail := readEntries(b)
	if len(bad) > 0 && beginsAs(b, base, entries) {
		b = slices.Concat(base, b[len(base):])
		for _, g := range bad {
			if g.pos < int64(len(base)) {
				r.found(Damage{What: "entries are damaged; they were put back from the copy", File: name, Position: g.pos}, original[g.pos:g.pos+g.bytes])
			}
		}
		entries, bad, tail = readEntries(b)
	} else if len(bad) > 0 {
		old, _, _ := readEntries(base)
		entries = append(old, entries...) // the last of a key wins
	}
	for _, g := range bad {
		r.found(Damage{Lost: true, What: "entries are damaged" + consequence, File: name, Position: g.pos}, b[g.pos:g.pos+g.bytes])
	}
	if tail.bytes > 0 && !r.running {
		r.log.Warn("cutting off a torn write", "file", name, "position", tail.pos, "bytes", tail.bytes)
	}
	whole := make([]byte, 0, len(b))
	for _, e := range entries {
		if e.version != formatVersion {
			return 0, fmt.Errorf("entry of format version %d, want %d", e.version, formatVersion)
		}
		if err := fn(e.data); err != nil {
			return 0, err
		}
		whole = appendRaw(whole, e.data)
	}
	// The broker would write behind a torn entry, and read nothing behind it.
	if there && !bytes.Equal(whole, original) || !there && len(whole) > 0 {
		r.put(name, whole)
	}
	return int64(len(whole)), nil
}

// beginsAs reports whether a log still begins with its copy, except for damage: it was not rewritten since.
func beginsAs(b, base []byte, entries []entry) bool {
	if len(base) == 0 || len(b) < len(base) {
		return false
	}
	same, other := 0, 0
	for _, e := range entries {
		if end := e.pos + e.bytes; end <= int64(len(base)) {
			if bytes.Equal(b[e.pos:end], base[e.pos:end]) {
				same++
			} else {
				other++
			}
		}
	}
	return same >= other
}

// readState reads producers, committed offsets and the decision of the journal.
func (r *recovery) readState() error {
	ended := map[int64]int16{} // the newest epoch that is known to have ended with a commit
	var err error
	r.pidsBytes, err = r.readLog(pidsName, "", func(data []byte) error {
		var e pidEntry
		if err := json.Unmarshal(data, &e); err != nil {
			return err
		}
		r.epochs[e.PID] = e.Epoch
		switch {
		case e.Type == "timeout" && e.Epoch > 0: // it is ended under the next epoch
			r.endings[producerEpoch{e.PID, e.Epoch - 1}] = false
		case e.Commit == nil:
		case e.Type == "endtx":
			r.endings[producerEpoch{e.PID, e.Epoch}] = *e.Commit
			if *e.Commit {
				ended[e.PID] = e.Epoch
			}
		case e.Epoch > 0: // of an orderly stop: how the transaction before ended
			r.endings[producerEpoch{e.PID, e.Epoch - 1}] = *e.Commit
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read pids.log: %w", err)
	}
	positions := map[groupPartition]int64{}
	r.groups, err = r.readLog(groupsName, ": committed positions of consumer groups may be older than they were, and records are worked on again", func(data []byte) error {
		var e groupEntry
		if err := json.Unmarshal(data, &e); err != nil {
			return err
		}
		if tp := (topicPartition{e.Topic, e.Partition}); e.Type == "commit" {
			r.committed[tp] = max(r.committed[tp], e.Offset)
			r.ends[tp] = max(r.ends[tp], e.Offset)
			positions[groupPartition{e.Group, tp}] = e.Offset
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read groups.log: %w", err)
	}
	var whole bool
	if r.marks, r.cleaning, whole, err = r.readMarks(); err != nil {
		return fmt.Errorf("read %s: %w", marksName, err)
	}
	if !whole {
		r.found(Damage{What: "the file is damaged; it is written anew", File: marksName}, r.content(marksName))
		r.put(marksName, nil)
	}
	for tp, m := range r.marks {
		r.ends[tp] = max(r.ends[tp], m.End)
	}

	d, err := r.readJournal()
	if err != nil || d == nil {
		return err
	}
	epoch, known := r.epochs[d.ProducerID]
	endedEpoch, hasEnded := ended[d.ProducerID]
	// If each transaction has its own epoch, a later epoch or a recorded end shows that this one is complete. Otherwise
	// the slot is emptied as soon as the producer continues, and finishing it again changes nothing.
	complete := d.Version >= epochPerTxnSince && (epoch > d.Epoch || hasEnded && endedEpoch == d.Epoch)
	switch {
	case known && !complete:
		r.decided = d
	case hasEnded && endedEpoch == d.Epoch:
		return r.commitAgain(d, positions)
	}
	return nil
}

type groupPartition struct {
	group string
	topicPartition
}

// commitAgain commits the offsets of a transaction that ended with a commit, if damage of groups.log undid them.
func (r *recovery) commitAgain(d *decision, positions map[groupPartition]int64) error {
	var missing []stagedOffset
	for _, o := range d.Offsets {
		if at, known := positions[groupPartition{o.Group, topicPartition{o.Topic, o.Partition}}]; !known || at < o.Offset {
			missing = append(missing, o)
		}
	}
	if len(missing) == 0 || r.running {
		return nil
	}
	b, _, err := r.current(groupsName)
	if err != nil {
		return err
	}
	b = slices.Clone(b)
	for _, e := range commitsOf(missing, r.now) {
		if b, err = appendEntry(b, e); err != nil {
			return err
		}
	}
	r.put(groupsName, b)
	r.groups = int64(len(b))
	return nil
}
