package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/embedded"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/sqlite"
)

func (a *app) sinkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sink",
		Short: "Show the state of the SQLite tables of up, or rebuild them",
		Long: `up keeps the events in the SQLite file data/read.db as well: messages, chats, contacts, syncs. status shows the
positions and the records that could not be applied. rebuild deletes the file, and the next up fills it from the topics.`,
		Example: `  coexstream sink status
  coexstream sink rebuild
  sqlite3 -readonly data/read.db "SELECT * FROM inbox ORDER BY last_at DESC LIMIT 20"`,
		Args: subcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.sinkStatusCommand(), a.sinkRebuildCommand())
	return cmd
}

// lettersShown bounds what `sink status` lists.
const lettersShown = 20

// sinkStatus is the state of the tables as JSON.
type sinkStatus struct {
	File      string         `json:"file"`
	Bytes     int64          `json:"bytes"`
	Lag       *int64         `json:"lag_records,omitempty"` // absent: the broker does not answer
	Positions []sinkPosition `json:"positions"`
	Letters   int64          `json:"letters"`
	Newest    []sinkLetter   `json:"newest_letters,omitempty"`
}

type sinkPosition struct {
	Topic     string    `json:"topic"`
	Partition int32     `json:"partition"`
	Next      int64     `json:"next"`
	End       *int64    `json:"end,omitempty"`
	At        time.Time `json:"written_at"`
}

type sinkLetter struct {
	Topic     string    `json:"topic"`
	Partition int32     `json:"partition"`
	Offset    int64     `json:"offset"`
	At        time.Time `json:"at"`
	Reason    string    `json:"reason"`
}

func (a *app) sinkStatusCommand() *cobra.Command {
	output := "text"
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show positions, lag, and records that could not be applied",
		Example: `  coexstream sink status
  coexstream sink status --output json`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output, "text", "json"); err != nil {
				return err
			}
			cfg, _, err := a.loadBeside(cmd)
			if err != nil {
				return err
			}
			s, err := readSinkStatus(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			// The broker is asked last, so that the tables are never ahead of it.
			ends, unreachable := sinkEnds(cmd.Context(), cfg, a.logger(cfg))
			s.compare(ends)
			if output == "json" {
				return writeJSON(cmd.OutOrStdout(), s)
			}
			return s.show(cmd, unreachable)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", output, "text or json")
	return cmd
}

func readSinkStatus(ctx context.Context, cfg *config.Config) (*sinkStatus, error) {
	file := readModelFile(cfg)
	in, err := sqlite.Inspect(ctx, file, lettersShown)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there are no tables at %s; 'coexstream up' makes them (sink.sqlite.enabled)", file)
	}
	if err != nil {
		return nil, err
	}
	s := &sinkStatus{File: file, Letters: in.LetterSum, Positions: []sinkPosition{}}
	for _, name := range sqlite.Files(file) {
		if info, err := os.Stat(name); err == nil {
			s.Bytes += info.Size()
		}
	}
	for _, p := range in.Positions {
		s.Positions = append(s.Positions, sinkPosition{Topic: p.Topic, Partition: p.Partition, Next: p.Next, At: p.At.UTC()})
	}
	for _, l := range in.Letters {
		s.Newest = append(s.Newest, sinkLetter{l.Topic, l.Partition, l.Offset, l.At.UTC(), l.Reason})
	}
	return s, nil
}

// sinkEnds returns the ends of the topics.
func sinkEnds(ctx context.Context, cfg *config.Config, log *slog.Logger) (map[kafka.TopicPartition]kafka.Range, error) {
	conn, err := connectionOf(cfg, log)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, topic := range sinks.Topics() {
		names = append(names, topic.Name(cfg.Kafka.Prefix))
	}
	reader, err := kafka.NewReader(conn, names)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	ends, err := reader.Ranges(ctx, kafka.FromStart())
	if err != nil {
		return nil, err
	}
	byTopic := map[kafka.TopicPartition]kafka.Range{}
	for _, topic := range sinks.Topics() {
		for at, r := range ends {
			if at.Topic == topic.Name(cfg.Kafka.Prefix) {
				byTopic[kafka.TopicPartition{Topic: topic.String(), ID: at.ID}] = r
			}
		}
	}
	return byTopic, nil
}

// compare adds the ends, and the partitions that were not read at all yet.
func (s *sinkStatus) compare(ends map[kafka.TopicPartition]kafka.Range) {
	if ends == nil {
		return
	}
	lag := int64(0)
	for i := range s.Positions {
		p := &s.Positions[i]
		at := kafka.TopicPartition{Topic: p.Topic, ID: p.Partition}
		if r, ok := ends[at]; ok {
			p.End = &r.End
			lag += max(0, r.End-p.Next)
			delete(ends, at)
		}
	}
	for _, r := range ends {
		lag += r.End - r.Start
	}
	s.Lag = &lag
}

func (s *sinkStatus) show(cmd *cobra.Command, unreachable error) error {
	out := cmd.OutOrStdout()
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	sayf(w, "TOPIC\tPARTITION\tNEXT\tEND\tLAG\tWRITTEN\n")
	for _, p := range s.Positions {
		end, lag := "-", "-"
		if p.End != nil {
			end, lag = fmt.Sprint(*p.End), fmt.Sprint(max(0, *p.End-p.Next))
		}
		sayf(w, "%s\t%d\t%d\t%s\t%s\t%s\n", p.Topic, p.Partition, p.Next, end, lag, p.At.Local().Format("2006-01-02 15:04:05"))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	sayf(out, "%s: %.1f MiB", s.File, float64(s.Bytes)/(1<<20))
	if s.Lag != nil {
		sayf(out, ", %d offsets behind", *s.Lag)
	}
	sayf(out, ", %d records set aside\n", s.Letters)
	for _, l := range s.Newest {
		sayf(out, "  %s/%d@%d  %s\n", l.Topic, l.Partition, l.Offset, oneLine(l.Reason))
	}
	if unreachable != nil {
		sayf(cmd.ErrOrStderr(), "the broker does not tell how long the topics are: %v\n", unreachable)
	}
	return nil
}

func (a *app) sinkRebuildCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rebuild",
		Short: "Delete the tables; the next up fills them from the topics",
		Long: `Delete the SQLite file. The next up fills it from the topics. Events that retention has removed from the topics are
then absent. up must not run meanwhile.`,
		Example: `  coexstream sink rebuild`,
		Args:    none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load(cmd, config.UpDefaults())
			if err != nil {
				return err
			}
			lock, err := embedded.Acquire(cfg.DataDir)
			if err != nil {
				return err
			}
			defer func() { _ = lock.Release() }()
			// The key may name a file of another program, which is not removed.
			file := readModelFile(cfg)
			if _, err := sqlite.Inspect(cmd.Context(), file, 0); errors.Is(err, fs.ErrNotExist) {
				sayf(cmd.OutOrStdout(), "there are no tables at %s\n", file)
				return nil
			} else if err != nil && (errors.Is(err, sqlite.ErrForeign) || cfg.IsSet("sink.sqlite.file")) {
				return fmt.Errorf("%w; nothing was removed", err)
			}
			for _, name := range sqlite.Files(file) {
				if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return err
				}
			}
			sayf(cmd.OutOrStdout(), "removed %s; the next 'coexstream up' fills it again\n", file)
			return nil
		},
	}
}
