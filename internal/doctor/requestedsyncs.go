package doctor

import (
	"fmt"

	"github.com/coexstream/coexstream/schemas"
)

// requestedSyncs are the syncs that the desk requested and that need a person, by their status.
type requestedSyncs struct{ near, missed, refused, unknown, silent, stalled []string }

func (r *requestedSyncs) add(f *Facts, s *schemas.Sync) {
	if s.Status == "" || f.Now.Sub(s.LastAt) > f.Config.Topics.Raw.Retention {
		return
	}
	number := s.PhoneNumberID
	h := s.Request("history")
	switch s.Status {
	case schemas.SyncStatusDeadlineNear:
		if s.RequestDeadlineAt != nil {
			number += " (" + left(f.Now, *s.RequestDeadlineAt) + ")"
		}
		r.near = append(r.near, number)
	case schemas.SyncStatusMissed:
		r.missed = append(r.missed, number)
	case schemas.SyncStatusRefused:
		if h != nil && h.Error != nil {
			number += fmt.Sprintf(" (code %d)", h.Error.Code)
		}
		r.refused = append(r.refused, number)
	case schemas.SyncStatusUnknown, schemas.SyncStatusIntended:
		if h != nil {
			number += " (since " + ageText(f.Now.Sub(h.At)) + ")"
			if f.Now.Sub(h.At) < unknownAfter {
				return // the call is being made, or its webhooks are about to come
			}
		}
		r.unknown = append(r.unknown, number)
	case schemas.SyncStatusSilent:
		if s.RequestedAt != nil {
			number += " (" + ageText(f.Now.Sub(*s.RequestedAt)) + ")"
		}
		r.silent = append(r.silent, number)
	case schemas.SyncStatusStalled:
		r.stalled = append(r.stalled, number+" ("+ageText(f.Now.Sub(s.LastAt))+")")
	}
}

// unknownAfter is how long a call without a known outcome is no finding.
const unknownAfter = deadlineNear

func (r *requestedSyncs) judge(fr *finder) {
	if len(r.near) > 0 {
		fr.add(Fail, some(r.near), "Request the history now (coexstream sync start): after 24 hours only a new onboarding helps.", "%s without an accepted request, and the 24 hours end soon", counted(len(r.near), "number"))
	}
	if len(r.missed) > 0 {
		fr.add(Warn, some(r.missed), "Onboard them again to get another 24 hours.", "%s without an accepted request: the 24 hours are over", counted(len(r.missed), "number"))
	}
	if len(r.refused) > 0 {
		fr.add(Warn, some(r.refused), "2593108: onboard the number again. Other codes: mend token or permission, and request again.", "%s refused by the vendor", numbered(len(r.refused), "request was", "requests were"))
	}
	if len(r.unknown) > 0 {
		fr.add(Warn, some(r.unknown), "Webhooks would be the proof. A person has to decide whether to request again (coexstream sync status).", "%s an unknown outcome", numbered(len(r.unknown), "request has", "requests have"))
	}
	if len(r.silent) > 0 {
		fr.add(Warn, some(r.silent), "Do not request again. Check the subscription of the field history and the ingress's answers, then ask the vendor with the request id.", "%s silent: the request was accepted, and nothing came", numbered(len(r.silent), "sync is", "syncs are"))
	}
	if len(r.stalled) > 0 {
		fr.add(Warn, some(r.stalled), "Check the ingress's answers (4xx, 5xx) and the lag of raw.bulk.", "%s stalled: chunks came, and none since", numbered(len(r.stalled), "sync is", "syncs are"))
	}
}
