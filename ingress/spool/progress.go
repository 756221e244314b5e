package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
)

// progressName is the file with the progress of the hand-over.
const (
	progressName  = "progress"
	progressMagic = "csxprog1"
)

// progress is the content of the file: the segments at the time of writing, and the position of each shard.
type progress struct {
	segments []segmentID
	cursors  map[uint16]position
}

// encode writes the magic, the segments, the cursors, and a CRC-32C.
func (p *progress) encode() []byte {
	b := []byte(progressMagic)
	b = binary.AppendUvarint(b, uint64(len(p.segments)))
	for _, id := range p.segments {
		b = binary.LittleEndian.AppendUint32(b, id.sequence)
		b = binary.LittleEndian.AppendUint64(b, id.salt)
	}
	b = binary.AppendUvarint(b, uint64(len(p.cursors)))
	for shard, at := range p.cursors {
		b = binary.LittleEndian.AppendUint16(b, shard)
		b = binary.LittleEndian.AppendUint64(b, uint64(at))
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

var errProgress = errors.New("damaged")

// decodeProgress decodes the whole file or fails.
func decodeProgress(b []byte) (progress, error) {
	p := progress{cursors: map[uint16]position{}}
	if len(b) < len(progressMagic)+4 || string(b[:len(progressMagic)]) != progressMagic {
		return p, errProgress
	}
	b, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if crc32.Checksum(b, castagnoli) != sum {
		return p, errProgress
	}
	b = b[len(progressMagic):]
	number := func(most int) int {
		n, used := binary.Uvarint(b)
		if used <= 0 || n > uint64(most) {
			return -1
		}
		b = b[used:]
		return int(n)
	}
	for n := number(len(b) / 12); n != 0; n-- {
		if n < 0 || len(b) < 12 {
			return progress{}, errProgress
		}
		p.segments = append(p.segments, segmentID{binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint64(b[4:])})
		b = b[12:]
	}
	for n := number(Shards); n != 0; n-- {
		if n < 0 || len(b) < 10 || binary.LittleEndian.Uint16(b) >= Shards {
			return progress{}, errProgress
		}
		p.cursors[binary.LittleEndian.Uint16(b)] = position(binary.LittleEndian.Uint64(b[2:]))
		b = b[10:]
	}
	if len(b) > 0 {
		return progress{}, errProgress
	}
	return p, nil
}

// loadProgress loads the progress of the last process. When it is lost, or belongs to other segments, everything on the
// disk is read again: a record may be handed over twice, but must not be lost.
func (s *Spool) loadProgress() error {
	if len(s.segments) == 0 {
		return nil
	}
	b, err := s.readAll(progressName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var p progress
	if err == nil {
		p, err = decodeProgress(b)
	}
	if err != nil {
		s.log.Warn("the progress of the spool is lost: all its records are handed over again", "error", err)
		return nil
	}
	newest := position(0)
	for _, at := range p.cursors {
		newest = max(newest, at)
	}
	known := map[segmentID]bool{}
	for _, id := range p.segments {
		known[id] = true
	}
	for _, seg := range s.segments {
		if !known[seg.id] && seg.id.sequence <= newest.sequence() {
			s.log.Warn("the progress of the spool belongs to other segments: all its records are handed over again", "segment", seg.id.name())
			return nil
		}
	}
	for shard, at := range p.cursors {
		s.cursors[shard] = at
	}
	s.sequence = max(s.sequence, newest.sequence())
	return nil
}

// SaveProgress writes the progress when it has changed. A failure only means that more records are read again after a
// crash.
func (s *Spool) SaveProgress() {
	s.mu.Lock()
	if !s.moved || !s.counted.Load() {
		s.mu.Unlock()
		return
	}
	s.moved = false
	p := progress{cursors: map[uint16]position{}}
	first := position(0)
	for i, seg := range s.segments {
		p.segments = append(p.segments, seg.id)
		if i == 0 {
			first = positionOf(seg.id.sequence, 0)
		}
	}
	for _, seg := range s.over { // not removed yet
		p.segments = append(p.segments, seg.id)
		first = min(first, positionOf(seg.id.sequence, 0))
	}
	if len(p.segments) > 0 {
		for shard, at := range s.cursors {
			if at > first {
				p.cursors[uint16(shard)] = at
			}
		}
	}
	s.mu.Unlock()
	if err := s.replace(progressName, p.encode()); err != nil {
		s.metrics.progressFailures.Inc()
		s.log.Warn("the progress of the spool cannot be written: after a crash, more records are handed over again", "error", err)
		s.mu.Lock()
		s.moved = true
		s.mu.Unlock()
	}
}

func (s *Spool) readAll(name string) ([]byte, error) {
	f, err := s.fs.Open(s.path(name))
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	return io.ReadAll(io.NewSectionReader(f, 0, 64<<20))
}

// replace writes a file atomically: a reader sees the old or the new content.
func (s *Spool) replace(name string, content []byte) error {
	tmp := s.path(name + ".tmp")
	if err := s.fs.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", tmp, err)
	}
	f, err := s.fs.Create(tmp)
	if err != nil {
		return fmt.Errorf("create %s: %w", tmp, err)
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", tmp, err)
	}
	if err := s.fs.Rename(tmp, s.path(name)); err != nil {
		return fmt.Errorf("rename %s: %w", tmp, err)
	}
	if err := s.fs.SyncDir(s.cfg.Dir); err != nil {
		return fmt.Errorf("fsync the folder %s: %w", s.cfg.Dir, err)
	}
	return nil
}
