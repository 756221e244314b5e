package kafkacluster

import (
	"os/exec"
	"syscall"
)

// dieWithUs lets the kernel end a child whose parent has died.
func dieWithUs(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
