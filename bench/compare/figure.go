package compare

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Figure is a number of several rounds.
type Figure struct {
	Median float64   `json:"median"`
	Min    float64   `json:"min"`
	Max    float64   `json:"max"`
	Values []float64 `json:"values"` // in the order of the rounds
}

// NewFigure is the figure of at least one value.
func NewFigure(values []float64) Figure {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return Figure{Median: (sorted[(n-1)/2] + sorted[n/2]) / 2, Min: sorted[0], Max: sorted[n-1], Values: values}
}

// String is the median with three digits.
func (f Figure) String() string { return number(f.Median) }

// Spread is the median, and from where to where the rounds go.
func (f Figure) Spread() string {
	if f.Min == f.Max {
		return number(f.Median)
	}
	return fmt.Sprintf("%s (%s to %s)", number(f.Median), number(f.Min), number(f.Max))
}

// number shows three digits at least, and thousands apart.
func number(v float64) string {
	switch a := math.Abs(v); {
	case v == 0:
		return "0"
	case a >= 100:
		return thousands(int64(math.Round(v)))
	default:
		digits := 2 - int(math.Floor(math.Log10(a)))
		return strconv.FormatFloat(v, 'f', min(digits, 6), 64)
	}
}

func thousands(v int64) string {
	s := strconv.FormatInt(v, 10)
	sign := ""
	if v < 0 {
		sign, s = "-", s[1:]
	}
	var parts []string
	for len(s) > 3 {
		parts = append(parts, s[len(s)-3:])
		s = s[:len(s)-3]
	}
	parts = append(parts, s)
	slices.Reverse(parts)
	return sign + strings.Join(parts, ",")
}
