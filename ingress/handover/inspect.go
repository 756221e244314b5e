package handover

import (
	"path/filepath"

	"github.com/coexstream/coexstream/ingress/raw"
	"github.com/coexstream/coexstream/ingress/spool"
	"github.com/coexstream/coexstream/schemas"
)

// Inspect reads the spool of a topic below the folder of a Spooled and changes nothing; see spool.Inspect. each gets
// every intact record, or an error where this version cannot read its format. each may be nil.
func Inspect(fs spool.FS, dir string, topic schemas.Topic, each func(*spool.Found, *raw.Record, error) error) ([]spool.SegmentInfo, error) {
	var visit func(f *spool.Found) error
	if each != nil {
		visit = func(f *spool.Found) error {
			r, err := readRecord(topic, f.At, f.Payload)
			return each(f, r, err)
		}
	}
	return spool.Inspect(fs, filepath.Join(dir, topic.String()), visit)
}
