package app

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/internal/private"
	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/sqlite"
)

// readModelName is the file of the tables in the data folder.
const readModelName = "read.db"

func readModelFile(cfg *config.Config) string {
	if cfg.Sink.SQLite.File != "" {
		return cfg.Sink.SQLite.File
	}
	return filepath.Join(cfg.DataDir, readModelName)
}

func readModelOf(cfg *config.Config) sinks.Config {
	c := sinks.DefaultConfig()
	c.Name, c.RecordsMax, c.Considerate = "sqlite", cfg.Sink.SQLite.RecordsMax, true
	c.ContactTombstones, c.SyncTombstones = cfg.Topics.Contacts.TombstoneRetention, cfg.Topics.State.TombstoneRetention
	return c
}

// closeReadModel creates the file for this user alone, or removes the access of other users to it and the files beside it.
// It refuses links and files of other users, because SQLite opens any file.
func closeReadModel(file string) error {
	for i, name := range sqlite.Files(file) {
		flag := os.O_RDWR
		if i == 0 {
			flag |= os.O_CREATE
		}
		f, err := private.OpenFile(name, flag)
		if errors.Is(err, fs.ErrNotExist) && i > 0 {
			continue
		}
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}

// withoutReadModel logs why there are no tables.
func (s *service) withoutReadModel(err error) {
	s.log.Error("there are no tables of the events", "sink", "sqlite", "error", err, "way back", "coexstream sink rebuild")
	s.health.AddOptional("read model", func() error { return err })
}

// startReadModel adds the sink that keeps the events in SQLite tables. Its errors are logged and stop no other part.
func (s *service) startReadModel(ctx context.Context, conn kafka.Connection) error {
	if !s.cfg.Sink.SQLite.Enabled {
		return nil
	}
	file := readModelFile(s.cfg)
	err := closeReadModel(file)
	var store *sqlite.Store
	if err == nil {
		store, err = sqlite.Open(ctx, file)
	}
	if err != nil {
		s.withoutReadModel(err)
		return nil //nolint:nilerr // logged; up continues without it
	}
	log, err := sinks.NewKafkaLog(conn, s.cfg.Kafka.Prefix)
	if err != nil {
		return errors.Join(err, store.Close())
	}
	sink, err := sinks.New(readModelOf(s.cfg), sinks.Deps{Log: log, Target: store, Registerer: s.metrics, Logger: s.log, Now: time.Now})
	if err != nil {
		log.Close()
		return errors.Join(err, store.Close())
	}
	if err := s.boundReadModel(store); err != nil {
		log.Close()
		return errors.Join(err, store.Close())
	}
	s.health.AddOptional("read model", sink.Ready)
	s.parts.start("read model", func(ctx context.Context) error {
		defer log.Close()
		return errors.Join(sink.Run(ctx), store.Close())
	})
	return nil
}
