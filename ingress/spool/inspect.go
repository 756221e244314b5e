package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"
)

// SegmentInfo describes a file of a spool.
type SegmentInfo struct {
	Name           string
	Quarantine     bool
	Bytes          int64
	Records        int   // intact records
	Waiting        int   // of them, those that were not handed over, according to the progress file
	DamagedBytes   int64 // in the middle
	TailBytes      int64 // damaged or unfinished, at the end
	Oldest, Newest time.Time
	Err            error // of a read that failed
}

// Found is a record that Inspect has read. The payload is valid until the next one.
type Found struct {
	Segment    string
	Quarantine bool
	Offset     int64
	Waiting    bool
	At         time.Time
	Payload    []byte
}

// Inspect reads a spool and its quarantine, and changes nothing. It may run beside the process that uses the folder.
// Then the newest segment may end in the middle of a write, and records that were handed over within the last second
// count as waiting. each is called for every intact record, and may be nil.
func Inspect(fsys FS, dir string, each func(*Found) error) ([]SegmentInfo, error) {
	s := &Spool{cfg: Config{Dir: dir}, fs: fsys}
	var cursors map[uint16]position
	if b, err := s.readAll(progressName); err == nil {
		if p, err := decodeProgress(b); err == nil {
			cursors = p.cursors
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("inspect the spool %s: %w", dir, err)
	}
	var all []SegmentInfo
	for _, quarantine := range []bool{false, true} {
		folder := dir
		if quarantine {
			folder = filepath.Join(dir, quarantineName)
		}
		files, err := fsys.ReadDir(folder)
		if errors.Is(err, fs.ErrNotExist) && quarantine {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("inspect the spool %s: %w", dir, err)
		}
		for _, f := range files {
			id, ok := parseName(f.Name)
			if !ok {
				continue
			}
			info, err := inspect(fsys, filepath.Join(folder, f.Name), id, f.Size, quarantine, cursors, each)
			if err != nil {
				return all, err
			}
			if errors.Is(info.Err, fs.ErrNotExist) {
				continue // taken meanwhile
			}
			all = append(all, info)
		}
	}
	return all, nil
}

func inspect(fsys FS, name string, id segmentID, size int64, quarantine bool, cursors map[uint16]position, each func(*Found) error) (SegmentInfo, error) {
	info := SegmentInfo{Name: id.name(), Quarantine: quarantine, Bytes: size}
	f, err := fsys.Open(name)
	if err != nil {
		info.Err = err
		return info, nil
	}
	defer f.Close() //nolint:errcheck // it was only read
	scan := scanner{from: f, id: id, end: size}
	for {
		it := scan.next()
		switch it.kind {
		case itemEnd:
			return info, nil
		case itemSeal:
		case itemDamaged:
			if it.next == size {
				info.TailBytes += it.next - it.at
			} else {
				info.DamagedBytes += it.next - it.at
			}
			info.Err = errors.Join(info.Err, it.err)
		case itemRecord:
			found := Found{Segment: info.Name, Quarantine: quarantine, Offset: it.at, At: it.head.time(), Payload: it.payload}
			found.Waiting = !quarantine && positionOf(id.sequence, it.at) >= cursors[it.head.shard]
			if info.Records++; found.Waiting {
				info.Waiting++
			}
			if info.Oldest.IsZero() || found.At.Before(info.Oldest) {
				info.Oldest = found.At
			}
			if found.At.After(info.Newest) {
				info.Newest = found.At
			}
			if each == nil {
				continue
			}
			if err := each(&found); err != nil {
				return info, err
			}
		}
	}
}
