package embedded

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
)

// Marks record the used offsets of each partition, beside its log. They are needed if the end of a log is damaged, so
// that the log itself does not show its end. Then the next record gets an offset above Reserved, which is above every
// offset that can have been used since the mark was written.
//
// They also say where a log began, which distinguishes a removed segment from one beyond retention: while
// retention and compaction work, the marks are Cleaning.

const (
	marksName      = "marks.json"
	watermarksName = "watermarks.json" // of older versions, which knew the ends only
)

// reserveOffsets is more than a partition gives out between two writings of the marks, and more than one
// batch holds.
const reserveOffsets = 1 << 23

type watermark struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Start     int64  `json:"start"`
	End       int64  `json:"end"`
	Reserved  int64  `json:"reserved"` // 0: written by a version that knew the end only
}

type watermarks struct {
	Cleaning bool            `json:"cleaning,omitempty"`
	CRC32C   uint32          `json:"crc32c"`
	Marks    json.RawMessage `json:"marks"`
}

func (f folder) writeMarks(marks []watermark, cleaning bool) error {
	if marks == nil {
		marks = []watermark{}
	}
	raw, err := json.Marshal(marks)
	if err != nil {
		return err
	}
	if err := f.writeJSON(f.path(marksName), watermarks{cleaning, marksChecksum(raw, cleaning), raw}); err != nil {
		return fmt.Errorf("write down where the partitions end: %w", err)
	}
	return nil
}

func marksChecksum(raw []byte, cleaning bool) uint32 {
	return crc32.Checksum(fmt.Appendf(raw[:len(raw):len(raw)], "%v", cleaning), castagnoli)
}

// readMarks reads the marks. It reports false when they are damaged.
func (f folder) readMarks() (marks map[topicPartition]watermark, cleaning, whole bool, err error) {
	b, found, err := f.read(f.path(marksName))
	old := err == nil && !found
	if old {
		b, found, err = f.read(f.path(watermarksName))
	}
	if err != nil || !found {
		return nil, false, true, err
	}
	var list []watermark
	if old {
		if !isJSON(b, &list) {
			return nil, false, true, nil // it was never more than a help
		}
	} else {
		var w watermarks
		if !isJSON(b, &w) || marksChecksum(w.Marks, w.Cleaning) != w.CRC32C || !isJSON(w.Marks, &list) {
			return nil, false, false, nil
		}
		cleaning = w.Cleaning
	}
	marks = make(map[topicPartition]watermark, len(list))
	for _, m := range list {
		marks[topicPartition{m.Topic, m.Partition}] = m
	}
	return marks, cleaning, true, nil
}

// mark writes down where the partitions begin and end.
func (b *Broker) mark(cleaning bool) error {
	var marks []watermark
	for _, tp := range b.partitions() {
		if info := b.cluster.PartitionInfo(tp.topic, tp.partition); info != nil && info.HighWatermark > 0 {
			marks = append(marks, watermark{tp.topic, tp.partition, info.LogStartOffset, info.HighWatermark, info.HighWatermark + reserveOffsets})
		}
	}
	return b.folder.writeMarks(marks, cleaning)
}
