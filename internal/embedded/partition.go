package embedded

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"slices"
	"time"
)

type openTxn struct {
	first  int64
	epoch  int16
	region int // regions of the partition that came before it
}

// partitionScan has the findings in a partition's files, and the planned repair.
type partitionScan struct {
	tp          topicPartition
	folder      string
	orderly     bool
	snapshot    snapshotFile
	hasSnapshot bool
	described   bool // by its snapshot: nothing to do
	contiguous  bool

	files     []segmentPlan
	orphans   []string // index files of segments that retention removed
	notes     []repairNote
	bytesRead int64
	lost      []*region // in order

	segments   []snapshotSegment // as they will be
	start, end int64             // first offset, and the one after the last
	firstTime  int64
	maxTime    int64
	epoch      int32
	open       map[int64]openTxn
	ended      []endedTxn
	aborted    []abortedTxn
	ends       map[int64]abortMarker // markers to write in lost regions, by offset
}

// endedTxn is a transaction whose end was in a lost region.
type endedTxn struct {
	producerEpoch
	first  int64
	region int // the last region before the producer continues

	timedOut bool // perhaps
}

type abortMarker = producerEpoch

// segmentPlan is one file of a partition.
type segmentPlan struct {
	base  int64
	size  int64     // now; -1: it is not there
	keep  int64     // bytes of it that stay: the rest is a torn write
	edits []*region // in order
	index []byte    // of the whole batches
	write bool      // the index is to be written
	epoch snapshotSegment
	times []int64 // newest time before each edit
	sum   uint32  // of the file with damage as it was read
}

// scanPartition reads a partition's files and changes nothing.
func (r *recovery) scanPartition(p *partitionScan) error {
	compacted, known := r.compacted[p.tp.topic]
	p.contiguous = known && !compacted
	if err := r.readSnapshot(p); err != nil {
		return err
	}
	bases, err := r.layout(p)
	if err != nil {
		return err
	}
	p.start = -1
	for i, base := range bases {
		next := int64(-1)
		if i+1 < len(bases) {
			next = bases[i+1]
		}
		if p.start < 0 {
			p.start, p.end = base, base
		} else if p.contiguous && base > p.end {
			r.addMissing(p, p.end, base, "a segment is missing")
		}
		if err := r.scanSegment(p, base, next); err != nil {
			if r.running && errors.Is(err, fs.ErrNotExist) {
				continue // retention or compaction took it
			}
			return fmt.Errorf("segment %d: %w", base, err)
		}
	}
	if len(bases) == 0 {
		p.start = 0
		r.emptied(p)
	}
	p.described = p.asSnapshot()
	return nil
}

func (r *recovery) readSnapshot(p *partitionScan) error {
	name := snapshotName(p.tp)
	b, there, err := r.current(name)
	if err != nil || !there {
		return err
	}
	if !isJSON(b, &p.snapshot) {
		p.snapshot = snapshotFile{}
		p.notes = append(p.notes, repairNote{Damage{What: "the snapshot is no JSON; it is written anew from the log", File: name}, r.path(name), 0, int64(len(b))})
		return nil
	}
	p.hasSnapshot = p.snapshot.Version == formatVersion
	return nil
}

// layout lists the segments that are there, or should be, by their first offsets.
func (r *recovery) layout(p *partitionScan) ([]int64, error) {
	bases, err := r.segmentFiles(p.folder, ".dat")
	if err != nil {
		return nil, err
	}
	indexes, err := r.segmentFiles(p.folder, ".idx")
	if err != nil {
		return nil, err
	}
	if r.running {
		return bases, nil
	}
	first := r.began(p)
	for _, base := range indexes {
		switch {
		case slices.Contains(bases, base):
		case r.size(indexFile(p.folder, base)) < indexEntryBytes, first < 0 || base < first:
			p.orphans = append(p.orphans, indexFile(p.folder, base))
		default:
			bases = append(bases, base)
		}
	}
	slices.Sort(bases)
	if len(bases) > 0 && first >= 0 && bases[0] > first {
		p.start, p.end = first, first
		r.addMissing(p, first, bases[0], "the first segment is missing")
		bases = slices.Insert(bases, 0, first)
	}
	return bases, nil
}

