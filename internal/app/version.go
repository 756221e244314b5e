package app

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  coexstream version",
		Args:    none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			sayf(cmd.OutOrStdout(), "%s\n", version())
			return nil
		},
	}
}

// version is what the build knows about itself.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "coexstream unknown " + runtime.Version()
	}
	revision, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = " " + s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "-dirty"
		}
	}
	return fmt.Sprintf("coexstream %s%s%s %s %s/%s", info.Main.Version, revision, dirty, info.GoVersion, runtime.GOOS, runtime.GOARCH)
}
