package cost

import (
	"errors"
	"flag"
	"os"
	"strconv"
	"testing"

	"github.com/coexstream/coexstream/internal/testing/required"
)

// Operation is something that is done very often.
type Operation struct {
	Name string
	// Per is one repetition: "request", "message".
	Per string
	// Start prepares, and returns what does the operation so many times. It is called anew for each count, and what
	// it returns several times, first to let buffers grow to their size.
	Start func(t *testing.T) func(times int)
	// Times is how many repetitions are counted; 0: timesUsual. A long operation needs fewer.
	Times int
}

// timesUsual makes a short operation outweigh the noise of a program's start, some 100,000 instructions.
const timesUsual = 5000

func (o *Operation) times() int {
	if o.Times > 0 {
		return o.Times
	}
	return timesUsual
}

// The values of -costs.
const (
	countAllocations = "allocations"
	countAll         = "all"
	renew            = "renew"
)

var mode = flag.String("costs", countAllocations, "what to compare with the budgets of the hot paths: allocations, all (instructions too, by valgrind), or renew the budgets")

// file is where a package's budgets are.
const file = "testdata/costs.json"

// timesEnv has the number of repetitions when this process is only to do an operation, and valgrind counts.
const timesEnv = "COEXSTREAM_COST_TIMES"

// Check compares the operations of a package with its budgets.
func Check(t *testing.T, operations ...Operation) {
	t.Helper()
	if RaceDetector {
		t.Skip("SKIP: the race detector allocates, and lets pools forget")
	}
	if s := os.Getenv(timesEnv); s != "" {
		times, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("%s: %v", timesEnv, err)
		}
		for i := range operations {
			t.Run(operations[i].Name, func(t *testing.T) { repeat(t, &operations[i], times) })
		}
		return
	}
	switch *mode {
	case countAllocations, countAll, renew:
	default:
		t.Fatalf("-costs: %q is not allowed, only %s, %s and %s", *mode, countAllocations, countAll, renew)
	}
	var counter *valgrind
	why := ""
	if *mode != countAllocations {
		counter, why = findValgrind(t)
		if counter == nil && *mode == renew {
			t.Fatalf("renew the budgets: %s", why)
		}
	}
	budgets, err := readBudgets(file)
	if err != nil && *mode != renew {
		t.Fatalf("%v; -costs=renew writes them", err)
	}
	measured := Budgets{}
	for i := range operations {
		o := &operations[i]
		t.Run(o.Name, func(t *testing.T) {
			m := Cost{Per: o.Per, Allocations: allocations(t, o)}
			if counter != nil {
				m.Instructions = counter.instructions(t, o)
			}
			measured[o.Name] = m
			if *mode == renew {
				t.Logf("%s", m)
				return
			}
			for _, complaint := range m.against(budgets, o.Name) {
				t.Error(complaint)
			}
			t.Logf("%s; budget %s", m, budgets[o.Name])
			if *mode == countAll && counter == nil {
				required.LeaveOut(t, errors.New("instructions are not counted: "+why))
			}
		})
	}
	if *mode == renew && !t.Failed() {
		if err := measured.write(file); err != nil {
			t.Fatal(err)
		}
		return
	}
	for name := range budgets {
		if _, ok := measured[name]; !ok && filter() == "" {
			t.Errorf("%s has a budget for %q, which is not an operation; -costs=renew drops it", file, name)
		}
	}
}

// filter is the part of -run that selects among operations.
func filter() string {
	run := flag.Lookup("test.run").Value.String()
	for i := range len(run) {
		if run[i] == '/' {
			return run[i+1:]
		}
	}
	return ""
}

// repeat does an operation after it has warmed up.
func repeat(t *testing.T, o *Operation, times int) {
	t.Helper()
	do := o.Start(t)
	do(o.times())
	do(times)
}
