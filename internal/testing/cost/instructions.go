package cost

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// valgrind counts instructions: its cachegrind, without a cache.
type valgrind struct {
	path string
}

// findValgrind says why there is none.
func findValgrind(t *testing.T) (v *valgrind, why string) {
	t.Helper()
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return nil, fmt.Sprintf("the budgets are of linux/amd64, and this is %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	path, err := exec.LookPath("valgrind")
	if err != nil {
		return nil, "valgrind is not installed (Debian's package valgrind; 'make instructions' installs it where it may)"
	}
	if out, err := exec.CommandContext(t.Context(), path, "--version").CombinedOutput(); err != nil {
		return nil, fmt.Sprintf("valgrind does not run: %v: %s", err, bytes.TrimSpace(out))
	}
	return &valgrind{path}, ""
}

// instructions counts what one repetition executes.
func (v *valgrind) instructions(t *testing.T, o *Operation) float64 {
	t.Helper()
	n := o.times()
	once, twice := v.count(t, o, n), v.count(t, o, 2*n)
	return float64(twice-once) / float64(n)
}

var counted = regexp.MustCompile(`I\s+refs:\s+([0-9,]+)`)

// count runs this test program again under valgrind. Without garbage collection and on one processor there is little in
// it that depends on time.
func (v *valgrind) count(t *testing.T, o *Operation, times int) int64 {
	t.Helper()
	top, _, _ := strings.Cut(t.Name(), "/")
	name := strings.ReplaceAll(o.Name, " ", "_") // as the testing package does
	cmd := exec.CommandContext(t.Context(), v.path, "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null",
		os.Args[0], "-test.run=^"+top+"$/^"+regexp.QuoteMeta(name)+"$", "-test.v", "-test.count=1")
	cmd.Env = append(os.Environ(), timesEnv+"="+strconv.Itoa(times), "GOGC=off", "GOMAXPROCS=1", "GODEBUG=asyncpreemptoff=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("count the instructions of %s: %v\n%s", o.Name, err, out)
	}
	if !bytes.Contains(out, []byte("--- PASS: "+top+"/"+name+" ")) {
		t.Fatalf("count the instructions of %s: it did not run\n%s", o.Name, out)
	}
	m := counted.FindSubmatch(out)
	if m == nil {
		t.Fatalf("count the instructions of %s: valgrind said nothing of them\n%s", o.Name, out)
	}
	count, err := strconv.ParseInt(strings.ReplaceAll(string(m[1]), ",", ""), 10, 64)
	if err != nil {
		t.Fatalf("count the instructions of %s: %v", o.Name, err)
	}
	return count
}
