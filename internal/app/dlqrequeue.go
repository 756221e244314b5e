package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/deadletter"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/internal/private"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/segment"
)

func (a *app) dlqExportCommand() *cobra.Command {
	var o letterFilter
	dir := ""
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write dead letters to standard output, a line of JSON each, or to files",
		Long: `Write whole dead letters, as lines of JSON on standard output or into a folder. There, PARTITION-OFFSET.body has
the exact bytes of a letter and PARTITION-OFFSET.json the rest.`,
		Example: `  coexstream dlq export > letters.ndjson
  coexstream dlq export --dir letters --reason json_invalid`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			filter, err := o.read(time.Now())
			if err != nil {
				return err
			}
			_, book, err := a.letters(cmd)
			if err != nil {
				return err
			}
			letters := book.Select(filter)
			if dir == "" {
				for _, l := range letters {
					if err := encodeLine(cmd.OutOrStdout(), jsonOfLetter(l, true)); err != nil {
						return err
					}
				}
				return nil
			}
			return exportLetters(cmd, dir, letters)
		},
	}
	o.flags(cmd.Flags())
	cmd.Flags().StringArrayVar(&o.states, "state", nil, "only letters in this state: open, requeued or parked; repeatable")
	cmd.Flags().StringVar(&dir, "dir", "", "folder for two files per letter; created if missing")
	return cmd
}

func exportLetters(cmd *cobra.Command, dir string, letters []*deadletter.Letter) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	for _, l := range letters {
		name := filepath.Join(dir, fmt.Sprintf("%d-%d", l.Partition, l.Offset))
		j := jsonOfLetter(l, true)
		j.Text, j.Base64 = nil, nil
		about, err := jsonOf(j)
		if err != nil {
			return err
		}
		// A body is private: only the owner of the folder may read it.
		if err := errors.Join(private.Replace(name+".body", l.Value), private.Replace(name+".json", about)); err != nil {
			return fmt.Errorf("export letter %s: %w", l.Place, err)
		}
	}
	sayf(cmd.OutOrStdout(), "%s written to %s\n", counted(len(letters), "letter"), dir)
	return nil
}

type requeueOptions struct {
	letterFilter
	all, force, dryRun bool
}

func (a *app) dlqRequeueCommand() *cobra.Command {
	var o requeueOptions
	cmd := &cobra.Command{
		Use:   "requeue [PLACE...]",
		Short: "Process dead letters again, after the cause was corrected",
		Long: `Write dead letters back to the raw topic they came from, with the same bytes and headers. The processor
processes the failed parts only. A letter that fails again returns as a new one, which counts the attempts.
After it returned ` + fmt.Sprint(schemas.DLQReturnsMax) + ` times, it is parked.

The topic dlq remembers each requeue, so a letter is requeued once. --force requeues such letters again, and
parked ones as well.`,
		Example: `  coexstream dlq requeue --reason event_too_long --dry-run
  coexstream dlq requeue --reason event_too_long
  coexstream dlq requeue 3/17 --force
  coexstream dlq requeue --all`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.requeue(cmd, args, &o) },
	}
	o.flags(cmd.Flags())
	cmd.Flags().BoolVar(&o.all, "all", false, "requeue all open letters")
	cmd.Flags().BoolVar(&o.force, "force", false, "include letters that are parked or were requeued before")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "list the letters without writing anything")
	return cmd
}

func (a *app) requeue(cmd *cobra.Command, args []string, o *requeueOptions) error {
	filter, err := o.read(time.Now())
	if err != nil {
		return err
	}
	filtered := len(filter.Reasons)+len(filter.Topics)+len(filter.WABAs) > 0 || o.since != "" || o.until != ""
	switch {
	case len(args) > 0 && (filtered || o.all), o.all && filtered:
		return usagef("places, filters and --all exclude each other")
	case len(args) == 0 && !filtered && !o.all:
		return usagef("say which letters: their places, a filter, or --all")
	}
	var places []deadletter.Place
	for _, arg := range args {
		p, err := deadletter.ParsePlace(arg)
		if err != nil {
			return usageError{err}
		}
		places = append(places, p)
	}
	cfg, book, err := a.letters(cmd)
	if err != nil {
		return err
	}
	letters := book.Select(filter)
	if len(places) > 0 {
		letters = nil
		for _, p := range places {
			l, ok := book.Find(p)
			if !ok {
				return noLetter(p)
			}
			letters = append(letters, l)
		}
	}
	conn, err := connectionOf(cfg, a.logger(cfg))
	if err != nil {
		return err
	}
	out := newRequeuer(&conn, cfg.Kafka.Prefix)
	defer out.close()
	did, left := 0, 0
	for _, l := range letters {
		if why := l.Refusal(o.force); why != "" {
			left++
			if len(places) > 0 {
				sayf(cmd.ErrOrStderr(), "%s is not requeued: %s; --force requeues it\n", l.Place, why)
			}
			continue
		}
		if !o.dryRun {
			if err := out.requeue(cmd.Context(), l); err != nil {
				return err
			}
		}
		did++
		sayf(cmd.OutOrStdout(), "%s  %s  attempt %d  %s\n", l.Place, originOf(l), l.Attempts()+1, l.Reason())
	}
	verb := "requeued"
	if o.dryRun {
		verb = "would be requeued"
	}
	sayf(cmd.OutOrStdout(), "%s %s, %d left (parked, or requeued before)\n", counted(did, "letter"), verb, left)
	return nil
}

