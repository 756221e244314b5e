package app

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks"
)

// lettersShown bounds the letters that `sink status` lists.
const lettersShown = 20

// sinkStatus is the state of the tables as JSON.
type sinkStatus struct {
	File      string         `json:"file,omitempty"`
	Schema    string         `json:"schema,omitempty"`
	Version   int64          `json:"version,omitempty"` // of the tables of the schema
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

func newSinkStatus(in *sinks.Inspection) *sinkStatus {
	s := &sinkStatus{Bytes: in.Bytes, Letters: in.LetterSum, Positions: []sinkPosition{}}
	for _, p := range in.Positions {
		s.Positions = append(s.Positions, sinkPosition{Topic: p.Topic, Partition: p.Partition, Next: p.Next, At: p.At.UTC()})
	}
	for _, l := range in.Letters {
		s.Newest = append(s.Newest, sinkLetter{l.Topic, l.Partition, l.Offset, l.At.UTC(), l.Reason})
	}
	return s
}

// tell compares the tables with the topics, and prints the result.
func (s *sinkStatus) tell(cmd *cobra.Command, cfg *config.Config, log *slog.Logger, output string) error {
	// The broker is asked last, so that the tables are never ahead of it.
	ends, unreachable := sinkEnds(cmd.Context(), cfg, log)
	s.compare(ends)
	if output == "json" {
		return writeJSON(cmd.OutOrStdout(), s)
	}
	return s.show(cmd, unreachable)
}

// sinkEnds returns the ends of the topics.
func sinkEnds(ctx context.Context, cfg *config.Config, log *slog.Logger) (map[kafka.TopicPartition]kafka.Range, error) {
	conn, err := connectionOf(cfg, log)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, topic := range sinks.TableTopics() {
		names = append(names, topic.Name(cfg.Kafka.Prefix))
	}
	reader, err := kafka.NewReader(conn, names)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	reader.MayMiss(schemas.TopicAssets.Name(cfg.Kafka.Prefix))
	ends, err := reader.Ranges(ctx, kafka.FromStart())
	if err != nil {
		return nil, err
	}
	byTopic := map[kafka.TopicPartition]kafka.Range{}
	for _, topic := range sinks.TableTopics() {
		for at, r := range ends {
			if at.Topic == topic.Name(cfg.Kafka.Prefix) {
				byTopic[kafka.TopicPartition{Topic: topic.String(), ID: at.ID}] = r
			}
		}
	}
	return byTopic, nil
}

// compare adds the ends, and the partitions that were never read.
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
	sayf(out, "%s: %.1f MiB", cmp.Or(s.File, "schema "+s.Schema), float64(s.Bytes)/(1<<20))
	if s.Lag != nil {
		sayf(out, ", %d offsets behind", *s.Lag)
	}
	sayf(out, ", %d records set aside\n", s.Letters)
	for _, l := range s.Newest {
		sayf(out, "  %s/%d@%d  %s\n", l.Topic, l.Partition, l.Offset, oneLine(l.Reason))
	}
	if unreachable != nil {
		sayf(cmd.ErrOrStderr(), "the lengths of the topics are unknown: %v\n", unreachable)
	}
	return nil
}
