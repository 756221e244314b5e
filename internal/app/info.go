package app

import (
	"fmt"
	"os"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/internal/config"
)

// registerInfo registers the metrics of the build and of the configuration, which compare instances, and the memory limit.
func registerInfo(reg prometheus.Registerer, cfg *config.Config) error {
	hash, err := cfg.Hash()
	if err != nil {
		return fmt.Errorf("hash of the configuration: %w", err)
	}
	b := readBuild()
	one := func(name, help string, labels prometheus.Labels) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}, func() float64 { return 1 })
	}
	for _, c := range []prometheus.Collector{
		one("coexstream_build_info", "The build that runs; always 1.",
			prometheus.Labels{"version": b.version, "revision": b.revision, "goversion": b.goVersion}),
		one("coexstream_config_info", "The configuration in force, without secrets, paths of files and settings of one instance; always 1.",
			prometheus.Labels{"hash": hash}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "coexstream_memory_limit_bytes", Help: "Memory limit of the process by its control group; 0: none."},
			func() float64 { return memoryLimit(os.DirFS("/")) }),
	} {
		if err := reg.Register(c); err != nil {
			return fmt.Errorf("register the build's metrics: %w", err)
		}
	}
	return nil
}
