package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/deadletter"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
)

func (a *app) dlqCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dlq",
		Short: "List, show, export and requeue dead letters",
		Long: `The topic dlq has the records that the processor could not process, unchanged: dead letters, or letters. The place
of a letter is its partition and offset in dlq, such as 3/17. A letter is open, requeued or parked.
A letter that returned ` + fmt.Sprint(schemas.DLQReturnsMax) + ` times after a requeue is parked.`,
		Example: `  coexstream dlq list
  coexstream dlq show 3/17
  coexstream dlq export --dir letters
  coexstream dlq requeue --reason body_too_long --dry-run`,
		Args: subcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.dlqListCommand(), a.dlqShowCommand(), a.dlqExportCommand(), a.dlqRequeueCommand())
	return cmd
}

// letterFilter is the filter that the flags select.
type letterFilter struct {
	filter       deadletter.Filter
	states       []string
	since, until string
}

func (o *letterFilter) flags(f *pflag.FlagSet) {
	f.SortFlags = false
	f.StringArrayVar(&o.filter.Reasons, "reason", nil, "only letters with this reason code; repeatable, as are topic and waba")
	f.StringArrayVar(&o.filter.Topics, "topic", nil, "only letters from this topic: raw.live or raw.bulk")
	f.StringArrayVar(&o.filter.WABAs, "waba", nil, "only letters of this WhatsApp Business Account, by key or body")
	f.StringVar(&o.since, "since", "", "only failures since this time: 2d ago, or 2006-01-02T15:04:05Z")
	f.StringVar(&o.until, "until", "", "only failures before this time")
}

func (o *letterFilter) read(now time.Time) (*deadletter.Filter, error) {
	var err error
	if o.filter.From, err = pointInTime("since", o.since, now); err != nil {
		return nil, err
	}
	if o.filter.Until, err = pointInTime("until", o.until, now); err != nil {
		return nil, err
	}
	if err := inOrder(o.filter.From, o.filter.Until); err != nil {
		return nil, err
	}
	for _, r := range o.filter.Reasons {
		if !slices.Contains(schemas.Reasons(), schemas.Reason(r)) {
			return nil, invalidUsage("--reason", r, "%s", listed(schemas.Reasons()))
		}
	}
	for _, t := range o.filter.Topics {
		if topic, ok := schemas.ParseTopic(t); !ok || !topic.Raw() {
			return nil, invalidUsage("--topic", t, "%s, %s", schemas.TopicRawLive, schemas.TopicRawBulk)
		}
	}
	if err := noneEmpty("waba", o.filter.WABAs); err != nil {
		return nil, err
	}
	for _, s := range o.states {
		if !slices.Contains(deadletter.States(), deadletter.State(s)) {
			return nil, invalidUsage("--state", s, "%s", listed(deadletter.States()))
		}
		o.filter.States = append(o.filter.States, deadletter.State(s))
	}
	return &o.filter, nil
}

// listed returns a list of allowed values.
func listed[T ~string](values []T) string {
	names := make([]string, len(values))
	for i, v := range values {
		names[i] = string(v)
	}
	return strings.Join(names, ", ")
}

// noneEmpty refuses an empty value, which a script may pass for an unset variable. It would select letters by chance.
func noneEmpty(flag string, values []string) error {
	if slices.Contains(values, "") {
		return invalidUsage("--"+flag, "", "a value")
	}
	return nil
}

// letters reads all of dlq, because notes are behind their letters.
func (a *app) letters(cmd *cobra.Command) (*config.Config, *deadletter.Book, error) {
	cfg, _, err := a.loadBeside(cmd)
	if err != nil {
		return nil, nil, err
	}
	conn, err := connectionOf(cfg, a.logger(cfg))
	if err != nil {
		return nil, nil, err
	}
	book, err := readLetters(cmd.Context(), conn, cfg.Kafka.Prefix)
	return cfg, book, err
}

func readLetters(ctx context.Context, conn kafka.Connection, prefix string) (*deadletter.Book, error) {
	reader, err := kafka.NewReader(conn, []string{schemas.TopicDLQ.Name(prefix)})
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	ranges, err := reader.Ranges(ctx, kafka.FromStart())
	if err != nil {
		return nil, err
	}
	book := deadletter.NewBook()
	err = reader.ReadRanges(ctx, ranges, func(r *kgo.Record) error {
		l := deadletter.Record{
			Place: deadletter.Place{Partition: r.Partition, Offset: r.Offset},
			Time:  r.Timestamp, Key: r.Key, Value: r.Value, Headers: make([]deadletter.Header, 0, len(r.Headers)),
		}
		for _, h := range r.Headers {
			l.Headers = append(l.Headers, deadletter.Header(h))
		}
		book.Add(l)
		return nil
	})
	return book, err
}

// jsonLetter is the JSON form of a letter.
type jsonLetter struct {
	Place    string            `json:"place"`
	State    deadletter.State  `json:"state"`
	Reason   string            `json:"reason"`
	Message  string            `json:"message"`
	Attempts int               `json:"attempts"`
	Failed   time.Time         `json:"failed_at"`
	Topic    string            `json:"topic"`
	Origin   string            `json:"origin"`
	Key      string            `json:"key"`
	Bytes    int               `json:"bytes"`
	Headers  map[string]string `json:"headers,omitempty"`
	// One of them, if the letter is shown whole: text for UTF-8, else base64.
	Text   *string `json:"text,omitempty"`
	Base64 []byte  `json:"base64,omitempty"`
}

