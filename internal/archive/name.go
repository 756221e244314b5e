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

const (
	extension   = ".jsonl.zst"
	hintName    = "tail"
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

// Object is the name of the object that begins with an offset.
func (c Chain) Object(prefix string, first int64) string {
	return c.Folder(prefix) + fmt.Sprintf("%0*d", offsetWidth, first) + extension
}

func (c Chain) hint(prefix string) string { return c.Folder(prefix) + hintName }

// String is topic/partition, with the date of a snapshot.
func (c Chain) String() string {
	s := c.Topic.String() + "/" + strconv.Itoa(int(c.Partition))
	if c.Snapshot != "" {
		s += " of " + c.Snapshot
	}
	return s
}

var objectPattern = regexp.MustCompile(`^(\d{4,10})/([0-9a-f]{32})/(?:(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ)/)?(\d{20})\.jsonl\.zst$`)

// ParseName returns the chain and the first offset of an object's name. It is false for names of other files.
func ParseName(prefix, name string) (c Chain, first int64, ok bool) {
	rest, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return c, 0, false
	}
	topic, rest, _ := strings.Cut(rest, "/")
	m := objectPattern.FindStringSubmatch(rest)
	if c.Topic, ok = schemas.ParseTopic(topic); !ok || m == nil {
		return c, 0, false
	}
	partition, err := strconv.ParseInt(m[1], 10, 32)
	if err != nil {
		return c, 0, false
	}
	if first, err = strconv.ParseInt(m[4], 10, 64); err != nil {
		return c, 0, false
	}
	if _, err := hex.Decode(c.Log[:], []byte(m[2])); err != nil {
		return c, 0, false
	}
	c.Partition, c.Snapshot = int32(partition), m[3]
	return c, first, c.Object(prefix, first) == name
}
