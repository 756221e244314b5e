package config

import (
	"fmt"
	"math"
)

// didYouMean returns a hint with the candidate nearest to a name; empty: none is near.
func didYouMean(name string, candidates []string) string {
	best, distance := nearestOf(name, candidates)
	if distance >= len(name)/2+2 {
		return ""
	}
	return fmt.Sprintf("; did you mean %s?", best)
}

func nearestOf(name string, candidates []string) (best string, distance int) {
	distance = math.MaxInt
	for _, c := range candidates {
		if d := editDistance(name, c); d < distance {
			best, distance = c, d
		}
	}
	return best, distance
}

func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

func keyNames(keys []Key) []string {
	names := make([]string, len(keys))
	for i := range keys {
		names[i] = keys[i].Name
	}
	return names
}
