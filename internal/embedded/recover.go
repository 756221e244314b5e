package embedded

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/coexstream/coexstream/internal/private"
)

// recovery brings a folder that a killed process left behind into the state of an orderly stop, before
// the broker opens it:
//
//   - The transaction whose commit was decided and not finished is finished: markers, offsets, producer.
//   - Every other open transaction is aborted with a marker. The broker would only remember the abort
//     until it is killed again, and then take the next commit of that producer for this one, too.
//   - Torn writes at the ends are cut off, and index files are made to match.
//   - A snapshot is written for each partition, so that the broker need not hold the log in memory to
//     find out the same.
//   - A partition that retention emptied keeps its offsets: the broker would begin again at 0, below the
//     offsets that consumers have committed.
//
// It can be killed at any point and run again.
type recovery struct {
	dir string
	now time.Time
	log *slog.Logger

	decided   *decision       // a commit to finish
	epochs    map[int64]int16 // producer id: newest epoch
	pidsBytes int64
	groups    int64
	ends      map[topicPartition]int64 // offsets that must have existed
	aborted   map[int64]bool           // producers with a transaction that was aborted here
	parts     []*partitionScan
}

type openTxn struct {
	first int64
	epoch int16
}

// partitionScan is what was found in a partition's segments.
type partitionScan struct {
	tp          topicPartition
	folder      string
	snapshot    snapshotFile
	hasSnapshot bool

	segments   []snapshotSegment
	start, end int64 // first offset, and the one after the last
	firstTime  int64
	maxTime    int64
	epoch      int32
	open       map[int64]openTxn
	aborted    []abortedTxn
}

// recoverFolder repairs what a killed process left in dir. It returns how many partitions it had to look
// at; 0 after an orderly stop.
func recoverFolder(dir string, now time.Time, log *slog.Logger) (int, error) {
	var meta metaFile
	if found, err := readJSON(filepath.Join(dir, "meta.json"), &meta); err != nil || !found {
		return 0, err
	}
	if meta.Version != formatVersion {
		return 0, fmt.Errorf("folder %s has format version %d, want %d: it was written by another version of this program", dir, meta.Version, formatVersion)
	}
	r := &recovery{
		dir: dir, now: now, log: log,
		epochs: map[int64]int16{}, ends: map[topicPartition]int64{}, aborted: map[int64]bool{},
	}
	if err := restoreCompaction(dir); err != nil {
		return 0, fmt.Errorf("undo an unfinished compaction: %w", err)
	}
	if err := r.readState(); err != nil {
		return 0, err
	}
	if err := r.scan(); err != nil {
		return 0, err
	}
	if err := r.endTransactions(); err != nil {
		return 0, err
	}
	for _, p := range r.parts {
		if err := r.writeSnapshot(p); err != nil {
			return 0, fmt.Errorf("write snapshot of %s: %w", p.tp, err)
		}
	}
	return len(r.parts), r.keepEnds()
}

