package embedded

import (
	"errors"
	"fmt"
	"hash/crc32"
	"time"
)

// repair writes the planned files of a partition.
func (r *recovery) repair(p *partitionScan) error {
	for _, path := range p.orphans {
		if err := r.removeIfThere(path); err != nil {
			return err
		}
	}
	if err := r.MkdirAll(p.folder); err != nil {
		return err
	}
	for i := range p.files {
		f := &p.files[i]
		data, index := dataFile(p.folder, f.base), indexFile(p.folder, f.base)
		if len(f.edits) > 0 {
			if err := r.rewrite(p, f, data, index); err != nil {
				return fmt.Errorf("write segment %d: %w", f.base, err)
			}
		}
		if f.keep < f.size && len(f.edits) == 0 {
			r.log.Warn("cutting off a torn write", "partition", p.tp.String(), "segment", f.base, "bytes", f.size-f.keep)
			if err := r.truncate(data, f.keep); err != nil {
				return err
			}
			f.size = f.keep
		}
		if f.size == 0 {
			if err := r.removeSegment(p.folder, f.base); err != nil {
				return err
			}
			continue
		}
		if f.write {
			if err := r.replace(index, f.index); err != nil {
				return err
			}
		}
		s := f.epoch
		s.BaseOffset, s.MinEpoch, s.Size = f.base, max(s.MinEpoch, 0), f.size
		p.segments = append(p.segments, s)
	}
	return nil
}

// errUnsteady: two reads differ. Damage in memory, or between the disk and memory, must not count as damage of the
// disk.
var errUnsteady = errors.New("the disk gives other bytes each time that a damaged file is read; nothing of it was changed; start again, and look at the disk and the memory")

// rewrite replaces lost batches by control batches. Meanwhile the index says that it proves nothing about the end of
// the file.
func (r *recovery) rewrite(p *partitionScan, f *segmentPlan, data, index string) error {
	b, _, err := r.read(data)
	if err != nil {
		return err
	}
	if f.size >= 0 && crc32.Checksum(b, castagnoli) != f.sum {
		return errUnsteady
	}
	content, pos := make([]byte, 0, len(b)+256), int64(0)
	f.index, f.epoch = nil, snapshotSegment{MinEpoch: -1}
	for i, g := range f.edits {
		content = append(content, b[pos:g.pos]...)
		pos = g.pos + g.bytes
		if g.mended {
			content = append(content, mend(b[g.pos:pos], g.first, p.epoch)...)
			continue
		}
		content = p.fill(content, g, time.UnixMilli(max(f.times[i], p.firstTime)))
	}
	content = append(content, b[pos:max(pos, f.keep)]...)
	newest := int64(0)
	for at := 0; at < len(content); {
		h, _ := readHeader(content[at:])
		newest = max(newest, h.maxTime)
		f.epoch.add(h.leaderEpoch)
		f.index = appendIndexEntry(f.index, h.leaderEpoch, newest, h.transactional() && !h.control())
		at += int(h.bytes)
	}
	if err := r.replace(index, []byte(rewriting)); err != nil {
		return err
	}
	f.size, f.write = int64(len(content)), true
	return r.replace(data, content)
}

// fill appends the control batches for a lost region.
func (p *partitionScan) fill(dst []byte, g *region, at time.Time) []byte {
	first := g.first
	for offset := g.first; len(p.ends) > 0 && offset < g.next; offset++ {
		t, ok := p.ends[offset]
		if !ok {
			continue
		}
		dst = appendFiller(dst, first, offset, p.epoch, at)
		dst = appendMarker(dst, offset, p.epoch, t.producer, t.epoch, false, at)
		first = offset + 1
	}
	return appendFiller(dst, first, g.next, p.epoch, at)
}
