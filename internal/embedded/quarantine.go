package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// Damage is a difference between the broker's folder and the files that the broker wrote.
type Damage struct {
	Found time.Time `json:"found"`
	// Lost: records or committed positions are gone. Otherwise everything was repaired.
	Lost bool   `json:"lost"`
	What string `json:"what"` // a sentence
	File string `json:"file"` // relative to the broker's folder

	Position int64 `json:"position"` // of the damaged bytes in the file
	Bytes    int64 `json:"bytes"`    // the number of them; 0: the file had been cut or removed

	// Of records.
	Topic       string `json:"topic,omitempty"`
	Partition   int32  `json:"partition"`
	FirstOffset int64  `json:"first_offset"`
	LastOffset  int64  `json:"last_offset"`
	// Exact: the records had exactly these offsets. Otherwise their number is unknown, and the offsets are an upper
	// bound.
	Exact bool `json:"exact"`
	// The times of the records before and behind them.
	After  time.Time `json:"after,omitzero"`
	Before time.Time `json:"before,omitzero"`

	// Kept is the file in quarantine that holds the damaged bytes; empty: there were none.
	Kept string `json:"kept,omitempty"`
}

// Records returns the maximum number of lost records; 0: unknown.
func (d *Damage) Records() int64 {
	if !d.Lost || d.Topic == "" || !d.Exact {
		return 0
	}
	return d.LastOffset - d.FirstOffset + 1
}

// String is one line for people.
func (d *Damage) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s at %d, %d bytes: %s", d.File, d.Position, d.Bytes, d.What)
	if d.Topic != "" && d.Lost {
		fmt.Fprintf(&b, "; %s/%d offsets %d to %d", d.Topic, d.Partition, d.FirstOffset, d.LastOffset)
		if !d.Exact {
			b.WriteString(" at most")
		}
		if !d.After.IsZero() {
			fmt.Fprintf(&b, ", from %s", d.After.UTC().Format(time.RFC3339))
		}
		if !d.Before.IsZero() {
			fmt.Fprintf(&b, " until %s", d.Before.UTC().Format(time.RFC3339))
		}
	}
	return b.String()
}

// Of is the topic without its prefix, or "broker" for the broker's own files: a closed set of labels.
func (d *Damage) Of() string {
	if d.Topic == "" {
		return "broker"
	}
	for _, t := range schemas.Topics() {
		if name := t.String(); strings.HasSuffix(d.Topic, name) {
			return name
		}
	}
	return "other"
}

const (
	quarantineName   = "quarantine"
	acknowledgedName = "acknowledged"
	noteSuffix       = ".json"
	bytesSuffix      = ".bytes"
)

// quarantine stores damaged bytes and a note about them. It can be repeated: the same damage has the same name.
func (f folder) quarantine(d *Damage, content []byte) error {
	dir := f.path(quarantineName)
	if err := f.MkdirAll(dir); err != nil {
		return err
	}
	about := d.File + d.What
	sum := crc32.Update(crc32.Checksum(content, castagnoli), castagnoli, []byte(about))
	name := fmt.Sprintf("%s@%d-%08x", strings.ReplaceAll(d.File, string(filepath.Separator), "_"), d.Position, sum)
	if len(content) > 0 {
		d.Kept = filepath.Join(quarantineName, name+bytesSuffix)
		if err := f.replace(f.path(d.Kept), content); err != nil {
			return err
		}
	}
	b, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	return f.replace(filepath.Join(dir, name+noteSuffix), append(b, '\n'))
}

// notes reads the notes in quarantine that were not acknowledged.
func (f folder) notes() ([]Damage, error) {
	es, err := f.ReadDir(f.path(quarantineName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []Damage
	for _, e := range es {
		if !strings.HasSuffix(e.Name(), noteSuffix) {
			continue
		}
		var d Damage
		if found, err := f.readJSON(f.path(quarantineName, e.Name()), &d); err != nil || !found {
			d = Damage{Lost: true, What: "a note in quarantine cannot be read", File: filepath.Join(quarantineName, e.Name())}
		}
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b Damage) int { return a.Found.Compare(b.Found) })
	return list, nil
}

// Quarantined lists the damage in a broker's folder that was set aside and not acknowledged yet. It only reads, and the
// broker may run.
func Quarantined(dir string) ([]Damage, error) {
	list, err := folder{osDisk{}, dir}.notes()
	if err != nil {
		return nil, fmt.Errorf("read the quarantine of the embedded broker: %w", err)
	}
	return list, nil
}

// Acknowledge moves the files in quarantine to a folder within it, so that they no longer count. The broker may
// run. It returns how many notes were moved.
func Acknowledge(dir string) (int, error) {
	f := folder{osDisk{}, dir}
	es, err := f.ReadDir(f.path(quarantineName))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the quarantine of the embedded broker: %w", err)
	}
	notes := 0
	for _, suffix := range []string{bytesSuffix, noteSuffix} { // a note goes after its bytes
		for _, e := range es {
			if !strings.HasSuffix(e.Name(), suffix) {
				continue
			}
			if err := f.MkdirAll(f.path(quarantineName, acknowledgedName)); err != nil {
				return notes, fmt.Errorf("acknowledge damage: %w", err)
			}
			if err := f.Rename(f.path(quarantineName, e.Name()), f.path(quarantineName, acknowledgedName, e.Name())); err != nil {
				return notes, fmt.Errorf("acknowledge damage: %w", err)
			}
			if suffix == noteSuffix {
				notes++
			}
		}
	}
	return notes, nil
}