// began is the offset at which the log begins, or -1 when that is not known for sure.
func (r *recovery) began(p *partitionScan) int64 {
	if r.marks == nil || r.cleaning {
		return -1
	}
	mark, marked := r.marks[p.tp]
	switch {
	case !marked:
		return 0 // it began after the marks were written
	case mark.Reserved == 0 || mark.Start >= mark.End && mark.End > 0:
		return -1
	}
	return mark.Start
}

// bound is an offset that the log must have reached.
func (r *recovery) bound(p *partitionScan) int64 {
	mark := r.marks[p.tp]
	b := mark.End
	if p.hasSnapshot {
		b = max(b, p.snapshot.HighWatermark)
	}
	if at := r.committed[p.tp]; at <= mark.Reserved {
		b = max(b, at)
	}
	return b
}

// addMissing plans a file for records whose file is gone.
func (r *recovery) addMissing(p *partitionScan, first, next int64, what string) {
	g := &region{first: first, next: next, exact: p.contiguous}
	p.files = append(p.files, segmentPlan{base: first, size: -1, edits: []*region{g}, times: []int64{p.maxTime}, write: true})
	p.note(r, first, g, what)
	p.lost = append(p.lost, g)
	p.end = next
}

// emptied handles a partition without any segment.
func (r *recovery) emptied(p *partitionScan) {
	first, bound := r.began(p), r.bound(p)
	if r.running || first < 0 || bound <= first {
		return // retention emptied it, or nothing was ever written; see keepEnds
	}
	p.start, p.end = first, first
	next, exact := r.endOf(p, &region{first: first}, 0, false)
	r.addMissing(p, first, next, "all segments are missing")
	p.lost[len(p.lost)-1].exact = exact
	p.notes[len(p.notes)-1].damage.Exact = exact
}

func (r *recovery) scanSegment(p *partitionScan, base, nextBase int64) error {
	if len(p.files) > 0 && p.files[len(p.files)-1].base == base {
		return nil // planned because it is missing
	}
	path := dataFile(p.folder, base)
	b, there, err := r.read(path)
	if err != nil {
		return err
	}
	if !there && r.running {
		return fs.ErrNotExist
	}
	index, hasIndex, err := r.read(indexFile(p.folder, base))
	if err != nil {
		return err
	}
	entries, epochOf := readIndex(index, hasIndex)
	p.bytesRead += int64(len(b))
	if p.end < base {
		p.end = base
	}
	w := &walk{contiguous: p.contiguous, expected: base, nextBase: nextBase, entries: entries, epochOf: epochOf, epoch: p.epoch}
	if mark := r.marks[p.tp]; mark.Reserved > 0 {
		w.limit = mark.Reserved + 1<<40 // a flipped high bit, not a partition that was faster than the marks
	}
	plan := segmentPlan{base: base, size: int64(len(b)), epoch: snapshotSegment{BaseOffset: base, MinEpoch: -1}}
	if !there {
		plan.size = -1
	}
	batches := 0
	edit := func(g region, what string) {
		at := &g
		plan.edits, plan.times = append(plan.edits, at), append(plan.times, p.maxTime)
		p.note(r, base, at, what)
		if !g.mended {
			p.lost = append(p.lost, at)
			p.end = max(p.end, g.next)
		}
	}
	tail, err := w.run(b, func(h batchHeader, raw []byte) error {
		if n := len(p.notes); n > 0 && p.notes[n-1].damage.Before.IsZero() && p.notes[n-1].damage.Lost {
			p.notes[n-1].damage.Before = time.UnixMilli(h.firstTime)
		}
		p.batch(h, raw)
		plan.epoch.add(h.leaderEpoch)
		plan.index = appendIndexEntry(plan.index, h.leaderEpoch, p.maxTime, h.transactional() && !h.control())
		batches++
		return nil
	}, func(g region) error {
		what := "records are damaged"
		switch {
		case g.mended:
			what = "the head of a batch was damaged; it was put right, as its checksum proves the rest"
		case g.bytes == 0:
			what = "records are missing"
		case g.next == g.first:
			what = "bytes that are no records"
		}
		g.exact = p.contiguous
		edit(g, what)
		return nil
	})
	if err != nil {
		return err
	}
	plan.keep = plan.size
	r.judgeTail(p, w, &plan, tail, edit)
	r.judgeIndex(p, &plan, index, hasIndex, entries, batches)
	if len(plan.edits) > 0 {
		plan.sum = crc32.Checksum(b, castagnoli)
		if again, _, err := r.read(path); err != nil || there && crc32.Checksum(again, castagnoli) != plan.sum && !r.running {
			return errors.Join(err, errUnsteady)
		}
	}
	p.files = append(p.files, plan)
	return nil
}