// readState reads producers, committed offsets and the decision of the journal.
func (r *recovery) readState() error {
	ended := map[int64]int16{} // the newest epoch that is known to have ended with a commit
	var err error
	r.pidsBytes, err = eachEntry(filepath.Join(r.dir, "pids.log"), func(data []byte) error {
		var e pidEntry
		if err := json.Unmarshal(data, &e); err != nil {
			return err
		}
		r.epochs[e.PID] = e.Epoch
		if e.Type == "endtx" && e.Commit != nil && *e.Commit {
			ended[e.PID] = e.Epoch
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read pids.log: %w", err)
	}
	r.groups, err = eachEntry(filepath.Join(r.dir, "groups.log"), func(data []byte) error {
		var e groupEntry
		if err := json.Unmarshal(data, &e); err != nil {
			return err
		}
		if tp := (topicPartition{e.Topic, e.Partition}); e.Type == "commit" {
			r.ends[tp] = max(r.ends[tp], e.Offset)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read groups.log: %w", err)
	}
	marks, err := readWatermarks(r.dir)
	if err != nil {
		return err
	}
	for tp, end := range marks {
		r.ends[tp] = max(r.ends[tp], end)
	}

	d, err := readJournal(r.dir)
	if err != nil || d == nil {
		return err
	}
	epoch, known := r.epochs[d.ProducerID]
	endedEpoch, hasEnded := ended[d.ProducerID]
	// Where each transaction has its own epoch, a later epoch or a recorded end says that this one is
	// complete. Where it has not, the slot is emptied as soon as the producer goes on, and finishing it
	// again changes nothing.
	complete := d.Version >= epochPerTxnSince && (epoch > d.Epoch || hasEnded && endedEpoch == d.Epoch)
	if known && !complete {
		r.decided = d
	}
	return nil
}

// scan looks at every partition whose snapshot does not describe its files.
func (r *recovery) scan() error {
	tps, err := partitionFolders(r.dir)
	if err != nil {
		return fmt.Errorf("list partitions: %w", err)
	}
	orderly := exists(filepath.Join(r.dir, "session_state.json"))
	for _, tp := range tps {
		p := &partitionScan{tp: tp, folder: tp.folder(r.dir), open: map[int64]openTxn{}}
		if p.hasSnapshot, err = readJSON(filepath.Join(p.folder, "snapshot.json"), &p.snapshot); err != nil {
			// A snapshot only saves work: without it everything is found in the segments.
			r.log.Warn("partition snapshot is unreadable, reading the whole partition", "partition", tp.String(), "error", err)
			p.hasSnapshot = false
		}
		bases, err := segmentBases(p.folder)
		if err != nil {
			return fmt.Errorf("list segments of %s: %w", tp, err)
		}
		if p.hasSnapshot {
			r.ends[tp] = max(r.ends[tp], p.snapshot.HighWatermark)
		}
		if len(bases) == 0 || p.described(bases, orderly) {
			continue
		}
		for i, base := range bases {
			if err := r.scanSegment(p, base, i == len(bases)-1); err != nil {
				return fmt.Errorf("read segment %d of %s: %w", base, tp, err)
			}
		}
		if p.end > 0 {
			r.parts = append(r.parts, p)
		}
	}
	return nil
}

// described tells whether the snapshot can be trusted: it names the files as they are, and no transaction
// was open that only an orderly stop could have handed on.
func (p *partitionScan) described(bases []int64, orderly bool) bool {
	if !p.hasSnapshot || p.snapshot.Version != formatVersion || len(p.snapshot.Segments) != len(bases) {
		return false
	}
	if p.snapshot.LastStableOffset != p.snapshot.HighWatermark && !orderly {
		return false
	}
	for i, s := range p.snapshot.Segments {
		if s.BaseOffset != bases[i] || fileSize(dataFile(p.folder, bases[i])) != s.Size {
			return false
		}
	}
	return true
}

func (r *recovery) scanSegment(p *partitionScan, base int64, last bool) error {
	f, err := private.OpenFile(dataFile(p.folder, base), os.O_RDWR)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // a cut that does not last is made again
	info, err := f.Stat()
	if err != nil {
		return err
	}
	seg := snapshotSegment{BaseOffset: base, MinEpoch: -1}
	var index []byte
	valid, err := scanSegment(f, info.Size(), last, func(h batchHeader, batch []byte) error {
		p.batch(h, batch)
		if seg.MinEpoch < 0 || h.leaderEpoch < seg.MinEpoch {
			seg.MinEpoch = h.leaderEpoch
		}
		seg.MaxEpoch = max(seg.MaxEpoch, h.leaderEpoch)
		index = appendIndexEntry(index, h.leaderEpoch, p.maxTime, h.transactional() && !h.control())
		return nil
	})
	if err != nil {
		return err
	}
	if valid < info.Size() {
		r.log.Warn("cutting off a torn write", "partition", p.tp.String(), "segment", base, "bytes", info.Size()-valid)
		if err := f.Truncate(valid); err != nil {
			return err
		}
	}
	if fileSize(indexFile(p.folder, base)) != int64(len(index)) {
		if err := writeSynced(indexFile(p.folder, base), index); err != nil {
			return err
		}
	}
	if valid == 0 {
		return removeSegment(p.folder, base)
	}
	seg.MinEpoch, seg.Size = max(seg.MinEpoch, 0), valid
	p.segments = append(p.segments, seg)
	return nil
}

// batch takes note of one batch.
func (p *partitionScan) batch(h batchHeader, batch []byte) {
	if p.end == 0 {
		p.start, p.firstTime = h.firstOffset, h.firstTime
	}
	p.end = h.lastOffset() + 1
	p.epoch = max(p.epoch, h.leaderEpoch)
	p.maxTime = max(p.maxTime, h.maxTime)
	if !h.transactional() {
		return
	}
	open, isOpen := p.open[h.producerID]
	if !h.control() {
		if !isOpen {
			p.open[h.producerID] = openTxn{h.firstOffset, h.producerEpoch}
		}
		return
	}
	delete(p.open, h.producerID)
	if isOpen && !committedMarker(batch) {
		p.aborted = append(p.aborted, abortedTxn{h.producerID, open.first, h.firstOffset})
	}
}

// endTransactions writes the missing ends: markers first, then offsets, then the producers' epochs, so
// that a recovery that is killed finds the rest still to do.
func (r *recovery) endTransactions() error {
	for _, p := range r.parts {
		producers := make([]int64, 0, len(p.open))
		for id := range p.open {
			producers = append(producers, id)
		}
		slices.Sort(producers)
		for _, id := range producers {
			if err := r.endTransaction(p, id, p.open[id]); err != nil {
				return fmt.Errorf("end transaction of producer %d in %s: %w", id, p.tp, err)
			}
		}
	}
	if err := r.commitOffsets(); err != nil {
		return fmt.Errorf("finish the commit of producer %d: %w", r.decided.ProducerID, err)
	}
	var bumped []pidEntry
	for id := range r.aborted {
		if r.decided != nil && r.decided.ProducerID == id {
			continue
		}
		// A producer that outlived the broker must not go on in the middle of its transaction.
		bumped = append(bumped, pidEntry{Type: "timeout", PID: id, Epoch: r.epochs[id] + 1})
	}
	if d := r.decided; d != nil {
		commit := true
		bumped = append(bumped, pidEntry{Type: "endtx", PID: d.ProducerID, Epoch: d.Epoch, Commit: &commit})
		if d.Version >= epochPerTxnSince || r.aborted[d.ProducerID] {
			bumped = append(bumped, pidEntry{Type: "endtx", PID: d.ProducerID, Epoch: r.epochs[d.ProducerID] + 1, Commit: &commit})
		}
	}
	if err := appendToLog(filepath.Join(r.dir, "pids.log"), r.pidsBytes, bumped); err != nil {
		return fmt.Errorf("append to pids.log: %w", err)
	}
	if r.decided != nil || len(r.aborted) > 0 {
		r.log.Info("ended the transactions that a kill had left open", "committed", r.decided != nil, "aborted", len(r.aborted))
	}
	return nil
}

func (r *recovery) endTransaction(p *partitionScan, id int64, txn openTxn) error {
	commit := r.decided != nil && r.decided.ProducerID == id && r.decided.Epoch == txn.epoch
	seg := &p.segments[len(p.segments)-1]
	marker := appendMarker(nil, p.end, p.epoch, id, txn.epoch, commit, r.now)
	if err := writeSyncedAt(dataFile(p.folder, seg.BaseOffset), marker, seg.Size); err != nil {
		return err
	}
	entry := appendIndexEntry(nil, p.epoch, max(p.maxTime, r.now.UnixMilli()), false)
	index := indexFile(p.folder, seg.BaseOffset)
	if err := writeSyncedAt(index, entry, fileSize(index)); err != nil {
		return err
	}
	if !commit {
		r.aborted[id] = true
		p.aborted = append(p.aborted, abortedTxn{id, txn.first, p.end})
	}
	seg.Size += int64(len(marker))
	seg.MaxEpoch = max(seg.MaxEpoch, p.epoch)
	p.maxTime = max(p.maxTime, r.now.UnixMilli())
	p.end++
	delete(p.open, id)
	return nil
}

// commitOffsets commits what belongs to the decided transaction.
func (r *recovery) commitOffsets() error {
	if r.decided == nil {
		return nil
	}
	at := r.now.UnixMilli()
	var commits []groupEntry
	for _, o := range r.decided.Offsets {
		commits = append(commits, groupEntry{
			Type: "commit", Group: o.Group, Topic: o.Topic, Partition: o.Partition,
			Offset: o.Offset, Epoch: o.LeaderEpoch, Metadata: o.Metadata, LastCommit: &at,
		})
	}
	return appendToLog(filepath.Join(r.dir, "groups.log"), r.groups, commits)
}
