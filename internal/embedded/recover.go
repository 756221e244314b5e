package embedded

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// recovery repairs the folder of a killed process or a failing disk. It restores the state of an orderly stop before
// the broker opens the folder:
//
//   - Every byte of every log is read and its checksum checked. A damaged batch goes to quarantine, and a control
//     batch, which no consumer sees, takes its offsets. Batches behind it stay (ADR 0028).
//   - Small files that differ from their copies are restored.
//   - A transaction whose commit was decided and not finished is finished: markers, offsets, producer.
//   - Every other open transaction is aborted with a marker. Otherwise the broker would remember the abort only until
//     the next kill. Then it would take the next commit of that producer for this transaction, too.
//   - Torn writes at the ends are cut off, and index files are made to match.
//   - A snapshot is written for each partition, so that the broker need not read the log for the same facts.
//   - A partition that retention emptied keeps its offsets. The broker would begin again at 0, below the offsets that
//     consumers have committed.
//
// Recovery first reads everything and plans the repair, and then repairs. It can be killed at any point and run again.
type recovery struct {
	folder
	now     time.Time
	log     *slog.Logger
	running bool // the broker is running: recent writes are not judged

	copies    *copies
	files     map[string][]byte // small files to write; nil: to remove
	fileOrder []string

	decided      *decision                    // a commit to finish
	epochs       map[int64]int16              // producer id: newest epoch
	endings      map[producerEpoch]bool       // transactions that ended, with a commit or not, by pids.log
	pidsBytes    int64                        // whole entries of pids.log
	groups       int64                        // and of groups.log
	committed    map[topicPartition]int64     // of consumer groups
	ends         map[topicPartition]int64     // offsets that must have existed
	marks        map[topicPartition]watermark // the starts and ends of the logs
	cleaning     bool                         // retention or compaction was running
	compacted    map[string]bool              // topics; all of them if that is unknown
	settingsLost bool                         // of topics
	markers      map[producerEpoch]bool       // transactions whose end is in some log
	aborted      map[int64]bool               // producers with a transaction that was aborted here
	parts        []*partitionScan             // those with something to repair
	all          []*partitionScan             // every partition
	damage       []Damage                     // the found damage
	kept         []keptBytes                  // the bytes of each damage
}

type producerEpoch struct {
	producer int64
	epoch    int16
}

// repairNote is damage of a partition's file. Its bytes are read when it goes to quarantine.
type repairNote struct {
	damage     Damage
	path       string
	pos, bytes int64
}

// keptBytes are damaged bytes, in memory or in a file.
type keptBytes struct {
	content    []byte
	path       string
	pos, bytes int64
}

func (r *recovery) load(k keptBytes) ([]byte, error) {
	if k.bytes == 0 {
		return k.content, nil
	}
	b, _, err := r.read(k.path)
	if err != nil {
		return nil, err
	}
	if k.pos+k.bytes > int64(len(b)) {
		return nil, fmt.Errorf("%s has %d bytes, which were more when it was read", k.path, len(b))
	}
	return b[k.pos : k.pos+k.bytes], nil
}

// Recovered has the findings of a start.
type Recovered struct {
	Partitions int      // those that differed from an orderly stop
	Damage     []Damage // it went to quarantine
	BytesRead  int64    // of logs
}

func newRecovery(f folder, now time.Time, log *slog.Logger) *recovery {
	return &recovery{
		folder: f, now: now, log: log, files: map[string][]byte{},
		epochs: map[int64]int16{}, endings: map[producerEpoch]bool{}, committed: map[topicPartition]int64{}, ends: map[topicPartition]int64{},
		compacted: map[string]bool{}, markers: map[producerEpoch]bool{}, aborted: map[int64]bool{},
	}
}

