package app

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/freespace"
	"github.com/coexstream/coexstream/sinks/sqlite"
)

// boundReadModel keeps the tables from filling the disk, by a guard of its free bytes and the retention of old
// messages.
func (s *service) boundReadModel(store *sqlite.Store) error {
	c := s.cfg.Sink.SQLite
	if room := roomOf(s.cfg); room != nil {
		store.Guard(*room)
	}
	sink := prometheus.Labels{"sink": "sqlite"}
	pruned := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "coexstream_sink_pruned_messages_total", Help: "Messages that were removed because they are older than sink.sqlite.retention.", ConstLabels: sink,
	})
	if err := errors.Join(s.metrics.Register(pruned),
		s.metrics.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "coexstream_sink_file_bytes", Help: "Size of the sink's files.", ConstLabels: sink,
		}, func() float64 { return float64(store.Bytes()) })),
		s.metrics.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "coexstream_sink_writable", Help: "0 while the sink writes nothing, because its disk has fewer free bytes than sink.sqlite.free_bytes_min.", ConstLabels: sink,
		}, func() float64 {
			if store.HasRoom() != nil {
				return 0
			}
			return 1
		}))); err != nil {
		return err
	}
	if c.Retention > 0 {
		s.parts.start("read model retention", func(ctx context.Context) error { s.pruneReadModel(ctx, store, pruned); return nil })
	}
	return nil
}

// roomOf is the guard of the disk; nil: there is none.
func roomOf(cfg *config.Config) *sqlite.Room {
	folder := filepath.Dir(readModelFile(cfg))
	if cfg.Sink.SQLite.FreeBytesMin <= 0 {
		return nil
	}
	return &sqlite.Room{Min: uint64(cfg.Sink.SQLite.FreeBytesMin), Free: func() (uint64, error) { //nolint:gosec // more than 0
		free, _, err := freespace.Of(folder)
		return free, err
	}}
}

// pruneEvery is the time between two sweeps: rows stay at most a tenth longer than the retention.
func pruneEvery(retention time.Duration) time.Duration {
	return min(max(retention/10, time.Second), 24*time.Hour)
}

// pruneReadModel removes old messages until ctx ends. An error is logged, and the next sweep tries again.
func (s *service) pruneReadModel(ctx context.Context, store *sqlite.Store, pruned prometheus.Counter) {
	retention := s.cfg.Sink.SQLite.Retention
	for {
		p, err := store.Prune(ctx, time.Now().Add(-retention))
		pruned.Add(float64(p.Messages))
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.log.Warn("old messages could not be removed from the tables", "sink", "sqlite", "error", err)
		case p.Messages+p.Others > 0:
			s.log.Info("old messages were removed from the tables", "sink", "sqlite", "messages", p.Messages, "other_rows", p.Others, "older_than", retention)
		}
		timer := time.NewTimer(pruneEvery(retention))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}
