package embedded

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/coexstream/coexstream/internal/private"
)

// This file is all that is known of the broker's on-disk format, version 1:
//
//	meta.json, topics.json                      what there is
//	pids.log, groups.log                        framed JSON entries, the last of a key wins
//	partitions/<topic>-<n>/<offset>.dat         record batches as on the wire
//	partitions/<topic>-<n>/<offset>.idx         15 bytes for each of them
//	partitions/<topic>-<n>/snapshot.json        written by an orderly stop; saves the next start the replay

const formatVersion = 1

const (
	batchHeaderBytes = 61
	indexEntryBytes  = 15
	entryFrameBytes  = 10
	batchBytesMax    = 1 << 30

	attributeTransactional = 0x10
	attributeControl       = 0x20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type metaFile struct {
	Version int `json:"version"`
}

type topicsFile struct {
	Topics []struct {
		Name       string `json:"name"`
		Partitions int    `json:"partitions"`
	} `json:"topics"`
}

type snapshotFile struct {
	Version          int               `json:"version"`
	HighWatermark    int64             `json:"high_watermark"`
	LastStableOffset int64             `json:"last_stable_offset"`
	LogStartOffset   int64             `json:"log_start_offset"`
	Epoch            int32             `json:"epoch"`
	LeaderNode       int32             `json:"leader_node,omitempty"`
	MaxTimestamp     int64             `json:"max_timestamp"`
	CreatedAt        time.Time         `json:"created_at"`
	AbortedTxns      []abortedTxn      `json:"aborted_txns,omitempty"`
	Segments         []snapshotSegment `json:"segments"`
}

type abortedTxn struct {
	ProducerID  int64 `json:"producer_id"`
	FirstOffset int64 `json:"first_offset"`
	LastOffset  int64 `json:"last_offset"`
}

type snapshotSegment struct {
	BaseOffset int64 `json:"base_offset"`
	Size       int64 `json:"size"`
	MinEpoch   int32 `json:"min_epoch,omitempty"`
	MaxEpoch   int32 `json:"max_epoch,omitempty"`
}

type pidEntry struct {
	Type   string `json:"type"` // init, endtx, timeout
	PID    int64  `json:"pid"`
	Epoch  int16  `json:"epoch"`
	TxID   string `json:"txid,omitempty"`
	Commit *bool  `json:"commit,omitempty"`
}

type groupEntry struct {
	Type       string  `json:"type"` // commit, delete, meta, static
	Group      string  `json:"g"`
	Topic      string  `json:"t,omitempty"`
	Partition  int32   `json:"p,omitempty"`
	Offset     int64   `json:"o,omitempty"`
	Epoch      int32   `json:"e,omitempty"`
	Metadata   *string `json:"m,omitempty"`
	LastCommit *int64  `json:"lc,omitempty"`
}

type topicPartition struct {
	topic     string
	partition int32
}

func (tp topicPartition) String() string { return fmt.Sprintf("%s/%d", tp.topic, tp.partition) }

func (tp topicPartition) folder(dir string) string {
	return filepath.Join(dir, "partitions", fmt.Sprintf("%s-%d", url.PathEscape(tp.topic), tp.partition))
}

// partitionFolders lists the partitions that have a folder.
func partitionFolders(dir string) ([]topicPartition, error) {
	es, err := os.ReadDir(filepath.Join(dir, "partitions"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var tps []topicPartition
	for _, e := range es {
		i := strings.LastIndexByte(e.Name(), '-')
		if !e.IsDir() || i < 0 {
			continue
		}
		topic, err := url.PathUnescape(e.Name()[:i])
		if err != nil {
			continue
		}
		n, err := strconv.ParseInt(e.Name()[i+1:], 10, 32)
		if err != nil {
			continue
		}
		tps = append(tps, topicPartition{topic, int32(n)})
	}
	return tps, nil
}

func segmentBases(folder string) ([]int64, error) {
	es, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var bases []int64
	for _, e := range es {
		if name, ok := strings.CutSuffix(e.Name(), ".dat"); ok {
			if base, err := strconv.ParseInt(name, 10, 64); err == nil {
				bases = append(bases, base)
			}
		}
	}
	slices.Sort(bases)
	return bases, nil
}

func dataFile(folder string, base int64) string {
	return filepath.Join(folder, strconv.FormatInt(base, 10)+".dat")
}
func indexFile(folder string, base int64) string {
	return filepath.Join(folder, strconv.FormatInt(base, 10)+".idx")
}

// batchHeader is the part of a record batch that recovery needs.
type batchHeader struct {
	firstOffset   int64
	bytes         int64
	leaderEpoch   int32
	attributes    int16
	lastDelta     int32
	firstTime     int64
	maxTime       int64
	producerID    int64
	producerEpoch int16
}

func (h *batchHeader) control() bool       { return h.attributes&attributeControl != 0 }
func (h *batchHeader) transactional() bool { return h.attributes&attributeTransactional != 0 }
func (h *batchHeader) lastOffset() int64   { return h.firstOffset + int64(h.lastDelta) }

// readHeader reads a header from its 61 bytes. It reports false for what cannot be one.
func readHeader(b []byte) (batchHeader, bool) {
	h := batchHeader{
		firstOffset:   int64(binary.BigEndian.Uint64(b)),
		bytes:         12 + int64(int32(binary.BigEndian.Uint32(b[8:]))),
		leaderEpoch:   int32(binary.BigEndian.Uint32(b[12:])),
		attributes:    int16(binary.BigEndian.Uint16(b[21:])),
		lastDelta:     int32(binary.BigEndian.Uint32(b[23:])),
		firstTime:     int64(binary.BigEndian.Uint64(b[27:])),
		maxTime:       int64(binary.BigEndian.Uint64(b[35:])),
		producerID:    int64(binary.BigEndian.Uint64(b[43:])),
		producerEpoch: int16(binary.BigEndian.Uint16(b[51:])),
	}
	return h, h.bytes >= batchHeaderBytes && h.bytes <= batchBytesMax && h.lastDelta >= 0 && h.firstOffset >= 0
}

func crcMatches(batch []byte) bool {
	return binary.BigEndian.Uint32(batch[17:]) == crc32.Checksum(batch[21:], castagnoli)
}

// committedMarker tells whether a control batch ends its transaction with a commit. What cannot be read
// counts as an abort, as the broker has it.
func committedMarker(batch []byte) bool {
	var b kmsg.RecordBatch
	if b.ReadFrom(batch) != nil {
		return false
	}
	var r kmsg.Record
	if r.ReadFrom(b.Records) != nil || len(r.Key) < 4 {
		return false
	}
	return binary.BigEndian.Uint16(r.Key[2:]) == uint16(kmsg.ControlRecordKeyTypeCommit)
}

// appendMarker appends the control batch that ends a transaction.
func appendMarker(dst []byte, offset int64, leaderEpoch int32, producerID int64, producerEpoch int16, commit bool, now time.Time) []byte {
	key := kmsg.ControlRecordKey{Type: kmsg.ControlRecordKeyTypeAbort}
	if commit {
		key.Type = kmsg.ControlRecordKeyTypeCommit
	}
	r := kmsg.Record{Key: key.AppendTo(nil), Value: (&kmsg.EndTxnMarker{}).AppendTo(nil)}
	r.Length = int32(len(r.AppendTo(nil)) - 1) // the length counts itself as one byte here, and is less than 64
	b := kmsg.RecordBatch{
		FirstOffset: offset, PartitionLeaderEpoch: leaderEpoch, Magic: 2,
		Attributes:     attributeControl | attributeTransactional,
		FirstTimestamp: now.UnixMilli(), MaxTimestamp: now.UnixMilli(),
		ProducerID: producerID, ProducerEpoch: producerEpoch, FirstSequence: -1,
		NumRecords: 1, Records: r.AppendTo(nil),
	}
	start := len(dst)
	dst = b.AppendTo(dst)
	binary.BigEndian.PutUint32(dst[start+8:], uint32(len(dst)-start-12))
	binary.BigEndian.PutUint32(dst[start+17:], crc32.Checksum(dst[start+21:], castagnoli))
	return dst
}

func appendIndexEntry(dst []byte, leaderEpoch int32, maxTime int64, inTransaction bool) []byte {
	start := len(dst)
	dst = append(dst, formatVersion, 0)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(leaderEpoch))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(maxTime))
	flags := byte(0)
	if inTransaction {
		flags = 1
	}
	dst = append(dst, flags)
	dst[start+1] = byte(crc32.Checksum(dst[start+2:], castagnoli))
	return dst
}

// eachEntry calls fn for every whole entry of a state log and returns how many bytes they take.
func eachEntry(path string, fn func(data []byte) error) (int64, error) {
	raw, err := private.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	pos := 0
	for pos+entryFrameBytes <= len(raw) {
		n := int(binary.LittleEndian.Uint32(raw[pos:]))
		if n < 2 || pos+8+n > len(raw) || crc32.Checksum(raw[pos+8:pos+8+n], castagnoli) != binary.LittleEndian.Uint32(raw[pos+4:]) {
			break
		}
		if v := binary.LittleEndian.Uint16(raw[pos+8:]); v != formatVersion {
			return 0, fmt.Errorf("entry of format version %d, want %d", v, formatVersion)
		}
		if err := fn(raw[pos+entryFrameBytes : pos+8+n]); err != nil {
			return 0, err
		}
		pos += 8 + n
	}
	return int64(pos), nil
}

func appendEntry(dst []byte, v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	start := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(2+len(data)))
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint16(dst, formatVersion)
	dst = append(dst, data...)
	binary.LittleEndian.PutUint32(dst[start+4:], crc32.Checksum(dst[start+8:], castagnoli))
	return dst, nil
}

