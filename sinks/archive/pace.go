package archive

import (
	"slices"
	"time"
)

// pace decides when a chain's next object is due. It reads no clock.
type pace struct {
	rotation time.Duration
	early    time.Duration // by how much an object comes before its time, so that those of all chains do not come together
	bytesMax int64
	// perOffset is about how many bytes of an object an offset takes.
	perOffset float64

	next int64 // offset of the first record that is not archived
	// seen are the ends of the log as they grew, each with the time when it was first seen. The first is behind next.
	seen []sighting
}

type sighting struct {
	end int64
	at  time.Time
}

const (
	sightingsMax = 64
	// perOffsetAtFirst is for a chain without objects.
	perOffsetAtFirst = 200
)

// see takes the end of the log.
func (p *pace) see(end int64, now time.Time) {
	if end <= p.next || len(p.seen) > 0 && end <= p.seen[len(p.seen)-1].end {
		return
	}
	if len(p.seen) == sightingsMax {
		// Every second one is dropped, and its records count as seen with the one before it: too early rather than too late.
		kept := p.seen[:0]
		for i := 0; i < len(p.seen); i += 2 {
			kept = append(kept, sighting{p.seen[i+1].end, p.seen[i].at})
		}
		p.seen = kept
	}
	p.seen = append(p.seen, sighting{end, now})
}

// waitedSince takes a time from which records waited that nobody watched. It counts for at most a rotation.
func (p *pace) waitedSince(at, now time.Time) {
	if len(p.seen) > 0 && at.Before(p.seen[0].at) {
		p.seen[0].at = at
		if earliest := now.Add(-p.rotation); at.Before(earliest) {
			p.seen[0].at = earliest
		}
	}
}

// advance takes where the chain stands, behind an object of some bytes; 0: it is not known.
func (p *pace) advance(next, bytes int64) {
	if n := next - p.next; n > 0 && bytes > 0 {
		p.perOffset = float64(bytes) / float64(n)
	}
	p.next = next
	p.seen = slices.DeleteFunc(p.seen, func(s sighting) bool { return s.end <= next })
}

// waiting counts the offsets that are not archived.
func (p *pace) waiting() int64 {
	if len(p.seen) == 0 {
		return 0
	}
	return p.seen[len(p.seen)-1].end - p.next
}

// since is when the first record that is not archived was seen; zero: there is none.
func (p *pace) since() time.Time {
	if len(p.seen) == 0 {
		return time.Time{}
	}
	return p.seen[0].at
}

// due is when the next object is due; false: nothing waits.
func (p *pace) due() (time.Time, bool) {
	if len(p.seen) == 0 {
		return time.Time{}, false
	}
	per := p.perOffset
	if per == 0 {
		per = perOffsetAtFirst
	}
	if float64(p.waiting())*per >= float64(p.bytesMax) {
		return p.seen[0].at, true // a full object waits
	}
	return p.seen[0].at.Add(p.rotation - p.early), true
}
