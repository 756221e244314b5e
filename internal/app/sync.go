package app

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/coexstream/coexstream/internal/desk"
	"github.com/coexstream/coexstream/internal/desk/office"
	"github.com/coexstream/coexstream/schemas/syncrequest"
)

// syncFlags are the flags of the commands below sync.
type syncFlags struct {
	output, onboardedAt string
	only                []string
	wish                office.Wish
}

func (a *app) syncCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sync",
		Short: "Request the sync of an onboarded number, and watch it",
		Long: `Request the contacts and the history of a number that was onboarded with its WhatsApp Business app, and show the
state. The provider accepts each type once for an onboarding, within 24 hours. So 'sync start' makes a preflight first, and
nothing is requested twice unasked.

The commands ask the desk of a running 'up' or 'coexstream desk' (desk.url), which has the tokens. docs/desk.md
explains each state.`,
		Example: `  coexstream sync plan --phone-number-id 106540352242922 --waba 102290129340398
  coexstream sync start --waba 102290129340398 --onboarded-at 2026-12-01T10:00:00Z
  coexstream sync watch --phone-number-id 106540352242922
  coexstream sync list`,
		Args: subcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	bind(cmd.PersistentFlags(), "desk", "desk.url", "base URL of the desk's admin listener")
	cmd.AddCommand(a.syncPlanCommand(), a.syncStartCommand(), a.syncStatusCommand(), a.syncWatchCommand(), a.syncListCommand())
	return cmd
}

func (f *syncFlags) ids(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.wish.PhoneNumberID, "phone-number-id", "", "the number's id")
	cmd.Flags().StringVar(&f.wish.WABAID, "waba", "", "the WABA's id; alone, its only number is looked up")
}

func (f *syncFlags) outputFlag(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.output, "output", "o", "auto", "text, json, or auto: text on a terminal and json elsewhere")
}

func (f *syncFlags) wishFlags(cmd *cobra.Command) {
	f.ids(cmd)
	f.outputFlag(cmd)
	cmd.Flags().StringVar(&f.wish.Provider, "provider", "", "provider of the call (default meta)")
	cmd.Flags().StringVar(&f.onboardedAt, "onboarded-at", "", "when the business completed the signup, such as 2026-12-01T10:00:00Z; the 24 hours start then")
	cmd.Flags().StringSliceVar(&f.only, "only", nil, "contacts or history (default: both, contacts first)")
	cmd.Flags().BoolVar(&f.wish.NewOnboarding, "new-onboarding", false, "the business was offboarded and onboarded again at --onboarded-at, so both types can be requested again")
	cmd.Flags().StringVar(&f.wish.AskAgain, "ask-again", "", "`reason` for another request of the types that the provider did not accept, or of --only; a second request can fail or break the business's app")
}

func (f *syncFlags) read() (office.Wish, error) {
	w := f.wish
	if err := checkOutput(f.output, "auto", "text", "json"); err != nil {
		return w, err
	}
	if f.onboardedAt != "" {
		at, err := time.Parse(time.RFC3339, f.onboardedAt)
		if err != nil {
			return w, invalidUsage("--onboarded-at", f.onboardedAt, "a time such as 2026-12-01T10:00:00Z")
		}
		w.OnboardedAt = &at
	}
	for _, t := range f.only {
		w.Types = append(w.Types, syncrequest.SyncType(t))
	}
	if w.PhoneNumberID == "" && w.WABAID == "" {
		return w, usagef("give --phone-number-id or --waba")
	}
	return w, nil
}

// wishFor returns the wish of the flags, and the desk that it is for.
func (a *app) wishFor(cmd *cobra.Command, f *syncFlags) (office.Wish, *deskAPI, error) {
	w, err := f.read()
	if err != nil {
		return w, nil, err
	}
	d, err := a.deskAt(cmd)
	return w, d, err
}

