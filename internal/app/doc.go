// Package app is the command line: it reads the configuration, builds the parts that a subcommand needs
// and runs them in a drawn order. It is the only package that knows all others; nothing imports it but
// main.
//
// Each subcommand has a file of its own. What several of them need is in cli.go (flags, configuration,
// exit codes), parts.go (starting, stopping), roles.go (a Config turned into the parts' configurations)
// and running.go (what `up` leaves in its data folder for the others).
package app
