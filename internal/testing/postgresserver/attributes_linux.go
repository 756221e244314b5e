package postgresserver

import "syscall"

// attributes let the kernel end a child whose parent has died. Ctrl-C reaches it through its parent only.
func (s *Server) attributes() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT, Setpgid: true}
	if s.uid >= 0 {
		a.Credential = &syscall.Credential{Uid: uint32(s.uid), Gid: uint32(s.gid)} //nolint:gosec // ids of users
	}
	return a
}
