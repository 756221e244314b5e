// Package compare plays contestants against each other and says how they did.
//
// The contestants of a match take turns, round after round, and each round begins with another one. So other work of
// the machine affects all of them. Of each metric the report has the median of the rounds, the minimum and the maximum.
// A ratio is taken within each round, then its median.
//
// A number without a verdict is not told: a contestant of which one turn did not pass its check has no
// figures, and the match has failed.
package compare
