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

// build is what the build knows about itself.
type build struct{ version, revision, goVersion string }

func readBuild() build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return build{version: "unknown", goVersion: runtime.Version()}
	}
	b, dirty := build{version: info.Main.Version, goVersion: info.GoVersion}, ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			b.revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "-dirty"
		}
	}
	b.revision += dirty
	return b
}

func version() string {
	b := readBuild()
	if b.revision != "" {
		b.version += " " + b.revision
	}
	return fmt.Sprintf("coexstream %s %s %s/%s", b.version, b.goVersion, runtime.GOOS, runtime.GOARCH)
}
