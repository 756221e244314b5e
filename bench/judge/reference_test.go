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

	"github.com/coexstream/coexstream/bench/truth"
	"github.com/coexstream/coexstream/bench/world"
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
	reasons := map[truth.Digest]string{}
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
						if len(parts) == 1 && parts[0].Kind == truth.KindDead {
							reasons[truth.Sum(b)] = parts[0].Reasons[0]
						}
					}
					lost, kept := drop != nil && drop(i), keep != nil && keep(i)
					s.lines = append(s.lines, truth.Line{Sent: &truth.Sent{Body: i, Acked: !lost && !kept, Attempts: 1}})
					if lost {
						continue
					}
					topic := schemas.TopicRawLive
					if bytes.Contains(b, []byte(`"history":[`)) || bytes.Contains(b, []byte(`:"history"`)) {
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
	ref := &reference{s: s, reasons: reasons, numbers: w.Numbers()}
	ref.run(t)
	return s
}

type refChunk struct {
	at                     int
	phase, order, progress *int32
	threads                []refThread
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
	same      map[string]string // user id → phone number
}

type refAsset struct {
	n   *refNumber
	raw json.RawMessage
}

type reference struct {
	s       *scene
	numbers []truth.Number
	byID    map[string]*refNumber
	order   []*refNumber
	reasons map[truth.Digest]string
	sent    map[string]schemas.Rank
	assets  []refAsset
	holders map[string]schemas.Message // placeholders
	t       testing.TB
}

