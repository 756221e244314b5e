package cost

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

var kept []*int

// allocating allocates a number of times.
func allocating(each int) Operation {
	return Operation{Name: "allocating", Per: "turn", Times: 100, Start: func(*testing.T) func(int) {
		return func(times int) {
			kept = append(make([]*int, 0, 2), new(int)) // what happens once is not counted
			for range times {
				for range each {
					kept[0] = new(int)
				}
			}
		}
	}}
}

func TestAnExtraAllocationIsFound(t *testing.T) {
	if RaceDetector {
		t.Skip("SKIP: the race detector allocates")
	}
	for each := range 3 {
		o := allocating(each)
		if got := allocations(t, &o); got != float64(each) {
			t.Errorf("%v allocations, want %d", got, each)
		}
	}
	budgets := Budgets{"allocating": {Per: "turn", Allocations: 1}}
	same, more := allocating(1), allocating(2)
	if c := (Cost{Per: "turn", Allocations: allocations(t, &same)}).against(budgets, "allocating"); len(c) != 0 {
		t.Errorf("within the budget: %q", c)
	}
	if c := (Cost{Per: "turn", Allocations: allocations(t, &more)}).against(budgets, "allocating"); len(c) != 1 || !strings.Contains(c[0], "2.00 allocations a turn, the budget is 1.00") {
		t.Errorf("over the budget: %q", c)
	}
}

func TestInstructionsAreHeldAgainstTheBudget(t *testing.T) {
	budgets := Budgets{"op": {Per: "turn", Instructions: 1000}, "old": {Per: "turn"}}
	for _, c := range []struct {
		name         string
		instructions float64
		want         string
	}{
		{"op", 0, ""}, // not counted
		{"op", 1000, ""},
		{"op", 1079, ""},
		{"op", 1081, "1081 instructions a turn, +8.1 %"},
		{"op", 850, ""},
		{"op", 800, "keep the improvement"},
		{"old", 1000, "no budget of instructions"},
		{"new", 1000, "no budget"},
	} {
		got := strings.Join(Cost{Per: "turn", Instructions: c.instructions}.against(budgets, c.name), "\n")
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s of %v: %q, want %q", c.name, c.instructions, got, c.want)
		}
	}
}

func TestBudgetsAreReadAsWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "testdata", "costs.json")
	if _, err := readBudgets(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if err := (Budgets{"a": {"request", 1.0049, 123456}, "b": {"byte", 0, 2.4}}).write(path); err != nil {
		t.Fatal(err)
	}
	got, err := readBudgets(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Cost{"request", 1, 123000}); got["a"] != want {
		t.Errorf("%+v, want %+v", got["a"], want)
	}
	if want := (Cost{"byte", 0, 2}); got["b"] != want {
		t.Errorf("%+v, want %+v", got["b"], want)
	}
}

func TestThreadTimeOfQuadraticWorkGrowsWithTheSquare(t *testing.T) {
	quadratic := func(n int) func() {
		return func() {
			sum := 0
			for i := range n {
				for k := range n {
					sum += i ^ k
				}
			}
			sink = sum
		}
	}
	if few, many := threadTime(t, 4000, quadratic), threadTime(t, 32_000, quadratic); many <= growthMax*few {
		t.Errorf("8 times as much quadratic work took %v instead of %v", many, few)
	}
	Linear(t, 1<<28, func(n int) func() {
		return func() {
			sum := 0
			for i := range n {
				sum += i ^ n
			}
			sink = sum
		}
	})
}

var sink int