func (f *syncFlags) json(out io.Writer) bool {
	return f.output == "json" || f.output == "auto" && !isTerminal(out)
}

func (a *app) syncPlanCommand() *cobra.Command {
	f := &syncFlags{}
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Make the preflight, and request nothing",
		Long: `Check the number's state, the app's subscriptions, and the way of a webhook through the public URL. Then check the doctor's
findings, room in the spool, and whether the types were requested before. Nothing is requested or written.
The exit code is 3 if a check fails.`,
		Example: `  coexstream sync plan --waba 102290129340398
  coexstream sync plan --phone-number-id 106540352242922 --output json | jq '.checks[] | select(.status == "fail")'`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, d, err := a.wishFor(cmd, f)
			if err != nil {
				return err
			}
			var plan office.Plan
			raw, err := d.call(cmd.Context(), http.MethodPost, "/v1/syncs/plan", w, &plan, http.StatusOK)
			if err != nil {
				return err
			}
			if err := f.show(cmd, raw, func(out io.Writer) { showPlan(out, &plan) }); err != nil {
				return err
			}
			if !plan.Passes {
				return errFaults
			}
			return nil
		},
	}
	f.wishFlags(cmd)
	return cmd
}

func (a *app) syncStartCommand() *cobra.Command {
	f := &syncFlags{}
	cmd := &cobra.Command{
		Use:   "start",
		Short: "Make the preflight, then request contacts and history",
		Long: `Make the preflight of 'sync plan'. If no check fails, the desk requests the contacts, then the history, each once. The
command returns when that is written down; 'sync watch' follows it. A repeated start changes nothing.

A request that was certainly not sent, or was refused for the rate or the token, is repeated by the desk. One with an
unknown outcome is not: look whether webhooks arrive, then decide. The exit code is 3 if a check fails.`,
		Example: `  coexstream sync start --waba 102290129340398 --onboarded-at 2026-12-01T10:00:00Z
  coexstream sync start --phone-number-id 106540352242922 --only history
  coexstream sync start --phone-number-id 106540352242922 --ask-again "no webhook came for a day, and support agrees"`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, d, err := a.wishFor(cmd, f)
			if err != nil {
				return err
			}
			var started office.Started
			raw, err := d.call(cmd.Context(), http.MethodPost, "/v1/syncs/start", w, &started, http.StatusAccepted, http.StatusConflict)
			if err != nil {
				return err
			}
			err = f.show(cmd, raw, func(out io.Writer) {
				showPlan(out, &started.Plan)
				if started.Status != nil {
					sayf(out, "\n%s\n", started.Status.Sentence)
				}
			})
			if err == nil && !started.Started {
				err = errFaults
			}
			return err
		},
	}
	f.wishFlags(cmd)
	cmd.Flags().StringSliceVar(&f.wish.Despite, "despite", nil, "names of failed checks that do not stop the request")
	return cmd
}

func (a *app) syncStatusCommand() *cobra.Command {
	f := &syncFlags{}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the state of a number, in one sentence",
		Example: `  coexstream sync status --phone-number-id 106540352242922
  coexstream sync status --waba 102290129340398 --output json`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, d, err := a.wishFor(cmd, f)
			if err != nil {
				return err
			}
			list, raw, err := d.statuses(cmd.Context(), f)
			if err != nil {
				return err
			}
			return f.show(cmd, raw, func(out io.Writer) {
				for _, s := range list {
					showStatus(out, s)
				}
			})
		},
	}
	f.ids(cmd)
	f.outputFlag(cmd)
	return cmd
}

func (a *app) syncWatchCommand() *cobra.Command {
	f := &syncFlags{}
	every := 2 * time.Second
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Follow a number until its syncs are requested, or a person has to decide",
		Long: `Print the state of a number at each change. The command ends with 0 when nothing is left to request, and with 3 when a
person has to decide.`,
		Example: `  coexstream sync watch --phone-number-id 106540352242922`,
		Args:    none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, d, err := a.wishFor(cmd, f)
			if err != nil {
				return err
			}
			return d.watch(cmd, f, every)
		},
	}
	f.ids(cmd)
	f.outputFlag(cmd)
	cmd.Flags().DurationVar(&every, "every", every, "time between two looks")
	return cmd
}

