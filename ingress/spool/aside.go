package spool

import (
	"fmt"
	"sync"
)

// aside is the file in quarantine for records that cannot be delivered.
type aside struct {
	mu   sync.Mutex
	file File // nil: none is open
	id   segmentID
	size int64
}

// SetAside copies a record that can never be delivered into the quarantine, durably. The caller logs the reason and calls
// Done when SetAside returned nil. When it fails, the record stays in the spool.
func (s *Spool) SetAside(e *Entry) error {
	a := &s.aside
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == nil {
		if err := s.openAside(); err != nil {
			return err
		}
	}
	frame, h := appendFrame(nil, uint16(e.Shard), e.At, func(b []byte) []byte { return append(b, e.Payload...) })
	h.put(frame, a.id, a.size)
	n, err := a.file.Write(frame)
	a.size += int64(n)
	s.mu.Lock()
	s.used += int64(n)
	s.quarantine += int64(n)
	s.mu.Unlock()
	if err == nil {
		err = a.file.Sync()
	}
	if err != nil {
		// Never trust a file after that: the next record goes to another one.
		_ = a.file.Close()
		a.file = nil
		return fmt.Errorf("set a record aside in %s: %w", s.path(quarantineName), err)
	}
	s.metrics.setAside.Inc()
	return nil
}

func (s *Spool) openAside() error {
	dir := s.path(quarantineName)
	s.mu.Lock()
	id, err := s.nextID()
	s.mu.Unlock()
	if err != nil {
		return err
	}
	if err := s.fs.MkdirAll(dir); err != nil {
		return fmt.Errorf("create %s: %w", dir, err)
	}
	f, err := s.fs.Create(dir + "/" + id.name())
	if err != nil {
		return fmt.Errorf("set a record aside: %w", err)
	}
	if err := s.fs.SyncDir(dir); err != nil {
		_ = f.Close()
		return fmt.Errorf("fsync the folder %s: %w", dir, err)
	}
	s.aside.file, s.aside.id, s.aside.size = f, id, 0
	return nil
}

func (a *aside) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file != nil {
		_ = a.file.Close() // everything in it is synced
		a.file = nil
	}
}