func jsonOfLetter(l *deadletter.Letter, whole bool) jsonLetter {
	j := jsonLetter{
		Place: l.Place.String(), State: l.State, Reason: l.Reason(), Message: l.Header(schemas.HeaderDLQMessage), Attempts: l.Attempts(),
		Failed: l.At().UTC(), Topic: l.Topic(), Origin: originOf(l), Key: string(l.Key), Bytes: len(l.Value),
	}
	if !whole {
		return j
	}
	j.Headers = map[string]string{}
	for _, h := range l.Headers {
		j.Headers[h.Key] = string(h.Value)
	}
	if utf8.Valid(l.Value) {
		text := string(l.Value)
		j.Text = &text
	} else {
		j.Base64 = l.Value
	}
	return j
}

func originOf(l *deadletter.Letter) string {
	return l.Topic() + "/" + l.Header(schemas.HeaderDLQPartition) + "/" + l.Header(schemas.HeaderDLQOffset)
}

func (a *app) dlqListCommand() *cobra.Command {
	var o letterFilter
	output, limit := "text", 0
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List dead letters",
		Example: `  coexstream dlq list --since 2d
  coexstream dlq list --reason event_too_long --state parked --output json`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output, "text", "json"); err != nil {
				return err
			}
			if limit < 0 {
				return invalidUsage("--limit", limit, "0 or more")
			}
			filter, err := o.read(time.Now())
			if err != nil {
				return err
			}
			_, book, err := a.letters(cmd)
			if err != nil {
				return err
			}
			letters := book.Select(filter)
			more := 0
			if limit > 0 && len(letters) > limit {
				more = len(letters) - limit
				letters = letters[more:]
			}
			if output == "json" {
				list := make([]jsonLetter, 0, len(letters))
				for _, l := range letters {
					list = append(list, jsonOfLetter(l, false))
				}
				return writeJSON(cmd.OutOrStdout(), list)
			}
			return listLetters(cmd.OutOrStdout(), letters, more)
		},
	}
	o.flags(cmd.Flags())
	cmd.Flags().StringArrayVar(&o.states, "state", nil, "only letters in this state: open, requeued or parked; repeatable")
	cmd.Flags().IntVarP(&limit, "limit", "n", 0, "maximum number of letters, the newest; 0: all")
	cmd.Flags().StringVarP(&output, "output", "o", output, "text or json")
	return cmd
}

func listLetters(out io.Writer, letters []*deadletter.Letter, more int) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	sayf(w, "PLACE\tFAILED\tSTATE\tATTEMPTS\tREASON\tORIGIN\tKEY\tBYTES\n")
	for _, l := range letters {
		sayf(w, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%d\n", l.Place, l.At().Local().Format("2006-01-02 15:04:05"), l.State, l.Attempts(),
			or(l.Reason(), "-"), originOf(l), or(shorten(string(l.Key)), "-"), len(l.Value))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	sayf(out, "%s", counted(len(letters), "letter"))
	if more > 0 {
		sayf(out, ", %d older ones left out", more)
	}
	sayf(out, "\n")
	return nil
}

func (a *app) dlqShowCommand() *cobra.Command {
	output, raw := "text", false
	cmd := &cobra.Command{
		Use:   "show PLACE",
		Short: "Show a dead letter: headers, and the beginning of the body",
		Example: `  coexstream dlq show 3/17
  coexstream dlq show 3/17 --raw > body.json`,
		Args: atLeast(1, "the place of a letter"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkOutput(output, "text", "json"); err != nil {
				return err
			}
			if len(args) > 1 {
				return usagef("want one place, got %d", len(args))
			}
			place, err := deadletter.ParsePlace(args[0])
			if err != nil {
				return usageError{err}
			}
			_, book, err := a.letters(cmd)
			if err != nil {
				return err
			}
			l, ok := book.Find(place)
			if !ok {
				return noLetter(place)
			}
			out := cmd.OutOrStdout()
			switch {
			case raw:
				_, err = out.Write(l.Value)
				return err
			case output == "json":
				return writeJSON(out, jsonOfLetter(l, true))
			}
			return showLetter(out, l)
		},
	}
	cmd.Flags().BoolVar(&raw, "raw", false, "print the bytes of the body only, all of them")
	cmd.Flags().StringVarP(&output, "output", "o", output, "text or json")
	return cmd
}

func noLetter(p deadletter.Place) error {
	return fmt.Errorf("there is no dead letter at %s; `coexstream dlq list` shows those that are there", p)
}

// bodyShown bounds the shown part of a body.
const bodyShown = 4 << 10

func showLetter(out io.Writer, l *deadletter.Letter) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	sayf(w, "place\t%s\n", l.Place)
	sayf(w, "state\t%s\n", l.State)
	sayf(w, "failed\t%s\n", l.At().Local().Format(time.RFC3339))
	sayf(w, "key\t%s\n", or(printable(l.Key), "-"))
	for _, h := range l.Headers {
		sayf(w, "%s\t%s\n", h.Key, printable(h.Value))
	}
	sayf(w, "body\t%d bytes\n", len(l.Value))
	if err := w.Flush(); err != nil {
		return err
	}
	sayf(out, "\n%s\n", printable(l.Value[:min(len(l.Value), bodyShown)]))
	if n := len(l.Value) - bodyShown; n > 0 {
		sayf(out, "… and %d bytes more: --raw shows them\n", n)
	}
	return nil
}

// printable removes control characters except line ends: a body comes from anybody.
func printable(b []byte) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r >= ' ' && r != 0x7f && (r < 0x80 || r > 0x9f) && r != '\u202e' && r != '\u2066' && r != '\u2067' {
			return r
		}
		return utf8.RuneError
	}, strings.ToValidUTF8(string(b), string(utf8.RuneError)))
}

func encodeLine(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
