// Command run measures coexstream against the limit and against what one would use instead, and holds the
// figures against the goals.
//
// The subject is the product's binary, each yardstick a process of its own, the load another one, and the
// broker another one. `run` starts itself for those that are written here: `run load`, `run broker`,
// `run peer NAME`.
package main
