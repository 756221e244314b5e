package private

import (
	"runtime"
	"syscall"
	"testing"
)

// asUser makes the calling goroutine's thread another user's. The thread ends with the goroutine.
func asUser(t *testing.T, uid int) {
	t.Helper()
	runtime.LockOSThread()
	const unchanged = ^uintptr(0)
	// The system call itself: syscall.Setresuid changes all threads.
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, unchanged, uintptr(uid), unchanged); errno != 0 {
		t.Errorf("become user %d: %v", uid, errno)
	}
}
