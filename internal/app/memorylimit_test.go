package app

import (
	"testing"
	"testing/fstest"
)

func TestMemoryLimitIsThatOfTheControlGroup(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	for name, c := range map[string]struct {
		files fstest.MapFS
		want  float64
	}{
		"container, version 2": {fstest.MapFS{"proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/memory.max": file("536870912\n")}, 512 << 20},
		"service, version 2":   {fstest.MapFS{"proc/self/cgroup": file("0::/system.slice/coexstream.service\n"), "sys/fs/cgroup/system.slice/coexstream.service/memory.max": file("1048576\n")}, 1 << 20},
		"no limit, version 2":  {fstest.MapFS{"proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/memory.max": file("max\n")}, 0},
		"container, version 1": {fstest.MapFS{"proc/self/cgroup": file("5:cpu,memory:/kubepods/pod1\n0::/\n"), "sys/fs/cgroup/memory/memory.limit_in_bytes": file("2097152\n")}, 2 << 20},
		"service, version 1":   {fstest.MapFS{"proc/self/cgroup": file("5:memory:/a\n"), "sys/fs/cgroup/memory/a/memory.limit_in_bytes": file("4096\n")}, 4096},
		"no limit, version 1":  {fstest.MapFS{"proc/self/cgroup": file("5:memory:/\n"), "sys/fs/cgroup/memory/memory.limit_in_bytes": file("9223372036854771712\n")}, 0},
		"no control groups":    {fstest.MapFS{}, 0},
	} {
		if got := memoryLimit(c.files); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
