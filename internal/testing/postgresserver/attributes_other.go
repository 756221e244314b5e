//go:build !linux

package postgresserver

import "syscall"

func (s *Server) attributes() *syscall.SysProcAttr {
	if s.uid < 0 {
		return &syscall.SysProcAttr{Setpgid: true}
	}
	return &syscall.SysProcAttr{Setpgid: true, Credential: &syscall.Credential{Uid: uint32(s.uid), Gid: uint32(s.gid)}}
}
