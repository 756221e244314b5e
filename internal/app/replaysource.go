package app

import (
	"context"
	"time"

	"github.com/coexstream/coexstream/internal/archive"
	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/internal/replay"
)

// source is the archive that a replay reads; nil: it reads Kafka.
func (o *replayOptions) source(ctx context.Context, cfg *config.Config, p *replay.Progress) (*archive.Archive, error) {
	if p.Archive == nil {
		return nil, nil
	}
	cfg.Sink.Archive.URL = p.Archive.URL // one that is resumed reads where it began
	bucket, err := openArchive(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &archive.Archive{Bucket: bucket, Prefix: p.Source}, nil
}

// plan sets the ranges of the replay.
func (o *replayOptions) plan(ctx context.Context, conn kafka.Connection, source *archive.Archive, p *replay.Progress) error {
	only, err := parseOffsets(o.offsets)
	if err != nil {
		return err
	}
	if source != nil {
		p.Archive.Only = only
		return replay.PlanArchive(ctx, source, p, 0, time.Now())
	}
	return replay.Plan(ctx, conn, p, only, time.Now())
}

// sourceName says what a replay reads.
func sourceName(p *replay.Progress) string {
	if p.Archive != nil {
		return "the archive " + p.Archive.URL
	}
	return p.Source
}
