package desk

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coexstream/coexstream/schemas/syncrequest"
)

// Verdict is the verdict of a check.
type Verdict string

// The verdicts. Skip: the check is not possible here, and says why.
const (
	OK   Verdict = "ok"
	Warn Verdict = "warn"
	Fail Verdict = "fail"
	Skip Verdict = "skip"
)

// Check is one result of a preflight.
type Check struct {
	Name    string  `json:"check"`
	Verdict Verdict `json:"status"`
	Found   string  `json:"found"`
	Do      string  `json:"do,omitempty"`
}

// Fields are the webhook fields that a coexistence onboarding needs.
func Fields() []string {
	return []string{"history", "smb_app_state_sync", "smb_message_echoes", "account_update"}
}

// Facts are what a preflight looks at. An error stands for a fact that could not be gathered.
type Facts struct {
	Now   time.Time
	Reads bool // the provider's API can be asked

	NumberErr    error
	IsOnBizApp   *bool
	PlatformType string

	InWABA    bool // the number belongs to the WABA
	InWABAErr error

	AppID   string   // configured; empty: any
	Apps    []string // ids of the apps of the WABA
	AppsErr error

	FieldsSkip string // why the fields are not known
	Fields     []string
	FieldsErr  error

	PublicURL  string // empty: none is configured
	IngressErr error

	DoctorSkip  string
	DoctorFails []string
	// DoctorOthers are failed checks that say nothing of a request: letters, syncs and sinks of any business.
	DoctorOthers []string
	DoctorErr    error

	SpoolSkip           string
	SpoolUsed, SpoolMax int64
	SpoolErr            error

	Ledger     *Number // nil: nothing was asked
	Types      []syncrequest.SyncType
	New, Again bool
	// OnboardedAt is that of the request; 0: not known.
	OnboardedAt int64
}

type list struct{ checks []Check }

func (l *list) add(name string, v Verdict, do, found string, args ...any) {
	l.checks = append(l.checks, Check{Name: name, Verdict: v, Found: fmt.Sprintf(found, args...), Do: do})
}

// Judge returns the checks of a preflight, in their order.
func Judge(f *Facts) []Check {
	l := &list{}
	l.requested(f)
	l.window(f)
	l.number(f)
	l.subscription(f)
	l.fields(f)
	l.ingress(f)
	l.doctor(f)
	l.spool(f)
	return l.checks
}

// Passes reports whether no check failed.
func Passes(checks []Check) bool {
	return !slices.ContainsFunc(checks, func(c Check) bool { return c.Verdict == Fail })
}

func (l *list) requested(f *Facts) {
	if f.Ledger != nil && f.New && !f.Ledger.Anew(f.OnboardedAt) {
		l.add("requested", Fail, "Look at sync status. If the business was onboarded again since then, give that time with --onboarded-at.",
			"the last request, at %s, is not older than the new onboarding", time.UnixMilli(f.Ledger.lastRequest()).UTC().Format(time.RFC3339))
		return
	}
	if f.Ledger == nil || f.New {
		l.add("requested", OK, "", "nothing was requested in this onboarding")
		return
	}
	var known []string
	for _, t := range f.Types {
		if r := f.Ledger.Requests[t]; r.Known() {
			known = append(known, fmt.Sprintf("%s was requested at %s: %s", t, time.UnixMilli(r.At).UTC().Format(time.RFC3339), r.State))
		}
	}
	switch {
	case len(known) == 0:
		l.add("requested", OK, "", "nothing was requested in this onboarding")
	case f.Again:
		l.add("requested", Warn, "", "%s; another attempt is asked for", strings.Join(known, "; "))
	default:
		l.add("requested", Fail, "Look at sync status. A type can be requested once for each onboarding. After a new onboarding, use --new-onboarding.", "%s", strings.Join(known, "; "))
	}
}

func (l *list) window(f *Facts) {
	at := f.OnboardedAt
	if f.Ledger != nil && !f.New && f.Ledger.OnboardedAt != 0 {
		at = f.Ledger.OnboardedAt // the first one that was given counts
	}
	if at == 0 {
		l.add("window", Warn, "Give the time of the onboarding with --onboarded-at.", "the time of the onboarding is not known, so the end of the 24 hours is not either")
		return
	}
	deadline := time.UnixMilli(at).Add(Window)
	left := deadline.Sub(f.Now).Round(time.Minute)
	switch {
	case left <= 0:
		l.add("window", Fail, "Offboard the business and let it complete the signup again.", "the 24 hours ended at %s", deadline.UTC().Format(time.RFC3339))
	case left < 2*time.Hour:
		l.add("window", Warn, "Request the sync now.", "%s are left, until %s", left, deadline.UTC().Format(time.RFC3339))
	default:
		l.add("window", OK, "", "%s are left, until %s", left, deadline.UTC().Format(time.RFC3339))
	}
}

// remedy returns the remedy for a read that failed: do, if the provider answered.
func remedy(err error, do string) string {
	var read interface{ Unreachable() bool }
	if errors.As(err, &read) && read.Unreachable() {
		return "Look at name resolution, firewall and proxy: the provider's API cannot be reached from the desk. Then try again."
	}
	return do
}

const noReads = "the provider's API cannot be asked"

