package media

import (
	"context"
	"io"
	"log/slog"
	"path"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/graph"
	"github.com/coexstream/coexstream/internal/invalid"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks"
)

// Config is how the sink works.
type Config struct {
	Dir             string        // of partial downloads
	Life            time.Duration // how long a provider has an asset, from the receipt of its webhook
	Slots           int           // assets that are downloaded at a time
	RequestsMax     float64       // look-ups and downloads per second
	AssetBytesMax   int64         // longer assets are not stored
	PartsBytesMax   int64         // of partial downloads; those of running ones are part of it
	TotalBytesMax   int64         // of all contents in the bucket; 0: no limit
	Types           []string      // patterns of media types, such as image/*; empty: all
	HeldMax         int           // assets of a topic of a partition without an outcome
	RetryMin        time.Duration // the first wait after a failure
	RetryMax        time.Duration // the longest
	DownloadTimeout time.Duration // of an attempt
	Poll            time.Duration // how often the ends of the logs are asked for
	Settle          time.Duration // how long positions wait for a commit
	FetchBytes      int32         // of a fetch, about
	CutPatience     time.Duration // how long a log may seem shorter than it was, and how long a stop waits for a record
}

// DefaultConfig has all but the folder.
func DefaultConfig() Config {
	return Config{
		Life: 7 * 24 * time.Hour, Slots: 4, RequestsMax: 10, AssetBytesMax: 100 << 20, PartsBytesMax: 1 << 30, HeldMax: 400, RetryMin: time.Second, RetryMax: 10 * time.Minute,
		DownloadTimeout: 10 * time.Minute, Poll: 200 * time.Millisecond, Settle: time.Second, FetchBytes: 256 << 10, CutPatience: 10 * time.Second,
	}
}

// Validate returns an error that names the field, its value, and the allowed values.
func (c *Config) Validate() error {
	if c.Dir == "" {
		return invalid.Value("Dir", c.Dir, "a folder")
	}
	for _, n := range []struct {
		field string
		value int64
	}{
		{"Life", int64(c.Life)}, {"Slots", int64(c.Slots)}, {"AssetBytesMax", c.AssetBytesMax}, {"PartsBytesMax", c.PartsBytesMax}, {"HeldMax", int64(c.HeldMax)}, {"RetryMin", int64(c.RetryMin)},
		{"DownloadTimeout", int64(c.DownloadTimeout)}, {"Poll", int64(c.Poll)}, {"Settle", int64(c.Settle)}, {"FetchBytes", int64(c.FetchBytes)},
		{"CutPatience", int64(c.CutPatience)},
	} {
		if n.value <= 0 {
			return invalid.Value(n.field, n.value, "more than 0")
		}
	}
	switch {
	case c.RequestsMax <= 0:
		return invalid.Value("RequestsMax", c.RequestsMax, "more than 0")
	case c.TotalBytesMax < 0:
		return invalid.Value("TotalBytesMax", c.TotalBytesMax, "0 or more")
	case c.RetryMax < c.RetryMin:
		return invalid.Value("RetryMax", c.RetryMax, "at least RetryMin (%s)", c.RetryMin)
	}
	for _, pattern := range c.Types {
		if _, err := path.Match(pattern, "image/jpeg"); err != nil || !strings.Contains(pattern, "/") {
			return invalid.Value("Types", pattern, "a media type such as image/jpeg, or a pattern such as image/*")
		}
	}
	return nil
}

// Bucket keeps contents.
type Bucket interface {
	Keep(ctx context.Context, name string, content io.ReadSeeker) error
	Bytes(ctx context.Context, name string) (int64, error)
	Open(ctx context.Context, name string, length int64) (io.ReadCloser, error)
	List(ctx context.Context, prefix string, yield func(name string, bytes int64) error) error
}

// Provider is where the assets of a source are.
type Provider interface {
	// Token returns the credential of a business. Its error has nothing of it.
	Token(ctx context.Context, wabaID, phoneNumberID string) (graph.Token, error)
	Media(ctx context.Context, token graph.Token, mediaID, phoneNumberID string) (graph.Media, error)
	Open(ctx context.Context, token graph.Token, address string, offset int64, validator string) (*graph.Content, error)
}

// Group is a consumer group. Its members share the partitions, and its committed offsets are where the sink is.
type Group interface {
	sinks.Assignment
	Committed(ctx context.Context, partitions []int32) (map[schemas.Topic]map[int32]sinks.Committed, error)
	Commit(ctx context.Context, offsets map[schemas.Topic]map[int32]sinks.Committed) error
	// Leased reports whether no other process can have the partitions yet.
	Leased(now time.Time) bool
}

// Publisher writes records.
type Publisher interface {
	// Publish returns the offset of a record when it is durable. A record is written once unless ctx ends meanwhile.
	Publish(ctx context.Context, r *kgo.Record) (offset int64, err error)
}

// Deps are what the sink works with.
type Deps struct {
	Log       sinks.Log // of Topics
	Group     Group
	Bucket    Bucket
	Publisher Publisher
	// Provider returns where the assets of a source are, by the name in the header coex-source; nil: no way is known.
	Provider   func(source string) Provider
	Registerer prometheus.Registerer
	Logger     *slog.Logger
	Now        func() time.Time
}
