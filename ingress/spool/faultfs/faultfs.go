// Package faultfs is a file system in memory that fails as disks do, for tests.
//
// It simulates power cuts: data without fsync survives in pieces of a sector, as zeros, or not at all. Names that were not
// synced may survive or not. After a failed fsync, a later fsync that succeeds does not write the data of the failed one,
// although the data can still be read.
package faultfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/coexstream/coexstream/ingress/spool"
)

// Op is a kind of operation.
type Op string

// The operations. Reads of a file fail by Unreadable.
const (
	MkdirAll Op = "mkdir"
	Create   Op = "create"
	Open     Op = "open"
	ReadDir  Op = "readdir"
	Rename   Op = "rename"
	Remove   Op = "remove"
	SyncDir  Op = "syncdir"
	Write    Op = "write"
	Sync     Op = "sync"
	Close    Op = "close"
)

// Fault is the failure of an operation.
type Fault struct {
	Err error // nil: it succeeds
	// Done: the operation takes effect although it fails.
	Done bool
	// Short is the number of bytes of a failing write that take effect.
	Short int
}

// ErrCut is the error of every operation after a power cut.
var ErrCut = errors.New("faultfs: the power is cut")

// FS is a spool.FS in memory. The function of Inject is called before each operation that changes something.
type FS struct {
	mu      sync.Mutex
	inject  func(op Op, name string) Fault
	files   map[string]*inode // as seen
	durable map[string]*inode // as a power cut would leave it, before changes
	changes []change          // not durable yet, in order
	dirs    map[string]bool
	locked  map[string]bool
	cut     bool
	open    int
}

type change struct {
	from, to string // of a rename; to alone: a creation; from alone: a removal
	node     *inode
}

type inode struct {
	data       []byte
	synced     int      // bytes that are durable
	dropped    [][2]int // what a failed fsync gave up
	unreadable [][2]int64
}

const sector = 512

// New makes an empty file system.
func New() *FS {
	return &FS{files: map[string]*inode{}, durable: map[string]*inode{}, dirs: map[string]bool{}, locked: map[string]bool{}}
}

// Inject sets the function that chooses the faults of later operations; nil: all succeed.
func (f *FS) Inject(inject func(op Op, name string) Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inject = inject
}

// Cut cuts the power: all later operations fail.
func (f *FS) Cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cut = true
}

// IsCut reports whether the power was cut, by Cut, Killed, Rebooted or a fault with ErrCut.
func (f *FS) IsCut() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cut
}

// OpenFiles returns the number of open files.
func (f *FS) OpenFiles() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open
}

// Killed returns the file system after the process was killed: only the locks are gone.
func (f *FS) Killed() *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cut = true
	next := New()
	next.dirs, next.changes = f.dirs, f.changes
	next.files, next.durable = f.files, f.durable
	return next
}

// Rebooted returns the file system after a power cut. rng chooses what survives of the data that was not durable.
func (f *FS) Rebooted(rng *rand.Rand) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cut = true
	survivors := map[string]*inode{}
	for name, node := range f.durable {
		survivors[name] = node
	}
	prefix := rng.IntN(len(f.changes) + 1)
	scattered := rng.IntN(2) == 0
	for i, c := range f.changes {
		if scattered && rng.IntN(2) == 0 || !scattered && i >= prefix {
			continue
		}
		c.apply(survivors)
	}
	next := New()
	next.dirs = f.dirs
	for name, node := range survivors {
		node = node.survive(rng)
		next.files[name], next.durable[name] = node, node
	}
	return next
}

func (c *change) apply(files map[string]*inode) {
	if c.from != "" {
		delete(files, c.from)
	}
	if c.to != "" {
		files[c.to] = c.node
	}
}

// survive returns what a power cut leaves of a file.
func (n *inode) survive(rng *rand.Rand) *inode {
	data := slices.Clone(n.data)
	lose := func(from, to int) {
		for at := from; at < to; {
			next := min((at/sector+1)*sector, to)
			if rng.IntN(2) == 0 {
				clear(data[at:next])
			}
			at = next
		}
	}
	lose(n.synced, len(data))
	for _, r := range n.dropped {
		lose(r[0], r[1])
	}
	if rest := len(data) - n.synced; rest > 0 {
		data = data[:n.synced+rng.IntN(rest+1)]
	}
	return &inode{data: data, synced: len(data)}
}

// begin chooses the fault of an operation.
func (f *FS) begin(op Op, name string) (Fault, bool) {
	if f.cut {
		return Fault{Err: ErrCut}, false
	}
	if f.inject != nil {
		fault := f.inject(op, name)
		if fault.Err != nil {
			f.cut = f.cut || errors.Is(fault.Err, ErrCut)
			fault.Err = fmt.Errorf("%s %s: %w", op, filepath.Base(name), fault.Err)
			return fault, fault.Done
		}
	}
	return Fault{}, true
}

// MkdirAll implements spool.FS. Folders are durable at once.
func (f *FS) MkdirAll(dir string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	fault, do := f.begin(MkdirAll, dir)
	for d := dir; do && d != "." && d != "/"; d = filepath.Dir(d) {
		f.dirs[d] = true
	}
	return fault.Err
}

