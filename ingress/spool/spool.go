package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Spool is a folder of records that wait to be handed over.
type Spool struct {
	cfg     Config
	fs      FS
	log     *slog.Logger
	now     func() time.Time
	salt    func() uint64
	metrics *metrics
	lock    io.Closer

	// shut is the number of gates that are shut, plus one until the folder has been read.
	shut    atomic.Int32
	counted atomic.Bool
	gates   [Shards]atomic.Bool
	closing [Shards]atomic.Bool // see BeginHandOver; written with mu
	total   atomic.Int64        // waiting records
	// committed counts the records and bytes that became durable since the start.
	committedRecords, committedBytes atomic.Int64

	mu         sync.Mutex
	segments   []*segment // oldest first
	sequence   uint32     // of the newest segment
	used       int64      // bytes of the folder, and of records that wait for the writer
	quarantine int64      // bytes of them in quarantine
	pending    int64      // bytes of them that wait for the writer, or are being written
	counts     [Shards]int32
	since      [Shards]int64 // of a count above 0: when the first of them arrived, or earlier; Unix milliseconds
	slow       [Shards]bool
	cursors    [Shards]position // all records before it were handed over
	moved      bool             // cursors, since the last SaveProgress
	over       []*segment       // to be removed, or moved to quarantine
	turned     chan struct{}    // closed when closing becomes false for some shard
	waiting    *group           // the records of the next write; nil: none
	closed     bool
	retire     bool // the open segment can be closed: it has no waiting record
	failure    error
	failedAt   time.Time

	work chan struct{} // capacity 1: for the writer
	news chan struct{} // capacity 1: for the reader

	writer writer
	pass   pass
	aside  aside
}

// Deps are the dependencies of a Spool.
type Deps struct {
	FS         FS
	Registerer prometheus.Registerer
	Logger     *slog.Logger
	Now        func() time.Time
	Salt       func() uint64 // random
}

const (
	quarantineName = "quarantine"
	// waitingBytesMax bounds the bytes that wait for the writer.
	waitingBytesMax = 32 << 20
	// failedPause is the time without writes after a failure of the disk.
	failedPause = time.Second
	// failedForget is the time after the last failure until readiness returns.
	failedForget = 10 * time.Second
)

// Open locks the folder. Run reads its content.
func Open(cfg Config, deps Deps) (*Spool, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Spool{
		cfg: cfg, fs: deps.FS, log: deps.Logger.With("spool", cfg.Dir), now: deps.Now, salt: deps.Salt,
		work: make(chan struct{}, 1), news: make(chan struct{}, 1), turned: make(chan struct{}),
	}
	s.shut.Store(1)
	// A disk that is full or read-only may still have records to hand over.
	mkdirErr := s.fs.MkdirAll(s.path(quarantineName))
	if mkdirErr != nil {
		mkdirErr = fmt.Errorf("create %s: %w", s.path(quarantineName), mkdirErr)
	}
	lock, err := s.fs.Lock(cfg.Dir)
	if err != nil {
		return nil, errors.Join(err, mkdirErr)
	}
	s.lock = lock
	if err := s.list(); err != nil {
		return nil, errors.Join(err, mkdirErr, lock.Close())
	}
	if mkdirErr != nil {
		s.log.Error("the spool's folder cannot be written", "error", mkdirErr)
	}
	if s.metrics, err = newMetrics(deps.Registerer, s); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return s, nil
}

// list finds the segments and loads the progress.
func (s *Spool) list() error {
	files, err := s.fs.ReadDir(s.cfg.Dir)
	if err != nil {
		return fmt.Errorf("list the spool %s: %w", s.cfg.Dir, err)
	}
	for _, f := range files {
		if id, ok := parseName(f.Name); ok {
			s.segments = append(s.segments, &segment{id: id, size: f.Size, readable: f.Size})
			s.used += f.Size
			s.sequence = max(s.sequence, id.sequence)
		}
	}
	slices.SortFunc(s.segments, func(a, b *segment) int { return int(int64(a.id.sequence) - int64(b.id.sequence)) })
	aside, err := s.fs.ReadDir(s.path(quarantineName))
	if err != nil {
		s.log.Warn("the quarantine of the spool cannot be listed", "error", err)
	}
	for _, f := range aside {
		s.quarantine += f.Size
		if id, ok := parseName(f.Name); ok {
			s.sequence = max(s.sequence, id.sequence)
		}
	}
	s.used += s.quarantine
	if s.quarantine > 0 {
		s.log.Warn("the spool has files in quarantine: look at them, then remove them", "bytes", s.quarantine)
	}
	return s.loadProgress()
}

