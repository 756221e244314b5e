package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

const controlGroups = "/sys/fs/cgroup"

// enter runs this test binary in new namespaces, with its arguments, and returns its exit code. It removes what the node leaves.
func enter(p programs) (code int, err error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	groups, err := makeControlGroups(filepath.Base(p.Dir))
	defer func() {
		for _, g := range groups {
			err = errors.Join(err, removeControlGroup(g))
		}
		if os.Getenv(keepName) == "" {
			err = errors.Join(err, os.RemoveAll(p.Dir))
		}
	}()
	if err != nil {
		return 0, err
	}
	spec, err := json.Marshal(p)
	if err != nil {
		return 0, err
	}
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	// The kernel ends the first process of the namespaces when this thread ends, and all others with it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, self, os.Args[1:]...)
	cmd.Env = append(os.Environ(), insideName+"="+string(spec))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL,
	}
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("new namespaces: %w", err)
	}
	if err := cmd.Wait(); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			return 0, err
		}
		return max(1, exit.ExitCode()), nil // a signal has no code
	}
	return 0, nil
}

// makeControlGroups makes a group for the pods in each hierarchy: of version 1, one for each controller, or of version 2.
func makeControlGroups(name string) (made []string, err error) {
	hierarchies := []string{controlGroups}
	if _, err := os.Stat(filepath.Join(controlGroups, "cgroup.controllers")); err != nil {
		if hierarchies, err = filepath.Glob(filepath.Join(controlGroups, "*")); err != nil {
			return nil, err
		}
	}
	for _, h := range hierarchies {
		var s syscall.Statfs_t
		if target, err := os.Readlink(h); err == nil && target != "" {
			continue // a second name of a hierarchy
		}
		if err := syscall.Statfs(h, &s); err != nil || s.Type != cgroupMagic && s.Type != cgroup2Magic {
			continue
		}
		group := filepath.Join(h, name)
		if err := os.Mkdir(group, 0o755); err != nil { //nolint:gosec // the mode of control groups
			return made, err
		}
		made = append(made, group)
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} { // a new group of version 1 has none
			if value, err := os.ReadFile(filepath.Join(h, file)); err == nil {
				if err := os.WriteFile(filepath.Join(group, file), value, 0o600); err != nil {
					return made, err
				}
			}
		}
	}
	if len(made) == 0 {
		return nil, fmt.Errorf("no control groups in %s", controlGroups)
	}
	return made, nil
}

const (
	cgroupMagic  = 0x27e0eb
	cgroup2Magic = 0x63677270
)

// removeControlGroup removes a group, its groups first. Their processes have ended.
func removeControlGroup(group string) error {
	var all []string
	err := filepath.WalkDir(group, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			all = append(all, path)
		}
		return err
	})
	for i := len(all) - 1; i >= 0; i-- {
		err = errors.Join(err, os.Remove(all[i]))
	}
	return err
}

// runInside runs the node and the tests, as the first process of the namespaces.
func runInside(m *testing.M, spec string) int {
	if err := os.Unsetenv(insideName); err != nil {
		running.err = err
		return m.Run()
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var p programs
	if running.err = json.Unmarshal([]byte(spec), &p); running.err == nil {
		running.err = errors.Join(p.furnish(ctx), os.Mkdir(filepath.Join(p.Dir, "tmp"), 0o700), os.Setenv("TMPDIR", filepath.Join(p.Dir, "tmp")))
	}
	if running.err == nil {
		running.node, running.err = start(ctx, p)
	}
	return m.Run()
}

// furnish gives the namespaces their own folders of the system, and their network: loopback, and the bridge of the pods.
func (p *programs) furnish(ctx context.Context) error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private mounts: %w", err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("/proc: %w", err)
	}
	// containerd, kubelet and the CNI plugins write there, and no configuration moves these folders.
	for _, folder := range []string{"/run", "/var/lib", "/var/log"} {
		if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "mode=755"); err != nil {
			return fmt.Errorf("%s: %w", folder, err)
		}
	}
	if err := syscall.Sethostname([]byte(nodeName)); err != nil {
		return fmt.Errorf("host name: %w", err)
	}
	for _, args := range []string{
		"link set lo up",
		"link add " + bridge + " type bridge",
		"address add " + Address + "/24 dev " + bridge,
		"link set " + bridge + " up",
		"route add " + serviceNetwork + " dev " + bridge, // kube-proxy rewrites the addresses
	} {
		if out, err := exec.CommandContext(ctx, p.IP, strings.Fields(args)...).CombinedOutput(); err != nil { //nolint:gosec // constant
			return fmt.Errorf("ip %s: %w\n%s", args, err, out)
		}
	}
	for _, file := range []string{"net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables"} {
		if err := os.WriteFile("/proc/sys/"+file, []byte("1"), 0o600); err != nil {
			return err
		}
	}
	return nil
}
