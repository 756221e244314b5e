package app

import (
	"errors"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// memoryLimit returns the memory limit of the process's control group in bytes, of version 2 or 1; 0: there is none, or the system has no
// control groups. In a container, the files of its own group are those of the root. root is the root of the file system.
func memoryLimit(root fs.FS) float64 {
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	var files []string
	for _, line := range strings.Split(string(groups), "\n") {
		fields := strings.SplitN(line, ":", 3) // number, controllers, path
		switch {
		case len(fields) < 3:
		case fields[1] == "":
			files = append(files, path.Join("sys/fs/cgroup", fields[2], "memory.max"))
		case strings.Contains(","+fields[1]+",", ",memory,"):
			files = append(files, path.Join("sys/fs/cgroup/memory", fields[2], "memory.limit_in_bytes"))
		}
	}
	for _, name := range append(files, "sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes") {
		b, err := fs.ReadFile(root, name)
		if err != nil {
			continue
		}
		// Version 2 writes "max" for no limit, version 1 a number near 2^63.
		if n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64); err == nil && n < 1<<60 {
			return float64(n)
		}
	}
	return 0
}
