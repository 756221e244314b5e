package judge

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/schemas"
)

// event is the value of any event, read by the names of the contract and not by its Go types.
type event struct {
	WABAID        string        `json:"waba_id"`
	PhoneNumberID string        `json:"phone_number_id"`
	Display       string        `json:"display_phone_number"`
	WAMID         string        `json:"wamid"`
	OriginalWAMID string        `json:"original_wamid"`
	WAMIDToken    string        `json:"wamid_token"`
	Thread        string        `json:"thread"`
	GroupID       string        `json:"group_id"`
	Contact       *contact      `json:"contact"`
	Kind          string        `json:"kind"`
	Rank          *schemas.Rank `json:"rank"`
	Standby       bool          `json:"standby"`
	Direction     string        `json:"direction"`
	Timestamp     int64         `json:"timestamp"`
	Type          string        `json:"type"`
	Status        string        `json:"status"`
	Historical    *bool         `json:"historical"`
	Joined        *bool         `json:"joined"`
	Sync          *struct {
		Window     int32  `json:"window"`
		Phase      *int32 `json:"phase"`
		ChunkOrder *int32 `json:"chunk_order"`
		Progress   *int32 `json:"progress"`
		Late       bool   `json:"late"`
	} `json:"sync"`
	Profiles jsontext.Value `json:"profiles"`
	Original jsontext.Value `json:"original"`

	// account, other
	EntryID     string `json:"entry_id"`
	PhoneNumber string `json:"phone_number"`
	Event       string `json:"event"`
	Time        int64  `json:"time"`
	Field       string `json:"field"`

	// contacts
	ID          string `json:"id"`
	UserID      string `json:"user_id"`
	FullName    string `json:"full_name"`
	FirstName   string `json:"first_name"`
	TimestampMS int64  `json:"timestamp_ms"`
	Version     int64  `json:"version"`

	// syncs
	Window    int32  `json:"window"`
	State     string `json:"state"`
	EndReason string `json:"end_reason"`
	Chunks    int64  `json:"chunks"`
	Messages  int64  `json:"messages"`
	Errors    []struct {
		Code       int64  `json:"code"`
		Title      string `json:"title"`
		Phase      *int32 `json:"phase"`
		ChunkOrder *int32 `json:"chunk_order"`
	} `json:"errors"`
	ErrorsOmitted int64 `json:"errors_omitted"`

	asking *asking // of a record on `syncs`

	digest truth.Digest // of Original
}

// String names the record for a sample.
func (r *Record) String() string {
	return r.Topic.String() + "/" + strconv.Itoa(int(r.Partition)) + "/" + strconv.FormatInt(r.Offset, 10)
}

// differences collects the properties with wrong values.
type differences []string

func (d *differences) text(name, got, want string) {
	if got != want {
		*d = append(*d, fmt.Sprintf("%s is %q instead of %q", name, got, want))
	}
}

func (d *differences) number(name string, got, want int64) {
	if got != want {
		*d = append(*d, fmt.Sprintf("%s is %d instead of %d", name, got, want))
	}
}

func (d *differences) flag(name string, got *bool, want bool) {
	if got == nil || *got != want {
		*d = append(*d, fmt.Sprintf("%s is not %v", name, want))
	}
}

func (d *differences) digest(name string, got, want truth.Digest) {
	if got != want {
		*d = append(*d, fmt.Sprintf("%s differs from the sent one", name))
	}
}

func (d *differences) optionalNumber(name string, got *int32, want int32) {
	switch {
	case got == nil && want != none:
		*d = append(*d, fmt.Sprintf("%s is absent instead of %d", name, want))
	case got != nil && *got != want:
		if want == none {
			*d = append(*d, fmt.Sprintf("%s is %d instead of absent", name, *got))
		} else {
			d.number(name, int64(*got), int64(want))
		}
	}
}

func (j *Judge) differs(r *Record, d *differences, format string, args ...any) {
	if len(*d) > 0 {
		j.fault(r.Topic, WrongContent, "%s: %s: %s", r, fmt.Sprintf(format, args...), strings.Join(*d, ", "))
	}
}

func (j *Judge) keyed(r *Record, want string) {
	if string(r.Key) != want {
		j.fault(r.Topic, WrongKey, "%s: the key is %q instead of %q", r, r.Key, want)
	}
}

// Reading is a record of an event topic, with the faults of the record alone.
type Reading struct {
	record  Record
	ceType  string
	event   event
	err     error    // of an unreadable value
	headers []string // their faults
	digest  truth.Digest
}

