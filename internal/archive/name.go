package archive

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/coexstream/coexstream/schemas"
)

// Chain names the objects of a partition of a log, or of one of its snapshots.
type Chain struct {
	Topic     schemas.Topic
	Partition int32
	Log       LogID
	Snapshot  string // its date; empty: no snapshot
}

// LogID is the id that the brokers gave to a topic; zero where they give none.
type LogID [16]byte

// String is the id in hexadecimal digits.
func (id LogID) String() string { return hex.EncodeToString(id[:]) }

// SnapshotDate is the layout of a snapshot's date. It sorts by time.
const SnapshotDate = "2006-01-02T15-04-05Z"

// Encoding is how the records of an object are written.
type Encoding string

// The encodings.
const (
	JSONL   Encoding = "jsonl"   // lines of JSON, compressed with zstd
	Parquet Encoding = "parquet" // columns, compressed with zstd, see Columns
)

// extension ends the names of objects.
func (e Encoding) extension() string {
	if e == Parquet {
		return ".parquet"
	}
	return ".jsonl.zst"
}

const (
	hintName    = "tail"
	startName   = "start"
	offsetWidth = 20
)

// Folder is the beginning of the names of the chain's objects. prefix is that of the topics.
func (c Chain) Folder(prefix string) string {
	folder := fmt.Sprintf("%s/%04d/%s/", c.Topic.Name(prefix), c.Partition, c.Log)
	if c.Snapshot != "" {
		folder += c.Snapshot + "/"
	}
	return folder
}

// Object is an object of a chain.
type Object struct {
	Chain    Chain
	First    int64 // its first offset
	Encoding Encoding
	Bytes    int64 // 0: not known
}

// Name is the name of the object. prefix is that of the topics.
func (o Object) Name(prefix string) string { return o.Chain.Folder(prefix) + o.file() }

// file is the last part of the name.
func (o Object) file() string {
	return fmt.Sprintf("%0*d", offsetWidth, o.First) + o.Encoding.extension()
}

// String is topic/partition, with the date of a snapshot.
func (c Chain) String() string {
	s := c.Topic.String() + "/" + strconv.Itoa(int(c.Partition))
	if c.Snapshot != "" {
		s += " of " + c.Snapshot
	}
	return s
}

var objectPattern = regexp.MustCompile(`^(\d{4,10})/([0-9a-f]{32})/(?:(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ)/)?(\d{20})(\.jsonl\.zst|\.parquet)$`)

// ParseName returns the object with a name. It is false for names of other files.
func ParseName(prefix, name string) (o Object, ok bool) {
	rest, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return o, false
	}
	topic, rest, _ := strings.Cut(rest, "/")
	m := objectPattern.FindStringSubmatch(rest)
	if o.Chain.Topic, ok = schemas.ParseTopic(topic); !ok || m == nil {
		return o, false
	}
	partition, err := strconv.ParseInt(m[1], 10, 32)
	if err != nil {
		return o, false
	}
	if o.First, err = strconv.ParseInt(m[4], 10, 64); err != nil {
		return o, false
	}
	if _, err := hex.Decode(o.Chain.Log[:], []byte(m[2])); err != nil {
		return o, false
	}
	o.Chain.Partition, o.Chain.Snapshot, o.Encoding = int32(partition), m[3], JSONL
	if m[5] == Parquet.extension() {
		o.Encoding = Parquet
	}
	return o, o.Name(prefix) == name
}
