package judge

import (
	"strconv"
	"strings"

	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/schemas"
)

// deadLetter is an invalid body, or one with some invalid parts, which alone are left out.
type deadLetter struct {
	reasons []string
	places  []string // none: all of it
	seen    int
}

// headers are the changes that are odd as a whole, and the paths of parts of changes.
func (d *deadLetter) headers() (changes, places string) {
	if len(d.places) == 0 {
		return "", ""
	}
	// The invalid part is in one change of the body's first entry.
	path := strings.SplitN(d.places[0], ".", 3)
	if len(path) > 2 {
		places = strings.Join(d.places, ",")
	}
	return path[1], places
}

// deadLetter judges a dead letter: it is the untouched record, with the right reason.
func (j *Judge) deadLetter(r *Record, value truth.Digest) {
	t := schemas.TopicDLQ
	reason, _ := r.header(schemas.HeaderDLQReason)
	i, known := j.byHash[value]
	if !known {
		if origin := j.originOf(r); origin >= 0 {
			j.topics[t].Seen++
			if dead := j.bodies[origin].dead; dead != nil && dead.seen == 0 {
				dead.seen++
				j.missing--
				j.fault(t, WrongContent, "%s: the value is not body %d", r, origin)
				return
			}
			j.fault(t, Unexpected, "%s: an altered body %d, reason %s", r, origin, reason)
			return
		}
		j.foreign++
		return
	}
	j.topics[t].Seen++
	b := &j.bodies[i]
	if b.dead == nil {
		j.fault(t, Unexpected, "%s: body %d can be understood, but lies here with reason %q", r, i, reason)
		return
	}
	if b.dead.seen++; b.dead.seen == 1 {
		j.missing--
	} else if b.dead.seen > b.copies {
		j.fault(t, Duplicated, "%s: body %d came %d times and lies here %d times", r, i, b.copies, b.dead.seen)
		return
	}
	right := false
	for _, want := range b.dead.reasons {
		right = right || want == reason
	}
	if !right {
		j.fault(t, WrongContent, "%s: the reason of body %d is %q instead of one of %q", r, i, reason, b.dead.reasons)
	}
	changes, places := b.dead.headers()
	for _, h := range [...]struct{ name, want string }{{schemas.HeaderDLQChanges, changes}, {schemas.HeaderDLQPlaces, places}} {
		if got, _ := r.header(h.name); got != h.want {
			j.fault(t, WrongContent, "%s: %s of body %d is %q instead of %q", r, h.name, i, got, h.want)
		}
	}
	for _, h := range []string{
		schemas.HeaderDLQTopic, schemas.HeaderDLQPartition, schemas.HeaderDLQOffset, schemas.HeaderDLQMessage, schemas.HeaderDLQTime,
		schemas.HeaderReceivedAt, schemas.HeaderRequestID,
	} {
		if v, _ := r.header(h); v == "" {
			j.fault(t, BadHeaders, "%s: no %s", r, h)
		}
	}
}

// originOf finds the body that a dead letter was, by the place in the raw log that it names.
func (j *Judge) originOf(r *Record) int32 {
	topic, _ := r.header(schemas.HeaderDLQTopic)
	offset, _ := r.header(schemas.HeaderDLQOffset)
	partition, _ := r.header(schemas.HeaderDLQPartition)
	for i := range j.bodies {
		b := &j.bodies[i]
		if b.dead != nil && b.present() && strings.HasSuffix(topic, b.first.topic.String()) && strconv.FormatInt(b.offset, 10) == offset && strconv.Itoa(int(b.first.partition)) == partition {
			return int32(i)
		}
	}
	return -1
}
