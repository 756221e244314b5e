package judge

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/internal/verify/world"
	"github.com/coexstream/coexstream/schemas"
)

// The reference is a processor that knows the whole raw log before it writes its first event. It reads the
// bodies with encoding/json and shares no code with the judge, so where the two agree, both have read the
// webhooks rightly.

const partitions = 3

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// scene is a run: its truth, its raw log and the events that follow from it.
type scene struct {
	lines  []truth.Line
	raw    []Record
	events []Record
	owed   int
}

// play delivers a world in its order. drop says which deliveries are lost without an acknowledgement, keep
// which are kept without one.
func play(t testing.TB, cfg world.Config, drop, keep func(body int) bool) *scene {
	t.Helper()
	w, err := world.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s := &scene{lines: []truth.Line{{Head: &truth.Head{Version: truth.Version, Seed: cfg.Seed, Start: cfg.Start}}}}
	for _, n := range w.Numbers() {
		s.lines = append(s.lines, truth.Line{Number: &n})
	}
	now := start
	odd := map[truth.Digest]refOdd{}
	offsets := map[place]int64{}
	for _, stage := range w.Stages() {
		steps := 0
		for _, script := range stage {
			steps = max(steps, len(script.Steps))
		}
		for k := range steps {
			for _, script := range stage {
				if k >= len(script.Steps) {
					continue
				}
				now = now.Add(script.Steps[k].After)
				for _, i := range script.Steps[k].Bodies {
					now = now.Add(7 * time.Millisecond)
					at, first := w.Stamp(i, now)
					b, parts := w.Render(nil, i, at, first)
					if first {
						s.lines = append(s.lines, truth.Line{Body: &truth.Body{Index: i, Hash: truth.Sum(b), Length: len(b), Source: w.Source(i), Parts: parts}})
						for _, p := range parts {
							if len(p.Reasons) > 0 {
								odd[truth.Sum(b)] = refOdd{p.Reasons[0], p.Places}
							}
						}
					}
					lost, kept := drop != nil && drop(i), keep != nil && keep(i)
					s.lines = append(s.lines, truth.Line{Sent: &truth.Sent{Body: i, Acked: !lost && !kept, Attempts: 1}})
					if lost {
						continue
					}
					topic := schemas.TopicRawLive
					if bytes.Contains(b, []byte(`"history":[`)) || bytes.Contains(b, []byte(`:"history"`)) || bytes.Contains(b, []byte(`:"whatsapp.smb.history"`)) {
						topic = schemas.TopicRawBulk
					}
					var env struct{ Entry []struct{ ID string } }
					_ = json.Unmarshal(b, &env)
					p := int32(0)
					if len(env.Entry) > 0 {
						p = partitionOf(env.Entry[0].ID, partitions)
					}
					at2 := place{topic, p}
					s.raw = append(s.raw, Record{Topic: topic, Partition: p, Offset: offsets[at2], Value: b, Headers: []Header{
						{schemas.HeaderSource, []byte("s")}, {schemas.HeaderProvider, []byte("meta")}, {schemas.HeaderRequestID, []byte("r")},
						{schemas.HeaderReceivedAt, strconv.AppendInt(nil, now.UnixMilli(), 10)},
					}})
					offsets[at2]++
				}
			}
		}
	}
	ref := &reference{s: s, odd: odd, numbers: w.Numbers()}
	ref.run(t)
	return s
}

// refOdd is what stands in a body that cannot be understood: at which places, or all of it. The reference takes the truth's
// word for that, and leaves out these places.
type refOdd struct {
	reason string
	places []string
}

type refChunk struct {
	at                     int
	phase, order, progress *int32
	threads                []refThread
	whole                  *schemas.Message // YCloud's: its one message
	n                      *refNumber
}

