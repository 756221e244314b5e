package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/coexstream/coexstream/internal/archive"
	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/schemas"
	archivesink "github.com/coexstream/coexstream/sinks/archive"
)

// archivedChain is a chain as JSON.
type archivedChain struct {
	Topic     string          `json:"topic"`
	Partition int32           `json:"partition"`
	Log       string          `json:"log"`
	Snapshot  string          `json:"snapshot,omitempty"`
	Complete  *bool           `json:"complete,omitempty"` // of a snapshot
	First     int64           `json:"first"`
	Next      int64           `json:"next"`
	Objects   int             `json:"objects"`
	Records   int64           `json:"records"`
	Bytes     int64           `json:"bytes"`
	Oldest    time.Time       `json:"oldest,omitzero"`
	Newest    time.Time       `json:"newest,omitzero"`
	Faults    []archive.Fault `json:"faults,omitempty"`
}

// archiveReport is what ls and verify print as JSON.
type archiveReport struct {
	URL     string          `json:"url"`
	Chains  []archivedChain `json:"chains"`
	Objects int             `json:"objects"`
	Records int64           `json:"records"`
	Bytes   int64           `json:"bytes"`
	Faults  int             `json:"faults"`
}

func (r *archiveReport) add(c *archive.Checked) {
	one := archivedChain{
		Topic: c.Chain.Topic.String(), Partition: c.Chain.Partition, Log: c.Chain.Log.String(), Snapshot: c.Chain.Snapshot,
		First: c.First, Next: c.Next, Objects: c.Objects, Records: c.Records, Bytes: c.Bytes, Faults: c.Faults,
	}
	if c.Chain.Snapshot != "" {
		one.Complete = &c.Complete
	}
	if c.Records > 0 {
		one.Oldest, one.Newest = time.UnixMilli(c.OldestMS).UTC(), time.UnixMilli(c.NewestMS).UTC()
	}
	r.Chains = append(r.Chains, one)
	r.Objects += c.Objects
	r.Records += c.Records
	r.Bytes += c.Bytes
	r.Faults += len(c.Faults)
}

func (a *app) archiveListCommand() *cobra.Command {
	output := "text"
	cmd := &cobra.Command{
		Use:   "ls [TOPIC]...",
		Short: "List what the archive holds: topics, partitions, offsets, times",
		Long: `List the chains of the archive. A chain is a partition of a topic, of one log: a topic that was deleted and created again
has another one. Each snapshot of a compacted topic has a line. TOPIC is a name without prefix.`,
		Example: `  coexstream sink archive ls
  coexstream sink archive ls raw.live raw.bulk --output json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := a.checkArchive(cmd, args, output, false)
			if err != nil {
				return err
			}
			if output == "json" {
				return writeJSON(cmd.OutOrStdout(), r)
			}
			return r.list(cmd.OutOrStdout())
		},
	}
	bindArchive(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", output, "text or json")
	return cmd
}

func (a *app) archiveVerifyCommand() *cobra.Command {
	output, quick := "text", false
	cmd := &cobra.Command{
		Use:   "verify [TOPIC]...",
		Short: "Check that no object of the archive is missing, overlaps another one or is damaged",
		Long: `Read every object of the archive. Check its checksum, its offsets, and that the next object begins where it ends. Records
that retention removed before they were archived are reported as well. A chain may begin at any offset: rules of the
bucket may remove old objects. The exit code is 3 if there is a fault.

--quick reads the headers only: it finds missing and overlapping objects, and no damaged content.`,
		Example: `  coexstream sink archive verify
  coexstream sink archive verify raw.live raw.bulk --quick`,
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := a.checkArchive(cmd, args, output, !quick)
			if err != nil {
				return err
			}
			if output == "json" {
				err = writeJSON(cmd.OutOrStdout(), r)
			} else {
				r.verdict(cmd.OutOrStdout())
			}
			if err == nil && r.Faults > 0 {
				err = errFaults
			}
			return err
		},
	}
	bindArchive(cmd)
	cmd.Flags().BoolVar(&quick, "quick", false, "read the headers of the objects only")
	cmd.Flags().StringVarP(&output, "output", "o", output, "text or json")
	return cmd
}

// archiveReaders is how many chains are read at a time.
const archiveReaders = 4

// checkArchive reads the chains of topics, of all where none is named.
func (a *app) checkArchive(cmd *cobra.Command, names []string, output string, content bool) (r *archiveReport, err error) {
	if err := checkOutput(output, "text", "json"); err != nil {
		return nil, err
	}
	topics := archivesink.Topics()
	if len(names) > 0 {
		if topics, err = topicsNamed(names); err != nil {
			return nil, usagef("%w", err)
		}
	}
	cfg, _, err := a.loadBeside(cmd)
	if err != nil {
		return nil, err
	}
	bucket, err := openArchive(cmd.Context(), cfg)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, bucket.Close()) }()
	checked, err := readArchive(cmd.Context(), cfg, bucket, topics, content)
	if err != nil {
		return nil, err
	}
	r = &archiveReport{URL: cfg.Sink.Archive.URL, Chains: []archivedChain{}}
	for _, c := range checked {
		r.add(c)
	}
	return r, nil
}

func readArchive(ctx context.Context, cfg *config.Config, bucket archive.Bucket, topics []schemas.Topic, content bool) ([]*archive.Checked, error) {
	held := &archive.Archive{Bucket: bucket, Prefix: cfg.Kafka.Prefix}
	all, err := held.All(ctx, topics)
	if err != nil {
		return nil, err
	}
	checked := make([]*archive.Checked, len(all))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(archiveReaders)
	for i, objects := range all {
		g.Go(func() (err error) {
			checked[i], err = held.Check(ctx, objects, content)
			return err
		})
	}
	return checked, g.Wait()
}

func (r *archiveReport) list(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	sayf(w, "TOPIC\tPARTITION\tLOG\tFIRST\tNEXT\tOBJECTS\tRECORDS\tBYTES\tOLDEST\tNEWEST\n")
	at := func(t time.Time) string {
		if t.IsZero() {
			return "-"
		}
		return t.Local().Format("2006-01-02 15:04:05")
	}
	for i := range r.Chains {
		c := &r.Chains[i]
		name := c.Topic
		if c.Snapshot != "" {
			name += " of " + c.Snapshot
			if !*c.Complete {
				name += " (incomplete)"
			}
		}
		sayf(w, "%s\t%d\t%.8s\t%d\t%d\t%d\t%d\t%d\t%s\t%s\n", name, c.Partition, c.Log, c.First, c.Next, c.Objects, c.Records, c.Bytes, at(c.Oldest), at(c.Newest))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	sayf(out, "%s: %d objects, %d records, %.1f MiB\n", r.URL, r.Objects, r.Records, float64(r.Bytes)/(1<<20))
	return nil
}

func (r *archiveReport) verdict(out io.Writer) {
	incomplete := 0
	for i := range r.Chains {
		c := &r.Chains[i]
		for _, f := range c.Faults {
			sayf(out, "%s: %s: %s\n", f.Object, f.Kind, f.Detail)
		}
		if c.Complete != nil && !*c.Complete {
			incomplete++
		}
	}
	if incomplete > 0 {
		sayf(out, "%d snapshots are incomplete: a process is writing them, or stopped before their end\n", incomplete)
	}
	verdict := "OK"
	if r.Faults > 0 {
		verdict = fmt.Sprintf("%d faults", r.Faults)
	}
	sayf(out, "archive %s: %s, %d objects, %d records, %.1f MiB\n", r.URL, verdict, r.Objects, r.Records, float64(r.Bytes)/(1<<20))
}
