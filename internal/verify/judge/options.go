package judge

import (
	"time"

	"github.com/coexstream/coexstream/internal/invalid"
	"github.com/coexstream/coexstream/schemas"
)

// Options say how the run was set up.
type Options struct {
	Partitions int32 // of every topic; 0: the place of a record is not judged

	// The processor's waits: a chunk that comes later may be marked late.
	GapTimeout time.Duration
	PhaseHold  time.Duration
	QuietTime  time.Duration

	// The waits of a requested sync.
	SilentAfter  time.Duration
	StalledAfter time.Duration
	DeadlineNear time.Duration

	// Secrets verify the signatures of raw records again; none: signatures are not judged.
	Secrets []string
	// AsOf is the time of the check: whether a hole that never came has been given up by now.
	AsOf time.Time

	// Validate holds a value against the schema of its ce_type; nil: not judged. Every ValidateEvery-th
	// event of a type is validated, the first one always.
	Validate      func(ceType string, value []byte) error
	ValidateEvery int

	SamplesMax int // of each kind of fault in each topic
}

// DefaultOptions fit a processor with default settings.
func DefaultOptions() Options {
	return Options{
		GapTimeout: 30 * time.Minute, PhaseHold: 2 * time.Minute, QuietTime: 6 * time.Hour, ValidateEvery: 1, SamplesMax: 5,
		SilentAfter: 30 * time.Minute, StalledAfter: 2 * time.Hour, DeadlineNear: 4 * time.Hour,
	}
}

// Check returns an error that names the option, its value, and the allowed values.
func (o *Options) Check() error {
	for _, d := range []struct {
		key string
		val time.Duration
	}{{"gap_timeout", o.GapTimeout}, {"phase_hold", o.PhaseHold}, {"quiet_time", o.QuietTime}, {"silent_after", o.SilentAfter}, {"stalled_after", o.StalledAfter}, {"deadline_near", o.DeadlineNear}} {
		if d.val <= 0 {
			return invalid.Value(d.key, d.val, "more than 0")
		}
	}
	if o.ValidateEvery < 1 {
		return invalid.Value("validate_every", o.ValidateEvery, "1 or more")
	}
	if o.SamplesMax < 0 {
		return invalid.Value("samples_max", o.SamplesMax, "0 or more")
	}
	return nil
}

// typesOf says which ce_types a topic carries.
var typesOf = map[schemas.Topic][]string{
	schemas.TopicHistory:  {schemas.TypeHistory},
	schemas.TopicMedia:    {schemas.TypeMedia},
	schemas.TopicContacts: {schemas.TypeContact, schemas.TypeContactRemoved},
	schemas.TopicEchoes:   {schemas.TypeEcho},
	schemas.TopicMessages: {schemas.TypeMessage, schemas.TypeStatus, schemas.TypeError, schemas.TypeHandover},
	schemas.TopicAccount:  {schemas.TypeAccount},
	schemas.TopicSyncs:    {schemas.TypeSync, schemas.TypeSyncRemoved},
	schemas.TopicOther:    {schemas.TypeOther},
}
