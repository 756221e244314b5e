package embedded

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/coexstream/coexstream/internal/private"
)

// journal stores the decision to commit a transaction before the broker acts on it.
//
// The broker ends a transaction by writing a marker into each of its partitions, then the offsets, then the producer's
// state, one after the other. After a kill in between, a transaction would be committed in some partitions and open in
// others, and the broker would abort the rest: a torn transaction. With the decision on disk, the next start completes
// it instead.
//
// The broker handles requests one at a time. When a decision comes, every earlier one has been carried out. So a single
// slot that is overwritten is enough.
//
// Its methods run in the broker's loop, one at a time.
type journal struct {
	log    *slog.Logger
	file   *os.File
	sync   bool
	staged map[int64]*decision // by producer id: the offsets that its open transaction would commit
	slot   *decision           // the content of the file, while it may still be needed
	topics map[[16]byte]string // names by id: newer requests name topics by their ids
	nameOf func(id [16]byte) string
}

// decision is a transaction to commit.
type decision struct {
	ProducerID int64          `json:"pid"`
	Epoch      int16          `json:"epoch"`
	Version    int16          `json:"version"` // of the EndTxn request; from 5 on the epoch grows with each transaction
	Offsets    []stagedOffset `json:"offsets,omitempty"`
}

type stagedOffset struct {
	Group       string  `json:"group"`
	Topic       string  `json:"topic"`
	Partition   int32   `json:"partition"`
	Offset      int64   `json:"offset"`
	LeaderEpoch int32   `json:"leader_epoch"`
	Metadata    *string `json:"metadata,omitempty"`
}

const (
	journalName      = "commit.journal"
	epochPerTxnSince = 5 // the EndTxn version from which each transaction has an epoch of its own
)

func openJournal(dir string, sync bool, log *slog.Logger) (*journal, error) {
	f, err := private.OpenFile(filepath.Join(dir, journalName), os.O_CREATE|os.O_RDWR)
	if err != nil {
		return nil, fmt.Errorf("open commit journal: %w", err)
	}
	return &journal{log: log, file: f, sync: sync, staged: map[int64]*decision{}, topics: map[[16]byte]string{}}, nil
}

// attach observes the requests of a transaction. It does not observe Produce: the broker would keep the last request of
// every connection, with bodies.
func (j *journal) attach(c *kfake.Cluster) {
	j.nameOf = func(id [16]byte) string {
		if info := c.TopicIDInfo(id); info != nil {
			return info.Topic
		}
		return ""
	}
	c.ControlKey(int16(kmsg.TxnOffsetCommit), func(r kmsg.Request) (kmsg.Response, error, bool) {
		if req, ok := r.(*kmsg.TxnOffsetCommitRequest); ok {
			j.stage(req)
		}
		return nil, nil, false
	})
	c.ControlKey(int16(kmsg.EndTxn), func(r kmsg.Request) (kmsg.Response, error, bool) {
		req, ok := r.(*kmsg.EndTxnRequest)
		if !ok {
			return nil, nil, false
		}
		if !j.decide(req) {
			// The commit has not begun. The client tries again until the decision can be written.
			c.KeepControl()
			resp, _ := req.ResponseKind().(*kmsg.EndTxnResponse)
			resp.ErrorCode = kerr.CoordinatorNotAvailable.Code
			return resp, nil, true
		}
		return nil, nil, false
	})
	for _, key := range []kmsg.Key{kmsg.AddPartitionsToTxn, kmsg.AddOffsetsToTxn} {
		c.ControlKey(int16(key), func(r kmsg.Request) (kmsg.Response, error, bool) {
			switch req := r.(type) {
			case *kmsg.AddPartitionsToTxnRequest:
				j.begin(req.ProducerID)
				for _, t := range req.Transactions {
					j.begin(t.ProducerID)
				}
			case *kmsg.AddOffsetsToTxnRequest:
				j.begin(req.ProducerID)
			}
			return nil, nil, false
		})
	}
}