// requeuer writes letters back to the topics.
type requeuer struct {
	prefix    string
	conn      *kafka.Connection
	transport *kafkago.Transport
	client    *kafkago.Client
}

func newRequeuer(conn *kafka.Connection, prefix string) *requeuer {
	t := conn.Transport()
	return &requeuer{prefix: prefix, conn: conn, transport: t, client: &kafkago.Client{Addr: conn.Address(), Timeout: 30 * time.Second, Transport: t}}
}

func (q *requeuer) close() { q.transport.CloseIdleConnections() }

// requeue writes the record, then the note. After a kill between the two it is done again, and the processor, which
// knows the letter, drops the second record.
func (q *requeuer) requeue(ctx context.Context, l *deadletter.Letter) error {
	topic, headers := l.Requeue()
	if l.Without() {
		body, err := q.body(ctx, l)
		if err != nil {
			return fmt.Errorf("requeue letter %s: %w", l.Place, err)
		}
		l.Value = body
	}
	record := kafkago.Record{Value: kafkago.NewBytes(l.Value), Headers: kafkaHeaders(headers), Time: time.Now()}
	if len(l.Key) > 0 {
		record.Key = kafkago.NewBytes(l.Key)
	}
	_, err := q.produce(ctx, topic, l.Partition, record)
	if kafka.TooLarge(err) {
		_, err = kafka.Segmented(l.Value, len(l.Value)/2, func(value []byte, place []segment.Header) (int64, error) {
			part := record
			part.Value, part.Headers = kafkago.NewBytes(value), slices.Clone(record.Headers)
			for _, h := range place {
				part.Headers = append(part.Headers, kafkago.Header(h))
			}
			if part.Key != nil {
				part.Key = kafkago.NewBytes(l.Key) // a reader, which is used up
			}
			return q.produce(ctx, topic, l.Partition, part)
		})
	}
	if err != nil {
		return fmt.Errorf("requeue letter %s: %w", l.Place, err)
	}
	note := kafkago.Record{Headers: kafkaHeaders(l.Note()), Time: time.Now()}
	if _, err := q.produce(ctx, schemas.TopicDLQ, l.Partition, note); err != nil {
		return fmt.Errorf("letter %s is requeued, but that could not be noted: %w: the letter still shows as open", l.Place, err)
	}
	return nil
}

// body returns the body of a letter that has only its place in the raw log.
func (q *requeuer) body(ctx context.Context, l *deadletter.Letter) ([]byte, error) {
	topic, partition, offset, err := l.Origin()
	if err != nil {
		return nil, err
	}
	cl, err := kgo.NewClient(q.conn.Franz()...)
	if err != nil {
		return nil, fmt.Errorf("kafka client: %w", err)
	}
	defer cl.Close()
	f, name := kafka.NewFetcher(cl), topic.Name(q.prefix)
	got, err := f.Fetch(ctx, name, partition, offset, bodyFetchBytes, bodyFetchWait)
	if err != nil {
		return nil, fmt.Errorf("read the body at %s/%d@%d: %w", name, partition, offset, err)
	}
	for _, rec := range got.Records {
		if rec.Offset != offset {
			continue
		}
		whole, err := f.Whole(ctx, rec, nil)
		if err != nil || whole == nil {
			return nil, fmt.Errorf("read the body at %s/%d@%d: its segments are not all there: %w", name, partition, offset, err)
		}
		return whole.Value, nil
	}
	return nil, fmt.Errorf("the body at %s/%d@%d is no longer in the raw log", name, partition, offset)
}

const (
	bodyFetchBytes = 1 << 20 // a longer record comes whole
	bodyFetchWait  = 5 * time.Second
)

func (q *requeuer) produce(ctx context.Context, topic schemas.Topic, partition int32, r kafkago.Record) (int64, error) {
	return kafka.Produce(ctx, q.client, topic.Name(q.prefix), partition, 0, []kafkago.Record{r})
}

func kafkaHeaders(hs []deadletter.Header) []kafkago.Header {
	list := make([]kafkago.Header, 0, len(hs))
	for _, h := range hs {
		list = append(list, kafkago.Header(h))
	}
	return list
}
