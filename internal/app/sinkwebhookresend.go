package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/sinks/webhook"
	"github.com/coexstream/coexstream/sinks/webhook/queue"
)

type webhookResend struct {
	since, until string
	letters      bool
	dryRun       bool
	selection    webhook.Selection
}

func (a *app) webhookResendCommand() *cobra.Command {
	o := webhookResend{}
	cmd := &cobra.Command{
		Use:   "resend ENDPOINT",
		Short: "Send events to an endpoint again",
		Long: `Send events again that the topics still hold, with the ids that they had, one request at a time. The filter of the
endpoint applies. Choose by time of receipt, business or wamid; choices of different kinds must all apply.

--letters sends the letters of the endpoint instead, in the order of their events, and marks each one that was
accepted. The running sink is not disturbed: it may send newer events of the same business meanwhile. The command ends
at the first event for which the endpoint does not work. The exit code is 1 if the endpoint did not accept an event.`,
		Example: `  coexstream sink webhook resend crm --since 2h --waba 102290129340398
  coexstream sink webhook resend crm --wamid wamid.HBgLMTY1MDU1NTEyMzQVAgASGBQ5OUI4RjlFRTNEMkEyQTU2NEM4MgA=
  coexstream sink webhook resend crm --letters --dry-run`,
		Args: exactly(1, "the name of an endpoint"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.webhookResend(cmd, args[0], &o) },
	}
	f := cmd.Flags()
	bindEndpoints(cmd)
	f.StringVar(&o.since, "since", "", "only webhooks received since this time: 2d ago, or 2006-01-02T15:04:05Z")
	f.StringVar(&o.until, "until", "", "only webhooks received before this time")
	f.StringArrayVar(&o.selection.WABAs, "waba", nil, "only events of this WhatsApp Business Account; repeatable")
	f.StringArrayVar(&o.selection.WAMIDs, "wamid", nil, "only events of this message: content, edits, statuses; repeatable")
	f.BoolVar(&o.letters, "letters", false, "send the letters of the endpoint")
	f.BoolVar(&o.dryRun, "dry-run", false, "only list what would be sent")
	return cmd
}

func (a *app) webhookResend(cmd *cobra.Command, name string, o *webhookResend) error {
	var err error
	s, now := &o.selection, time.Now()
	if s.From, err = pointInTime("since", o.since, now); err != nil {
		return err
	}
	if s.Until, err = pointInTime("until", o.until, now); err != nil {
		return err
	}
	if err := errors.Join(inOrder(s.From, s.Until), noneEmpty("waba", s.WABAs), noneEmpty("wamid", s.WAMIDs)); err != nil {
		return err
	}
	chosen := o.since != "" || o.until != "" || len(s.WABAs)+len(s.WAMIDs) > 0
	if chosen == o.letters {
		return usagef("choose events by --since, --until, --waba or --wamid, or send the --letters")
	}
	cfg, _, err := a.loadBeside(cmd)
	if err != nil {
		return err
	}
	e, err := endpointNamed(cfg, name)
	if err != nil {
		return err
	}
	conn, err := connectionOf(cfg, a.logger(cfg))
	if err != nil {
		return err
	}
	out := &resending{cmd: cmd, dryRun: o.dryRun, to: webhook.NewResender(e, userAgent(), time.Now)}
	defer out.to.Close()
	if o.letters {
		err = out.letters(cmd.Context(), conn, cfg, name)
	} else {
		err = out.events(cmd.Context(), conn, cfg, e, s)
	}
	verb := "sent"
	if o.dryRun {
		verb = "would be sent"
	}
	sayf(cmd.OutOrStdout(), "%s %s, %d not accepted\n", counted(out.sent, "event"), verb, out.failed)
	if out.unfit > 0 {
		sayf(cmd.OutOrStdout(), "%s cannot be sent in the format of the endpoint; 'sink webhook letters' shows why\n", counted(out.unfit, "letter"))
	}
	if err == nil && out.failed > 0 {
		err = errors.New("the endpoint did not accept all events")
	}
	return err
}

// resending sends events again, and counts.
type resending struct {
	cmd          *cobra.Command
	dryRun       bool
	to           *webhook.Resender
	sent, failed int
	unfit        int // letters that can never be sent
}

// did prints the outcome of an event. It returns an error if the rest need not be tried.
func (r *resending) did(what string, err error) error {
	if cause := r.cmd.Context().Err(); cause != nil {
		return cause
	}
	if err != nil {
		r.failed++
		if errors.Is(err, webhook.ErrAway) {
			return err
		}
		sayf(r.cmd.ErrOrStderr(), "%v\n", err)
		return nil
	}
	r.sent++
	sayf(r.cmd.OutOrStdout(), "%s\n", what)
	return nil
}

func (r *resending) events(ctx context.Context, conn kafka.Connection, cfg *config.Config, e *webhook.Endpoint, s *webhook.Selection) error {
	reader, err := kafka.NewReader(conn, e.TopicNames(cfg.Kafka.Prefix))
	if err != nil {
		return err
	}
	defer reader.Close()
	ranges, err := reader.Ranges(ctx, kafka.FromStart())
	if err != nil {
		return err
	}
	return reader.ReadRanges(ctx, ranges, func(rec *kgo.Record) error {
		topic, ok := webhook.TopicOf(rec.Topic, cfg.Kafka.Prefix)
		if !ok {
			return nil
		}
		it := r.to.Event(topic, rec, s)
		if it == nil {
			return nil
		}
		return r.did(itemLine(it), r.send(ctx, it))
	})
}

func (r *resending) send(ctx context.Context, it *queue.Item) error {
	if r.dryRun {
		return nil
	}
	return r.to.Send(ctx, it)
}

func itemLine(it *queue.Item) string {
	return fmt.Sprintf("%s/%d@%d  %s  %s  %s", it.Topic, it.Partition, it.Offset, it.Event.ID, it.Event.Type, oneLine(it.Business))
}

func (r *resending) letters(ctx context.Context, conn kafka.Connection, cfg *config.Config, name string) error {
	book, err := readWebhookLetters(ctx, conn, cfg)
	if err != nil {
		return err
	}
	notes, err := webhook.NewKafkaLetters(conn, cfg.Kafka.Prefix, int32(cfg.Topics.MaxMessageBytes)) //nolint:gosec // at most 1 GiB
	if err != nil {
		return err
	}
	defer notes.Close()
	for _, l := range book.Letters(name) {
		if l.Resent {
			continue
		}
		it, err := r.to.Letter(l)
		if err != nil {
			r.unfit++
			continue
		}
		if err = r.send(ctx, it); err == nil && !r.dryRun {
			if err := notes.Resent(ctx, l.Partition, l.Offset); err != nil {
				return err
			}
		}
		if err := r.did(fmt.Sprintf("%s/%d@%d  letter %d/%d  %s", l.Topic, l.Partition, l.At, l.Partition, l.Offset, oneLine(l.Business)), err); err != nil {
			return err
		}
	}
	return nil
}
