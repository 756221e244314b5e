package embedded

import (
	"fmt"
	"path/filepath"
	"slices"
	"time"
)

func (r *recovery) writeSnapshot(p *partitionScan) error {
	start := p.start
	if p.hasSnapshot && p.snapshot.LogStartOffset > start && p.snapshot.LogStartOffset <= p.end {
		start = p.snapshot.LogStartOffset
	}
	slices.SortFunc(p.aborted, func(a, b abortedTxn) int { return int(a.LastOffset - b.LastOffset) })
	s := snapshotFile{
		Version: formatVersion, HighWatermark: p.end, LastStableOffset: p.end, LogStartOffset: start,
		Epoch: p.epoch, MaxTimestamp: p.maxTime, CreatedAt: time.UnixMilli(p.firstTime),
		AbortedTxns: p.aborted, Segments: p.segments,
	}
	if p.hasSnapshot {
		s.CreatedAt = p.snapshot.CreatedAt
	}
	return r.writeJSON(filepath.Join(p.folder, "snapshot.json"), s)
}

// keepEnds appends a control batch, which no consumer sees, to a partition whose log would otherwise begin again below
// used offsets.
func (r *recovery) keepEnds() error {
	var topics topicsFile
	if _, err := r.readJSON(r.path("topics.json"), &topics); err != nil {
		return err
	}
	for _, t := range topics.Topics {
		for n := range t.Partitions {
			tp := topicPartition{t.Name, int32(n)}
			end := r.ends[tp]
			bases, err := r.segmentFiles(tp.folder(r.dir), ".dat")
			if err != nil {
				return fmt.Errorf("list segments of %s: %w", tp, err)
			}
			if end == 0 || len(bases) > 0 {
				continue
			}
			if err := r.placeEnd(tp, end); err != nil {
				return fmt.Errorf("keep end %d of %s: %w", end, tp, err)
			}
		}
	}
	return nil
}

func (r *recovery) placeEnd(tp topicPartition, end int64) error {
	folder := tp.folder(r.dir)
	if err := r.MkdirAll(folder); err != nil {
		return err
	}
	marker := appendMarker(nil, end-1, 0, -1, -1, false, r.now)
	if err := r.replace(indexFile(folder, end-1), appendIndexEntry(nil, 0, r.now.UnixMilli(), false)); err != nil {
		return err
	}
	if err := r.replace(dataFile(folder, end-1), marker); err != nil {
		return err
	}
	return r.writeJSON(filepath.Join(folder, "snapshot.json"), snapshotFile{
		Version: formatVersion, HighWatermark: end, LastStableOffset: end, LogStartOffset: end - 1,
		MaxTimestamp: r.now.UnixMilli(), CreatedAt: r.now,
		Segments: []snapshotSegment{{BaseOffset: end - 1, Size: int64(len(marker))}},
	})
}
