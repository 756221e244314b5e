// Package compare plays contestants against each other and says how they did.
//
// The contestants of a match take turns, round after round and each round beginning with another one, so that
// what else the machine does meets all of them. Of each metric the median of the rounds is told, and the
// least and the most. A ratio is taken within each round, then its median.
//
// A number without a verdict is not told: a contestant of which one turn did not pass its check has no
// figures, and the match has failed.
package compare
