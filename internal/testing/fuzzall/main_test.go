package main

import "testing"

func TestOnlyTheEndOfItsOwnTimeIsNoFinding(t *testing.T) {
	for name, c := range map[string]struct {
		out  string
		want bool
	}{
		"the time ran out": {"fuzz: elapsed: 5s, execs: 19066 (3985/sec), new interesting: 0 (total: 22)\n--- FAIL: FuzzX (5.08s)\n    context deadline exceeded\nFAIL\nexit status 1\n", true},
		"an input failed": {"--- FAIL: FuzzX (0.31s)\n    --- FAIL: FuzzX (0.00s)\n        x_test.go:12: context deadline exceeded\n    \n" +
			"    Failing input written to testdata/fuzz/FuzzX/582528ddfad69eb5\nFAIL\n", false},
		"a worker hung":     {"--- FAIL: FuzzX (15.02s)\n    fuzzing process hung or terminated unexpectedly: exit status 2\n    Failing input written to testdata/fuzz/FuzzX/1\nFAIL\n", false},
		"it does not build": {"FAIL\texample.org/x [build failed]\nFAIL\n", false},
		"nothing failed":    {"PASS\nok  \texample.org/x\t5.1s\n", false},
	} {
		if got := onlyDeadline([]byte(c.out)); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
