package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/coexstream/coexstream/ingress/handover"
	"github.com/coexstream/coexstream/ingress/raw"
	"github.com/coexstream/coexstream/ingress/spool"
	"github.com/coexstream/coexstream/schemas"
)

func (a *app) spoolCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "spool",
		Short: "Inspect or drain the disk spool of an ingress",
		Long: `Inspect the disk spool and its quarantine. Except for drain, nothing is changed, and the ingress may be running.
In this case the newest file may end in the middle of a write, and records that were drained in the last second count as
waiting.`,
		Example: `  coexstream spool list
  coexstream spool verify
  coexstream spool drain
  coexstream spool export --quarantine > quarantine.jsonl`,
		Args: subcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "list", Short: "List the files of the spool", Example: "  coexstream spool list", Args: none,
			RunE: func(cmd *cobra.Command, _ []string) error { return a.listSpool(cmd, false) },
		},
		&cobra.Command{
			Use: "verify", Short: "Read every byte of the spool; exit code 3 for damage and for files in quarantine",
			Example: "  coexstream spool verify", Args: none,
			RunE: func(cmd *cobra.Command, _ []string) error { return a.listSpool(cmd, true) },
		},
		a.spoolExportCommand(), a.spoolDrainCommand(),
	)
	return cmd
}

// inspectSpool inspects every topic's spool. A missing folder is an empty spool.
func (a *app) inspectSpool(cmd *cobra.Command, each func(schemas.Topic, *spool.Found, *raw.Record, error) error) (map[schemas.Topic][]spool.SegmentInfo, string, error) {
	cfg, err := a.load(cmd, nil)
	if err != nil {
		return nil, "", err
	}
	dir, all := spoolOf(cfg).Dir, map[schemas.Topic][]spool.SegmentInfo{}
	for _, topic := range raw.Topics() {
		var visit func(*spool.Found, *raw.Record, error) error
		if each != nil {
			visit = func(f *spool.Found, r *raw.Record, err error) error { return each(topic, f, r, err) }
		}
		if all[topic], err = handover.Inspect(spool.OS{}, dir, topic, visit); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, dir, err
		}
	}
	return all, dir, nil
}

func (a *app) listSpool(cmd *cobra.Command, verify bool) error {
	all, dir, err := a.inspectSpool(cmd, nil)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	sayf(w, "topic\tfile\tbytes\trecords\twaiting\tdamaged bytes\ttail bytes\toldest\t\n")
	files, waiting, faults := 0, 0, 0
	for _, topic := range raw.Topics() {
		for _, s := range all[topic] {
			name, oldest := s.Name, "-"
			if s.Quarantine {
				name = "quarantine/" + name
			}
			if !s.Oldest.IsZero() {
				oldest = s.Oldest.UTC().Format(time.RFC3339)
			}
			sayf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%s\t\n", topic, name, s.Bytes, s.Records, s.Waiting, s.DamagedBytes, s.TailBytes, oldest)
			files++
			waiting += s.Waiting
			if s.Quarantine || s.DamagedBytes > 0 || s.TailBytes > 0 || s.Err != nil {
				faults++
			}
		}
	}
	if files > 0 {
		if err := w.Flush(); err != nil {
			return err
		}
	}
	for _, topic := range raw.Topics() {
		for _, s := range all[topic] {
			if s.Err != nil {
				sayf(out, "%s %s: %v\n", topic, s.Name, s.Err)
			}
		}
	}
	sayf(out, "%s: %d files, %d records wait for Kafka, %d files are damaged, unfinished or in quarantine\n", dir, files, waiting, faults)
	if verify && faults > 0 {
		return errFaults
	}
	return nil
}

// spooledJSON is a line of `spool export`.
type spooledJSON struct {
	Topic      string            `json:"topic"`
	File       string            `json:"file"`
	Offset     int64             `json:"offset"`
	Quarantine bool              `json:"quarantine"`
	Waiting    bool              `json:"waiting"`
	Time       time.Time         `json:"time"`
	Key        string            `json:"key,omitempty"`
	Headers    map[string]string `json:"headers,omitempty"`
	Value      string            `json:"value,omitempty"` // if it is UTF-8; then it has the exact bytes
	Bytes      []byte            `json:"value_base64,omitempty"`
	Error      string            `json:"error,omitempty"`
}

func (a *app) spoolExportCommand() *cobra.Command {
	quarantine, everything := false, false
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Print records of the spool as JSON lines, with the exact bodies",
		Long:  "Print the records that wait for Kafka as JSON lines, with the exact bodies of the webhooks.",
		Example: `  coexstream spool export > waiting.jsonl
  coexstream spool export --quarantine > quarantine.jsonl`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			enc := json.NewEncoder(cmd.OutOrStdout())
			enc.SetEscapeHTML(false)
			_, _, err := a.inspectSpool(cmd, func(topic schemas.Topic, f *spool.Found, r *raw.Record, bad error) error {
				if !everything && (quarantine != f.Quarantine || !quarantine && !f.Waiting) {
					return nil
				}
				if err := enc.Encode(spooledLine(topic, f, r, bad)); err != nil {
					return fmt.Errorf("export the spool: %w", err)
				}
				return nil
			})
			return err
		},
	}
	cmd.Flags().BoolVar(&quarantine, "quarantine", false, "print the records in quarantine instead")
	cmd.Flags().BoolVar(&everything, "all", false, "print all readable records, drained or not")
	return cmd
}

func spooledLine(topic schemas.Topic, f *spool.Found, r *raw.Record, bad error) spooledJSON {
	line := spooledJSON{Topic: topic.String(), File: f.Segment, Offset: f.Offset, Quarantine: f.Quarantine, Waiting: f.Waiting, Time: f.At.UTC()}
	if bad != nil {
		line.Error, line.Bytes = bad.Error(), f.Payload
		return line
	}
	line.Key, line.Headers = string(r.Key), map[string]string{}
	for _, h := range r.Headers {
		line.Headers[h.Key] = string(h.Value)
	}
	if utf8.Valid(r.Value) {
		line.Value = string(r.Value)
	} else {
		line.Bytes = r.Value
	}
	return line
}
