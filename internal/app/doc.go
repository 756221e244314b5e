// Package app is the command line: it reads the configuration, builds the parts that a subcommand needs
// and runs them in a fixed order. It composes the product's packages; only main imports it.
//
// Each subcommand has a file of its own: up.go, ingress.go, process.go, tail.go, and so on. Large ones continue in
// files beside it (dlqrequeue.go, replayreport.go). Files that several subcommands share:
//
//	cli.go                         flags, and the configuration from them
//	exit.go                        exit codes
//	roles.go                       a Config turned into the configurations of the parts
//	service.go, parts.go           long-running processes: starting, stopping, health, metrics
//	running.go                     settings of a running `up` for the commands beside it
//	garbage.go                     settings of the Go runtime
//	secrets.go, brokeraccess.go    what `up` generates: app secrets, the broker's password
//	secretfiles.go, reloading.go   secrets and certificates from files, and their changes
//	admintransport.go              requests to admin listeners
package app
