//go:build !linux

package kafkacluster

import "os/exec"

// dieWithUs does nothing: only Linux ends a child whose parent has died.
func dieWithUs(*exec.Cmd) {}