func (s *Spool) path(name string) string { return filepath.Join(s.cfg.Dir, name) }

// Run reads the folder, and makes records of Append durable until ctx ends. Then it writes the waiting records and
// closes the open segment properly. Records that were not handed over are left to the next start.
func (s *Spool) Run(ctx context.Context) error {
	var reading sync.WaitGroup
	reading.Go(func() { s.count(ctx) })
	s.write(ctx)
	reading.Wait()
	s.aside.close()
	s.SaveProgress()
	return s.lock.Close()
}

// Append adds a record of a shard and returns when it is durable. put appends the record to its argument; it is not
// called after Append has returned. size is the approximate length of the record.
func (s *Spool) Append(shard int, at time.Time, size int, put func([]byte) []byte, deadline time.Time) error {
	s.mu.Lock()
	err := s.admit(frameBytes(size))
	if err != nil {
		s.mu.Unlock()
		s.metrics.refused(err)
		return err
	}
	g := s.waiting
	if g == nil {
		g = newGroup()
		s.waiting = g
	}
	before := len(g.buf)
	var h head
	g.buf, h = appendFrame(g.buf, uint16(shard), at, put)
	g.frames = append(g.frames, frameAt{before, h})
	s.used += int64(len(g.buf) - before)
	s.pending += int64(len(g.buf) - before)
	s.mu.Unlock()
	signal(s.work)

	timer := time.NewTimer(deadline.Sub(s.now()))
	defer timer.Stop()
	select {
	case <-g.done:
		if g.err != nil {
			s.metrics.refused(g.err)
		}
		return g.err
	case <-timer.C:
		s.metrics.refused(ErrTimeout)
		return ErrTimeout
	}
}

// admit returns the reason why a frame cannot be taken.
func (s *Spool) admit(bytes int64) error {
	switch {
	case s.closed:
		return ErrClosed
	case s.failure != nil && s.now().Sub(s.failedAt) < failedPause:
		return s.failure
	case s.waiting != nil && int64(len(s.waiting.buf))+bytes > waitingBytesMax:
		return ErrBusy
	}
	return s.full(bytes)
}

// full returns the reason why there is no room for more bytes.
func (s *Spool) full(bytes int64) error {
	if s.used+bytes > s.cfg.BytesMax {
		return ErrFullBytes
	}
	if oldest := s.oldest(); !oldest.IsZero() && s.now().Sub(oldest) > s.cfg.AgeMax {
		return ErrFullAge
	}
	return nil
}

// oldest returns the arrival of the oldest waiting record, or a time somewhat earlier; zero: none waits.
func (s *Spool) oldest() time.Time {
	var oldest time.Time
	for _, seg := range s.segments {
		if seg.undone > 0 && (oldest.IsZero() || seg.oldest.Before(oldest)) {
			oldest = seg.oldest
		}
		if seg.undone > 0 && !seg.skipped {
			break // segments are in the order of arrival
		}
	}
	return oldest
}

// Ready returns nil when records can be taken, otherwise the reason.
func (s *Spool) Ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	// Only a new record shows that the disk works again.
	if s.failure != nil && s.now().Sub(s.failedAt) < failedForget {
		return s.failure
	}
	return s.full(s.cfg.BytesMax / 100) // readiness fails before the last byte is taken
}

// Stats describe the content of a spool.
type Stats struct {
	Records         int64
	Bytes           int64 // of the folder
	PendingBytes    int64 // not yet in it: they wait for the writer, or are being written
	QuarantineBytes int64 // of them in quarantine
	Segments        int
	Oldest          time.Time // zero: nothing waits
}

// Stats returns the content of the spool.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{
		Records: max(0, s.total.Load()), Bytes: s.used - s.pending, PendingBytes: s.pending, QuarantineBytes: s.quarantine,
		Segments: len(s.segments), Oldest: s.oldest(),
	}
}

// Committed returns the records, and bytes of frames, that became durable since the start.
func (s *Spool) Committed() (records, bytes int64) {
	return s.committedRecords.Load(), s.committedBytes.Load()
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// nextID names a new segment. It is called with mu.
func (s *Spool) nextID() (segmentID, error) {
	if s.sequence == math.MaxUint32 {
		return segmentID{}, errors.New("the spool has used up its sequence numbers: empty it and remove its folder")
	}
	s.sequence++
	return segmentID{s.sequence, s.salt()}, nil
}
