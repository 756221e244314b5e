// Package cost limits the cost of the hot paths. A package's TestCosts passes its operations to Check. For each
// operation, Check counts the allocations and the executed instructions of one repetition. It fails if they exceed the
// budget in testdata/costs.json, which is committed beside the code. Time is not measured: it says more about the
// machine than about the code.
//
// Allocations are counted by every run of the tests. Instructions are counted with -costs=all (`make instructions`),
// by valgrind, whose processor is the same everywhere, so that the budgets are as well; ADR 0024 says why not by the
// processor's own counters. -costs=renew writes the budgets anew.
//
// A cost is a difference: of a run of twice as many repetitions and one of as many. Neither figure includes one-time
// costs, such as the start of the program.
//
// Only tests import this package.
package cost
