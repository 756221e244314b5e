package judge

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/schemas"
)

// The reference is a processor that knows the whole raw log before it writes its first event. It reads the
// bodies with encoding/json and shares no code with the judge, so where the two agree, both have read the
// webhooks rightly.

// refOdd is what stands in a body that cannot be understood: at which places, or all of it. The reference takes the truth's
// word for that, and leaves out these places.
type refOdd struct {
	reason string
	places []string
}

type refMessage struct {
	ID, From, To, Type, Status string
	FromUserID                 string `json:"from_user_id"`
	ToUserID                   string `json:"to_user_id"`
	RecipientID                string `json:"recipient_id"`
	RecipientUserID            string `json:"recipient_user_id"`
	RecipientType              string `json:"recipient_type"`
	ParticipantID              string `json:"recipient_participant_id"`
	ParticipantOther           string `json:"participant_recipient_id"`
	ParticipantUserID          string `json:"recipient_participant_user_id"`
	GroupID                    string `json:"group_id"`
	Errors                     []json.RawMessage
	Timestamp                  json.RawMessage
	HistoryContext             struct {
		Status string
		FromMe bool `json:"from_me"`
	} `json:"history_context"`
	Edit, Revoke struct {
		OriginalMessageID string `json:"original_message_id"`
	}
}

type refNumber struct {
	truth.Number
	windows   [][]*refChunk
	declined  bool
	seenChunk map[schemas.Hash]bool
	contacts  map[string][2]int64
	rows      map[string]string           // by the short spelling, under which id the row stands
	same      map[string]string           // user id → phone number
	failed    map[int][]schemas.SyncError // of each window
	last      string                      // the last account event
	events    int
}

type refAsset struct {
	n    *refNumber
	raw  json.RawMessage
	echo bool
}

type reference struct {
	s       *scene
	numbers []truth.Number
	byID    map[string]*refNumber
	order   []*refNumber
	odd     map[truth.Digest]refOdd
	places  []string // the odd parts of the present body
	sent    map[string]schemas.Rank
	assets  []refAsset
	holders map[string]schemas.Message // placeholders
	t       testing.TB
}

func (f *reference) run(t testing.TB) {
	f.t, f.byID, f.sent, f.holders = t, map[string]*refNumber{}, map[string]schemas.Rank{}, map[string]schemas.Message{}
	for _, n := range f.numbers {
		rn := &refNumber{Number: n, seenChunk: map[schemas.Hash]bool{}, contacts: map[string][2]int64{}, rows: map[string]string{}, failed: map[int][]schemas.SyncError{}, same: map[string]string{}}
		f.byID[n.PhoneNumberID] = rn
		f.order = append(f.order, rn)
	}
	seen := map[truth.Digest]bool{}
	for i, r := range f.s.raw {
		d := truth.Sum(r.Value)
		if seen[d] {
			continue
		}
		seen[d] = true
		f.places = nil
		if o, dead := f.odd[d]; dead {
			f.places = o.places
			hs := slices.Clone(r.Headers)
			if len(o.places) > 0 {
				_, change, _ := strings.Cut(o.places[0], ".")
				change, _, parts := strings.Cut(change, ".")
				hs = append(hs, Header{schemas.HeaderDLQChanges, []byte(change)})
				if parts {
					hs = append(hs, Header{schemas.HeaderDLQPlaces, []byte(strings.Join(o.places, ","))})
				}
			}
			f.put(schemas.TopicDLQ, "", string(r.Key), r.Value, append(hs,
				Header{schemas.HeaderDLQReason, []byte(o.reason)}, Header{schemas.HeaderDLQTopic, []byte(r.Topic.String())},
				Header{schemas.HeaderDLQPartition, []byte(strconv.Itoa(int(r.Partition)))},
				Header{schemas.HeaderDLQOffset, []byte(strconv.FormatInt(r.Offset, 10))},
				Header{schemas.HeaderDLQMessage, []byte("m")}, Header{schemas.HeaderDLQTime, []byte("1")})...)
			if len(o.places) == 0 {
				continue
			}
		}
		f.webhook(i, r.Value)
	}
	for _, n := range f.order {
		f.histories(n)
	}
	for _, a := range f.assets {
		f.asset(a)
	}
}

func must[T any](f *reference, b []byte) (v T) {
	if err := json.Unmarshal(b, &v); err != nil {
		f.t.Fatalf("%v in %.200s", err, b)
	}
	return v
}

// isOdd reports whether a place of the body is odd.
func (f *reference) isOdd(path ...any) bool {
	names := make([]string, len(path))
	for i, name := range path {
		names[i] = fmt.Sprint(name)
	}
	return slices.Contains(f.places, strings.Join(names, "."))
}

