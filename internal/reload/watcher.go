// Package reload loads certificates, keys, passwords and tokens again when their files change.
//
// It compares contents at every interval, and not names or times. So a file can be written in place, renamed, or swapped
// below a symbolic link as Kubernetes does, on any file system. If loading fails, the previous content stays in force, with
// a log line and a metric. A change is loaded when two reads had the same content, so that a key is not loaded before its
// certificate.
package reload

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// FileBytesMax is the maximum size of a file. Certificates and secrets are small, and a wrong name may be any file.
const FileBytesMax = 1 << 20

// Set is files that belong together and are loaded together.
type Set struct {
	Name  string // for logs and metrics: the configuration key, or the common part of the keys
	Files []File
	// Named returns the files that the contents of Files name; nil: none. They belong to the set as well.
	Named func(contents [][]byte) []File
	// Load takes the contents, in the order of Files, and those of the named ones behind. When it fails it has changed nothing. Its error
	// holds nothing of the contents.
	Load func(contents [][]byte) error
}

// File is one file of a Set.
type File struct {
	Key  string // the configuration key that names the file
	Path string
}

// Load reads the files of a set once.
func Load(s Set) error {
	_, err := load(&s)
	return err
}

type digest [sha256.Size]byte

func load(s *Set) (digest, error) {
	contents, sum, err := read(s)
	if err != nil {
		return sum, err
	}
	return sum, s.Load(contents)
}

// read reads all files. If a file cannot be read, the digest is that of the error. So a missing file is logged once.
func read(s *Set) ([][]byte, digest, error) {
	h := sha256.New()
	files := s.Files
	contents := make([][]byte, 0, len(files))
	var errs []error
	for i := 0; i < len(files); i++ {
		f := files[i]
		b, err := readFile(f.Path)
		if err != nil {
			errs = append(errs, fmt.Errorf("read %s: %w", f.Key, err))
			b = []byte(err.Error())
		}
		contents = append(contents, b)
		_, _ = fmt.Fprintf(h, "%t %d\n", err == nil, len(b))
		_, _ = h.Write(b)
		if i+1 == len(s.Files) && s.Named != nil {
			files = slices.Concat(s.Files, s.Named(contents))
		}
	}
	return contents, digest(h.Sum(nil)), errors.Join(errs...)
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	case info.Size() > FileBytesMax:
		return nil, fmt.Errorf("%s has %d bytes, more than %d", path, info.Size(), FileBytesMax)
	}
	return os.ReadFile(path)
}

// Watcher loads sets again when their files change.
type Watcher struct {
	log     *slog.Logger
	reloads *prometheus.CounterVec
	failed  *prometheus.CounterVec
	stale   *prometheus.GaugeVec
	expiry  *prometheus.GaugeVec

	mu   sync.Mutex
	sets []*watched
}

type watched struct {
	Set
	tried digest // of the latest load, also of a failed one
	seen  digest // by the look before
}

// NewWatcher makes a watcher of nothing.
func NewWatcher(reg prometheus.Registerer, log *slog.Logger) (*Watcher, error) {
	w := &Watcher{
		log: log,
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "coexstream_reloads_total",
			Help: "Changed files that were loaded, by what they hold.",
		}, []string{"set"}),
		failed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "coexstream_reload_failures_total",
			Help: "Changed files that could not be loaded, by their content. The old content stays in force.",
		}, []string{"set"}),
		stale: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "coexstream_reload_stale",
			Help: "1 while the files hold something that cannot be loaded and the former contents are in force.",
		}, []string{"set"}),
		expiry: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "coexstream_certificate_not_after_seconds",
			Help: "Unix time at which the certificate in force expires, the first of a chain to do so.",
		}, []string{"set"}),
	}
	for _, c := range []prometheus.Collector{w.reloads, w.failed, w.stale, w.expiry} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register reload metrics: %w", err)
		}
	}
	return w, nil
}

// Add loads a set, and again whenever its files change while the watcher runs. A set that cannot be loaded
// is not added.
func (w *Watcher) Add(s Set) error {
	sum, err := load(&s)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sets = append(w.sets, &watched{Set: s, tried: sum, seen: sum})
	for _, m := range []*prometheus.CounterVec{w.reloads, w.failed} {
		m.WithLabelValues(s.Name)
	}
	w.stale.WithLabelValues(s.Name).Set(0)
	return nil
}

// Expires sets the metric of a set with the expiry of its certificate.
func (w *Watcher) Expires(set string, at time.Time) {
	w.expiry.WithLabelValues(set).Set(float64(at.Unix()))
}

// Look reads all files once, and loads changes that two reads have seen. It reports whether a file has changed since the
// previous read, so that the next one should follow soon.
func (w *Watcher) Look() (again bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sets {
		contents, sum, err := read(&s.Set)
		settled := sum == s.seen
		s.seen = sum
		switch {
		case sum == s.tried:
			continue
		case !settled:
			again = true
			continue
		}
		s.tried = sum
		if err == nil {
			err = s.Load(contents)
		}
		if err != nil {
			w.failed.WithLabelValues(s.Name).Inc()
			w.stale.WithLabelValues(s.Name).Set(1)
			w.log.Warn("a changed file cannot be loaded; the previous content stays in force", "set", s.Name, "error", err)
			continue
		}
		w.reloads.WithLabelValues(s.Name).Inc()
		w.stale.WithLabelValues(s.Name).Set(0)
		w.log.Info("loaded a changed file", "set", s.Name)
	}
	return again
}

// Run looks at every interval until ctx ends.
func (w *Watcher) Run(ctx context.Context, interval time.Duration) error {
	// Half a second parts two looks at a change: longer than a rename of two files takes.
	soon := min(interval, 500*time.Millisecond)
	timer := time.NewTimer(interval)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		next := interval
		if w.Look() {
			next = soon
		}
		timer.Reset(next)
	}
}
