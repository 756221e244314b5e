package doctor

import (
	"strings"
	"time"
)

// sinkLiveWarn is how long live events may be missing in a sink's target.
const sinkLiveWarn = 5 * time.Minute

func judgeSinks(f *Facts, fr *finder) {
	told := false
	for _, p := range f.Processes {
		if p.Archive != nil {
			told = true
			judgeArchive(p.URL+" archive", p.Archive, fr)
		}
		if p.Media != nil {
			told = true
			judgeMedia(p.URL+" media", p.Media, fr)
		}
		for _, s := range p.Sinks {
			told = true
			on := p.URL + " " + s.Name
			switch {
			case s.Blocked > 0:
				fr.add(Fail, on, rebuildOf(s.Name)+"; the reason is on /readyz (docs/operations.md, The tables are behind or stopped).", "%.0f partitions are not read on: records are gone unread, or a log is another one", s.Blocked)
			case s.Damaged > 0:
				fr.add(Fail, on, damagedBatch, "%s", numbered(int(s.Damaged), "damaged batch stops a topic of a partition", "damaged batches each stop a topic of a partition"))
			case s.NoRoom:
				fr.add(Fail, on, "Free room, or set sink.sqlite.retention (docs/sinks.md, Size); events wait in the topics meanwhile.", "it writes nothing: its disk has fewer free bytes than sink.sqlite.free_bytes_min")
			case s.Disabled:
				fr.add(Fail, on, "Change the endpoint in its file, or restart; its events wait in the topics (docs/webhooks-out.md, Answers).", "the endpoint answered 410 and is disabled")
			case s.Failing:
				fr.add(Warn, on, "Run coexstream sink webhook ping "+strings.TrimPrefix(s.Name, webhookSinks)+"; its events wait in the topics.", "the endpoint fails and gets probes only")
			case s.Live > sinkLiveWarn:
				fr.add(Warn, on, "Look at /readyz and the log for what its target says.", "live events have been missing for %s", ageText(s.Live))
			case s.Letters > 0:
				fr.add(Warn, on, "Run "+statusOf(s.Name)+": it lists the reasons.", "%.0f records were set aside since the process began", s.Letters)
			default:
				fr.add(OK, on, "", "%.0f offsets behind, nothing set aside", s.Records)
			}
		}
	}
	if !told {
		fr.add(Skip, "", "", "no process runs a sink, or tells")
	}
}

// archiveLateWarn is how long after the rotation a record may wait to be archived.
const archiveLateWarn = 5 * time.Minute

func judgeArchive(on string, a *Archive, fr *finder) {
	switch {
	case a.Blocked > 0:
		fr.add(Fail, on, "The reason is on /readyz and in the log (docs/operations.md, The archive is behind or stopped).", "%.0f partitions are not continued: a log was cut, or an object is damaged", a.Blocked)
	case a.Damaged > 0:
		fr.add(Fail, on, damagedBatch, "%s", numbered(int(a.Damaged), "damaged batch stops a topic of a partition", "damaged batches each stop a topic of a partition"))
	case a.Lost > 0:
		fr.add(Fail, on, "Run coexstream sink archive verify: it names the places. Increase topics.raw.retention.", "retention removed %.0f offsets before they were archived", a.Lost)
	case a.Oldest > a.Rotation+archiveLateWarn:
		fr.add(Warn, on, "Look at /readyz and the log for what its bucket says.", "records have waited for %s to be archived, and should wait for %s", ageText(a.Oldest), ageText(a.Rotation))
	default:
		fr.add(OK, on, "", "%.0f offsets wait, the oldest for %s", a.Waiting, ageText(a.Oldest))
	}
}

// mediaExpiryWarn is how long before its expiry an asset should have an outcome.
const mediaExpiryWarn = 24 * time.Hour

func judgeMedia(on string, m *Media, fr *finder) {
	switch {
	case m.Lost > 0:
		fr.add(Warn, on, "Their assets have no outcome. Increase topics.events.retention.", "retention removed %.0f offsets before they were read", m.Lost)
	case m.Denied > 0:
		fr.add(Warn, on, "Correct the tokens in desk.tokens_dir; the log names the reason (docs/media.md, Missing assets).", "the assets of %.0f businesses wait for a token that the provider accepts", m.Denied)
	case m.Waiting > 0 && m.Expiry < mediaExpiryWarn:
		fr.add(Warn, on, "Look at /readyz and the log, or start another process with the same sink.media.group_id.", "%.0f assets wait, and the first one expires in %s", m.Waiting, ageText(m.Expiry))
	default:
		fr.add(OK, on, "", "%.0f assets wait", m.Waiting)
	}
}

// postgresSink is the name of the sink that has commands of its own.
const postgresSink = "postgres"

// webhookSinks begins the names of the endpoints of webhooks.
const webhookSinks = "webhook/"

func rebuildOf(sink string) string {
	if strings.HasPrefix(sink, webhookSinks) {
		return "Set missing: continue for the endpoint in its file; events that are gone are then skipped"
	}
	if sink == postgresSink {
		return "Run coexstream sink postgres rebuild, with --keep to keep what the topics no longer hold"
	}
	return "Run coexstream sink rebuild"
}

func statusOf(sink string) string {
	if endpoint, ok := strings.CutPrefix(sink, webhookSinks); ok {
		return "coexstream sink webhook letters " + endpoint
	}
	if sink == postgresSink {
		return "coexstream sink postgres status"
	}
	return "coexstream sink status"
}
