package kafkacluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// told is a test that notes how it ended.
type told struct {
	t              *testing.T
	skipped, fatal string
}

func (*told) Helper()                    {}
func (*told) Cleanup(func())             {}
func (r *told) Context() context.Context { return r.t.Context() }
func (r *told) Errorf(format string, args ...any) {
	r.t.Errorf(format, args...)
}

func (r *told) Skipf(format string, args ...any) {
	r.skipped = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (r *told) Fatalf(format string, args ...any) {
	r.fatal = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// Where Kafka cannot be had, a test that needs it says SKIP and why, and what to install; it does not fail.
func TestWhereKafkaCannotBeHadATestIsSkippedWithTheReason(t *testing.T) {
	t.Setenv("COEXSTREAM_REQUIRE", "")
	withoutKafka(t, false)
}

// Where nothing may be left out, it fails for the same reason.
func TestWhereKafkaIsRequiredATestNeverPassesWithoutIt(t *testing.T) {
	t.Setenv("COEXSTREAM_REQUIRE", "1")
	withoutKafka(t, true)
}

func withoutKafka(t *testing.T, required bool) {
	t.Helper()
	for name, c := range map[string]struct {
		programs map[string]string // in PATH: name, and script
		why      string
	}{
		"no program, and none to install one": {nil, "install the package"},
		"a registry that cannot be reached": {
			map[string]string{"mvn": "#!/bin/sh\necho no route to the registry\nexit 1\n", "java": "#!/bin/sh\n", "javac": "#!/bin/sh\n"},
			"no route to the registry",
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := t.TempDir()
			for program, script := range c.programs {
				if err := os.WriteFile(filepath.Join(path, program), []byte(script), 0o700); err != nil { //nolint:gosec // a program
					t.Fatal(err)
				}
			}
			t.Setenv("PATH", path)
			t.Setenv("XDG_CACHE_HOME", t.TempDir())
			r := &told{t: t}
			done := make(chan struct{})
			go func() {
				defer close(done)
				Test(r, Config{Brokers: 1})
			}()
			<-done
			if required {
				if r.skipped != "" || !strings.Contains(r.fatal, c.why) {
					t.Errorf("nothing may be left out: skipped with %q, failed with %q", r.skipped, r.fatal)
				}
				return
			}
			if r.fatal != "" || !strings.HasPrefix(r.skipped, "SKIP: "+ErrUnavailable.Error()) || !strings.Contains(r.skipped, c.why) {
				t.Errorf("skipped with %q, failed with %q", r.skipped, r.fatal)
			}
		})
	}
}