type refThread struct {
	ID       string
	Context  *schemas.Contact
	Messages []json.RawMessage
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

func number32(f *reference, b json.RawMessage) *int32 {
	if b == nil {
		return nil
	}
	v, err := strconv.ParseInt(strings.Trim(string(b), `"`), 10, 32)
	if err != nil {
		f.t.Fatal(err)
	}
	w := int32(v)
	return &w
}

func (f *reference) element(at int, path []any, n *refNumber, raw json.RawMessage) {
	h := must[struct {
		Metadata struct {
			Phase, Progress json.RawMessage
			Order           json.RawMessage `json:"chunk_order"`
		}
		Threads []refThread
		Errors  []json.RawMessage
		Error   json.RawMessage
	}](f, raw)
	if h.Error != nil {
		h.Errors = append(h.Errors, h.Error)
	}
	digest0 := schemas.HashBytes(raw)
	known := n.seenChunk[digest0]
	n.seenChunk[digest0] = true
	for _, e := range h.Errors {
		said := must[struct {
			Code  int64
			Title string
		}](f, e)
		if said.Code == decline {
			n.declined = true
			return
		}
		if known {
			continue
		}
		w := max(len(n.windows)-1, 0)
		n.failed[w] = append(n.failed[w], schemas.SyncError{Code: said.Code, Title: said.Title, Phase: number32(f, h.Metadata.Phase), ChunkOrder: number32(f, h.Metadata.Order)})
		if h.Threads == nil {
			e = raw
		}
		f.other(n.WABA, "history", e)
	}
	if len(h.Errors) > 0 && h.Threads == nil {
		return
	}
	for k := range h.Threads {
		h.Threads[k].Messages = f.sound(h.Threads[k].Messages, append(slices.Clone(path), "threads", k, "messages")...)
	}
	f.chunk(at, n, raw, &refChunk{
		at: at, phase: number32(f, h.Metadata.Phase), order: number32(f, h.Metadata.Order), progress: number32(f, h.Metadata.Progress),
		threads: h.Threads, n: n,
	})
}

func (f *reference) chunk(at int, n *refNumber, raw json.RawMessage, c *refChunk) {
	if len(n.windows) == 0 {
		n.windows = [][]*refChunk{nil}
	}
	w := len(n.windows) - 1
	digest := schemas.HashBytes(append([]byte{byte(w)}, raw...)) // another onboarding may tell the same
	if n.seenChunk[digest] {
		return
	}
	n.seenChunk[digest] = true
	n.windows[w] = append(n.windows[w], c)
}

func (f *reference) histories(n *refNumber) {
	if n.declined {
		f.sync(n, schemas.Sync{State: schemas.SyncDeclined, Window: 1})
	}
	for w, chunks := range n.windows {
		if len(chunks) == 0 {
			continue
		}
		sort.SliceStable(chunks, func(a, b int) bool {
			x, y := chunks[a], chunks[b]
			if x.order == nil || y.order == nil {
				return x.at < y.at
			}
			return *x.phase < *y.phase || *x.phase == *y.phase && *x.order < *y.order
		})
		f.sync(n, schemas.Sync{State: schemas.SyncRunning, Window: int32(w + 1)})
		state := schemas.Sync{State: schemas.SyncRunning, Window: int32(w + 1), Chunks: int64(len(chunks))}
		state.Errors = n.failed[w]
		top := map[string]schemas.Rank{}
		for _, c := range chunks {
			var told []schemas.Message
			if c.whole != nil {
				told = append(told, *c.whole)
			}
			for _, th := range c.threads {
				for _, raw := range th.Messages {
					told = append(told, f.past(n, th, raw))
				}
			}
			for _, m := range told {
				rank := refRank(m.Type, refErrorsAlone(m.Type, m.Original))
				if was, seen := top[m.WAMID]; seen && rank <= was {
					continue
				}
				top[m.WAMID] = rank
				m.Sync = &schemas.SyncPosition{Window: int32(w + 1), Phase: c.phase, ChunkOrder: c.order, Progress: c.progress}
				if m.Type == "media_placeholder" {
					m.WAMIDToken = refToken(m.WAMID)
				}
				f.message(schemas.TopicHistory, schemas.TypeHistory, n, m, fmt.Sprint(m.WAMID, rank))
				if _, known := f.holders[refToken(m.WAMID)]; m.Type == "media_placeholder" && !known {
					f.holders[refToken(m.WAMID)] = m
				}
				state.Messages++
			}
		}
		if last := chunks[len(chunks)-1]; last.order != nil && *last.phase == 2 && *last.progress == 100 {
			state.State, state.EndReason = schemas.SyncDone, schemas.SyncEndComplete
		}
		f.sync(n, state)
	}
}

func (f *reference) sync(n *refNumber, s schemas.Sync) {
	s.WABAID, s.PhoneNumberID, s.DisplayPhoneNumber = n.WABA, n.PhoneNumberID, n.Display
	v := s.AppendJSON(nil)
	f.put(schemas.TopicSyncs, n.WABA, n.PhoneNumberID, v, ce(schemas.TypeSync, schemas.HashBytes(v).Hex())...)
}
