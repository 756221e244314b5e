package office

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/coexstream/coexstream/internal/desk"
	"github.com/coexstream/coexstream/schemas/syncrequest"
)

// memory is a Log in memory that several offices can share.
type memory struct {
	mu       sync.Mutex
	entries  [][]byte
	raw      []syncrequest.Record
	failures map[string]int // of the next calls: write, lost (written, and an error), late (an error, and written), hidden, raw
	late     [][]byte       // entries that come before the next one
	hidden   int            // entries at the end that the next read does not have yet
	calls    calls
	onWrite  func(desk.Entry)
}

func (m *memory) fail(kind string) bool {
	if m.failures[kind] > 0 {
		m.failures[kind]--
		return true
	}
	return false
}

func (m *memory) Write(_ context.Context, b []byte) error {
	e, err := desk.DecodeEntry(b)
	if err != nil {
		return err
	}
	if m.onWrite != nil {
		m.onWrite(e)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls.writes++
	if m.fail("write") {
		return errors.New("the broker is away")
	}
	m.entries, m.late = append(m.entries, m.late...), nil
	if m.fail("late") {
		m.late = append(m.late, slices.Clone(b))
		return errors.New("no acknowledgement")
	}
	m.entries = append(m.entries, slices.Clone(b))
	if m.fail("hidden") {
		m.hidden = 1
	}
	if m.fail("lost") {
		return errors.New("no acknowledgement")
	}
	return nil
}

func (m *memory) Read(_ context.Context, from int64) ([][]byte, int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls.reads++
	end := int64(len(m.entries) - m.hidden)
	m.hidden = 0
	return slices.Clone(m.entries[from:end]), end, nil
}

func (m *memory) Raw(_ context.Context, r syncrequest.Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail("raw") {
		return errors.New("the raw log is away")
	}
	m.raw = append(m.raw, r)
	return nil
}

func (m *memory) change(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

// calls are the calls of a log so far.
type calls struct{ reads, writes int }

func (m *memory) counted() (c calls) {
	m.change(func() { c = m.calls })
	return c
}

func (m *memory) records() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []string
	for _, r := range m.raw {
		list = append(list, string(r.SyncType)+" "+string(r.State))
	}
	return list
}
