package cost

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
)

// Budgets are costs by the names of operations.
type Budgets map[string]Cost

// Cost is what one repetition of an operation costs, or may cost.
type Cost struct {
	Per          string  `json:"per"`
	Allocations  float64 `json:"allocations"`
	Instructions float64 `json:"instructions,omitzero"` // 0: not counted
}

func (c Cost) String() string {
	s := fmt.Sprintf("%.2f allocations", c.Allocations)
	if c.Instructions > 0 {
		s += fmt.Sprintf(", %.0f instructions", c.Instructions)
	}
	return s + " a " + c.Per
}

const (
	// An allocation in a few repetitions is one of growth, or of another goroutine.
	allocationsTolerance = 0.1
	// The runtime's own goroutines and the seeds of maps make counts differ by some percent.
	instructionsTolerance = 0.08
)

// against returns the complaints about a measured cost.
func (c Cost) against(budgets Budgets, name string) (complaints []string) {
	b, ok := budgets[name]
	if !ok {
		return []string{fmt.Sprintf("%s has no budget for %q; -costs=renew writes one", file, name)}
	}
	if c.Allocations > b.Allocations+allocationsTolerance {
		complaints = append(complaints, fmt.Sprintf("%s: %.2f allocations a %s, the budget is %.2f; find them with -memprofile, or renew the budget with -costs=renew and say why",
			name, c.Allocations, c.Per, b.Allocations))
	}
	switch {
	case c.Instructions == 0: // not counted
	case b.Instructions == 0:
		complaints = append(complaints, fmt.Sprintf("%s: %s has no budget of instructions; -costs=renew writes one", name, file))
	case c.Instructions > b.Instructions*(1+instructionsTolerance):
		complaints = append(complaints, fmt.Sprintf("%s: %.0f instructions a %s, %+.1f %% of the budget of %.0f; find them with -cpuprofile, or renew the budget with -costs=renew and say why",
			name, c.Instructions, c.Per, 100*(c.Instructions/b.Instructions-1), b.Instructions))
	case c.Instructions < b.Instructions*(1-2*instructionsTolerance):
		complaints = append(complaints, fmt.Sprintf("%s: %.0f instructions a %s, far below the budget of %.0f: keep the improvement with -costs=renew",
			name, c.Instructions, c.Per, b.Instructions))
	}
	return complaints
}

func readBudgets(path string) (Budgets, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the budgets: %w", err)
	}
	var b Budgets
	if err := json.Unmarshal(raw, &b); err != nil {
		return nil, fmt.Errorf("read the budgets %s: %w", path, err)
	}
	return b, nil
}

// write rounds, so that a diff shows only differences above the noise.
func (b Budgets) write(path string) error {
	for name, c := range b {
		c.Allocations = math.Round(c.Allocations*100) / 100
		if c.Instructions > 0 {
			unit := math.Pow(10, max(0, math.Floor(math.Log10(c.Instructions))-2))
			c.Instructions = math.Round(c.Instructions/unit) * unit
		}
		b[name] = c
	}
	raw, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return fmt.Errorf("write the budgets: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write the budgets: %w", err)
	}
	if err := os.WriteFile(path, append(raw, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the budgets: %w", err)
	}
	return nil
}
