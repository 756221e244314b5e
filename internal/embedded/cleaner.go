package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// The broker's own cleaning can lose records after a kill or with an open transaction. It rewrites a compacted
// partition by deleting its files first. It lets a record of an open transaction, which may be aborted, replace the
// committed record of its key. A partition that retention empties begins again at offset 0 after a restart. So the
// broker's timer is off, and the cleaner does the work: it writes down the ends of the partitions before retention
// runs. Compaction runs only while no transaction is open. Until it is done, the old files stay linked in a second
// folder, from which the next start restores them.

const (
	backupName  = "compacting"
	backupReady = "ready"
)

// brokerCleanerOff makes the broker's own timer fire after ten years.
const brokerCleanerOff = "315360000000"

// Clean removes segments beyond retention and compacts the compacted topics. It reports false, with nothing
// compacted, when a transaction was open; retention is done in any case.
func (b *Broker) Clean(ctx context.Context) (bool, error) {
	b.cleaning.Lock()
	defer b.cleaning.Unlock()
	if err := b.mark(true); err != nil {
		return false, err
	}
	b.cluster.ApplyRetention()
	compacted, err := b.compactAtRest(ctx)
	return compacted, errors.Join(err, b.mark(false))
}

// compactAtRest compacts while the broker stands still.
func (b *Broker) compactAtRest(ctx context.Context) (bool, error) {
	// The broker handles no request while a control function runs, and control functions may use its
	// administration. So in here nothing is appended and no transaction begins. Which request it is that
	// brings us here does not matter; this one is rare and harmless.
	result := make(chan cleaned, 1)
	b.cluster.ControlKey(int16(kmsg.DescribeUserSCRAMCredentials), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.cluster.DropControl()
		compacted, err := b.compact()
		result <- cleaned{compacted, err}
		return nil, nil, false
	})
	opts := []kgo.Opt{kgo.SeedBrokers(b.Addr()), kgo.Dialer(b.Dial), kgo.ClientID("coexstream-cleaner"), kgo.DisableClientMetrics()}
	if b.cfg.Password != "" {
		opts = append(opts, kgo.SASL(scram.Auth{User: User, Pass: b.cfg.Password}.AsSha256Mechanism()))
	}
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return false, fmt.Errorf("connect to the embedded broker: %w", err)
	}
	defer cl.Close()
	if _, err := kmsg.NewPtrDescribeUserSCRAMCredentialsRequest().RequestWith(ctx, cl); err != nil {
		return false, fmt.Errorf("ask the embedded broker to compact: %w", err)
	}
	select {
	case r := <-result:
		return r.compacted, r.err
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

type cleaned struct {
	compacted bool
	err       error
}

// compact runs while the broker stands still.
func (b *Broker) compact() (bool, error) {
	var tps []topicPartition
	for _, tp := range b.partitions() {
		info := b.cluster.PartitionInfo(tp.topic, tp.partition)
		if info == nil {
			continue
		}
		if info.LastStableOffset != info.HighWatermark {
			return false, nil
		}
		if b.compacted(tp.topic) && info.HighWatermark > 0 {
			tps = append(tps, tp)
		}
	}
	if len(tps) == 0 {
		return true, nil
	}
	for _, tp := range tps {
		if err := b.whole(tp); err != nil {
			return true, err
		}
	}
	if err := b.link(tps); err != nil {
		return false, fmt.Errorf("keep the files that compaction replaces: %w", err)
	}
	b.cluster.Compact()
	if err := b.folder.dropBackup(); err != nil {
		return true, fmt.Errorf("drop the files that compaction replaced: %w", err)
	}
	return true, nil
}

// whole reads the log of a partition that is to be compacted, and returns an error if it is damaged. Compaction believes the first
// offset of a batch, which no checksum covers. If it is wrong, the newest record of a key would be removed, and an older one stay.
func (b *Broker) whole(tp topicPartition) error {
	info := b.cluster.PartitionInfo(tp.topic, tp.partition)
	if info == nil {
		return nil
	}
	r := newRecovery(b.folder, time.Now(), b.log)
	r.running, r.compacted[tp.topic] = true, true
	p := &partitionScan{tp: tp, folder: tp.folder(b.folder.dir), open: map[int64]openTxn{}}
	if err := r.scanPartition(p); err != nil {
		return fmt.Errorf("read %s before it is compacted: %w", tp, err)
	}
	const waits = "compaction waits for a start, which repairs it"
	if len(p.notes) > 0 {
		d := p.notes[0].damage
		return fmt.Errorf("%s is damaged at offsets %d to %d: %s; %s", tp, d.FirstOffset, d.LastOffset, d.What, waits)
	}
	if len(p.files) > 0 && p.end != info.HighWatermark {
		return fmt.Errorf("%s is damaged: its file ends at offset %d, and the log at %d; %s", tp, p.end, info.HighWatermark, waits)
	}
	return nil
}

func (b *Broker) partitions() []topicPartition {
	tps, err := b.folder.partitionFolders()
	if err != nil {
		return nil
	}
	return tps
}

func (b *Broker) compacted(topic string) bool {
	info := b.cluster.TopicInfo(topic)
	if info == nil {
		return false
	}
	policy := info.Configs["cleanup.policy"]
	return policy != nil && strings.Contains(*policy, "compact")
}

// link gives the partitions' files a second name, then says that all have one.
func (b *Broker) link(tps []topicPartition) error {
	f := b.folder
	if err := f.RemoveAll(f.path(backupName)); err != nil {
		return err
	}
	for _, tp := range tps {
		from := tp.folder(f.dir)
		to := f.path(backupName, filepath.Base(from))
		if err := f.MkdirAll(to); err != nil {
			return err
		}
		bases, err := f.segmentFiles(from, ".dat")
		if err != nil {
			return err
		}
		for _, base := range bases {
			for _, name := range []func(string, int64) string{dataFile, indexFile} {
				if err := f.Link(name(from, base), name(to, base)); err != nil {
					return err
				}
			}
		}
	}
	return f.writeAt(f.path(backupName, backupReady), nil, 0)
}

func (f folder) dropBackup() error {
	if err := f.removeIfThere(f.path(backupName, backupReady)); err != nil {
		return err
	}
	return f.RemoveAll(f.path(backupName))
}

// restoreCompaction puts back the files that an interrupted compaction was replacing.
func (f folder) restoreCompaction() error {
	backup := f.path(backupName)
	if !f.exists(filepath.Join(backup, backupReady)) {
		return f.RemoveAll(backup) // nothing was replaced yet, or all was
	}
	es, err := f.ReadDir(backup)
	if err != nil {
		return err
	}
	for _, e := range es {
		if !e.IsDir() {
			continue
		}
		from, to := filepath.Join(backup, e.Name()), f.path("partitions", e.Name())
		kept, err := f.segmentFiles(from, ".dat")
		if err != nil {
			return err
		}
		bases, err := f.segmentFiles(to, ".dat")
		if err != nil {
			return err
		}
		for _, base := range bases {
			if err := f.removeSegment(to, base); err != nil {
				return err
			}
		}
		for _, base := range kept {
			// Linked, not moved: a restore that is killed begins again.
			for _, name := range []func(string, int64) string{indexFile, dataFile} {
				if err := f.Link(name(from, base), name(to, base)); err != nil && !errors.Is(err, fs.ErrExist) {
					return err
				}
			}
		}
	}
	return f.dropBackup()
}

// noteInterval is how old the marks and copies may be.
const noteInterval = 10 * time.Second

// takeNotes writes the marks when records came, and the copies of the small files when they were changed.
func (b *Broker) takeNotes() error {
	b.cleaning.Lock()
	defer b.cleaning.Unlock()
	sum := int64(0)
	for _, tp := range b.partitions() {
		if info := b.cluster.PartitionInfo(tp.topic, tp.partition); info != nil {
			sum += info.HighWatermark
		}
	}
	var err error
	if b.unmarked.Swap(false) || sum != b.marked {
		if err = b.mark(false); err == nil {
			b.marked = sum
		}
	}
	err = errors.Join(err, b.copyFiles())
	return err
}

// Run cleans the logs at intervals until ctx ends, and then returns nil. It returns an error if the folder is no longer there.
func (b *Broker) Run(ctx context.Context) error {
	// Where a transaction was open, it is tried again soon; a pause between two transactions will come.
	const again = 5 * time.Second
	next, notes, looks := time.NewTimer(b.cfg.CleanInterval), time.NewTicker(noteInterval), time.NewTicker(homeInterval)
	defer next.Stop()
	defer notes.Stop()
	defer looks.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-looks.C:
			if err := b.checkHome(); err != nil {
				return err
			}
			continue
		case <-notes.C:
			if err := b.takeNotes(); err != nil {
				b.log.Error("the embedded broker's notes about its own files cannot be written", "error", err)
			}
			continue
		case <-next.C:
		}
		started := time.Now()
		compacted, err := b.Clean(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			b.log.Error("cleaning the embedded broker's logs failed", "error", err)
			next.Reset(b.cfg.CleanInterval)
		case !compacted:
			next.Reset(again)
		default:
			b.log.Debug("cleaned the embedded broker's logs", "took", time.Since(started))
			next.Reset(b.cfg.CleanInterval)
		}
	}
}