// judgeTail decides about the bytes behind the last whole batch of a segment.
//
// The broker writes a batch, then its index entry, syncs both, and then acknowledges. So a batch without an
// index entry was never acknowledged, and is a torn write. One with an entry may have been: its offsets are
// not given out again. So it is where the index cannot tell, and where something else (the snapshot, the
// marks, a committed offset) says that the log had gone further.
func (r *recovery) judgeTail(p *partitionScan, w *walk, plan *segmentPlan, tail region, edit func(region, string)) {
	missing := w.entries - w.batches - w.regions // batches that were written as a whole
	if w.nextBase >= 0 {
		if tail.next < 0 {
			tail.next = w.nextBase
		}
		tail.exact = p.contiguous
		switch {
		case tail.bytes > 0:
			edit(tail, "records are damaged")
		case p.contiguous && tail.first < tail.next, w.entries >= 0 && missing > 0:
			edit(tail, "records are missing: the file was cut")
		}
		return
	}
	if r.running {
		return // it may be a write in progress
	}
	acknowledged := tail.first < r.bound(p) || w.entries >= 0 && missing > 0 || w.entries < 0 && (tail.bytes > 0 || plan.size < 0)
	if !acknowledged {
		if tail.bytes > 0 {
			plan.keep = tail.pos
		}
		return
	}
	tail.next, tail.exact = r.endOf(p, &tail, missing, w.entries >= 0)
	switch {
	case plan.size < 0:
		edit(tail, "the file is missing")
	case tail.bytes == 0:
		edit(tail, "records are missing: the file was cut")
	default:
		edit(tail, "records are damaged")
	}
}

// endOf returns the offset behind the lost records at the end of a log, and whether it is exact.
// Otherwise it is above all that can have been given out.
func (r *recovery) endOf(p *partitionScan, tail *region, missing int, counted bool) (int64, bool) {
	bound, mark := r.bound(p), r.marks[p.tp]
	if r.copies != nil && r.copies.Stopped && p.hasSnapshot && p.snapshot.HighWatermark > tail.first {
		return p.snapshot.HighWatermark, true
	}
	h := tail.header
	if counted && missing == 1 && tail.readable && h.magic == 2 && h.firstOffset == tail.first && h.records > 0 && h.records == h.lastDelta+1 && h.lastOffset() >= bound-1 {
		return h.lastOffset() + 1, true
	}
	next := max(bound, tail.first+reserveOffsets)
	if mark.Reserved > tail.first {
		next = max(bound, mark.Reserved)
	}
	return next, false
}

