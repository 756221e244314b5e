package postgresserver

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"

	"github.com/coexstream/coexstream/internal/testing/required"
)

// Test starts a server that ends with the test. It leaves the test out if PostgreSQL is not available.
func Test(t required.Test, cfg Config) *Server {
	t.Helper()
	return required.Service(t, ErrUnavailable, func(ctx context.Context) (*Server, error) { return Start(ctx, cfg, required.Everything()) })
}

// Shared is one server for the tests of a package. The first test that needs it starts it, and the package's TestMain
// ends it.
type Shared struct {
	once sync.Once
	s    *Server
	err  error
}

// URL creates a database for a test, and returns its URL. It leaves the test out if PostgreSQL is not available.
func (sh *Shared) URL(t required.Test) string {
	t.Helper()
	s := sh.Server(t)
	url, err := s.NewDatabase(t.Context(), "d"+rand.Text())
	if err != nil {
		t.Fatalf("%v", err)
	}
	return url
}

// Server returns the server. It leaves the test out if PostgreSQL is not available.
func (sh *Shared) Server(t required.Test) *Server {
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