func (a *app) syncListCommand() *cobra.Command {
	f := &syncFlags{}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List all numbers whose sync was asked for",
		Example: `  coexstream sync list
  coexstream sync list --output json | jq -r '.syncs[] | select(.next == "person") | .phone_number_id'`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(f.output, "auto", "text", "json"); err != nil {
				return err
			}
			d, err := a.deskAt(cmd)
			if err != nil {
				return err
			}
			list, raw, err := d.statuses(cmd.Context(), f)
			if err != nil {
				return err
			}
			return f.show(cmd, raw, func(out io.Writer) { showStatuses(out, list) })
		},
	}
	f.outputFlag(cmd)
	cmd.Flags().StringVar(&f.wish.WABAID, "waba", "", "only numbers of this WABA")
	return cmd
}

// show prints the desk's JSON, or text.
func (f *syncFlags) show(cmd *cobra.Command, raw []byte, text func(io.Writer)) error {
	out := cmd.OutOrStdout()
	if f.json(out) {
		_, err := out.Write(raw)
		return err
	}
	text(out)
	return nil
}

func showPlan(out io.Writer, p *office.Plan) {
	sayf(out, "number %s of WABA %s, by %s\n", p.PhoneNumberID, p.WABAID, p.Provider)
	for _, c := range p.Checks {
		verdict := string(c.Verdict)
		if c.Verdict == desk.Fail {
			verdict = "FAIL"
		}
		sayf(out, "%-5s %-13s %s\n", verdict, c.Name, oneLine(c.Found))
		if c.Do != "" {
			sayf(out, "%-5s %-13s %s\n", "", "  do", c.Do)
		}
	}
}

func showStatus(out io.Writer, s *office.Status) {
	sayf(out, "%s (WABA %s): %s\n", s.PhoneNumberID, s.WABAID, s.Sentence)
}

func showStatuses(out io.Writer, list []*office.Status) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	sayf(w, "NUMBER\tWABA\tCONTACTS\tHISTORY\tNEXT\tDEADLINE\n")
	for _, s := range list {
		deadline := "-"
		if s.DeadlineAt != nil {
			deadline = s.DeadlineAt.Local().Format("2006-01-02 15:04")
		}
		sayf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", s.PhoneNumberID, s.WABAID, requestState(s.Contacts), requestState(s.History), s.Next, deadline)
	}
	_ = w.Flush()
}

func requestState(r *office.RequestStatus) string {
	if r == nil {
		return "-"
	}
	return cmp.Or(r.State, "-")
}

// watch prints each change until nothing is left to do, or a person has to decide.
func (d *deskAPI) watch(cmd *cobra.Command, f *syncFlags, every time.Duration) error {
	ctx, out, shown := cmd.Context(), cmd.OutOrStdout(), map[string]string{}
	for {
		list, _, err := d.statuses(ctx, f)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return fmt.Errorf("no sync of WABA %s was asked for", f.wish.WABAID)
		}
		open, person := false, false
		for _, s := range list {
			if shown[s.PhoneNumberID] != s.Sentence {
				shown[s.PhoneNumberID] = s.Sentence
				if f.json(out) {
					if err := encodeLine(out, s); err != nil {
						return err
					}
				} else {
					sayf(out, "%s  ", time.Now().Format("15:04:05"))
					showStatus(out, s)
				}
			}
			switch s.Next {
			case desk.Nothing.String():
			case desk.Person.String():
				person = true
			default:
				open = true
			}
		}
		switch {
		case open:
		case person:
			return errFaults
		default:
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(every):
		}
	}
}
