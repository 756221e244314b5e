package required_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/internal/testing/required"
)

// told is a test that only records the calls.
type told struct{ skipped, failed string }

func (*told) Helper() {}
func (t *told) Skipf(format string, _ ...any) {
	if t.failed == "" { // a test would have ended
		t.skipped = format
	}
}
func (t *told) Fatalf(format string, _ ...any) { t.failed = format }

func TestWhatCannotBeHadIsLeftOutOnlyWhereItMayBe(t *testing.T) {
	for value, everything := range map[string]bool{"": false, "0": false, "false": false, "1": true, "true": true, "yes": true} {
		t.Setenv("COEXSTREAM_REQUIRE", value)
		var was told
		if required.LeaveOut(&was, errors.New("no Kafka")); required.Everything() != everything || (was.failed != "") != everything || (was.skipped != "") == everything {
			t.Errorf("%q: everything is required: %v, failed %q, skipped %q", value, required.Everything(), was.failed, was.skipped)
		}
		if !everything && !strings.HasPrefix(was.skipped, "SKIP: ") {
			t.Errorf("%q: skipped with %q", value, was.skipped)
		}
	}
}

func TestAMissingProgramSaysWhatToInstall(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := required.Program(t.Context(), "javac", "default-jdk-headless"); err == nil || !strings.Contains(err.Error(), "install the package default-jdk-headless") {
		t.Errorf("the error is %v", err)
	}
}

type service struct{ closed bool }

func (s *service) Close() error { s.closed = true; return nil }

func TestAServiceEndsWithItsTest(t *testing.T) {
	s := &service{}
	t.Run("user", func(t *testing.T) {
		if got := required.Service(t, errors.New("unavailable"), func(context.Context) (*service, error) { return s, nil }); got != s || s.closed {
			t.Errorf("the service is %v", got)
		}
	})
	if !s.closed {
		t.Error("the service still runs")
	}
}

func TestATestWithoutItsServiceIsSkipped(t *testing.T) {
	t.Setenv("COEXSTREAM_REQUIRE", "")
	unavailable, skipped := errors.New("no server"), false
	t.Run("user", func(t *testing.T) {
		defer func() { skipped = t.Skipped() }()
		required.Service(t, unavailable, func(context.Context) (*service, error) { return nil, fmt.Errorf("start: %w", unavailable) })
		t.Error("the test continues")
	})
	if !skipped {
		t.Error("the test was not skipped")
	}
}
