package required

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// Program finds a program that a test runs, and installs its Debian package where it is missing and may be installed.
// The error says what to install.
func Program(ctx context.Context, name, pkg string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	apt, aptErr := exec.LookPath("apt-get")
	if aptErr != nil || runtime.GOOS != "linux" || os.Geteuid() != 0 {
		return "", fmt.Errorf("%w; install the package %s", err, pkg)
	}
	for _, args := range [][]string{{"update"}, {"install", "-y", "--no-install-recommends", pkg}} {
		cmd := exec.CommandContext(ctx, apt, append([]string{"-q"}, args...)...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("apt-get %s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	if path, err = exec.LookPath(name); err != nil {
		return "", fmt.Errorf("the package %s was installed, but: %w", pkg, err)
	}
	return path, nil
}
