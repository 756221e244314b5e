package doctor

import "time"

// Shares of the spool's bytes, and the age of its oldest record, from which it is worth a look.
const (
	spoolShareWarn, spoolShareFail = 0.5, 0.9
	spoolAgeWarn                   = time.Minute
)

func judgeSpools(f *Facts, fr *finder) {
	if !f.Config.Ingress.Spool.Enabled {
		fr.add(Skip, "ingress.spool.enabled", "", "is false: webhooks are refused while Kafka is away")
		return
	}
	limit := f.Config.Ingress.Spool.AgeMax
	for _, p := range f.Processes {
		s := p.Spooled
		switch {
		case s == nil:
		case !s.Writable:
			fr.add(Fail, p.URL, "Look at its log (the spool cannot be written), its disk and ingress.spool.bytes_max.", "its spool takes nothing: it is full, or its disk fails")
		case s.Records > 0 && s.Oldest > limit/2:
			fr.add(Fail, p.URL, "Bring Kafka back (checks brokers, replicas).", "%.0f webhooks wait in its spool, the oldest for %s; at %s it takes no more", s.Records, ageText(s.Oldest), ageText(limit))
		case s.Records > 0 && s.Oldest > spoolAgeWarn:
			fr.add(Warn, p.URL, "Look at the checks brokers and replicas; when they are well, it empties by itself.", "%.0f webhooks wait in its spool, the oldest for %s", s.Records, ageText(s.Oldest))
		}
	}
	var bytes int64
	for _, s := range f.Spools {
		if s.Err != nil {
			fr.add(Fail, s.Path, "Make it readable and writable for the user that coexstream runs as.", "%s", oneLine(s.Err.Error()))
			continue
		}
		bytes += s.Bytes
		share := float64(s.Bytes) / float64(max(s.BytesMax, 1))
		found := sprintf("%s of %s for %s are used", bytesText(s.Bytes), bytesText(s.BytesMax), s.Topic)
		do := "Bring Kafka back; raise ingress.spool.bytes_max where the disk has room."
		switch {
		case share >= spoolShareFail:
			fr.add(Fail, s.Path, do, "%s: then webhooks are refused", found)
		case share >= spoolShareWarn:
			fr.add(Warn, s.Path, do, "%s", found)
		}
		if s.QuarantineFiles > 0 {
			fr.add(Warn, s.Path, "Look for errors of the disk (dmesg), keep copies, then remove the files: they count against the spool (docs/operations.md, Spool).", "%s in quarantine, %s", counted(s.QuarantineFiles, "damaged or refused file"), bytesText(s.QuarantineBytes))
		}
	}
	fr.fine("", "%s of %s on this machine's disk, nothing waits for long, nothing in quarantine", bytesText(bytes), bytesText(f.Config.Ingress.Spool.BytesMax))
}
