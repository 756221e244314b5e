package app

import (
	"log/slog"
	"syscall"

	"github.com/coexstream/coexstream/internal/config"
)

// openFilesMax returns the number of files that the process may open; 0: unknown. Go raises the soft limit to the hard one
// at the start.
func openFilesMax() uint64 {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 0
	}
	return l.Cur
}

// connectionsMin is the lowest limit of a listener that fitConnections sets.
const connectionsMin = 8

// fitConnections lowers the connection limits in proportion, so that all listeners together use at most three quarters of
// the files that the process may open. Otherwise strangers could use the files of logs, spool and tables.
func fitConnections(cfg *config.Config, files uint64, log *slog.Logger) {
	limits := []*int{&cfg.Ingress.ConnectionsMax, &cfg.Admin.ConnectionsMax, &cfg.Embedded.ConnectionsMax}
	var wanted uint64
	for _, l := range limits {
		wanted += uint64(*l) //nolint:gosec // positive
	}
	room := files / 4 * 3
	if files == 0 || wanted <= room {
		return
	}
	for _, l := range append(limits, &cfg.Ingress.PerClientMax) {
		if *l > connectionsMin { // not the 0 of "no limit"
			*l = max(int(float64(*l)*float64(room)/float64(wanted)), connectionsMin)
		}
	}
	log.Warn("the process may open few files: connection limits are lowered", "open_files_max", files,
		"ingress.connections_max", cfg.Ingress.ConnectionsMax, "ingress.connections_per_client_max", cfg.Ingress.PerClientMax,
		"admin.connections_max", cfg.Admin.ConnectionsMax, "embedded.connections_max", cfg.Embedded.ConnectionsMax)
}
