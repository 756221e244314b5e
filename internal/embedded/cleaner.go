package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/coexstream/coexstream/internal/private"
)

// The broker would clean its logs by itself, in its one loop, and in ways that a kill or an open
// transaction turn into a loss: it rewrites a compacted partition by deleting its files first; it lets a
// record of a transaction that is still open, and may be aborted, replace the committed record of its
// key; and a partition that retention empties begins again at offset 0 after a restart. So its own timer is
// off, and the cleaner does the same work with care: where the partitions end is written down before
// retention runs, compaction runs only while no transaction is open, and until it is done the old files
// stay linked in a second folder from which the next start puts them back.

const (
	watermarksName = "watermarks.json"
	backupName     = "compacting"
	backupReady    = "ready"
)

// brokerCleanerOff makes the broker's own timer fire after ten years.
const brokerCleanerOff = "315360000000"

// Clean cuts what retention lets go and compacts the compacted topics. It reports false, with nothing
// compacted, when a transaction was open; retention is done in any case.
func (b *Broker) Clean(ctx context.Context) (bool, error) {
	b.cleaning.Lock()
	defer b.cleaning.Unlock()
	if err := b.writeWatermarks(); err != nil {
		return false, err
	}
	b.cluster.ApplyRetention()

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
	if err := b.link(tps); err != nil {
		return false, fmt.Errorf("keep the files that compaction replaces: %w", err)
	}
	b.cluster.Compact()
	if err := dropBackup(b.cfg.Dir); err != nil {
		return true, fmt.Errorf("drop the files that compaction replaced: %w", err)
	}
	return true, nil
}

func (b *Broker) partitions() []topicPartition {
	tps, err := partitionFolders(b.cfg.Dir)
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
	backup := filepath.Join(b.cfg.Dir, backupName)
	if err := os.RemoveAll(backup); err != nil {
		return err
	}
	for _, tp := range tps {
		from := tp.folder(b.cfg.Dir)
		to := filepath.Join(backup, filepath.Base(from))
		if err := os.MkdirAll(to, private.FolderMode); err != nil {
			return err
		}
		bases, err := segmentBases(from)
		if err != nil {
			return err
		}
		for _, base := range bases {
			for _, name := range []func(string, int64) string{dataFile, indexFile} {
				if err := os.Link(name(from, base), name(to, base)); err != nil {
					return err
				}
			}
		}
	}
	return writeSynced(filepath.Join(backup, backupReady), nil)
}

func dropBackup(dir string) error {
	backup := filepath.Join(dir, backupName)
	if err := os.Remove(filepath.Join(backup, backupReady)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.RemoveAll(backup)
}

// restoreCompaction puts back the files that an interrupted compaction was replacing.
func restoreCompaction(dir string) error {
	backup := filepath.Join(dir, backupName)
	if !exists(filepath.Join(backup, backupReady)) {
		return os.RemoveAll(backup) // nothing was replaced yet, or all was
	}
	es, err := os.ReadDir(backup)
	if err != nil {
		return err
	}
	for _, e := range es {
		if !e.IsDir() {
			continue
		}
		from, to := filepath.Join(backup, e.Name()), filepath.Join(dir, "partitions", e.Name())
		kept, err := segmentBases(from)
		if err != nil {
			return err
		}
		bases, err := segmentBases(to)
		if err != nil {
			return err
		}
		for _, base := range bases {
			if err := removeSegment(to, base); err != nil {
				return err
			}
		}
		for _, base := range kept {
			// Linked, not moved: a restore that is killed begins again.
			for _, name := range []func(string, int64) string{indexFile, dataFile} {
				if err := os.Link(name(from, base), name(to, base)); err != nil && !errors.Is(err, fs.ErrExist) {
					return err
				}
			}
		}
	}
	return dropBackup(dir)
}

type watermark struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	End       int64  `json:"end"`
}

func (b *Broker) writeWatermarks() error {
	var marks []watermark
	for _, tp := range b.partitions() {
		if info := b.cluster.PartitionInfo(tp.topic, tp.partition); info != nil && info.HighWatermark > 0 {
			marks = append(marks, watermark{tp.topic, tp.partition, info.HighWatermark})
		}
	}
	if err := writeJSON(filepath.Join(b.cfg.Dir, watermarksName), marks); err != nil {
		return fmt.Errorf("write down where the partitions end: %w", err)
	}
	return nil
}

func readWatermarks(dir string) (map[topicPartition]int64, error) {
	var marks []watermark
	if _, err := readJSON(filepath.Join(dir, watermarksName), &marks); err != nil {
		return nil, err
	}
	ends := make(map[topicPartition]int64, len(marks))
	for _, m := range marks {
		ends[topicPartition{m.Topic, m.Partition}] = m.End
	}
	return ends, nil
}

// Run cleans the logs at intervals until ctx ends, and then returns nil.
func (b *Broker) Run(ctx context.Context) error {
	// Where a transaction was open, it is tried again soon; a pause between two transactions will come.
	const again = 5 * time.Second
	next := time.NewTimer(b.cfg.CleanInterval)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
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