func (l *list) number(f *Facts) {
	switch {
	case !f.Reads:
		l.add("number", Skip, "", "%s", noReads)
	case f.NumberErr != nil:
		l.add("number", Fail, remedy(f.NumberErr, "Check the token, its permissions (whatsapp_business_management, whatsapp_business_messaging), and the number's id."), "%v", f.NumberErr)
	case f.IsOnBizApp == nil || !*f.IsOnBizApp:
		l.add("number", Fail, "The business has to complete the signup for the WhatsApp Business app. Never register the number: that breaks its app.", "is_on_biz_app is not true")
	case f.PlatformType != "CLOUD_API":
		l.add("number", Fail, "Wait until the signup is complete. Never register the number: that breaks its app.", "platform_type is %q, not CLOUD_API", f.PlatformType)
	default:
		l.add("number", OK, "", "is_on_biz_app is true, platform_type is CLOUD_API")
	}
	switch {
	case !f.Reads:
	case f.InWABAErr != nil:
		l.add("waba", Fail, remedy(f.InWABAErr, "Check the token and the WABA's id."), "%v", f.InWABAErr)
	case !f.InWABA:
		l.add("waba", Fail, "Check both ids.", "the number does not belong to this WABA")
	default:
		l.add("waba", OK, "", "the number belongs to the WABA")
	}
}

func (l *list) subscription(f *Facts) {
	const do = "Subscribe the app: POST /<WABA_ID>/subscribed_apps."
	switch {
	case !f.Reads:
		l.add("subscription", Skip, "", "%s", noReads)
	case f.AppsErr != nil:
		l.add("subscription", Fail, remedy(f.AppsErr, "Check the token and its permissions."), "%v", f.AppsErr)
	case len(f.Apps) == 0:
		l.add("subscription", Fail, do, "no app is subscribed to the WABA, so no webhook would come")
	case f.AppID != "" && !slices.Contains(f.Apps, f.AppID):
		l.add("subscription", Fail, do, "app %s is not subscribed to the WABA; subscribed: %s", f.AppID, strings.Join(f.Apps, ", "))
	case f.AppID == "":
		l.add("subscription", Warn, "Set desk.app_id.", "apps %s are subscribed; desk.app_id does not say which one is ours", strings.Join(f.Apps, ", "))
	default:
		l.add("subscription", OK, "", "app %s is subscribed to the WABA", f.AppID)
	}
}

func (l *list) fields(f *Facts) {
	var missing []string
	for _, field := range Fields() {
		if !slices.Contains(f.Fields, field) {
			missing = append(missing, field)
		}
	}
	switch {
	case !f.Reads:
		l.add("fields", Skip, "", "%s", noReads)
	case f.FieldsSkip != "":
		l.add("fields", Warn, "Set desk.app_id and desk.app_token_file, or look at the app's dashboard.", "%s", f.FieldsSkip)
	case f.FieldsErr != nil:
		l.add("fields", Fail, remedy(f.FieldsErr, "Check desk.app_id and desk.app_token_file."), "%v", f.FieldsErr)
	case len(missing) > 0:
		l.add("fields", Fail, "Subscribe the app to them before the request: their webhooks are sent once.", "the app is not subscribed to %s", strings.Join(missing, ", "))
	default:
		l.add("fields", OK, "", "the app is subscribed to %s", strings.Join(Fields(), ", "))
	}
}

func (l *list) ingress(f *Facts) {
	switch {
	case f.PublicURL == "":
		l.add("ingress", Warn, "Set desk.public_url to the URL that the provider calls.", "the way from outside was not tried")
	case f.IngressErr != nil:
		l.add("ingress", Fail, "Check the URL, the proxy in front, and the secrets in ingress.sources.", "%s: %v", f.PublicURL, f.IngressErr)
	default:
		l.add("ingress", OK, "", "%s refuses a wrong signature and knows ours", f.PublicURL)
	}
}

func (l *list) doctor(f *Facts) {
	switch {
	case f.DoctorErr != nil:
		l.add("doctor", Fail, "Run coexstream doctor.", "%v", f.DoctorErr)
	case f.DoctorSkip != "":
		l.add("doctor", Skip, "", "%s", f.DoctorSkip)
	case len(f.DoctorFails) > 0:
		l.add("doctor", Fail, "Run coexstream doctor and follow its remedies.", "%s", strings.Join(f.DoctorFails, "; "))
	case len(f.DoctorOthers) > 0:
		l.add("doctor", Warn, "Run coexstream doctor. These faults do not stop a request.", "%s", strings.Join(f.DoctorOthers, "; "))
	default:
		l.add("doctor", OK, "", "no check fails")
	}
}

func (l *list) spool(f *Facts) {
	switch {
	case f.SpoolErr != nil:
		l.add("spool", Fail, "Run coexstream spool status.", "%v", f.SpoolErr)
	case f.SpoolSkip != "":
		l.add("spool", Skip, "", "%s", f.SpoolSkip)
	case f.SpoolUsed*2 > f.SpoolMax:
		l.add("spool", Fail, "Find out why Kafka does not take the webhooks, and wait for the drain.", "%d of %d bytes are in use", f.SpoolUsed, f.SpoolMax)
	default:
		l.add("spool", OK, "", "%d of %d bytes are in use", f.SpoolUsed, f.SpoolMax)
	}
}