// Read reads a record of an event topic. Several may be read at a time.
func Read(r Record) Reading {
	p := Reading{record: r}
	if r.Topic == schemas.TopicDLQ {
		p.digest = truth.Sum(r.Value)
		return p
	}
	p.ceType, _ = r.header(schemas.HeaderCEType)
	p.headers = wrongHeaders(&r, p.ceType)
	if r.Value == nil {
		return p
	}
	// Half of a surrogate pair stays in parts that pass verbatim.
	if p.err = json.Unmarshal(r.Value, &p.event, jsontext.AllowInvalidUTF8(true)); p.err == nil {
		p.event.digest = truth.Sum(p.event.Original)
	}
	if r.Topic == schemas.TopicSyncs && p.err == nil {
		p.event.asking = &asking{}
		p.err = json.Unmarshal(r.Value, p.event.asking, jsontext.AllowInvalidUTF8(true))
	}
	return p
}

// Event judges the next record of an event topic.
func (j *Judge) Event(r Record) {
	p := Read(r)
	j.Take(&p)
}

// Take is Event for a record that was read. The caller owns the reading again when it returns.
func (j *Judge) Take(p *Reading) {
	r, e := &p.record, &p.event
	if r.Topic == schemas.TopicDLQ {
		j.deadLetter(r, p.digest)
		return
	}
	if r.Value == nil {
		switch r.Topic {
		case schemas.TopicContacts:
			j.contactGone(p)
		case schemas.TopicSyncs:
			j.syncGone(p)
		default:
			j.fault(r.Topic, Unexpected, "%s: a tombstone", r)
		}
		return
	}
	if p.err != nil {
		j.fault(r.Topic, WrongContent, "%s: the value cannot be read: %v", r, p.err)
		return
	}
	n := j.numberOf(e)
	if n < 0 && !j.wabas[e.WABAID] {
		j.foreign++
		return
	}
	j.topics[r.Topic].Seen++
	j.envelope(p)
	if n >= 0 || r.Topic == schemas.TopicAccount || r.Topic == schemas.TopicOther {
		j.located(r, e, n)
	}
	switch r.Topic {
	case schemas.TopicAccount:
		j.account(r, e)
	case schemas.TopicOther:
		j.other(r, e)
	default:
		if n < 0 {
			j.fault(r.Topic, Unexpected, "%s: phone_number_id %q does not belong to WABA %s", r, e.PhoneNumberID, e.WABAID)
			return
		}
		j.ofNumber(r, e, n, p.ceType)
	}
	j.unique(r, e, n)
}

func (j *Judge) numberOf(e *event) int32 {
	if n, ok := j.byID[e.PhoneNumberID]; ok {
		return n
	}
	return -1
}

func (j *Judge) ofNumber(r *Record, e *event, n int32, ceType string) {
	switch {
	case r.Topic == schemas.TopicContacts:
		j.contact(r, e, n)
	case r.Topic == schemas.TopicSyncs:
		j.sync(r, e, n)
	case r.Topic == schemas.TopicHistory:
		j.history(r, e, n)
	case r.Topic == schemas.TopicMedia:
		j.media(r, e, n)
	case r.Topic == schemas.TopicEchoes:
		j.liveItem(r, e, n, kindEcho)
	case ceType == schemas.TypeStatus:
		j.liveItem(r, e, n, kindStatus)
	case ceType == schemas.TypeError:
		j.liveItem(r, e, n, kindError)
	case ceType == schemas.TypeHandover:
		j.liveItem(r, e, n, kindHandover)
	default:
		j.liveItem(r, e, n, kindMessage)
	}
}

// wrongHeaders returns the faults of the CloudEvents headers.
func wrongHeaders(r *Record, ceType string) (wrong []string) {
	for _, h := range []struct{ name, want string }{
		{schemas.HeaderCESpecVersion, schemas.CESpecVersion}, {schemas.HeaderCEID, ""}, {schemas.HeaderCESource, ""},
	} {
		if v, _ := r.header(h.name); v == "" || h.want != "" && v != h.want {
			wrong = append(wrong, fmt.Sprintf("%s is %q", h.name, v))
		}
	}
	if !slices.Contains(typesOf[r.Topic], ceType) {
		return append(wrong, fmt.Sprintf("%s is %q", schemas.HeaderCEType, ceType))
	}
	if at, ok := r.header(schemas.HeaderCETime); ok {
		if _, err := time.Parse(time.RFC3339, at); err != nil {
			wrong = append(wrong, fmt.Sprintf("%s is %q", schemas.HeaderCETime, at))
		}
	}
	return wrong
}