// stage stores offsets that will be committed with the producer's transaction.
func (j *journal) stage(req *kmsg.TxnOffsetCommitRequest) {
	d := j.staged[req.ProducerID]
	if d == nil || d.Epoch != req.ProducerEpoch {
		d = &decision{ProducerID: req.ProducerID, Epoch: req.ProducerEpoch}
		j.staged[req.ProducerID] = d
	}
	for _, t := range req.Topics {
		name := j.topicName(t)
		if name == "" {
			continue // the broker refuses unknown requests
		}
		for _, p := range t.Partitions {
			d.Offsets = append(d.Offsets, stagedOffset{
				Group: req.Group, Topic: name, Partition: p.Partition, Offset: p.Offset, LeaderEpoch: p.LeaderEpoch, Metadata: p.Metadata,
			})
		}
	}
}

func (j *journal) topicName(t kmsg.TxnOffsetCommitRequestTopic) string {
	if t.Topic != "" {
		return t.Topic
	}
	name, ok := j.topics[t.TopicID]
	if !ok {
		if name = j.nameOf(t.TopicID); name != "" {
			j.topics[t.TopicID] = name
		}
	}
	return name
}

// begin drops a decision of a producer that starts its next transaction. It is only needed if the epoch does not
// distinguish the two.
func (j *journal) begin(producerID int64) {
	if j.slot == nil || j.slot.ProducerID != producerID || j.slot.Version >= epochPerTxnSince {
		return
	}
	if j.write(nil) == nil {
		j.slot = nil
	}
}

// decide is end, with its error in the log.
func (j *journal) decide(req *kmsg.EndTxnRequest) bool {
	if err := j.end(req); err != nil {
		j.log.Error("a commit cannot be written down, refusing it", "producer", req.ProducerID, "error", err)
		return false
	}
	return true
}

func (j *journal) end(req *kmsg.EndTxnRequest) error {
	d := j.staged[req.ProducerID]
	if d == nil || d.Epoch != req.ProducerEpoch {
		d = &decision{ProducerID: req.ProducerID, Epoch: req.ProducerEpoch}
	}
	d.Version = req.Version
	if req.Commit {
		if err := j.write(d); err != nil {
			return err
		}
		j.slot = d
	}
	delete(j.staged, req.ProducerID)
	return nil
}

// write replaces the slot. A torn write fails its checksum and reads as no decision. In that case no part of the
// transaction was ended yet.
func (j *journal) write(d *decision) error {
	b := make([]byte, 8, 512)
	if d != nil {
		data, err := json.Marshal(d)
		if err != nil {
			return fmt.Errorf("encode commit journal: %w", err)
		}
		b = append(b, data...)
	}
	binary.LittleEndian.PutUint32(b, uint32(len(b)-8))
	binary.LittleEndian.PutUint32(b[4:], crc32.Checksum(b[8:], castagnoli))
	if _, err := j.file.WriteAt(b, 0); err != nil {
		return fmt.Errorf("write commit journal: %w", err)
	}
	if j.sync {
		if err := j.file.Sync(); err != nil {
			return fmt.Errorf("sync commit journal: %w", err)
		}
	}
	return nil
}

func (j *journal) close() error { return j.file.Close() }

// readJournal returns the last written decision; nil: none.
func (r *recovery) readJournal() (*decision, error) {
	b, found, err := r.current(journalName)
	if err != nil {
		return nil, fmt.Errorf("read commit journal: %w", err)
	}
	if !found || len(b) < 8 {
		return nil, nil
	}
	n := int(binary.LittleEndian.Uint32(b))
	if n == 0 {
		return nil, nil
	}
	if n > len(b)-8 || crc32.Checksum(b[8:8+n], castagnoli) != binary.LittleEndian.Uint32(b[4:]) {
		if !r.running {
			r.log.Warn("the commit journal is torn: as no transaction was ended then, the open ones are aborted", "file", journalName, "bytes", len(b))
		}
		return nil, nil
	}
	d := &decision{}
	if err := json.Unmarshal(b[8:8+n], d); err != nil {
		return nil, fmt.Errorf("read commit journal: %w", err)
	}
	return d, nil
}
