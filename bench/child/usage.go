package child

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// ticks is the unit of /proc/<pid>/stat: USER_HZ, which is 100 on every Linux that Go runs on.
const ticks = 100

// CPU returns the processor time of a process and all its children so far, also of those that have ended. It has steps
// of 10 ms.
func (p *Process) CPU() (time.Duration, error) {
	var sum int64
	err := walk(p.PID(), func(pid int, stat []string) error {
		// utime, stime, and those of its children that it waited for.
		for _, field := range stat[11:15] {
			n, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				return fmt.Errorf("read /proc/%d/stat: %w", pid, err)
			}
			sum += n
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("CPU of %s: %w", p.name, err)
	}
	return time.Duration(sum) * time.Second / ticks, nil
}

// PeakRSS is the high-water mark of the resident memory of a process and of all that it started, summed up.
func (p *Process) PeakRSS() (int64, error) {
	var sum int64
	err := walk(p.PID(), func(pid int, _ []string) error {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(status)) {
			if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
				kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
				sum += kb << 10
				return err
			}
		}
		return nil // a process that has ended and is not waited for yet has none
	})
	if err != nil {
		return 0, fmt.Errorf("resident memory of %s: %w", p.name, err)
	}
	return sum, nil
}

// ForgetPeak begins the high-water mark anew.
func (p *Process) ForgetPeak() error {
	return walk(p.PID(), func(pid int, _ []string) error {
		const resetPeak = "5"
		return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte(resetPeak), 0)
	})
}

// walk visits a process and its descendants. stat begins with the state, which is the third field of the file.
func walk(pid int, visit func(pid int, stat []string) error) error {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return err
	}
	end := bytes.LastIndexByte(b, ')') // the name before it may hold anything
	stat := strings.Fields(string(b[end+1:]))
	const needed = 22
	if end < 0 || len(stat) < needed {
		return fmt.Errorf("/proc/%d/stat: %q is not what Linux writes", pid, b)
	}
	if err := visit(pid, stat); err != nil {
		return err
	}
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return err
	}
	for _, t := range tasks {
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, t.Name()))
		if errors.Is(err, os.ErrNotExist) {
			continue // the thread has ended
		}
		if err != nil {
			return err
		}
		for _, c := range strings.Fields(string(children)) {
			id, err := strconv.Atoi(c)
			if err != nil {
				return fmt.Errorf("children of %d: %w", pid, err)
			}
			if err := walk(id, visit); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}
