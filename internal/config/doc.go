// Package config reads the configuration of every role: built-in defaults, then a YAML file, then the
// environment, then flags; the later wins, key by key.
//
// Keys is the one place where a key is declared: its name, kind, default, limits and meaning. Loading,
// validation, `config keys`, `config print` and the tables of docs/configuration.md are all made from it. An unknown key
// is an error that names the nearest known one; an invalid value is an error that names the key, the
// value, its origin and the allowed values. All errors of a load are reported together.
//
// The package imports no other package of this module but internal/listen: internal/app turns a Config into the
// configurations of the parts.
package config