// judgeIndex decides whether the index file is written anew, and whether that is damage.
func (r *recovery) judgeIndex(p *partitionScan, plan *segmentPlan, index []byte, there bool, entries, batches int) {
	if r.running {
		return
	}
	plan.write = len(plan.edits) > 0 || entries != batches || len(index) != entries*indexEntryBytes
	if !plan.write {
		for i := range entries {
			// The time in an entry is the newest one before it, which retention and compaction make older.
			was, is := index[i*indexEntryBytes:], plan.index[i*indexEntryBytes:]
			if string(was[2:6]) != string(is[2:6]) {
				plan.write, entries = true, -1
				break
			}
		}
	}
	stopped := r.copies != nil && r.copies.Stopped
	if plan.size < 0 || len(plan.edits) > 0 && entries >= 0 || !plan.write {
		return
	}
	if isRewriting(index) {
		return
	}
	if entries < 0 || batches-entries > 1 || stopped && entries != batches {
		what := "the index of a segment is damaged; it was written anew"
		if !there {
			what = "the index of a segment is missing; it was written anew"
		}
		path := indexFile(p.folder, plan.base)
		p.notes = append(p.notes, repairNote{Damage{What: what, File: relative(r.dir, path)}, path, 0, int64(len(index))})
	}
}

func (p *partitionScan) note(r *recovery, base int64, g *region, what string) {
	path := dataFile(p.folder, base)
	d := Damage{
		Lost: !g.mended && g.next > g.first, What: what, File: relative(r.dir, path), Position: g.pos,
		Topic: p.tp.topic, Partition: p.tp.partition, FirstOffset: g.first, LastOffset: g.next - 1, Exact: g.exact,
	}
	if p.maxTime > 0 {
		d.After = time.UnixMilli(p.maxTime)
	}
	p.notes = append(p.notes, repairNote{d, path, g.pos, g.bytes})
}

func (s *snapshotSegment) add(epoch int32) {
	if s.MinEpoch < 0 || epoch < s.MinEpoch {
		s.MinEpoch = epoch
	}
	s.MaxEpoch = max(s.MaxEpoch, epoch)
}

// asSnapshot reports whether the snapshot can be trusted: it names the files as they are, nothing is damaged,
// and no transaction was open that only an orderly stop could have handed on.
func (p *partitionScan) asSnapshot() bool {
	if !p.hasSnapshot || len(p.snapshot.Segments) != len(p.files) || len(p.orphans) > 0 {
		return false
	}
	if p.snapshot.LastStableOffset != p.snapshot.HighWatermark && !p.orderly {
		return false
	}
	for i, s := range p.snapshot.Segments {
		f := &p.files[i]
		if s.BaseOffset != f.base || f.size != s.Size || f.keep != f.size || f.write || len(f.edits) > 0 {
			return false
		}
	}
	return true
}

// batch takes note of one batch.
func (p *partitionScan) batch(h batchHeader, raw []byte) {
	if p.firstTime == 0 {
		p.firstTime = h.firstTime
	}
	p.end = h.lastOffset() + 1
	p.epoch = max(p.epoch, h.leaderEpoch)
	p.maxTime = max(p.maxTime, h.maxTime)
	if !h.transactional() {
		return
	}
	open, isOpen := p.open[h.producerID]
	if isOpen && open.region < len(p.lost) && h.producerEpoch > open.epoch {
		// A transaction that times out ends with an abort under the next epoch.
		timedOut := h.control() && h.producerEpoch == open.epoch+1 && !committedMarker(raw)
		p.ended = append(p.ended, endedTxn{producerEpoch{h.producerID, open.epoch}, open.first, len(p.lost) - 1, timedOut})
		isOpen = false
	}
	if !h.control() {
		if !isOpen {
			p.open[h.producerID] = openTxn{h.firstOffset, h.producerEpoch, len(p.lost)}
		}
		return
	}
	delete(p.open, h.producerID)
	if isOpen && !committedMarker(raw) {
		p.aborted = append(p.aborted, abortedTxn{h.producerID, open.first, h.firstOffset})
	}
}