// recoverFolder repairs the folder after a kill or a disk failure.
func recoverFolder(f folder, now time.Time, log *slog.Logger) (Recovered, error) {
	if !f.used() {
		return Recovered{}, nil
	}
	if err := f.restoreCompaction(); err != nil {
		return Recovered{}, fmt.Errorf("undo an unfinished compaction: %w", err)
	}
	r := newRecovery(f, now, log)
	if err := r.plan(); err != nil {
		return Recovered{}, err
	}
	if err := r.apply(); err != nil {
		return Recovered{}, err
	}
	found := Recovered{Partitions: len(r.parts), Damage: r.damage}
	for _, p := range r.all {
		found.BytesRead += p.bytesRead
	}
	return found, nil
}

// used reports whether a broker has used the folder.
func (f folder) used() bool {
	return f.exists(f.path("meta.json")) || f.exists(f.path("topics.json")) || f.exists(f.path("partitions"))
}

// plan reads everything and changes nothing.
func (r *recovery) plan() error {
	if err := r.checkFiles(); err != nil {
		return fmt.Errorf("check the broker's files: %w", err)
	}
	if err := r.checkVersion(); err != nil {
		return err
	}
	if err := r.readTopics(); err != nil {
		return err
	}
	if err := r.readState(); err != nil {
		return err
	}
	if err := r.scan(); err != nil {
		return err
	}
	return r.settle()
}

func (r *recovery) apply() error {
	for i := range r.damage {
		content, err := r.load(r.kept[i])
		if err == nil {
			err = r.quarantine(&r.damage[i], content)
		}
		if err != nil {
			return fmt.Errorf("move damage to quarantine: %w", err)
		}
	}
	if err := r.putBack(); err != nil {
		return fmt.Errorf("put the broker's files back: %w", err)
	}
	if len(r.fileOrder) > 0 || len(r.parts) > 0 || r.decided != nil {
		// The next steps change files that have copies. The copies are no longer needed.
		if err := r.dropCopies(); err != nil {
			return err
		}
	}
	for _, p := range r.parts {
		if err := r.repair(p); err != nil {
			return fmt.Errorf("repair %s: %w", p.tp, err)
		}
	}
	if err := r.endTransactions(); err != nil {
		return err
	}
	for _, p := range r.parts {
		if err := r.writeSnapshot(p); err != nil {
			return fmt.Errorf("write snapshot of %s: %w", p.tp, err)
		}
	}
	if err := r.keepEnds(); err != nil {
		return err
	}
	for i := range r.damage {
		d := &r.damage[i]
		level := slog.LevelWarn
		if d.Lost {
			level = slog.LevelError
		}
		kept := ""
		if d.Kept != "" {
			kept = r.path(d.Kept)
		}
		r.log.Log(context.Background(), level, "damage in the embedded broker's data was moved to quarantine", "what", d.What, "file", d.File, "position", d.Position, "bytes", d.Bytes,
			"topic", d.Topic, "partition", d.Partition, "first_offset", d.FirstOffset, "last_offset", d.LastOffset, "records_known", d.Exact,
			"after", d.After, "before", d.Before, "kept", kept)
	}
	return nil
}

// found records damage. Its bytes stay unchanged.
func (r *recovery) found(d Damage, content []byte) {
	d.Found, d.Bytes = r.now, int64(len(content))
	r.damage, r.kept = append(r.damage, d), append(r.kept, keptBytes{content: content})
}

func (r *recovery) checkVersion() error {
	var meta metaFile
	b, found, err := r.current("meta.json")
	if err != nil || !found {
		return err
	}
	if err := json.Unmarshal(b, &meta); err != nil {
		return fmt.Errorf("read meta.json: %w", err)
	}
	if meta.Version != formatVersion {
		return fmt.Errorf("folder %s has format version %d, want %d: it was written by another version of this program", r.dir, meta.Version, formatVersion)
	}
	return nil
}

