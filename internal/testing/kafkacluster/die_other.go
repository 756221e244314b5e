//go:build !linux

package kafkacluster

import "os/exec"

// DieWithUs does nothing: only Linux ends a child whose parent has died.
func DieWithUs(*exec.Cmd) {}
