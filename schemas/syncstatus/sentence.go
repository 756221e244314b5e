package syncstatus

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/syncrequest"
)

// stalledAfter is the time without a chunk after which a sync without a request counts as stalled.
const stalledAfter = 2 * time.Hour

// gapsNamedMax bounds the gaps that a sentence names.
const gapsNamedMax = 3

// Of returns the status of a sync. Where nothing was requested by the desk, it follows from the state.
func Of(s *schemas.Sync, now time.Time) string {
	switch {
	case s.Status != "":
		return s.Status
	case s.State == schemas.SyncDeclined:
		return schemas.SyncStatusDeclined
	case s.State == schemas.SyncOffboarded:
		return schemas.SyncStatusOffboarded
	case len(gapsOf(s, true)) > 0:
		return schemas.SyncStatusHole
	case s.State == schemas.SyncDone:
		return schemas.SyncStatusDone
	case now.Sub(s.LastAt) >= stalledAfter:
		return schemas.SyncStatusStalled
	}
	return schemas.SyncStatusRunning
}

// Sentence returns one line about a sync, without a full stop at the end. Times are in UTC.
func Sentence(s *schemas.Sync, now time.Time) string {
	h := s.Request(string(syncrequest.History))
	if h == nil {
		h = &schemas.SyncRequest{At: s.LastAt, RequestedBy: "somebody"}
	}
	switch Of(s, now) {
	case schemas.SyncStatusIntended:
		return line("no history yet", "the request of "+at(h.At)+" has no recorded outcome", "look at the desk's log before anybody requests again", until(s, now))
	case schemas.SyncStatusNotRequested:
		return line("no history yet", "it was not requested", "request it", until(s, now))
	case schemas.SyncStatusDeadlineNear:
		if h.State == string(syncrequest.Unknown) {
			return line("no history yet", sentUnanswered(h), "a person has to decide whether to request again", until(s, now))
		}
		return line("no history yet", "no request was accepted"+because(h), "request it now", until(s, now))
	case schemas.SyncStatusMissed:
		return line("no history", "no request was accepted"+because(h)+" before the time for it ended"+deadline(s), "onboard the number again to get another 24 hours")
	case schemas.SyncStatusUnknown:
		return line("no history yet", sentUnanswered(h), "webhooks would be the proof; a person has to decide whether to request again", until(s, now))
	case schemas.SyncStatusRefused:
		return line("no history", "the vendor refused the request of "+at(h.At)+because(h), remedy(h), until(s, now))
	case schemas.SyncStatusRequested:
		return line("no history yet", requested(s, h), waitedFor(s, "the first chunk is expected"), "wait")
	case schemas.SyncStatusSilent:
		return line("no history yet", requested(s, h)+", and nothing came", "do not request again; check the subscription of the field history and the answers of the ingress, then ask the vendor"+requestID(h))
	case schemas.SyncStatusRunning:
		return line(there(s), missing(s), waitedFor(s, "more is expected"), "wait")
	case schemas.SyncStatusStalled:
		return line(there(s), missing(s), "no chunk came since "+at(s.LastAt), waitedFor(s, "more is waited for"), "check the answers of the ingress and the lag of raw.bulk")
	case schemas.SyncStatusHole:
		return line(there(s), missing(s), waitedFor(s, "more is expected"), "look in dlq for the missing chunks, then ask the vendor for them")
	case schemas.SyncStatusDeclined:
		return line(there(s), "the business does not share its history", "it can share it only in a new onboarding")
	case schemas.SyncStatusOffboarded:
		return line(there(s), "the business disconnected"+when(s.EndedAt), "onboard the number again")
	case schemas.SyncStatusDone:
		return done(s)
	}
	return line(there(s), "the status is "+cut(s.Status), "a newer version knows it")
}

func done(s *schemas.Sync) string {
	if s.EndReason == schemas.SyncEndComplete {
		return line(there(s), "nothing is missing", "nothing to do")
	}
	if s.OrderKnown && s.Progress < 100 {
		return line(there(s), fmt.Sprintf("the sender stopped at %d %%", s.Progress), "nothing is waited for", "ask the vendor for the rest")
	}
	return line(there(s), "no gap is known", "nothing is waited for", "nothing to do")
}