// appendToLog adds entries to a state log, over what a torn write may have left at its end, and syncs.
func appendToLog[E any](path string, valid int64, entries []E) error {
	if len(entries) == 0 {
		return nil
	}
	var b []byte
	for _, e := range entries {
		var err error
		if b, err = appendEntry(b, e); err != nil {
			return err
		}
	}
	f, err := private.OpenFile(path, os.O_CREATE|os.O_RDWR)
	if err != nil {
		return err
	}
	err = f.Truncate(valid)
	if err == nil {
		_, err = f.WriteAt(b, valid)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func readJSON(path string, v any) (bool, error) {
	b, err := private.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return false, fmt.Errorf("read %s: %w", path, err)
	}
	return true, nil
}

// writeJSON replaces a file as a whole.
func writeJSON(path string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return private.Replace(path, b)
}

// scanSegment calls fn for every batch of a segment, in order; batch is nil except for control batches,
// and valid until the next call. It returns how many bytes are whole batches: what comes after is a torn
// write. With verify every batch's checksum is checked.
func scanSegment(f io.ReaderAt, size int64, verify bool, fn func(h batchHeader, batch []byte) error) (int64, error) {
	const windowBytes = 64 << 10
	window, at := make([]byte, 0, windowBytes), int64(0)
	load := func(pos, n int64) ([]byte, error) {
		if pos < at || pos+n > at+int64(len(window)) {
			want := min(max(n, windowBytes), size-pos)
			if int64(cap(window)) < want {
				window = make([]byte, 0, want)
			}
			got, err := f.ReadAt(window[:want], pos)
			if int64(got) < n {
				return nil, err
			}
			window, at = window[:got], pos
		}
		return window[pos-at : pos-at+n], nil
	}
	pos := int64(0)
	for pos+batchHeaderBytes <= size {
		head, err := load(pos, batchHeaderBytes)
		if err != nil {
			return pos, err
		}
		h, ok := readHeader(head)
		if !ok || pos+h.bytes > size {
			return pos, nil
		}
		var batch []byte
		if verify || h.control() {
			if batch, err = load(pos, h.bytes); err != nil {
				return pos, err
			}
			if !crcMatches(batch) {
				return pos, nil
			}
			if !h.control() {
				batch = nil
			}
		}
		if err := fn(h, batch); err != nil {
			return pos, err
		}
		pos += h.bytes
	}
	return pos, nil
}