// Create implements spool.FS.
func (f *FS) Create(name string) (spool.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fault, do := f.begin(Create, name)
	if do {
		if f.files[name] != nil {
			return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
		}
		node := &inode{}
		f.files[name] = node
		f.changes = append(f.changes, change{to: name, node: node})
		if fault.Err == nil {
			f.open++
			return &file{fs: f, node: node, name: name}, nil
		}
	}
	return nil, fault.Err
}

// Open implements spool.FS.
func (f *FS) Open(name string) (spool.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fault, do := f.begin(Open, name); !do {
		return nil, fault.Err
	}
	node := f.files[name]
	if node == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	f.open++
	return &file{fs: f, node: node, name: name}, nil
}

// ReadDir implements spool.FS.
func (f *FS) ReadDir(dir string) ([]spool.FileInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fault, do := f.begin(ReadDir, dir); !do {
		return nil, fault.Err
	}
	if !f.dirs[dir] {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: fs.ErrNotExist}
	}
	var infos []spool.FileInfo
	for name, node := range f.files {
		if filepath.Dir(name) == dir {
			infos = append(infos, spool.FileInfo{Name: filepath.Base(name), Size: int64(len(node.data))})
		}
	}
	slices.SortFunc(infos, func(a, b spool.FileInfo) int { return strings.Compare(a.Name, b.Name) })
	return infos, nil
}

// Rename implements spool.FS.
func (f *FS) Rename(from, to string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	fault, do := f.begin(Rename, from)
	if do {
		c := change{from, to, f.files[from]}
		if c.node == nil {
			return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
		}
		c.apply(f.files)
		f.changes = append(f.changes, c)
	}
	return fault.Err
}

// Remove implements spool.FS.
func (f *FS) Remove(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.files[name] == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	fault, do := f.begin(Remove, name)
	if do {
		delete(f.files, name)
		f.changes = append(f.changes, change{from: name})
	}
	return fault.Err
}

// SyncDir implements spool.FS.
func (f *FS) SyncDir(dir string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	fault, do := f.begin(SyncDir, dir)
	if do {
		f.changes = slices.DeleteFunc(f.changes, func(c change) bool {
			if filepath.Dir(c.from) != dir && filepath.Dir(c.to) != dir {
				return false
			}
			c.apply(f.durable)
			return true
		})
	}
	return fault.Err
}

type unlock struct {
	fs  *FS
	dir string
}

// Close implements io.Closer.
func (u unlock) Close() error {
	u.fs.mu.Lock()
	defer u.fs.mu.Unlock()
	delete(u.fs.locked, u.dir)
	return nil
}

// Lock implements spool.FS.
func (f *FS) Lock(dir string) (io.Closer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.locked[dir] {
		return nil, fmt.Errorf("%s: %w", dir, spool.ErrLocked)
	}
	f.locked[dir] = true
	return unlock{f, dir}, nil
}

// Flip inverts a bit of a file.
func (f *FS) Flip(name string, offset int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.files[name].data[offset] ^= 1
}

// Truncate shortens a file.
func (f *FS) Truncate(name string, size int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.files[name]
	n.data = n.data[:size]
	n.synced = min(n.synced, size)
}

// Unreadable makes reads that touch a part of a file fail with EIO.
func (f *FS) Unreadable(name string, from, to int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.files[name]
	n.unreadable = append(n.unreadable, [2]int64{from, to})
}

// Content returns a copy of a file; nil when there is none.
func (f *FS) Content(name string) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := f.files[name]; n != nil {
		return slices.Clone(n.data)
	}
	return nil
}

type file struct {
	fs     *FS
	node   *inode
	name   string
	closed bool
}

// Write implements spool.File.
func (h *file) Write(b []byte) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	fault, do := h.fs.begin(Write, h.name)
	n := len(b)
	if !do {
		n = min(fault.Short, n)
	}
	h.node.data = append(h.node.data, b[:n]...)
	if fault.Err != nil {
		return min(fault.Short, n), fault.Err
	}
	return n, nil
}

// Sync implements spool.File.
func (h *file) Sync() error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	fault, do := h.fs.begin(Sync, h.name)
	if !do && !h.fs.cut {
		h.node.dropped = append(h.node.dropped, [2]int{h.node.synced, len(h.node.data)})
	}
	if !h.fs.cut {
		h.node.synced = len(h.node.data) // dropped says what of it is a lie
	}
	return fault.Err
}

// ReadAt implements spool.File.
func (h *file) ReadAt(b []byte, at int64) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.closed || h.fs.cut {
		return 0, fs.ErrClosed
	}
	for _, r := range h.node.unreadable {
		if at < r[1] && at+int64(len(b)) > r[0] {
			return 0, &fs.PathError{Op: "read", Path: h.name, Err: syscall.EIO}
		}
	}
	if at >= int64(len(h.node.data)) {
		return 0, io.EOF
	}
	n := copy(b, h.node.data[at:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// Close implements spool.File.
func (h *file) Close() error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	fault, _ := h.fs.begin(Close, h.name)
	if !h.closed {
		h.closed = true
		h.fs.open--
	}
	return fault.Err
}
