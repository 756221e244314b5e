package postgresserver

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/coexstream/coexstream/internal/testing/freeport"
)

// Config is how the server runs.
type Config struct {
	Fsync    bool     // as in production; without, a crash of the machine loses data
	Settings []string // more of postgresql.conf: name=value
}

// Server is a PostgreSQL. Its methods must not be called at the same time.
type Server struct {
	dir, bin string
	port     int
	password string
	uid, gid int // -1: those of this process
	settings []string

	mu   sync.Mutex
	proc *os.Process
	done chan struct{}
}

const (
	startTimeout = 60 * time.Second
	stopTimeout  = 30 * time.Second
	superuser    = "owner"
)

// Start makes a cluster of databases and starts its server. Its error is ErrUnavailable where there is none to start.
func Start(ctx context.Context, cfg Config, install bool) (*Server, error) {
	bin, err := folder(ctx, debianFolders, install)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "postgres-")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, bin: bin, uid: -1, gid: -1, settings: cfg.Settings}
	if !cfg.Fsync {
		s.settings = append([]string{"fsync=off", "full_page_writes=off"}, s.settings...)
	}
	if err := s.create(ctx); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := s.Start(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Server) create(ctx context.Context) error {
	if os.Geteuid() == 0 {
		s.uid, s.gid = 65534, 65534
		if u, err := user.Lookup("postgres"); err == nil {
			s.uid, _ = strconv.Atoi(u.Uid)
			s.gid, _ = strconv.Atoi(u.Gid)
		}
	}
	secret := make([]byte, 12)
	_, _ = rand.Read(secret)
	s.password = hex.EncodeToString(secret)
	file := filepath.Join(s.dir, "password")
	if err := os.WriteFile(file, []byte(s.password+"\n"), 0o600); err != nil {
		return err
	}
	if s.uid >= 0 {
		if err := errors.Join(os.Chown(s.dir, s.uid, s.gid), os.Chown(file, s.uid, s.gid)); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "initdb"), "-D", s.data(), "-U", superuser, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", //nolint:gosec // as found
		"--auth=scram-sha-256", "--pwfile="+file)
	cmd.Dir = s.dir
	cmd.SysProcAttr = s.attributes()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

// Start starts the server again after Stop or Kill, on the same port, and returns when it serves.
func (s *Server) Start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for attempt := 0; ; attempt++ {
		fixed := s.port != 0
		if !fixed {
			ports, err := freeport.Ports(ctx, 1)
			if err != nil {
				return err
			}
			s.port = ports[0]
		}
		if err := s.launch(); err != nil {
			return err
		}
		err := s.wait(ctx)
		if err == nil || fixed || attempt == 3 || ctx.Err() != nil {
			return err
		}
		s.port = 0 // somebody else may have taken the port meanwhile
	}
}

func (s *Server) launch() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc != nil {
		return fmt.Errorf("PostgreSQL runs already, process %d", s.proc.Pid)
	}
	log, err := os.OpenFile(s.Log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // the child has its own descriptor
	args := []string{"-D", s.data(), "-c", "listen_addresses=127.0.0.1", "-c", "port=" + strconv.Itoa(s.port), "-c", "unix_socket_directories="}
	for _, setting := range s.settings {
		args = append(args, "-c", setting)
	}
	cmd := exec.Command(filepath.Join(s.bin, "postgres"), args...) //nolint:gosec,noctx // ends by Stop, Kill, or with this process
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = s.dir, log, log, s.attributes()
	done, started := make(chan struct{}), make(chan error)
	go func() {
		// The kernel ends the child when the thread ends that started it: this thread lives as long as the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(done)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	s.proc, s.done = cmd.Process, done
	return nil
}

// wait returns when the server answers a query.
func (s *Server) wait(ctx context.Context) error {
	for {
		err := s.ping(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-s.done:
			s.ended()
			return fmt.Errorf("PostgreSQL ended while it started: %w\n%s", err, s.lastLines())
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL is not ready: %w (%w)\n%s", err, ctx.Err(), s.lastLines())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (s *Server) ping(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	return errors.Join(conn.Ping(ctx), conn.Close(ctx))
}

// Stop ends the server in order: connections are cut, data is written.
func (s *Server) Stop() error { return s.end(syscall.SIGINT) }

// Kill ends the server as a crash of its machine would: without a last word (SIGQUIT, which every process of the server obeys).
func (s *Server) Kill() error { return s.end(syscall.SIGQUIT) }

func (s *Server) end(with syscall.Signal) error {
	s.mu.Lock()
	proc, done := s.proc, s.done
	s.mu.Unlock()
	if proc == nil {
		return nil
	}
	if err := proc.Signal(with); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end PostgreSQL: %w", err)
	}
	select {
	case <-done:
		s.ended()
		return nil
	case <-time.After(stopTimeout):
		_ = proc.Kill()
		<-done
		s.ended()
		return fmt.Errorf("PostgreSQL did not stop within %s and was killed\n%s", stopTimeout, s.lastLines())
	}
}

func (s *Server) ended() {
	s.mu.Lock()
	s.proc = nil
	s.mu.Unlock()
}

// Close ends the server and removes its data.
func (s *Server) Close() error { return errors.Join(s.end(syscall.SIGQUIT), os.RemoveAll(s.dir)) }

// URL is that of a database, as the superuser.
func (s *Server) URL(database string) string { return s.URLOf(superuser, s.password, database) }

// URLOf is that of a database, as somebody else.
func (s *Server) URLOf(name, password, database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(name, password), Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)), Path: "/" + database}
	return u.String() + "?sslmode=disable"
}

// NewDatabase makes a database and returns its URL.
func (s *Server) NewDatabase(ctx context.Context, name string) (string, error) {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return "", err
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()+" TEMPLATE template0")
	return s.URL(name), errors.Join(err, conn.Close(ctx))
}

// Log is the file with what the server says.
func (s *Server) Log() string { return filepath.Join(s.dir, "server.log") }

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) lastLines() []byte {
	b, _ := os.ReadFile(s.Log())
	return b[max(0, len(b)-4096):]
}

// PID is the process that the others of the server belong to; 0 while it does not run.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return 0
	}
	return s.proc.Pid
}
