//go:build !race

package cost

// RaceDetector reports whether the test was built with the race detector, which changes what code costs.
const RaceDetector = false
