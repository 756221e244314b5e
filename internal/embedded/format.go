package embedded

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"math"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/coexstream/coexstream/schemas"
)

// This file is all that is known of the broker's on-disk format, version 1:
//
//	meta.json, topics.json, …                   what there is, each replaced as a whole
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
	Version int          `json:"version"`
	Topics  []topicEntry `json:"topics"`
}

type topicEntry struct {
	Name       string            `json:"name"`
	ID         []byte            `json:"id,omitempty"`
	Partitions int               `json:"partitions"`
	Replicas   int               `json:"replicas,omitempty"`
	Configs    map[string]string `json:"configs,omitempty"`
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
func (f folder) partitionFolders() ([]topicPartition, error) {
	es, err := f.ReadDir(f.path("partitions"))
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

// segmentFiles lists the offsets that a partition's files of a kind (".dat", ".idx") are named for, in order.
func (f folder) segmentFiles(partition, kind string) ([]int64, error) {
	es, err := f.ReadDir(partition)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var bases []int64
	for _, e := range es {
		if name, ok := strings.CutSuffix(e.Name(), kind); ok {
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
	records       int32
	magic         byte
}

func (h *batchHeader) control() bool       { return h.attributes&attributeControl != 0 }
func (h *batchHeader) transactional() bool { return h.attributes&attributeTransactional != 0 }
func (h *batchHeader) lastOffset() int64   { return h.firstOffset + int64(h.lastDelta) }

// readHeader reads a header from its 61 bytes. It reports false for other bytes.
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
		records:       int32(binary.BigEndian.Uint32(b[57:])),
		magic:         b[16],
	}
	return h, h.bytes >= batchHeaderBytes && h.bytes <= batchBytesMax && h.lastDelta >= 0 && h.firstOffset >= 0
}

func crcMatches(batch []byte) bool {
	return binary.BigEndian.Uint32(batch[17:]) == crc32.Checksum(batch[21:], castagnoli)
}

// committedMarker reports whether a control batch ends its transaction with a commit. An unreadable one counts as an
// abort, as in the broker.
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

// appendMarker appends the control batch that ends a transaction. With producer -1 it ends none, and no
// consumer sees it.
func appendMarker(dst []byte, offset int64, leaderEpoch int32, producerID int64, producerEpoch int16, commit bool, now time.Time) []byte {
	key := kmsg.ControlRecordKeyTypeAbort
	if commit {
		key = kmsg.ControlRecordKeyTypeCommit
	}
	return appendControl(dst, offset, 0, leaderEpoch, producerID, producerEpoch, key, now)
}

// appendControl appends a control batch whose one record has the last of its offsets.
func appendControl(dst []byte, offset int64, lastDelta, leaderEpoch int32, producerID int64, producerEpoch int16, kind kmsg.ControlRecordKeyType, at time.Time) []byte {
	key := kmsg.ControlRecordKey{Type: kind}
	r := kmsg.Record{OffsetDelta: lastDelta, Key: key.AppendTo(nil), Value: (&kmsg.EndTxnMarker{}).AppendTo(nil)}
	r.Length = int32(len(r.AppendTo(nil)) - 1) // the length counts itself as one byte here, and is less than 64
	b := kmsg.RecordBatch{
		FirstOffset: offset, PartitionLeaderEpoch: leaderEpoch, Magic: 2,
		Attributes: attributeControl | attributeTransactional, LastOffsetDelta: lastDelta,
		FirstTimestamp: at.UnixMilli(), MaxTimestamp: at.UnixMilli(),
		ProducerID: producerID, ProducerEpoch: producerEpoch, FirstSequence: -1,
		NumRecords: 1, Records: r.AppendTo(nil),
	}
	start := len(dst)
	dst = b.AppendTo(dst)
	binary.BigEndian.PutUint32(dst[start+8:], uint32(len(dst)-start-12))
	binary.BigEndian.PutUint32(dst[start+17:], crc32.Checksum(dst[start+21:], castagnoli))
	return dst
}

// appendFiller appends a control batch that ends no transaction and takes the offsets [first, next).
func appendFiller(dst []byte, first, next int64, leaderEpoch int32, at time.Time) []byte {
	for first < next {
		end := min(next, first+math.MaxInt32)
		dst = appendControl(dst, first, int32(end-first-1), leaderEpoch, -1, -1, kmsg.ControlRecordKeyTypeAbort, at)
		first = end
	}
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

func appendEntry(dst []byte, v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return appendRaw(dst, data), nil
}

func appendRaw(dst, data []byte) []byte {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(2+len(data)))
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint16(dst, formatVersion)
	dst = append(dst, data...)
	binary.LittleEndian.PutUint32(dst[start+4:], crc32.Checksum(dst[start+8:], castagnoli))
	return dst
}

// topicsOf is a topics.json for partitions that have folders.
func topicsOf(tps []topicPartition) ([]byte, error) {
	counts := map[string]int{}
	for _, tp := range tps {
		counts[tp.topic] = max(counts[tp.topic], int(tp.partition)+1)
	}
	f := topicsFile{Version: formatVersion}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		sum := sha256.Sum256([]byte(name))
		t := topicEntry{Name: name, ID: sum[:16], Partitions: counts[name], Replicas: 1}
		for _, known := range schemas.Topics() {
			if known.Compacted() && strings.HasSuffix(name, known.String()) {
				t.Configs = map[string]string{"cleanup.policy": "compact"}
			}
		}
		f.Topics = append(f.Topics, t)
	}
	return json.Marshal(f)
}
