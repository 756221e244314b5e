// Package peers holds what coexstream is compared with: one folder for each, with its configuration. This
// package is what the ones written in Go share: the verification of a signature, which each of them would
// need, and how they are started.
package peers