// line joins the parts that are not empty.
func line(parts ...string) string {
	kept := parts[:0:0]
	for _, p := range parts {
		if p != "" {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, "; ")
}

// daysBack are the days before the onboarding at which a phase begins and ends.
var daysBack = map[int32][2]int{0: {0, 1}, 1: {1, 90}, 2: {90, 180}}

// there says which messages are there, and from which days. The days follow from the phases that came.
func there(s *schemas.Sync) string {
	if s.Chunks == 0 {
		return "no history"
	}
	text := counted(s.Messages, "message")
	onboarded := s.OpenedAt
	if s.OnboardedAt != nil {
		onboarded = *s.OnboardedAt
	}
	first, last, known := 0, 1<<30, false
	for i := range s.Phases {
		if back, ok := daysBack[s.Phases[i].Phase]; ok && s.Phases[i].Left > 0 {
			first, last, known = max(first, back[1]), min(last, back[0]), true
		}
	}
	if known {
		text += " of " + day(onboarded.AddDate(0, 0, -first)) + " to " + day(onboarded.AddDate(0, 0, -last))
	}
	if s.Messages == 1 {
		return text + " is there"
	}
	return text + " are there"
}

type gap struct {
	phase int32
	schemas.SyncGap
}

// gapsOf returns the gaps that are not waited for, or those that are.
func gapsOf(s *schemas.Sync, over bool) (all []gap) {
	for i := range s.Phases {
		for _, g := range s.Phases[i].Gaps {
			if (g.GivenUp || g.Lost) == over {
				all = append(all, gap{s.Phases[i].Phase, g})
			}
		}
	}
	return all
}

func missing(s *schemas.Sync) string {
	over, open := named(gapsOf(s, true)), named(gapsOf(s, false))
	switch {
	case over != "" && open != "":
		return over + " missing and not waited for, " + open + " missing so far"
	case over != "":
		return over + " missing and not waited for"
	case open != "":
		return open + " missing so far"
	}
	return ""
}

func named(all []gap) string {
	var texts []string
	for i, g := range all {
		if i == gapsNamedMax {
			texts = append(texts, counted(int64(len(all)-i), "more gap"))
			break
		}
		text := fmt.Sprintf("chunk %d of phase %d", g.From, g.phase)
		if g.To > g.From {
			text = fmt.Sprintf("chunks %d to %d of phase %d", g.From, g.To, g.phase)
		}
		texts = append(texts, text)
	}
	switch {
	case len(texts) == 0:
		return ""
	case len(texts) == 1 && all[0].To == all[0].From:
		return texts[0] + " is"
	}
	return strings.Join(texts, ", ") + " are"
}

// waitedFor says until when the processor waits.
func waitedFor(s *schemas.Sync, what string) string {
	if s.DeadlineAt == nil || s.State != schemas.SyncRunning {
		return ""
	}
	return what + " until " + at(*s.DeadlineAt)
}

// until says until when a sync can be requested.
func until(s *schemas.Sync, now time.Time) string {
	switch d := s.RequestDeadlineAt; {
	case d == nil:
		return "it is possible for 24 hours after the onboarding, whose time is not known"
	case now.Before(*d):
		return fmt.Sprintf("it is possible until %s (%s left)", at(*d), left(d.Sub(now)))
	}
	return "the time for a request ended" + deadline(s)
}

func deadline(s *schemas.Sync) string {
	if s.RequestDeadlineAt == nil {
		return ""
	}
	return " at " + at(*s.RequestDeadlineAt)
}

func requested(s *schemas.Sync, h *schemas.SyncRequest) string {
	if h.State == string(syncrequest.Refused) && h.Error != nil && h.Error.Code == syncrequest.CodeRequested {
		return "it was requested before " + at(h.At)
	}
	t := h.At
	if s.RequestedAt != nil {
		t = *s.RequestedAt
	}
	return "it was requested at " + at(t) + " by " + cut(h.RequestedBy)
}

func sentUnanswered(h *schemas.SyncRequest) string {
	return "the request of " + at(h.At) + " was sent and not answered"
}

func requestID(h *schemas.SyncRequest) string {
	if h.RequestID == "" {
		return ""
	}
	return " with the request id " + cut(h.RequestID)
}

// because returns the error of a request.
func because(h *schemas.SyncRequest) string {
	switch {
	case h.Error == nil:
		return ""
	case h.Error.Message == "":
		return " (code " + strconv.FormatInt(h.Error.Code, 10) + ")"
	case h.Error.Code == 0:
		return " (" + cut(h.Error.Message) + ")"
	}
	return " (code " + strconv.FormatInt(h.Error.Code, 10) + ": " + cut(h.Error.Message) + ")"
}

func remedy(h *schemas.SyncRequest) string {
	if h.Error != nil && h.Error.Code == syncrequest.CodeTooLate {
		return "onboard the number again to get another 24 hours"
	}
	return "mend the cause and request it again"
}

// Refusal returns the code and the text of a refused history: of the webhook that declined it, or of the request.
func Refusal(s *schemas.Sync) (code int64, text string) {
	var declined []struct {
		Code  schemas.Int `json:"code"`
		Title string      `json:"title"`
	}
	if len(s.Error) > 0 && json.Unmarshal(s.Error, &declined) == nil && len(declined) > 0 {
		for _, d := range declined {
			if d.Code == syncrequest.CodeDeclined {
				return syncrequest.CodeDeclined, d.Title
			}
		}
		return int64(declined[0].Code), declined[0].Title
	}
	if h := s.Request(string(syncrequest.History)); h != nil && h.State == string(syncrequest.Refused) && h.Error != nil {
		return h.Error.Code, h.Error.Message
	}
	return 0, ""
}

func at(t time.Time) string  { return t.UTC().Format("2006-01-02 15:04 UTC") }
func day(t time.Time) string { return t.UTC().Format("2006-01-02") }

func when(t *time.Time) string {
	if t == nil {
		return ""
	}
	return " at " + at(*t)
}

func left(d time.Duration) string {
	if d < time.Hour {
		return counted(int64(d/time.Minute), "minute")
	}
	return counted(int64(d/time.Hour), "hour")
}

func counted(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.FormatInt(n, 10) + " " + noun + "s"
}

// cut returns at most 120 characters of a text, on one line.
func cut(s string) string {
	const most = 120
	runes := []rune(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.IsSpace(r) {
			return ' '
		}
		return r
	}, s))
	if len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return string(runes)
}
