package judge

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/schemas"
)

// RawReading is a record of a raw topic, and what can be said of it alone.
type RawReading struct {
	record   Record // without its value
	body     int32  // -1: of another run
	step     *step  // of the desk
	verified bool
}

// ReadRaw reads a record of a raw topic. Several may be read at a time, once the truth has been read.
func (j *Judge) ReadRaw(r Record) RawReading {
	if s := readStep(&r); s != nil {
		r.Value = nil
		return RawReading{record: r, body: -1, step: s}
	}
	i, known := j.byHash[truth.Sum(r.Value)]
	if !known {
		r.Value = nil
		return RawReading{record: r, body: -1}
	}
	verified := len(j.opt.Secrets) == 0 || j.verified(&r)
	r.Value = nil
	return RawReading{record: r, body: i, verified: verified}
}

// Raw takes the next record of a raw topic.
func (j *Judge) Raw(r Record) {
	reading := j.ReadRaw(r)
	j.TakeRaw(&reading)
}

// TakeRaw is Raw for a record that was read.
func (j *Judge) TakeRaw(reading *RawReading) {
	i, r := reading.body, &reading.record
	received, _ := r.header(schemas.HeaderReceivedAt)
	ms, err := strconv.ParseInt(received, 10, 64)
	at := place{r.Topic, r.Partition}
	before := j.passed[at]
	j.passed[at] = max(before, ms)
	if reading.step != nil { // it came through no spool
		j.takeStep(reading.step)
		return
	}
	j.noteSpool(ms, before)
	if i < 0 {
		j.foreign++
		return
	}
	b := &j.bodies[i]
	j.topics[schemas.TopicRawLive].Seen++
	if err != nil || ms <= 0 {
		j.fault(r.Topic, BadHeaders, "%s/%d/%d: %s is %q", r.Topic, r.Partition, r.Offset, schemas.HeaderReceivedAt, received)
	}
	for _, name := range []string{schemas.HeaderSource, schemas.HeaderProvider, schemas.HeaderRequestID} {
		if v, ok := r.header(name); !ok || v == "" {
			j.fault(r.Topic, BadHeaders, "%s/%d/%d: no %s", r.Topic, r.Partition, r.Offset, name)
		}
	}
	if !reading.verified {
		j.fault(r.Topic, Unverified, "%s/%d/%d: the signature of body %d does not verify", r.Topic, r.Partition, r.Offset, i)
	}
	if b.copies++; b.copies == 1 {
		b.first, b.offset, b.receivedMS, b.passedMS, b.oldestMS = at, r.Offset, ms, before, ms
	}
	b.oldestMS, b.newestMS = min(b.oldestMS, ms), max(b.newestMS, ms)
}

// verified computes the signature of the stored bytes again.
func (j *Judge) verified(r *Record) bool {
	header, _ := r.header(schemas.HeaderSignature)
	stamp := ""
	if said, digits, ok := strings.Cut(header, ",s="); ok { // YCloud's: t=<time>,s=<digits>
		stamp, header = strings.TrimPrefix(said, "t=")+".", digits
	}
	got, err := hex.DecodeString(strings.TrimPrefix(header, "sha256="))
	if err != nil || len(got) != sha256.Size {
		return false
	}
	for _, secret := range j.opt.Secrets {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(stamp))
		mac.Write(r.Value)
		if hmac.Equal(mac.Sum(nil), got) {
			return true
		}
	}
	return false
}

// Absent is how many acknowledged bodies were not in the raw topics so far: they may still be in a spool.
func (j *Judge) Absent() int {
	n := 0
	for i := range j.bodies {
		if b := &j.bodies[i]; b.acked && !b.present() {
			n++
		}
	}
	return n
}