func (f *reference) run(t testing.TB) {
	f.t, f.byID, f.sent, f.holders = t, map[string]*refNumber{}, map[string]schemas.Rank{}, map[string]schemas.Message{}
	for _, n := range f.numbers {
		rn := &refNumber{Number: n, seenChunk: map[schemas.Hash]bool{}, contacts: map[string][2]int64{}, same: map[string]string{}}
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
		if reason, dead := f.reasons[d]; dead {
			f.put(schemas.TopicDLQ, "", string(r.Key), r.Value, append(slices.Clone(r.Headers),
				Header{schemas.HeaderDLQReason, []byte(reason)}, Header{schemas.HeaderDLQTopic, []byte(r.Topic.String())},
				Header{schemas.HeaderDLQPartition, []byte(strconv.Itoa(int(r.Partition)))},
				Header{schemas.HeaderDLQOffset, []byte(strconv.FormatInt(r.Offset, 10))},
				Header{schemas.HeaderDLQMessage, []byte("m")}, Header{schemas.HeaderDLQTime, []byte("1")})...)
			continue
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

func (f *reference) webhook(at int, b []byte) {
	type refChange struct {
		Field string
		Value json.RawMessage
	}
	env := must[struct {
		Object string
		Entry  []struct {
			ID      string
			Time    int64
			Changes []json.RawMessage
		}
		Event string
		Data  json.RawMessage
	}](f, b)
	switch {
	case env.Object != "":
		for _, e := range env.Entry {
			for _, raw := range e.Changes {
				c := must[refChange](f, raw)
				f.change(at, e.ID, e.Time, c.Field, c.Value, raw)
			}
		}
	case env.Event != "":
		f.change(at, must[struct{ ID string }](f, env.Data).ID, 0, env.Event, env.Data, nil)
	default:
		f.change(at, "", 0, "history", b, nil)
	}
}

func (f *reference) change(at int, entry string, time int64, field string, value, raw json.RawMessage) {
	v := must[struct {
		Metadata struct {
			PhoneNumberID string `json:"phone_number_id"`
		}
		History []json.RawMessage
		Msgs    []json.RawMessage `json:"messages"`
		Echoes  []json.RawMessage `json:"message_echoes"`
		Stat    []json.RawMessage `json:"statuses"`
		Errs    []json.RawMessage `json:"errors"`
		Sync    []json.RawMessage `json:"state_sync"`
		Prof    json.RawMessage   `json:"contacts"`
		Event   string
		Phone   string `json:"phone_number"`
		Info    struct {
			WABA string `json:"waba_id"`
		} `json:"waba_info"`
	}](f, value)
	n := f.byID[v.Metadata.PhoneNumberID]
	switch field {
	case "account_update":
		f.account(entry, time, v.Event, v.Phone, v.Info.WABA, value)
		return
	case "history":
		for _, h := range v.History {
			f.element(at, n, h)
		}
		for _, m := range append(v.Msgs, v.Echoes...) {
			f.assets = append(f.assets, refAsset{n, m})
		}
		return
	case "smb_app_state_sync":
		for _, c := range v.Sync {
			f.contact(n, c)
		}
		return
	case "messages", "smb_message_echoes":
		for _, m := range v.Msgs {
			f.live(n, m, schemas.TypeMessage, v.Prof)
		}
		for _, m := range v.Echoes {
			f.live(n, m, schemas.TypeEcho, nil)
		}
		for _, m := range v.Stat {
			f.live(n, m, schemas.TypeStatus, v.Prof)
		}
		for _, m := range v.Errs {
			e := schemas.Message{Direction: schemas.DirectionUnknown, Original: m}
			f.message(schemas.TopicMessages, schemas.TypeError, n, e, n.PhoneNumberID+"/errors", schemas.HashBytes(m).Hex())
		}
		return
	}
	o := schemas.Other{WABAID: entry, Field: field, Original: raw}
	f.put(schemas.TopicOther, entry, entry, o.AppendJSON(nil), ce(schemas.TypeOther, schemas.HashBytes(raw).Hex())...)
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

func (f *reference) message(topic schemas.Topic, ceType string, n *refNumber, m schemas.Message, key, id string) {
	m.WABAID, m.PhoneNumberID, m.DisplayPhoneNumber = n.WABA, n.PhoneNumberID, n.Display
	if m.Thread != "" { // a chat of two: whom it is with
		c := schemas.Contact{}
		if m.Contact != nil {
			c = *m.Contact
		}
		if strings.Contains(m.Thread, ".") {
			c.UserID = m.Thread
		} else {
			c.WaID = m.Thread
		}
		m.Contact = &c
	}
	f.put(topic, n.WABA, key, m.AppendJSON(nil), ce(ceType, ceType+id+n.PhoneNumberID)...)
}

func (f *reference) account(entry string, time int64, name, phone, waba string, value json.RawMessage) {
	a := schemas.Account{WABAID: entry, Event: name, PhoneNumber: phone, Time: time, Original: value}
	if waba != "" {
		a.WABAID, a.EntryID = waba, entry
	}
	for _, n := range f.order {
		if phone != "" && n.Display == phone && n.WABA == a.WABAID {
			a.PhoneNumberID = n.PhoneNumberID
		}
	}
	f.put(schemas.TopicAccount, a.WABAID, a.WABAID, a.AppendJSON(nil), ce(schemas.TypeAccount, schemas.HashBytes(value).Hex())...)
	for _, n := range f.order {
		if name != "PARTNER_ADDED" && n.Display == phone && len(n.windows) > 0 && len(n.windows[len(n.windows)-1]) > 0 {
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

func (f *reference) element(at int, n *refNumber, raw json.RawMessage) {
	h := must[struct {
		Metadata struct {
			Phase, Progress json.RawMessage
			Order           json.RawMessage `json:"chunk_order"`
		}
		Threads []refThread
		Errors  json.RawMessage
	}](f, raw)
	if h.Errors != nil {
		n.declined = true
		return
	}
	if len(n.windows) == 0 {
		n.windows = [][]*refChunk{nil}
	}
	w := len(n.windows) - 1
	digest := schemas.HashBytes(append([]byte{byte(w)}, raw...)) // another onboarding may tell the same
	if n.seenChunk[digest] {
		return
	}
	n.seenChunk[digest] = true
	n.windows[w] = append(n.windows[w], &refChunk{
		at: at, phase: number32(f, h.Metadata.Phase), order: number32(f, h.Metadata.Order), progress: number32(f, h.Metadata.Progress),
		threads: h.Threads, n: n,
	})
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
		top := map[string]schemas.Rank{}
		for _, c := range chunks {
			for _, th := range c.threads {
				for _, raw := range th.Messages {
					m := f.past(n, th, raw)
					rank := rankOf(m.Type)
					if was, seen := top[m.WAMID]; seen && rank <= was {
						continue
					}
					top[m.WAMID] = rank
					m.Sync = &schemas.SyncPosition{Window: int32(w + 1), Phase: c.phase, ChunkOrder: c.order, Progress: c.progress}
					f.message(schemas.TopicHistory, schemas.TypeHistory, n, m, n.PhoneNumberID+"/"+m.Thread, fmt.Sprint(m.WAMID, rank))
					if _, known := f.holders[m.WAMID]; rank == schemas.RankPlaceholder && !known {
						f.holders[m.WAMID] = m
					}
					state.Messages++
				}
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