// sound are the elements of an array that are not odd.
func (f *reference) sound(all []json.RawMessage, path ...any) (kept []json.RawMessage) {
	for i, raw := range all {
		if !f.isOdd(append(slices.Clone(path), i)...) {
			kept = append(kept, raw)
		}
	}
	return kept
}

// decline is the code of the error that says that the history is not shared.
const decline = 2593109

func (f *reference) webhook(at int, b []byte) {
	type refChange struct {
		Field string
		Value json.RawMessage
	}
	env := must[struct {
		Object, Type string
		Entry        []struct {
			ID      string
			Time    int64
			Changes []json.RawMessage
		}
		Event string
		Data  json.RawMessage
	}](f, b)
	switch {
	case env.Object != "":
		for k, e := range env.Entry {
			for i, raw := range e.Changes {
				if f.isOdd(k, i) {
					continue
				}
				c := must[refChange](f, raw)
				f.change(at, []any{k, i}, e.ID, e.Time, c.Field, c.Value, raw)
			}
		}
	case env.Event != "":
		f.change(at, []any{0, 0}, must[struct{ ID string }](f, env.Data).ID, 0, env.Event, env.Data, nil)
	case env.Type != "":
		f.ycloud(at, env.Type, b)
	default:
		f.change(at, []any{0, 0}, "", 0, "history", b, nil)
	}
}

// refArrays are the arrays of a value, or of what stands in its `standby`.
type refArrays struct {
	Msgs    []json.RawMessage `json:"messages"`
	Echoes  []json.RawMessage `json:"message_echoes"`
	Echoes2 []json.RawMessage `json:"smb_message_echoes"`
	Stat    []json.RawMessage `json:"statuses"`
	Prof    []json.RawMessage `json:"contacts"`
}

func (f *reference) change(at int, path []any, entry string, time int64, field string, value, raw json.RawMessage) {
	v := must[struct {
		Metadata struct {
			PhoneNumberID string `json:"phone_number_id"`
		}
		History []json.RawMessage
		refArrays
		Standby refArrays
		Errs    []json.RawMessage `json:"errors"`
		Err     json.RawMessage   `json:"error"`
		Sync    []json.RawMessage `json:"state_sync"`
		Event   string
		Phone   string `json:"phone_number"`
		Info    struct {
			WABA string `json:"waba_id"`
		} `json:"waba_info"`
		Recipient struct {
			PhoneNumberID string `json:"phone_number_id"`
		}
	}](f, value)
	n := f.byID[v.Metadata.PhoneNumberID]
	if v.Err != nil {
		v.Errs = append(v.Errs, v.Err)
	}
	if n != nil && len(v.History)+len(v.Msgs)+len(v.Echoes)+len(v.Echoes2)+len(v.Sync) > 0 {
		for _, other := range f.order { // connected: an account event that says the same is another one
			if other.WABA == n.WABA {
				if strings.Contains(other.last, "REMOVED") || strings.Contains(other.last, "OFFBOARDED") {
					other.last = ""
				}
			}
		}
	}
	in := func(name string) []any { return append(slices.Clone(path), name) }
	switch field {
	case "account_update", "partner_removed", "account_offboarded", "account_reconnected":
		if v.Event == "" {
			v.Event = field
		}
		f.account(entry, time, strings.ToUpper(v.Event), v.Phone, v.Info.WABA, value)
		return
	case "history":
		for i, h := range v.History {
			f.element(at, append(in("history"), i), n, h)
		}
		for _, m := range v.Msgs {
			f.assets = append(f.assets, refAsset{n, m, false})
		}
		for _, m := range v.Echoes {
			f.assets = append(f.assets, refAsset{n, m, true})
		}
		return
	case "smb_app_state_sync":
		for _, c := range f.sound(v.Sync, in("state_sync")...) {
			f.contact(n, c)
		}
		return
	case "messaging_handovers":
		f.handover(f.byID[v.Recipient.PhoneNumberID], value)
		return
	case "messages", "smb_message_echoes", "message_echoes", "standby":
		arrays := v.refArrays
		if len(arrays.Msgs)+len(arrays.Echoes)+len(arrays.Echoes2)+len(arrays.Stat) == 0 {
			arrays = v.Standby
		}
		profiles := f.sound(arrays.Prof, in("contacts")...)
		standby := field == "standby"
		for _, m := range f.sound(arrays.Msgs, in("messages")...) {
			f.live(n, m, schemas.TypeMessage, profiles, standby)
		}
		for _, m := range append(arrays.Echoes, arrays.Echoes2...) {
			f.live(n, m, schemas.TypeEcho, profiles, standby)
		}
		for _, m := range f.sound(arrays.Stat, in("statuses")...) {
			f.live(n, m, schemas.TypeStatus, profiles, standby)
		}
		for _, m := range v.Errs {
			e := schemas.Message{Direction: schemas.DirectionUnknown, Original: m}
			f.message(schemas.TopicMessages, schemas.TypeError, n, e, schemas.HashBytes(m).Hex())
		}
		return
	}
	f.other(entry, field, raw)
}

