package app

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks/webhook"
)

// jsonWebhookLetter is a letter of an endpoint for programs.
type jsonWebhookLetter struct {
	Place    string    `json:"place"`
	Endpoint string    `json:"endpoint"`
	Event    string    `json:"event"` // topic/partition/offset
	Business string    `json:"business,omitempty"`
	Reason   string    `json:"reason"`
	Answer   string    `json:"answer"`
	At       time.Time `json:"at"`
	Resent   bool      `json:"resent"`
}

func (a *app) webhookLettersCommand() *cobra.Command {
	output, all := "text", false
	cmd := &cobra.Command{
		Use:   "letters [ENDPOINT...]",
		Short: "List the events that endpoints did not take",
		Long: `List the letters of the endpoints: events that became no webhook. They are in the topic dlq, apart from the dead letters
of the processor. The reason webhook_refused means 4xx at each attempt. webhook_failing means that the endpoint failed
for this business only. webhook_invalid means that the record is no event. webhook_noformat means that the format cannot
represent the event.

'sink webhook resend --letters' sends them again.`,
		Example: `  coexstream sink webhook letters
  coexstream sink webhook letters crm --all --output json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkOutput(output, "text", "json"); err != nil {
				return err
			}
			cfg, _, err := a.loadBeside(cmd)
			if err != nil {
				return err
			}
			conn, err := connectionOf(cfg, a.logger(cfg))
			if err != nil {
				return err
			}
			book, err := readWebhookLetters(cmd.Context(), conn, cfg)
			if err != nil {
				return err
			}
			letters := []jsonWebhookLetter{}
			for _, l := range book.Letters(args...) {
				if all || !l.Resent {
					letters = append(letters, jsonWebhookLetter{
						fmt.Sprintf("%d/%d", l.Partition, l.Offset), l.Endpoint, fmt.Sprintf("%s/%d/%d", l.Topic, l.Partition, l.At), l.Business, string(l.Reason), l.Answer, l.Time.UTC(), l.Resent,
					})
				}
			}
			if output == "json" {
				return writeJSON(cmd.OutOrStdout(), letters)
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			sayf(w, "PLACE\tENDPOINT\tEVENT\tBUSINESS\tREASON\tAT\tANSWER\n")
			for _, l := range letters {
				sayf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", l.Place, l.Endpoint, l.Event, oneLine(l.Business), l.Reason, l.At.Local().Format("2006-01-02 15:04:05"), oneLine(l.Answer))
			}
			return w.Flush()
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", output, "text or json")
	cmd.Flags().BoolVar(&all, "all", false, "also letters that were sent again")
	return cmd
}

func readWebhookLetters(ctx context.Context, conn kafka.Connection, cfg *config.Config) (*webhook.LetterBook, error) {
	reader, err := kafka.NewReader(conn, []string{schemas.TopicDLQ.Name(cfg.Kafka.Prefix)})
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	ranges, err := reader.Ranges(ctx, kafka.FromStart())
	if err != nil {
		return nil, err
	}
	book := webhook.NewLetterBook()
	err = reader.ReadRanges(ctx, ranges, func(r *kgo.Record) error {
		book.Add(r)
		return nil
	})
	return book, err
}
