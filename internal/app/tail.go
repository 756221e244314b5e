package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
)

type tailOptions struct {
	output    string
	filter    tailFilter
	beginning bool
	since     string
	limit     int
	noFollow  bool
}

func (a *app) tailCommand() *cobra.Command {
	o := tailOptions{output: "text"}
	names := make([]string, 0, len(schemas.Topics()))
	for _, t := range schemas.Topics() {
		names = append(names, t.String())
	}
	cmd := &cobra.Command{
		Use:   "tail TOPIC...",
		Short: "Follow topics, one line per record",
		Long: `Follow the committed records of topics, from now on or from a point in the past. Name topics without
their prefix: ` + strings.Join(names, ", ") + `.

Text output has the time, business, number, thread, direction, type and text of an event. JSON output has the whole
record on one line: topic, partition, offset, time, key, headers and value. A value that is not UTF-8 is in
value_base64.`,
		Example: `  coexstream tail history --from-beginning
  coexstream tail messages echoes --since 1h --number 200000000000001
  coexstream tail dlq --from-beginning --no-follow --output json`,
		Args:      atLeast(1, "at least one topic"),
		ValidArgs: names,
		RunE:      func(cmd *cobra.Command, args []string) error { return a.tail(cmd, args, o) },
	}
	f := cmd.Flags()
	f.StringVarP(&o.output, "output", "o", o.output, "text or json")
	f.StringVar(&o.filter.waba, "waba", "", "only records of this WhatsApp Business Account")
	f.StringVar(&o.filter.number, "number", "", "only records of this number: its phone_number_id or its digits")
	f.StringVar(&o.filter.thread, "thread", "", "only records of the thread with this user: phone number or BSUID")
	f.BoolVar(&o.beginning, "from-beginning", false, "start with the oldest record")
	f.StringVar(&o.since, "since", "", "start this long ago (30m, 2d), or at this time (2006-01-02T15:04:05Z)")
	f.IntVarP(&o.limit, "limit", "n", 0, "end after this many records; 0: no limit")
	f.BoolVar(&o.noFollow, "no-follow", false, "end after the last record that exists at the start")
	return cmd
}

func (a *app) tail(cmd *cobra.Command, args []string, o tailOptions) error {
	if err := checkOutput(o.output, "text", "json"); err != nil {
		return err
	}
	from, err := o.start(time.Now())
	if err != nil {
		return err
	}
	cfg, _, err := a.loadBeside(cmd)
	if err != nil {
		return err
	}
	topics, err := tailTopics(args, cfg.Kafka.Prefix)
	if err != nil {
		return err
	}
	conn, err := connectionOf(cfg, a.logger(cfg))
	if err != nil {
		return err
	}
	reader, err := kafka.NewReader(conn, topics)
	if err != nil {
		return err
	}
	defer reader.Close()

	out, shown := cmd.OutOrStdout(), 0
	show := func(r *kgo.Record) error {
		e := readEntry(r, cfg.Kafka.Prefix)
		if !o.filter.match(e) {
			return nil
		}
		line := e.text(len(topics) > 1)
		if o.output == "json" {
			if line, err = e.json(); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
		if shown++; shown == o.limit {
			return kafka.ErrStop
		}
		return nil
	}
	err = readTopics(cmd.Context(), reader, from, o.noFollow, show)
	if errors.Is(err, context.Canceled) && cmd.Context().Err() != nil {
		err = nil // Ctrl-C is the normal end of tail
	}
	return err
}

func readTopics(ctx context.Context, reader *kafka.Reader, from kafka.Start, noFollow bool, show func(*kgo.Record) error) error {
	if !noFollow {
		return reader.Follow(ctx, from, show)
	}
	ranges, err := reader.Ranges(ctx, from)
	if err != nil {
		return err
	}
	return reader.ReadRanges(ctx, ranges, show)
}

func (o *tailOptions) start(now time.Time) (kafka.Start, error) {
	if o.since != "" && o.beginning {
		return kafka.Start{}, usagef("--since and --from-beginning exclude each other")
	}
	if o.limit < 0 {
		return kafka.Start{}, invalidUsage("--limit", o.limit, "0 or more")
	}
	if o.since == "" {
		// Without following, a start at the end would show nothing.
		if o.beginning || o.noFollow {
			return kafka.FromStart(), nil
		}
		return kafka.FromEnd(), nil
	}
	if d, err := config.ParseDuration(o.since); err == nil && d > 0 {
		return kafka.FromTime(now.Add(-d)), nil
	}
	at, err := time.Parse(time.RFC3339, o.since)
	if err != nil {
		return kafka.Start{}, invalidUsage("--since", o.since, "a duration such as 30m or 2d, or a time such as 2006-01-02T15:04:05Z")
	}
	return kafka.FromTime(at), nil
}

// tailTopics accepts names with or without the prefix.
func tailTopics(args []string, prefix string) ([]string, error) {
	topics := make([]string, 0, len(args))
	for _, arg := range args {
		t, ok := schemas.ParseTopic(arg)
		if !ok {
			t, ok = schemas.ParseTopic(strings.TrimPrefix(arg, prefix))
		}
		if !ok {
			known := make([]string, 0, len(schemas.Topics()))
			for _, t := range schemas.Topics() {
				known = append(known, t.String())
			}
			return nil, invalidUsage("topic", arg, "%s", strings.Join(known, ", "))
		}
		topics = append(topics, t.Name(prefix))
	}
	return topics, nil
}