func (f *reference) other(waba, field string, raw json.RawMessage) {
	o := schemas.Other{WABAID: waba, Field: field, Original: raw}
	f.put(schemas.TopicOther, waba, waba, o.AppendJSON(nil), ce(schemas.TypeOther, waba+schemas.HashBytes(raw).Hex())...)
}

func ce(ceType, id string) []Header {
	return []Header{
		{schemas.HeaderCESpecVersion, []byte("1.0")}, {schemas.HeaderCEID, []byte(id)}, {schemas.HeaderCEType, []byte(ceType)},
		{schemas.HeaderCESource, []byte("/x")}, {schemas.HeaderCETime, []byte("2026-03-01T12:00:00Z")},
	}
}

func (f *reference) put(topic schemas.Topic, waba, key string, value []byte, hs ...Header) {
	p := partitionOf(waba, partitions)
	f.s.events = append(f.s.events, Record{Topic: topic, Partition: p, Offset: int64(len(f.s.events)), Key: []byte(key), Value: value, Headers: hs})
}

func (f *reference) message(topic schemas.Topic, ceType string, n *refNumber, m schemas.Message, id string) {
	m.WABAID, m.PhoneNumberID, m.DisplayPhoneNumber = n.WABA, n.PhoneNumberID, n.Display
	if m.Contact != nil && *m.Contact == (schemas.Contact{}) {
		m.Contact = nil
	}
	key := m.Thread
	switch ceType {
	case schemas.TypeStatus:
		m.Kind = "status"
	case schemas.TypeError:
		m.Kind, key = "error", "errors"
	case schemas.TypeHandover:
		m.Kind = "handover"
	case schemas.TypeMedia:
		rank := schemas.RankConcrete
		m.Kind, m.Rank, key = "media", &rank, m.WAMID
	default:
		rank := refRank(m.Type, refErrorsAlone(m.Type, m.Original))
		m.Kind, m.Rank = "message", &rank
		switch {
		case m.Type == "reaction" || m.Type == "edit" || m.Type == "revoke":
			m.Kind = m.Type
		case rank == schemas.RankPlaceholder:
			m.Kind = "placeholder"
		}
	}
	f.put(topic, n.WABA, n.PhoneNumberID+"/"+key, m.AppendJSON(nil), ce(ceType, ceType+id+n.PhoneNumberID)...)
}

// refErrorsAlone reports whether a message has errors instead of the content that its type names.
func refErrorsAlone(messageType string, raw []byte) bool {
	return bytes.Contains(raw, []byte(`"errors":[`)) && !bytes.Contains(raw, []byte(`"`+messageType+`":`))
}

func refRank(messageType string, errorsAlone bool) schemas.Rank {
	if errorsAlone {
		return schemas.RankPlaceholder
	}
	switch messageType {
	case "media_placeholder", "unsupported", "errors", "unknown":
		return schemas.RankPlaceholder
	case "edit":
		return schemas.RankEdit
	case "revoke":
		return schemas.RankRevoke
	}
	return schemas.RankConcrete
}

func (f *reference) account(entry string, time int64, name, phone, waba string, value json.RawMessage) {
	a := schemas.Account{WABAID: entry, Event: name, PhoneNumber: phone, Time: time, Original: value}
	if waba != "" {
		a.WABAID, a.EntryID = waba, entry
	}
	id := a.WABAID + name + strconv.FormatInt(time, 10) + schemas.HashBytes(value).Hex()
	for _, n := range f.order {
		if n.WABA != a.WABAID {
			continue
		}
		if refSame(n.Display, phone) {
			a.PhoneNumberID = n.PhoneNumberID
		}
		if time == 0 && n.last == id {
			return // delivered again
		}
		n.last = id
		n.events++
		if time == 0 {
			id += strconv.Itoa(n.events)
		}
	}
	f.put(schemas.TopicAccount, a.WABAID, a.WABAID, a.AppendJSON(nil), ce(schemas.TypeAccount, id)...)
	for _, n := range f.order {
		if name != "PARTNER_ADDED" && refSame(n.Display, phone) && n.WABA == a.WABAID && len(n.windows) > 0 && len(n.windows[len(n.windows)-1]) > 0 {
			n.windows = append(n.windows, nil)
		}
	}
}
