package app

import (
	"errors"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks/postgres"
)

// erasure is the report of an erasure.
type erasure struct {
	*postgres.Erased
	DryRun bool        `json:"dry_run"`
	Topics []leftTopic `json:"topics"`
	Copies []leftCopy  `json:"copies"`
}

// leftCopy is another place that has data of the person: as far as the configuration names it.
type leftCopy struct {
	Place string `json:"place"`
	Note  string `json:"note"`
}

// leftTopic is a topic that may still have data of the person.
type leftTopic struct {
	Topic string `json:"topic"`
	// Until is when retention has removed all records that were written until now. Absent: the topic is compacted.
	Until *time.Time `json:"until,omitempty"`
	Note  string     `json:"note,omitempty"`
}

func (a *app) postgresEraseCommand() *cobra.Command {
	var p postgres.Person
	var dryRun bool
	output := "text"
	cmd := &cobra.Command{
		Use:   "erase",
		Short: "Remove what the tables hold of a person, with a report",
		Long: `Remove the messages, receipts, reactions and contact of a person from the tables, in one transaction. --contact is a
phone number in digits or a business-scoped user id. Other ids of the person are found by the links in contacts. A chat
with the person goes as a whole. In groups, the messages that the person sent go.

The report lists the removed rows, the rows that still mention an id, and copies that stay: those in Kafka until
retention, and those of other sinks of this configuration. The person stays erased: the table erased keeps a hash of
each id, and the sink leaves out events up to now, in a replay and a rebuild too. Later events are new data, and are
written. It needs a role that may delete rows of the schema, and no rebuild may run meanwhile.`,
		Example: `  coexstream sink postgres erase --contact 4917012345678 --dry-run
  coexstream sink postgres erase --contact 4917012345678 --phone-number-id 106540352242922`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output, "text", "json"); err != nil {
				return err
			}
			if p.ID = strings.TrimPrefix(strings.TrimSpace(p.ID), "+"); p.ID == "" {
				return usagef("--contact: no id is given; allowed: a phone number in digits, or a business-scoped user id")
			}
			cfg, _, err := a.loadBeside(cmd)
			if err != nil {
				return err
			}
			if err := haveURL(cfg); err != nil {
				return err
			}
			done, err := postgres.Erase(cmd.Context(), cfg.Sink.Postgres.URL, cfg.Sink.Postgres.Schema, p, dryRun)
			if done == nil {
				return err
			}
			e := &erasure{Erased: done, DryRun: dryRun, Topics: leftTopics(cfg, time.Now().UTC()), Copies: leftCopies(cfg)}
			if output == "json" {
				return errors.Join(writeJSON(cmd.OutOrStdout(), e), err)
			}
			return errors.Join(e.show(cmd), err)
		},
	}
	bindPostgres(cmd)
	f := cmd.Flags()
	f.StringVar(&p.ID, "contact", "", "phone number in digits, or business-scoped user id")
	f.StringVar(&p.Number, "phone-number-id", "", "only at this business number (default all)")
	f.BoolVar(&dryRun, "dry-run", false, "show what would be removed, and remove nothing")
	f.StringVarP(&output, "output", "o", output, "text or json")
	return cmd
}

// leftTopics returns the topics that may have data of a person, and until when.
func leftTopics(cfg *config.Config, now time.Time) (all []leftTopic) {
	layout := layoutOf(cfg)
	for _, topic := range schemas.Topics() {
		left := leftTopic{Topic: topic.Name(cfg.Kafka.Prefix)}
		switch topic {
		case schemas.TopicContacts:
			left.Note = "keeps the address book's entry until the business removes the person in its app"
		case schemas.TopicState:
			left.Note = "can keep late changes of the address book's entry"
		case schemas.TopicSyncs, schemas.TopicAccount:
			continue // about numbers and businesses, not about people
		default:
			until := now.Add(layout.Retention(topic)).Truncate(time.Second)
			left.Until = &until
		}
		all = append(all, left)
	}
	return all
}

// leftCopies returns the copies that other sinks of this configuration made.
func leftCopies(cfg *config.Config) (all []leftCopy) {
	if file := readModelFile(cfg); fileExists(file) {
		all = append(all, leftCopy{file, "keeps the person. When the topics have lost their copies, stop 'up' and run 'coexstream sink rebuild'"})
	}
	if url := cfg.Sink.Archive.URL; url != "" {
		all = append(all, leftCopy{url, "keeps all records. Delete objects by the age of their records, with a lifecycle rule"})
	}
	if file := cfg.Sink.Webhook.EndpointsFile; file != "" {
		all = append(all, leftCopy{file, "names endpoints that got the events"})
	}
	return all
}

func fileExists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

func (e *erasure) show(cmd *cobra.Command) error {
	out := cmd.OutOrStdout()
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	sayf(w, "TABLE\tREMOVED\n")
	for _, r := range e.Removed {
		sayf(w, "%s\t%d\n", r.Table, r.Rows)
	}
	sayf(w, "\nTOPIC\tHOLDS COPIES UNTIL\n")
	for _, t := range e.Topics {
		until := t.Note
		if t.Until != nil {
			until = t.Until.Local().Format("2006-01-02 15:04")
		}
		sayf(w, "%s\t%s\n", t.Topic, until)
	}
	if len(e.Copies) > 0 {
		sayf(w, "\nOTHER COPIES\n")
	}
	for _, c := range e.Copies {
		sayf(w, "%s\t%s\n", c.Place, c.Note)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	var ids []string
	for _, id := range e.IDs {
		ids = append(ids, oneLine(id.String()))
	}
	sayf(out, "\nids: %s\n", strings.Join(ids, ", "))
	for _, m := range e.Mentions {
		if m.Rows > 0 {
			sayf(out, "%d rows of %s stay and contain one of the ids\n", m.Rows, m.Table)
		}
	}
	if len(e.Objects) > 0 {
		sayf(out, "objects in the bucket that no row names any more; remove them there:\n")
	}
	for _, object := range e.Objects {
		sayf(out, "  %s\n", oneLine(object))
	}
	if e.DryRun {
		sayf(out, "nothing was removed (--dry-run)\n")
	}
	return nil
}
