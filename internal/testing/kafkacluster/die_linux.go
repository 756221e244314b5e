package kafkacluster

import (
	"os/exec"
	"syscall"
)

// DieWithUs lets the kernel end a child whose parent has died. The child gets a process group of its own, so that
// Ctrl-C reaches it through its parent only.
func DieWithUs(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
