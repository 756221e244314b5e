package archive_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/coexstream/coexstream/internal/archive"
)

// memory is a bucket in memory.
type memory struct {
	mu      sync.Mutex
	objects map[string][]byte
	// overwrites makes it one that knows no conditions.
	overwrites bool
}

func newMemory() *memory { return &memory{objects: map[string][]byte{}} }

func (m *memory) Close() error { return nil }

func (m *memory) Create(ctx context.Context, name string, content []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if _, ok := m.objects[name]; ok && !m.overwrites {
		return archive.ErrExists
	}
	m.objects[name] = bytes.Clone(content)
	return nil
}

func (m *memory) Replace(_ context.Context, name string, content []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.objects[name] = bytes.Clone(content)
	return nil
}

func (m *memory) Open(_ context.Context, name string, length int64) (io.ReadCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	content, ok := m.objects[name]
	if !ok {
		return nil, archive.ErrNotFound
	}
	if length >= 0 {
		content = content[:min(length, int64(len(content)))]
	}
	return io.NopCloser(bytes.NewReader(content)), nil
}

func (m *memory) List(_ context.Context, prefix string, yield func(string, int64) error) error {
	m.mu.Lock()
	names := slices.Sorted(maps.Keys(m.objects))
	sizes := map[string]int64{}
	for name, content := range m.objects {
		sizes[name] = int64(len(content))
	}
	m.mu.Unlock()
	for _, name := range names {
		if strings.HasPrefix(name, prefix) {
			if err := yield(name, sizes[name]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *memory) names() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.objects))
}

var errFault = errors.New("a fault of the test")

// faulty fails one in so many calls: before the call has an effect, or after it.
type faulty struct {
	archive.Bucket
	mu    sync.Mutex
	rng   *rand.Rand
	every int
	// die is called at a fault, with a process that is to be killed at this point.
	die func()
}

// fault reports whether this call fails, and whether it has its effect before.
func (f *faulty) fault() (fails, after bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.every == 0 || f.rng.IntN(f.every) > 0 {
		return false, false
	}
	if f.die != nil {
		f.die()
	}
	return true, f.rng.IntN(2) == 0
}

func (f *faulty) Create(ctx context.Context, name string, content []byte) error {
	fails, after := f.fault()
	if fails && !after {
		return errFault
	}
	err := f.Bucket.Create(ctx, name, content)
	if fails {
		return errFault
	}
	return err
}

func (f *faulty) Replace(ctx context.Context, name string, content []byte) error {
	fails, after := f.fault()
	if fails && !after {
		return errFault
	}
	err := f.Bucket.Replace(ctx, name, content)
	if fails {
		return errFault
	}
	return err
}

func (f *faulty) Open(ctx context.Context, name string, length int64) (io.ReadCloser, error) {
	if fails, _ := f.fault(); fails {
		return nil, errFault
	}
	return f.Bucket.Open(ctx, name, length)
}

func (f *faulty) List(ctx context.Context, prefix string, yield func(string, int64) error) error {
	if fails, _ := f.fault(); fails {
		return errFault
	}
	return f.Bucket.List(ctx, prefix, yield)
}

func folder(t testing.TB) *archive.Folder {
	t.Helper()
	f, err := archive.NewFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return f
}