// envelope judges the CloudEvents headers and the schema.
func (j *Judge) envelope(p *Reading) {
	r := &p.record
	for _, wrong := range p.headers {
		j.fault(r.Topic, BadHeaders, "%s: %s", r, wrong)
	}
	if j.opt.Validate == nil || r.Value == nil || !slices.Contains(typesOf[r.Topic], p.ceType) {
		return
	}
	if n := j.sampled[p.ceType]; n%j.opt.ValidateEvery == 0 {
		if err := j.opt.Validate(p.ceType, r.Value); err != nil {
			j.fault(r.Topic, BadSchema, "%s: %v", r, err)
		}
	}
	j.sampled[p.ceType]++
}

// located judges the owner of the event, and the partition.
func (j *Judge) located(r *Record, e *event, n int32) {
	if n < 0 {
		j.partitioned(r, e.WABAID)
		return
	}
	num := &j.numbers[n]
	if num.noWABA && r.Topic == schemas.TopicSyncs && e.WABAID != num.WABA {
		if e.WABAID != "" {
			j.fault(r.Topic, WrongContent, "%s: waba_id is %q instead of %q or none", r, e.WABAID, num.WABA)
		} else {
			j.partitioned(r, num.PhoneNumberID)
		}
		return // the webhook did not name its owner
	}
	if e.WABAID != num.WABA {
		j.fault(r.Topic, WrongContent, "%s: waba_id is %q instead of %q", r, e.WABAID, num.WABA)
		return
	}
	unnamed := e.Display == "" && (num.noName || r.Topic == schemas.TopicSyncs && e.isPending()) // the desk does not know the name
	if e.Display != num.Display && !unnamed && r.Topic != schemas.TopicOther && r.Topic != schemas.TopicAccount {
		j.fault(r.Topic, WrongContent, "%s: display_phone_number is %q instead of %q", r, e.Display, num.Display)
	}
	j.partitioned(r, num.WABA)
}

func (j *Judge) partitioned(r *Record, waba string) {
	if j.opt.Partitions <= 0 {
		return
	}
	if want := partitionOf(waba, j.opt.Partitions); r.Partition != want {
		j.fault(r.Topic, Misplaced, "%s: WABA %s belongs to partition %d", r, waba, want)
	}
}

// unique judges ce_id: two different events have two ids. Another check finds a second copy of an event.
func (j *Judge) unique(r *Record, e *event, n int32) {
	id, _ := r.header(schemas.HeaderCEID)
	scope := [16]byte{byte(r.Topic)}
	if r.Topic == schemas.TopicHistory && e.Sync != nil {
		// A second onboarding sends the same messages again, and they are the same events.
		scope[1], scope[2] = byte(e.Sync.Window), byte(e.Sync.Window>>8)
	}
	j.scratch = append(append(j.scratch[:0], scope[:]...), id...)
	key := schemas.HashBytes(j.scratch)
	mark := j.mark(r, e, n)
	if before, known := j.events.get(key); !known {
		j.events.put(key, mark)
	} else if before != mark {
		j.fault(r.Topic, SameID, "%s: another event has the id %s, too", r, id)
	} else if r.Topic == schemas.TopicContacts || r.Topic == schemas.TopicSyncs {
		j.fault(r.Topic, Duplicated, "%s: the event %s", r, id)
	}
}

// mark returns a short fingerprint of the properties that identify an event.
func (j *Judge) mark(r *Record, e *event, n int32) int32 {
	var b [32]byte
	s := strconv.AppendInt(b[:0], int64(n), 10)
	j.scratch = append(append(j.scratch[:0], s...), 0)
	switch r.Topic {
	case schemas.TopicHistory, schemas.TopicMedia, schemas.TopicEchoes, schemas.TopicMessages:
		// An event with an altered text remains the same event.
		j.scratch = append(append(append(j.scratch, e.WAMID...), 0, byte(rankOfEvent(e))), e.Status...)
		if e.WAMID == "" {
			j.scratch = append(j.scratch, e.Original...)
		}
		if r.Topic == schemas.TopicHistory {
			j.scratch = append(append(append(j.scratch[:0], s...), 0), e.WAMID...)
			j.scratch = append(j.scratch, byte(rankOfEvent(e)))
		}
	case schemas.TopicAccount:
		// Its number may become known between two webhooks.
		j.scratch = append(append(append(j.scratch[:0], e.WABAID...), 0), e.Event...)
	case schemas.TopicOther:
		j.scratch = append(append(append(j.scratch, e.WABAID...), 0), e.Field...)
	default:
		j.scratch = append(j.scratch, r.Key...)
	}
	h := schemas.HashBytes(j.scratch)
	return int32(h.Lo)
}
