// Package cost guards what the hot paths cost. A package's TestCosts hands its operations to Check, which counts for
// each what one repetition allocates and how many instructions it executes, and fails when that is more than the
// budget in testdata/costs.json, which is committed beside the code. Time is not looked at: it says more about the
// machine than about the code.
//
// Allocations are counted by every run of the tests. Instructions are counted with -costs=all (`make instructions`),
// by valgrind, whose processor is the same everywhere, so that the budgets are as well; ADR 0024 says why not by the
// processor's own counters. -costs=renew writes the budgets anew.
//
// A cost is a difference: of a run of twice as many repetitions and one of as many. Whatever happens once, the start of
// the program included, is in neither figure.
//
// Only tests import this package.
package cost
