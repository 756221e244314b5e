package app

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"time"

	"github.com/spf13/cobra"

	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/doctor"
	"github.com/coexstream/coexstream/internal/embedded"
)

// brokerFolder is the folder of the embedded broker within the data folder.
func brokerFolder(cfg *config.Config) string { return filepath.Join(cfg.DataDir, "broker") }

func (a *app) brokerCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "broker",
		Short: "Check the data of the embedded broker, and acknowledge damage",
		Long: `Check the files of the embedded broker. Every start of 'up' checks them as well. It moves damaged records to
the folder broker/quarantine and keeps all others. Offsets never go back. 'doctor' fails until somebody
acknowledges the damage. docs/operations.md lists the next steps.`,
		Example: `  coexstream broker verify
  coexstream broker acknowledge`,
		Args: subcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	output := "text"
	verify := &cobra.Command{
		Use: "verify", Short: "Read every byte of the embedded broker's data; exit code 3 for damage and for files in quarantine",
		Long: `Read every byte of the embedded broker's data and check it. Nothing is changed. The command works on the folder
of a stopped 'up'. Beside a running one it skips the ends of the files, which may be unfinished writes, and the
files that only a stop completes.`,
		Example: `  coexstream broker verify --data-dir /var/lib/coexstream
  coexstream broker verify --output json | jq '.damage[]'`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.verifyBroker(cmd, output) },
	}
	verify.Flags().StringVarP(&output, "output", "o", output, "text or json")
	cmd.AddCommand(verify, &cobra.Command{
		Use: "acknowledge", Short: "Acknowledge the damage in quarantine, which ends the alerts",
		Long: `Move the content of the quarantine to broker/quarantine/acknowledged. Nothing is deleted. 'up' may be running.`,
		Example: `  coexstream broker verify
  coexstream broker acknowledge`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load(cmd, nil)
			if err != nil {
				return err
			}
			n, err := embedded.Acknowledge(brokerFolder(cfg))
			if err != nil {
				return err
			}
			sayf(cmd.OutOrStdout(), "%d notes of damage are acknowledged\n", n)
			return nil
		},
	})
	return cmd
}

// verifiedJSON is the output of `broker verify`.
type verifiedJSON struct {
	Dir     string `json:"dir"`
	Running bool   `json:"running"` // an `up` uses the folder: the ends of its files were not checked
	embedded.Verified
	Took float64 `json:"took_seconds"`
}

func (a *app) verifyBroker(cmd *cobra.Command, output string) error {
	if err := checkOutput(output, "text", "json"); err != nil {
		return err
	}
	cfg, err := a.load(cmd, nil)
	if err != nil {
		return err
	}
	v := verifiedJSON{Dir: brokerFolder(cfg)}
	if v.Running, err = embedded.InUse(cfg.DataDir); err != nil {
		return err
	}
	began := time.Now()
	if v.Verified, err = embedded.Verify(v.Dir, embedded.VerifyOptions{Running: v.Running}); err != nil {
		return err
	}
	v.Took = time.Since(began).Seconds()
	if output == "json" {
		err = writeJSON(cmd.OutOrStdout(), v)
	} else {
		err = writeVerified(cmd.OutOrStdout(), &v)
	}
	if err != nil {
		return err
	}
	if len(v.Damage)+len(v.Quarantine) > 0 {
		return errFaults
	}
	return nil
}

func writeVerified(out io.Writer, v *verifiedJSON) error {
	for i := range v.Damage {
		sayf(out, "damaged       %s\n", &v.Damage[i])
	}
	for i := range v.Quarantine {
		sayf(out, "in quarantine %s\n", &v.Quarantine[i])
	}
	running := ""
	if v.Running {
		running = "; up runs, so the ends of the files were not judged"
	}
	_, err := fmt.Fprintf(out, "%s: %d partitions, %d bytes of records read in %.1fs, %d damages, %d in quarantine%s\n",
		v.Dir, v.Partitions, v.BytesRead, v.Took, len(v.Damage), len(v.Quarantine), running)
	return err
}

// quarantineReady is the entry of /readyz for damage. The process stays ready.
func quarantineReady(dir string) error {
	list, err := embedded.Quarantined(dir)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return nil
	}
	return fmt.Errorf("%d damages of the broker's data are in quarantine; see 'coexstream doctor'", len(list))
}

// brokerFacts returns the facts of the embedded broker's folder for doctor.
func brokerFacts(cfg *config.Config) func() (doctor.BrokerData, error) {
	return func() (doctor.BrokerData, error) {
		data := doctor.BrokerData{Path: brokerFolder(cfg)}
		if _, err := os.Stat(data.Path); errors.Is(err, fs.ErrNotExist) {
			return doctor.BrokerData{}, nil
		}
		list, err := embedded.Quarantined(data.Path)
		if err != nil {
			return data, err
		}
		add := func(d *embedded.Damage, inPlace bool) {
			data.Damage = append(data.Damage, doctor.BrokerDamage{
				InPlace: inPlace, Lost: d.Lost, What: d.What, File: d.File, Topic: d.Topic, Class: d.Of(), Partition: d.Partition,
				First: d.FirstOffset, Last: d.LastOffset, Exact: d.Exact, After: d.After, Before: d.Before,
			})
		}
		for i := range list {
			add(&list[i], false)
		}
		inPlace, unread, err := damageInPlace(data.Path, cfg.DataDir)
		for i := range inPlace {
			add(&inPlace[i], true)
		}
		data.UnreadBytes = unread
		return data, err
	}
}

// doctorReadsMax bounds the bytes of logs that the doctor reads for damage: some seconds' work.
const doctorReadsMax = 2 << 30

// damageInPlace returns the damage in the files of a broker that no start has set aside yet. Beside a running broker,
// only damage in two reads counts, because files may have changed between. Logs of more than doctorReadsMax are not
// read.
func damageInPlace(dir, dataDir string) (found []embedded.Damage, unread int64, err error) {
	size, err := bytesOf(dir)
	if err != nil || size > doctorReadsMax {
		return nil, size, err
	}
	running, err := embedded.InUse(dataDir)
	if err != nil {
		return nil, 0, err
	}
	first, err := embedded.Verify(dir, embedded.VerifyOptions{Running: running})
	if err != nil || len(first.Damage) == 0 || !running {
		return first.Damage, 0, err
	}
	again, err := embedded.Verify(dir, embedded.VerifyOptions{Running: running})
	for _, d := range again.Damage {
		if slices.ContainsFunc(first.Damage, func(o embedded.Damage) bool { return o.File == d.File && o.Position == d.Position }) {
			found = append(found, d)
		}
	}
	return found, 0, err
}

// bytesOf returns the length of all files of a folder, which may be removed meanwhile.
func bytesOf(dir string) (n int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		var info fs.FileInfo
		if err == nil && d.Type().IsRegular() {
			if info, err = d.Info(); err == nil {
				n += info.Size()
			}
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	return n, err
}
