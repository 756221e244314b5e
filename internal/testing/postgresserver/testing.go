package postgresserver

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"

	"github.com/coexstream/coexstream/internal/testing/required"
)

// TB is what a test or a benchmark offers.
type TB interface {
	Helper()
	Skipf(format string, args ...any)
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
	Cleanup(func())
	Context() context.Context
}

// Test starts a server that ends with the test, and leaves the test out where there is none.
func Test(t TB, cfg Config) *Server {
	t.Helper()
	s, err := Start(t.Context(), cfg, required.Everything())
	if errors.Is(err, ErrUnavailable) {
		required.LeaveOut(t, err)
	}
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("%v", err)
		}
	})
	return s
}

// Shared is one server for the tests of a package, started by the first one that asks. The package's TestMain ends it.
type Shared struct {
	once sync.Once
	s    *Server
	err  error
}

// URL makes a database for a test, and returns its URL. It leaves the test out where there is no PostgreSQL.
func (sh *Shared) URL(t TB) string {
	t.Helper()
	s := sh.Server(t)
	url, err := s.NewDatabase(t.Context(), "d"+rand.Text())
	if err != nil {
		t.Fatalf("%v", err)
	}
	return url
}

// Server is the server. It leaves the test out where there is no PostgreSQL.
func (sh *Shared) Server(t TB) *Server {
	t.Helper()
	sh.once.Do(func() { sh.s, sh.err = Start(context.WithoutCancel(t.Context()), Config{}, required.Everything()) })
	if errors.Is(sh.err, ErrUnavailable) {
		required.LeaveOut(t, sh.err)
	}
	if sh.err != nil {
		t.Fatalf("%v", sh.err)
	}
	return sh.s
}

// Close ends the server, if it was started.
func (sh *Shared) Close() error {
	if sh.s == nil {
		return nil
	}
	return sh.s.Close()
}
