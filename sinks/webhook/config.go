package webhook

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/internal/invalid"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks"
)

// Config is how the sink works.
type Config struct {
	InFlightMax int           // of the endpoints together: none takes the share of another one
	Poll        time.Duration // how often the ends of the logs are asked for
	Settle      time.Duration // how long positions wait for a commit where no delivery waits for it
	RetryMin    time.Duration // the first wait after a failure
	RetryMax    time.Duration // the longest
	TripAfter   int           // failures of an endpoint in a row after which only probes are sent
	Probe       time.Duration // between two probes
	HeldMax     int           // events of a lane of a partition that are read and not acknowledged
	HeldBytes   int           // their bytes
	FetchBytes  int32         // of a fetch, about
	CutPatience time.Duration // how long a log may seem shorter than it was
	Name        string        // of this program, in requests
}

// DefaultConfig has all values.
func DefaultConfig() Config {
	return Config{
		InFlightMax: 256, Poll: 100 * time.Millisecond, Settle: time.Second, RetryMin: time.Second, RetryMax: 10 * time.Minute, TripAfter: 10, Probe: 30 * time.Second,
		HeldMax: 512, HeldBytes: 2 << 20, FetchBytes: 256 << 10, CutPatience: 10 * time.Second, Name: "coexstream",
	}
}

// Validate returns an error that names the field, its value, and the allowed values.
func (c *Config) Validate() error {
	for _, n := range []struct {
		field string
		value int64
	}{
		{"InFlightMax", int64(c.InFlightMax)}, {"Poll", int64(c.Poll)}, {"Settle", int64(c.Settle)}, {"RetryMin", int64(c.RetryMin)}, {"TripAfter", int64(c.TripAfter)},
		{"Probe", int64(c.Probe)}, {"HeldMax", int64(c.HeldMax)}, {"HeldBytes", int64(c.HeldBytes)}, {"FetchBytes", int64(c.FetchBytes)}, {"CutPatience", int64(c.CutPatience)},
	} {
		if n.value <= 0 {
			return invalid.Value(n.field, n.value, "more than 0")
		}
	}
	if c.RetryMax < c.RetryMin {
		return invalid.Value("RetryMax", c.RetryMax, "at least RetryMin (%s)", c.RetryMin)
	}
	return nil
}

// delay is the wait after so many failures in a row: it grows, and half of it is random.
func (c *Config) delay(failures int) time.Duration {
	r := sinks.NewRetry(c.RetryMin, c.RetryMax)
	for range min(failures, 40) - 1 {
		_ = r.Next()
	}
	return r.Next()
}

// Group is a consumer group. Its members share the partitions, and its committed offsets are where an endpoint is.
type Group interface {
	sinks.Assignment
	Committed(ctx context.Context, partitions []int32) (map[schemas.Topic]map[int32]sinks.Committed, error)
	Commit(ctx context.Context, offsets map[schemas.Topic]map[int32]sinks.Committed) error
	// Leased reports whether no other process can have the partitions yet.
	Leased(now time.Time) bool
}

// Deps are what the sink works with.
type Deps struct {
	Log        sinks.Log
	Group      func(endpoint string) (Group, error) // each endpoint has its own
	Letters    Letters
	Registerer prometheus.Registerer
	Logger     *slog.Logger
	Now        func() time.Time
	Transport  http.RoundTripper // nil: the network
}