func (r *recovery) readTopics() error {
	var topics topicsFile
	b, found, err := r.current("topics.json")
	if err != nil || !found {
		return err
	}
	if err := json.Unmarshal(b, &topics); err != nil {
		return fmt.Errorf("read topics.json: %w", err)
	}
	for _, t := range topics.Topics {
		policy := t.Configs["cleanup.policy"]
		r.compacted[t.Name] = r.settingsLost || strings.Contains(policy, "compact")
	}
	return nil
}

// scan reads every partition.
func (r *recovery) scan() error {
	tps, err := r.partitionFolders()
	if err != nil {
		return fmt.Errorf("list partitions: %w", err)
	}
	tps = append(tps, r.missingFolders(tps)...)
	orderly := r.exists(r.path(sessionName))
	r.all = make([]*partitionScan, len(tps))
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, tp := range tps {
		p := &partitionScan{tp: tp, folder: tp.folder(r.dir), orderly: orderly, open: map[int64]openTxn{}}
		r.all[i] = p
		g.Go(func() error {
			if err := r.scanPartition(p); err != nil {
				return fmt.Errorf("read %s: %w", p.tp, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, p := range r.all {
		if p.hasSnapshot {
			r.ends[p.tp] = max(r.ends[p.tp], p.snapshot.HighWatermark)
		}
		if !p.described && (p.end > 0 || len(p.segments) > 0 || len(p.orphans) > 0) {
			r.parts = append(r.parts, p)
		}
	}
	return nil
}

// missingFolders lists partitions that had records and have no folder.
func (r *recovery) missingFolders(there []topicPartition) []topicPartition {
	var missing []topicPartition
	for tp, m := range r.marks {
		if _, known := r.compacted[tp.topic]; known && m.Reserved > 0 && m.Start < m.End && !slices.Contains(there, tp) {
			missing = append(missing, tp)
		}
	}
	slices.SortFunc(missing, func(a, b topicPartition) int { return strings.Compare(a.String(), b.String()) })
	return missing
}

// endTransactions writes the missing ends: markers first, then offsets, then the producers' epochs. So a recovery that
// is killed finds the remaining work.
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
		// A producer that outlived the broker must not continue in the middle of its transaction.
		bumped = append(bumped, pidEntry{Type: "timeout", PID: id, Epoch: r.epochs[id] + 1})
	}
	if d := r.decided; d != nil {
		commit := true
		bumped = append(bumped, pidEntry{Type: "endtx", PID: d.ProducerID, Epoch: d.Epoch, Commit: &commit})
		if d.Version >= epochPerTxnSince || r.aborted[d.ProducerID] {
			bumped = append(bumped, pidEntry{Type: "endtx", PID: d.ProducerID, Epoch: r.epochs[d.ProducerID] + 1, Commit: &commit})
		}
	}
	if err := appendToLog(r.folder, r.path(pidsName), r.pidsBytes, bumped); err != nil {
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
	if err := r.writeAt(dataFile(p.folder, seg.BaseOffset), marker, seg.Size); err != nil {
		return err
	}
	entry := appendIndexEntry(nil, p.epoch, max(p.maxTime, r.now.UnixMilli()), false)
	index := indexFile(p.folder, seg.BaseOffset)
	if err := r.writeAt(index, entry, r.size(index)); err != nil {
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

// commitOffsets commits the offsets of the decided transaction.
func (r *recovery) commitOffsets() error {
	if r.decided == nil {
		return nil
	}
	return appendToLog(r.folder, r.path(groupsName), r.groups, commitsOf(r.decided.Offsets, r.now))
}

func commitsOf(offsets []stagedOffset, now time.Time) []groupEntry {
	at := now.UnixMilli()
	var commits []groupEntry
	for _, o := range offsets {
		commits = append(commits, groupEntry{
			Type: "commit", Group: o.Group, Topic: o.Topic, Partition: o.Partition,
			Offset: o.Offset, Epoch: o.LeaderEpoch, Metadata: o.Metadata, LastCommit: &at,
		})
	}
	return commits
}

func relative(dir, path string) string {
	if rel, err := filepath.Rel(dir, path); err == nil {
		return rel
	}
	return path
}
