package replay

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/coexstream/coexstream/processors/split"
)

// Range is the part of a lane from Start up to but without End.
type Range struct {
	Start int64 `json:"start"`
	End   int64 `json:"end"`
}

// Progress has the options and the position of a replay. It is written to a file at each checkpoint. A replay continues
// from this file alone.
type Progress struct {
	Version   int       `json:"version"`
	ID        string    `json:"id"`
	Source    string    `json:"source_prefix"`
	Target    string    `json:"target_prefix"`
	AsOf      time.Time `json:"as_of"` // when the ends of the ranges were read
	Selection Selection `json:"selection"`
	// Verify: the signatures are verified again.
	Verify bool `json:"verify_signatures,omitempty"`

	// Archive is the source; nil: the brokers are.
	Archive *FromArchive `json:"archive,omitempty"`
	// Fresh: the target's processors know nothing of the source, though the names of its topics are the same.
	Fresh bool `json:"fresh,omitempty"`

	Ranges map[string]Range `json:"ranges"` // by Lane.String
	Next   map[string]int64 `json:"next"`   // the first offset of each lane that is not done
	// Touched are the partitions of the target that got records, and get an end marker.
	Touched []int32 `json:"touched,omitempty"`
	Counts  Counts  `json:"counts"`
	// Numbers are those of which a body was read, by phone_number_id.
	Numbers map[string]SavedNumber `json:"numbers,omitempty"`
	Done    bool                   `json:"done"`
}

// FromArchive is a source in an archive. The logs of topics that were created again are replayed one after the other, each as a
// replay of its own, because their offsets begin again.
type FromArchive struct {
	URL        string            `json:"url"`
	Generation int               `json:"generation"`  // which logs
	Of         int               `json:"generations"` // so many there are
	Logs       map[string]string `json:"logs"`        // by topic
	Partitions int32             `json:"partitions"`  // of the source
	Only       Offsets           `json:"only,omitempty"`
}

// Following is the generation behind that of this replay; false: there is none.
func (p *Progress) Following() (generation int, ok bool) {
	if p.Archive == nil || p.Archive.Generation+1 >= p.Archive.Of {
		return 0, false
	}
	return p.Archive.Generation + 1, true
}

const progressVersion = 1

// Parse reads a written progress.
func Parse(b []byte) (*Progress, error) {
	p := &Progress{}
	if err := json.Unmarshal(b, p); err != nil {
		return nil, err
	}
	if p.Version != progressVersion {
		return nil, fmt.Errorf("version %d, want %d", p.Version, progressVersion)
	}
	if p.Next == nil {
		p.Next = map[string]int64{}
	}
	return p, nil
}

// From returns the offset from which a lane continues.
func (p *Progress) From(lane string) int64 {
	return max(p.Next[lane], p.Ranges[lane].Start)
}

// Passed says that all before an offset of a lane is done.
func (p *Progress) Passed(lane string, next int64) { p.Next[lane] = max(p.Next[lane], next) }

// Touch notes that a partition got a record.
func (p *Progress) Touch(partition int32) {
	if i, ok := slices.BinarySearch(p.Touched, partition); !ok {
		p.Touched = slices.Insert(p.Touched, i, partition)
	}
}

// Offsets returns the number of offsets, and how many of them are done.
func (p *Progress) Offsets() (done, total int64) {
	for lane, r := range p.Ranges {
		total += r.End - r.Start
		done += min(p.From(lane), r.End) - r.Start
	}
	return done, total
}

// EndAt is the time of the end markers: everything received before it was replayed.
func (p *Progress) EndAt() time.Time {
	if u := p.Selection.Until; !u.IsZero() && u.Before(p.AsOf) {
		return u
	}
	return p.AsOf
}

// Tally counts bodies and their bytes.
type Tally struct {
	Bodies int64 `json:"bodies"`
	Bytes  int64 `json:"bytes"`
}

func (t *Tally) add(bytes int) {
	t.Bodies++
	t.Bytes += int64(bytes)
}

// Counts has the counters of a replay.
type Counts struct {
	Read    Tally            `json:"read"`
	Taken   Tally            `json:"taken"`
	Written int64            `json:"records_written"` // with the copies for other partitions
	Left    map[string]int64 `json:"left_out,omitempty"`
	// Taken bodies once more: a body of several businesses or fields counts for each of them.
	ByTopic map[string]*Tally `json:"by_topic,omitempty"`
	ByField map[string]*Tally `json:"by_field,omitempty"`
	ByWABA  map[string]*Tally `json:"by_waba,omitempty"`

	Verified   int64            `json:"signatures_verified,omitempty"`
	Unsigned   int64            `json:"unsigned,omitempty"`
	Unverified map[string]int64 `json:"signatures_failed,omitempty"` // left out, by source
}

// Unsplit is the field under which a body counts that could not be split.
const Unsplit = "(not understood)"

// LeftOut counts a record that is not replayed.
func (c *Counts) LeftOut(v Verdict) {
	if c.Left == nil {
		c.Left = map[string]int64{}
	}
	c.Left[v.String()]++
}

// Take counts a record that is replayed.
func (c *Counts) Take(r *Record, body *split.Body) {
	n := len(r.Value)
	c.Taken.add(n)
	tally(&c.ByTopic, r.Lane.Topic.String(), n)
	wabas, fields := map[string]bool{}, map[string]bool{}
	if body == nil {
		wabas[string(r.Key)], fields[Unsplit] = true, true
	} else {
		for i := range body.Changes {
			wabas[string(businessOf(&body.Changes[i]))] = true
			fields[string(body.Changes[i].Field)] = true
		}
	}
	for w := range wabas {
		tally(&c.ByWABA, w, n)
	}
	for f := range fields {
		tally(&c.ByField, f, n)
	}
}

func tally(m *map[string]*Tally, key string, bytes int) {
	if *m == nil {
		*m = map[string]*Tally{}
	}
	t := (*m)[key]
	if t == nil {
		t = &Tally{}
		(*m)[key] = t
	}
	t.add(bytes)
}

// Largest lists the keys of a tally, the ones with the most bytes first.
func Largest(m map[string]*Tally) []string {
	return slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		switch x, y := m[a], m[b]; {
		case x.Bytes != y.Bytes:
			return int(min(max(y.Bytes-x.Bytes, -1), 1))
		case a < b:
			return -1
		}
		return 1
	})
}
