package doctor

import (
	"fmt"
	"time"

	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/schemas"
)

// deadlineNear is how long before a hole is given up it is worth a look.
const deadlineNear = 10 * time.Minute

func judgeSyncs(f *Facts, fr *finder) {
	on := f.Config.Kafka.Prefix + "syncs"
	if f.Absent[on] {
		fr.add(Skip, on, "", "the topic is not there")
		return
	}
	var running, waiting int
	var asked requestedSyncs
	var near, gaps, lost, partial, failed []string
	for i := range f.Syncs {
		s := &f.Syncs[i]
		asked.add(f, s)
		if s.State == schemas.SyncRunning {
			running++
			if s.ChunksHeld > 0 {
				waiting++
			}
			if s.ChunksHeld > 0 && s.DeadlineAt != nil && s.DeadlineAt.Sub(f.Now) < deadlineNear {
				near = append(near, fmt.Sprintf("%s (%s held, %s)", s.PhoneNumberID, counted(int(s.ChunksHeld), "chunk"), left(f.Now, *s.DeadlineAt)))
			}
		}
		// Older ones cannot be mended: their bodies are no longer in the raw log.
		if f.Now.Sub(s.LastAt) > f.Config.Topics.Raw.Retention {
			continue
		}
		if len(s.Errors) > 0 {
			failed = append(failed, fmt.Sprintf("%s (%s)", s.PhoneNumberID, errorText(s)))
		}
		given := gapsOf(s)
		switch {
		case s.ChunksLost > 0:
			lost = append(lost, fmt.Sprintf("%s (%s)", s.PhoneNumberID, counted(int(s.ChunksLost), "chunk")))
		case given > 0:
			gaps = append(gaps, fmt.Sprintf("%s (%d)", s.PhoneNumberID, given))
		case s.State == schemas.SyncDone && !(s.Status != "" && s.Chunks == 0) && s.Progress < 100 && (s.EndReason == schemas.SyncEndQuiet || s.EndReason == schemas.SyncEndCeiling):
			partial = append(partial, fmt.Sprintf("%s (%d %%, %s)", s.PhoneNumberID, s.Progress, s.EndReason))
		}
	}
	if len(near) > 0 {
		fr.add(Warn, some(near), "Look now whether the chunks were refused (coexstream_ingress_requests_total by code) or wait in raw.bulk (check lag): the sender comes again, a history can be had only once.", "%s soon: a missing chunk becomes a gap", numbered(len(near), "sync stops waiting", "syncs stop waiting"))
	}
	asked.judge(fr)
	if len(lost) > 0 {
		fr.add(Fail, some(lost), "Raise topics.raw.retention; ask the vendor for the chunks while the onboarding is fresh.", "%s lost chunks that retention deleted while they waited", counted(len(lost), "sync"))
	}
	if len(gaps) > 0 {
		fr.add(Warn, some(gaps), "Look in dlq and at the ingress's answers of that time; if such a chunk is sent later, its messages are still written, marked late.", "%s gaps: chunks that did not come in time", numbered(len(gaps), "sync has", "syncs have"))
	}
	if len(failed) > 0 {
		fr.add(Warn, some(failed), "Show the vendor the codes and chunks (coexstream tail syncs); if such a chunk is sent later, its messages are still written.", "%s errors of the vendor", numbered(len(failed), "sync has", "syncs have"))
	}
	if len(partial) > 0 {
		fr.add(Warn, some(partial), "Ask the vendor: the sender stopped before it said 100.", "%s ended without being complete", counted(len(partial), "sync"))
	}
	fr.fine(on, "%s, %d running, %d waiting for a chunk, none with a gap (last %s)", counted(len(f.Syncs), "sync"), running, waiting, config.FormatDuration(f.Config.Topics.Raw.Retention))
}

// errorText is the last error of a sync, and how many there are.
func errorText(s *schemas.Sync) string {
	e := &s.Errors[len(s.Errors)-1]
	text := fmt.Sprintf("code %d", e.Code)
	if e.Phase != nil && e.ChunkOrder != nil {
		text += fmt.Sprintf(", phase %d, chunk %d", *e.Phase, *e.ChunkOrder)
	}
	if n := int64(len(s.Errors)) + s.ErrorsOmitted; n > 1 {
		text += fmt.Sprintf(", the last of %d", n)
	}
	return text
}

func gapsOf(s *schemas.Sync) (n int64) {
	for _, p := range s.Phases {
		n += p.GapsOmitted
		for _, g := range p.Gaps {
			if g.GivenUp || g.Lost {
				n++
			}
		}
	}
	return n
}

func left(now, deadline time.Time) string {
	if d := deadline.Sub(now); d > 0 {
		return ageText(d) + " left"
	}
	return "overdue"
}
