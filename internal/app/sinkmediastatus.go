package app

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/event"
)

// mediaStatus counts the outcomes in the topic of the assets.
type mediaStatus struct {
	Outcomes map[string]int64 `json:"outcomes"` // stored, or a reason
	Bytes    int64            `json:"stored_bytes"`
	Newest   []mediaMissing   `json:"newest_missing,omitempty"`
}

// mediaMissing is an asset that is missing.
type mediaMissing struct {
	At            time.Time `json:"at"`
	WABAID        string    `json:"waba_id"`
	PhoneNumberID string    `json:"phone_number_id"`
	WAMID         string    `json:"wamid"`
	Reason        string    `json:"reason"`
	Detail        string    `json:"detail,omitempty"`
}

func (a *app) mediaStatusCommand() *cobra.Command {
	output := "text"
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Count the stored and the missing assets",
		Long: `Read the topic 'assets', and count its records by outcome. The newest missing assets are listed with their reasons.
Metrics of the process show the assets that wait (coexstream_media_waiting_assets).`,
		Example: `  coexstream sink media status
  coexstream sink media status --output json`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output, "text", "json"); err != nil {
				return err
			}
			cfg, _, err := a.loadBeside(cmd)
			if err != nil {
				return err
			}
			s, err := readMediaStatus(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			if output == "json" {
				return writeJSON(cmd.OutOrStdout(), s)
			}
			return s.show(cmd)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", output, "text or json")
	return cmd
}

func readMediaStatus(ctx context.Context, cfg *config.Config) (*mediaStatus, error) {
	conn, err := connectionOf(cfg, nil)
	if err != nil {
		return nil, err
	}
	reader, err := kafka.NewReader(conn, []string{schemas.TopicAssets.Name(cfg.Kafka.Prefix)})
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	s := &mediaStatus{Outcomes: map[string]int64{}}
	ranges, err := reader.Ranges(ctx, kafka.FromStart())
	if err != nil {
		return nil, err
	}
	err = reader.ReadRanges(ctx, ranges, func(r *kgo.Record) error {
		e, err := event.Read(schemas.TopicAssets, r.Key, r.Headers, r.Value)
		if err != nil {
			return fmt.Errorf("%s/%d@%d: %w", r.Topic, r.Partition, r.Offset, err)
		}
		s.add(e.Asset)
		return nil
	})
	return s, err
}

func (s *mediaStatus) add(a *schemas.Asset) {
	if a.State == schemas.AssetStored {
		s.Outcomes[schemas.AssetStored]++
		s.Bytes += a.Bytes
		return
	}
	s.Outcomes[a.Reason]++
	s.Newest = append(s.Newest, mediaMissing{a.At, a.WABAID, a.PhoneNumberID, a.WAMID, a.Reason, a.Detail})
	slices.SortStableFunc(s.Newest, func(x, y mediaMissing) int { return y.At.Compare(x.At) })
	s.Newest = s.Newest[:min(len(s.Newest), lettersShown)]
}

func (s *mediaStatus) show(cmd *cobra.Command) error {
	out := cmd.OutOrStdout()
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	sayf(w, "OUTCOME\tASSETS\n")
	for _, outcome := range slices.Sorted(maps.Keys(s.Outcomes)) {
		sayf(w, "%s\t%d\n", outcome, s.Outcomes[outcome])
	}
	if err := w.Flush(); err != nil {
		return err
	}
	sayf(out, "%.1f MiB stored\n", float64(s.Bytes)/(1<<20))
	for _, m := range s.Newest {
		sayf(out, "  %s  %s %s  %s: %s\n", m.At.Local().Format("2006-01-02 15:04:05"), m.PhoneNumberID, m.WAMID, m.Reason, oneLine(m.Detail))
	}
	return nil
}
