package merge_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/event"
	"github.com/coexstream/coexstream/sinks/merge"
)

// record is an event as it stands in a topic.
type record struct {
	topic   schemas.Topic
	place   merge.Place
	key     string
	headers []header
	value   []byte

	// What the naive fold goes by.
	ceType   string
	id       string
	received int64
	message  *schemas.Message
	contact  *schemas.ContactState
	sync     *schemas.Sync
	account  *schemas.Account
}

type header struct {
	Key   string
	Value []byte
}

func (r *record) read(t *testing.T) event.Event {
	t.Helper()
	e, err := event.Read(r.topic, []byte(r.key), r.headers, r.value)
	if err != nil {
		t.Fatalf("%v\n%s", err, r.value)
	}
	return e
}

type world struct {
	rng   *rand.Rand
	logs  map[schemas.Topic][]*record // of one partition
	clock int64
	ids   int
}

func (w *world) pick(words ...string) string { return words[w.rng.IntN(len(words))] }

func (w *world) maybe(n int) bool { return w.rng.IntN(n) == 0 }

func (w *world) add(topic schemas.Topic, ceType, key string, value interface{ AppendJSON([]byte) []byte }, more ...string) *record {
	w.ids++
	w.clock += int64(w.rng.IntN(3)) // several in one millisecond
	r := &record{topic: topic, ceType: ceType, key: key, place: merge.Place{Partition: 3, Offset: int64(2 * len(w.logs[topic]))}, id: fmt.Sprint("id", w.ids), received: w.clock}
	if value != nil {
		r.value = value.AppendJSON(nil)
	}
	for _, h := range [][2]string{
		{"ce_specversion", "1.0"}, {"ce_id", r.id}, {"ce_type", ceType}, {"ce_source", "/x"}, {"ce_time", "2026-03-01T12:00:00Z"}, {"coex-received-at", fmt.Sprint(w.clock)},
	} {
		r.headers = append(r.headers, header{h[0], []byte(h[1])})
	}
	for i := 0; i < len(more); i += 2 {
		r.headers = append(r.headers, header{more[i], []byte(more[i+1])})
	}
	w.logs[topic] = append(w.logs[topic], r)
	return r
}

// message makes a message event, of one of few messages, so that many are about the same.
func (w *world) message() {
	m := &schemas.Message{
		WABAID: "waba", PhoneNumberID: w.pick("n1", "n2"), DisplayPhoneNumber: w.pick("", "111", "222"), WAMID: w.pick("w1", "w2", "w3", "w4"),
		Thread: "491701", Direction: w.pick("inbound", "outbound"), Timestamp: int64(1000 + w.rng.IntN(30)), Type: "text",
		Contact: &schemas.Contact{WaID: w.pick("", "491701", "491702"), UserID: w.pick("", "DE.1", "DE.2"), ProfileName: w.pick("", "Ada", "Bea")},
	}
	if w.maybe(8) {
		m.Timestamp = 0
	}
	text := fmt.Sprintf(`{"type":"text","text":{"body":"t%d\u0000"},"n":%d}`, w.rng.IntN(5), w.ids)
	m.Original = json.RawMessage(text)
	topic, ceType, rank := schemas.TopicMessages, schemas.TypeMessage, schemas.RankConcrete
	m.Kind = schemas.KindMessage
	switch w.rng.IntN(12) {
	case 0, 1:
		m.Kind, rank, m.Type = schemas.KindPlaceholder, schemas.RankPlaceholder, "unsupported"
	case 2, 3:
		m.Kind, rank, m.Type = schemas.KindEdit, schemas.RankEdit, "edit"
		m.WAMID, m.OriginalWAMID = "e"+fmt.Sprint(w.ids), m.WAMID
		m.Original = json.RawMessage(fmt.Sprintf(`{"edit":{"message":{"type":"text","text":{"body":"edit %d"}}}}`, w.ids))
		if w.maybe(3) {
			m.WAMID, m.OriginalWAMID = m.OriginalWAMID, ""
		}
	case 4:
		m.Kind, rank, m.Type = schemas.KindRevoke, schemas.RankRevoke, "revoke"
		m.WAMID, m.OriginalWAMID = "r"+fmt.Sprint(w.ids), m.WAMID
	case 5:
		m.Kind, m.Type = schemas.KindReaction, "reaction"
		m.Original = json.RawMessage(fmt.Sprintf(`{"reaction":{"message_id":%q,"emoji":%q},"n":%d}`, m.WAMID, w.pick("", "x", "y"), w.ids))
		m.WAMID = "re" + fmt.Sprint(w.ids)
	case 6, 7:
		m.Kind, ceType, m.Direction, m.Type = schemas.KindStatus, schemas.TypeStatus, "outbound", ""
		m.Status = w.pick("sent", "delivered", "read", "played", "failed", "deleted", "warning")
		if w.maybe(2) {
			m.GroupID = "g"
		}
	case 8:
		topic, ceType, m.Kind, m.Historical = schemas.TopicMedia, schemas.TypeMedia, schemas.KindMedia, true
		joined := w.maybe(2)
		m.Joined, m.Type = &joined, "image"
	case 9:
		ceType, m.Kind = schemas.TypeError, schemas.KindError
		m.WAMID = ""
	}
	if m.Kind != schemas.KindStatus && m.Kind != schemas.KindError {
		m.Rank = &rank
	}
	if topic == schemas.TopicMessages && ceType == schemas.TypeMessage {
		switch w.rng.IntN(3) {
		case 0:
			topic, ceType, m.Historical = schemas.TopicHistory, schemas.TypeHistory, true
			m.Sync = &schemas.SyncPosition{Window: int32(1 + w.rng.IntN(2))}
			if m.Kind == schemas.KindMessage {
				m.Status = w.pick("", "READ", "DELIVERED", "ERROR", "PENDING")
			}
		case 1:
			topic, ceType, m.Direction = schemas.TopicEchoes, schemas.TypeEcho, "outbound"
		}
	}
	w.add(topic, ceType, m.PhoneNumberID+"/"+m.Thread, m).message = m
}

func (w *world) other() {
	switch w.rng.IntN(3) {
	case 0:
		c := &schemas.ContactState{
			WABAID: "waba", PhoneNumberID: w.pick("n1", "n2"), ID: w.pick("491701", "DE.1"), FullName: w.pick("", "Ada L", "Bea M"), TimestampMS: int64(1_000_000 + w.rng.IntN(30)*1000),
			PhoneNumber: "491701", UserID: w.pick("", "DE.1"), Original: json.RawMessage(fmt.Sprintf(`{"n":%d}`, w.ids)),
		}
		key := c.PhoneNumberID + "/" + c.ID
		if w.maybe(3) {
			w.add(schemas.TopicContacts, schemas.TypeContactRemoved, key, nil, "coex-contact-action", "remove", "coex-contact-timestamp", fmt.Sprint(c.TimestampMS))
			return
		}
		w.add(schemas.TopicContacts, schemas.TypeContact, key, c, "coex-contact-action", "add").contact = c
	case 1:
		s := &schemas.Sync{WABAID: "waba", PhoneNumberID: w.pick("n1", "n2"), Window: int32(1 + w.rng.IntN(2)), State: schemas.SyncRunning, Messages: int64(w.ids)}
		if w.maybe(4) {
			w.add(schemas.TopicSyncs, schemas.TypeSyncRemoved, s.PhoneNumberID, nil)
			return
		}
		w.add(schemas.TopicSyncs, schemas.TypeSync, s.PhoneNumberID, s).sync = s
	case 2:
		a := &schemas.Account{WABAID: w.pick("waba", "waba2"), PhoneNumberID: w.pick("", "n1", "n2"), Event: w.pick("PARTNER_ADDED", "PARTNER_REMOVED"), Original: json.RawMessage(fmt.Sprintf(`{"n":%d}`, w.ids))}
		w.add(schemas.TopicAccount, schemas.TypeAccount, a.WABAID, a).account = a
	}
}

// store is a target in memory: it reads rows, joins, writes.
type store struct{ rows *merge.Rows }

func save[K comparable, T any, P interface {
	*T
	Join(*T) bool
}](to, from map[K]*T) {
	for key, row := range from {
		was, ok := to[key]
		if !ok {
			to[key] = row
			continue
		}
		before := *was
		if changed := P(was).Join(row); changed == reflect.DeepEqual(before, *was) {
			panic(fmt.Sprintf("Join says %v: %+v became %+v", changed, before, *was))
		}
	}
}

func (s *store) apply(r *merge.Rows) {
	save(s.rows.Messages, r.Messages)
	save(s.rows.Participants, r.Participants)
	save(s.rows.Reactions, r.Reactions)
	save(s.rows.Contacts, r.Contacts)
	save(s.rows.Numbers, r.Numbers)
	save(s.rows.Businesses, r.Businesses)
	save(s.rows.Syncs, r.Syncs)
	save(s.rows.Notes, r.Notes)
}

// play reads the logs in an order of its own: between topics any, within one that of the log. Some is read again.
func (w *world) play(t *testing.T) *merge.Rows {
	s := &store{merge.NewRows()}
	next := map[schemas.Topic]int{}
	for {
		var open []schemas.Topic
		for _, topic := range slices.Sorted(maps.Keys(w.logs)) {
			if next[topic] < len(w.logs[topic]) {
				open = append(open, topic)
			}
		}
		if len(open) == 0 {
			return s.rows
		}
		batch := merge.NewRows()
		for range 1 + w.rng.IntN(20) {
			topic := open[w.rng.IntN(len(open))]
			if next[topic] == len(w.logs[topic]) {
				continue
			}
			r := w.logs[topic][next[topic]]
			e := r.read(t)
			batch.Add(&e, r.place)
			next[topic]++
		}
		s.apply(batch)
		if w.maybe(4) { // as after a crash, or when offsets are set back
			topic := open[w.rng.IntN(len(open))]
			next[topic] = w.rng.IntN(next[topic] + 1)
		}
	}
}

// TestOutcomeIsTheSameWhateverTheOrderBatchesAndRepetitions compares random interleavings with a naive fold.
func TestOutcomeIsTheSameWhateverTheOrderBatchesAndRepetitions(t *testing.T) {
	seeds := uint64(1000)
	if testing.Short() {
		seeds = 100
	}
	for seed := range seeds {
		w := &world{rng: rand.New(rand.NewPCG(seed, 14)), logs: map[schemas.Topic][]*record{}, clock: 1_772_000_000_000}
		for range 10 + w.rng.IntN(80) {
			if w.maybe(4) {
				w.other()
			} else {
				w.message()
			}
		}
		first := w.play(t)
		second := w.play(t)
		if !reflect.DeepEqual(first, second) {
			t.Fatalf("seed %d: two orders, two outcomes", seed)
		}
		got, want := lines(first), w.fold()
		for i := range max(len(got), len(want)) {
			switch {
			case i >= len(got):
				t.Fatalf("seed %d: missing %s", seed, want[i])
			case i >= len(want):
				t.Fatalf("seed %d: too much %s", seed, got[i])
			case got[i] != want[i]:
				t.Fatalf("seed %d:\n got %s\nwant %s", seed, got[i], want[i])
			}
		}
	}
}

// lines are what a reader sees of rows, sorted.
func lines(r *merge.Rows) (all []string) {
	say := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	for _, m := range r.Messages {
		say("message %s %s content %s %q edit %s %q revoke %s media %s receipt %s", m.Number, m.WAMID, m.Content.EventID, m.Content.Text, m.Edit.EventID, m.Edit.Text, m.Revoke.EventID, m.Media.EventID, receipt(&m.Receipt))
	}
	for _, p := range r.Participants {
		say("participant %s %s %s receipt %s", p.Number, p.WAMID, p.ID, receipt(&p.Receipt))
	}
	for _, p := range r.Reactions {
		say("reaction %s %s by %s %q %s", p.Number, p.WAMID, p.Sender, p.Emoji.Text, p.Emoji.EventID)
	}
	for _, c := range r.Contacts {
		say("contact %s %s book %q removed %v profile %q link %s", c.Number, c.ID, c.Book.FullName, c.Book.Removed, c.Profile.Name, c.Link.ID)
	}
	for _, n := range r.Numbers {
		say("number %s waba %s display %s event %s", n.ID, n.WABA.Text, n.Display.Text, n.Event.Text)
	}
	for _, b := range r.Businesses {
		say("business %s event %s", b.WABA, b.Event.Text)
	}
	for _, s := range r.Syncs {
		say("sync %s %d messages %d removed %v", s.Number, s.Window, s.Messages, s.Removed)
	}
	for _, n := range r.Notes {
		say("note %s %s", n.ID, n.Kind)
	}
	slices.Sort(all)
	return all
}

func receipt(r *merge.Receipt) string {
	return fmt.Sprintf("%s %d/%d/%d/%d failed %s", r.Status, r.SentAt, r.DeliveredAt, r.ReadAt, r.PlayedAt, r.Failed.EventID)
}

// fold says what the rows are by the rules of docs/consuming.md, from all events at once: no registers, no joins.
func (w *world) fold() []string {
	rows := map[string]*seen{}
	at := func(format string, args ...any) *seen {
		key := fmt.Sprintf(format, args...)
		if rows[key] == nil {
			rows[key] = &seen{}
		}
		return rows[key]
	}
	var all []string
	numbers, businesses := map[string]bool{}, map[string]bool{}
	var records []*record
	for _, topic := range slices.Sorted(maps.Keys(w.logs)) {
		records = append(records, w.logs[topic]...)
	}
	for _, r := range records {
		switch {
		case r.message != nil:
			m := r.message
			numbers[m.PhoneNumberID], businesses[m.WABAID] = true, true
			target := m.WAMID
			if (m.Kind == "edit" || m.Kind == "revoke") && m.OriginalWAMID != "" {
				target = m.OriginalWAMID
			}
			switch m.Kind {
			case "error":
				all = append(all, fmt.Sprintf("note %s error", r.id))
			case "reaction":
				var original struct {
					Reaction struct {
						MessageID string `json:"message_id"`
					} `json:"reaction"`
				}
				_ = json.Unmarshal(m.Original, &original)
				sender := m.Contact.WaID
				if sender == "" {
					sender = m.Contact.UserID
				}
				if m.Direction == "outbound" {
					sender = ""
				}
				at("reaction %s %s by %s", m.PhoneNumberID, original.Reaction.MessageID, sender).add(r)
			case "status":
				id := m.Contact.WaID
				if id == "" {
					id = m.Contact.UserID
				}
				if m.GroupID != "" && id != "" {
					at("participant %s %s %s", m.PhoneNumberID, target, id).add(r)
				} else {
					at("message %s %s", m.PhoneNumberID, target).add(r)
				}
			default:
				at("message %s %s", m.PhoneNumberID, target).add(r)
			}
			id := m.Contact.WaID
			if id == "" {
				id = m.Contact.UserID
			}
			if id != "" && m.Contact.ProfileName != "" {
				at("contact %s %s", m.PhoneNumberID, id).add(r)
			}
			if m.Contact.WaID != "" && m.Contact.UserID != "" {
				at("contact %s %s", m.PhoneNumberID, m.Contact.WaID).link(r, m.Timestamp, m.Contact.UserID)
				at("contact %s %s", m.PhoneNumberID, m.Contact.UserID).link(r, m.Timestamp, m.Contact.WaID)
			}
		case r.topic == schemas.TopicContacts:
			number, id, _ := strings.Cut(r.key, "/")
			at("contact %s %s", number, id).add(r)
			if c := r.contact; c != nil {
				numbers[number], businesses[c.WABAID] = true, true
				if c.UserID != "" {
					at("contact %s %s", number, c.PhoneNumber).link(r, c.TimestampMS/1000, c.UserID)
					at("contact %s %s", number, c.UserID).link(r, c.TimestampMS/1000, c.PhoneNumber)
				}
			}
		case r.topic == schemas.TopicSyncs && r.sync == nil:
			at("sync %s 0", r.key).add(r)
		case r.sync != nil:
			numbers[r.key], businesses[r.sync.WABAID] = true, true
			at("sync %s %d", r.key, r.sync.Window).add(r)
		case r.account != nil:
			businesses[r.account.WABAID] = true
			if r.account.PhoneNumberID != "" {
				numbers[r.account.PhoneNumberID] = true
			}
			all = append(all, fmt.Sprintf("note %s %s", r.id, r.account.Event))
		}
	}
	for key, s := range rows {
		switch kind, _, _ := strings.Cut(key, " "); kind {
		case "message":
			content, edit, revoke, media := s.best(contents), s.best(edits), s.best(revokes), s.best(assets)
			var new struct {
				Edit struct {
					Message struct {
						Text struct {
							Body string `json:"body"`
						} `json:"text"`
					} `json:"message"`
				} `json:"edit"`
			}
			if edit != nil {
				_ = json.Unmarshal(edit.message.Original, &new)
			}
			all = append(all, fmt.Sprintf("%s content %s %q edit %s %q revoke %s media %s receipt %s", key, id(content), bodyOf(content), id(edit), new.Edit.Message.Text.Body, id(revoke), id(media), s.receipt()))
		case "participant":
			all = append(all, fmt.Sprintf("%s receipt %s", key, s.receipt()))
		case "reaction":
			r := s.best(reactions)
			var original struct {
				Reaction struct {
					Emoji string `json:"emoji"`
				} `json:"reaction"`
			}
			_ = json.Unmarshal(r.message.Original, &original)
			all = append(all, fmt.Sprintf("%s %q %s", key, original.Reaction.Emoji, r.id))
		case "contact":
			name, removed, profile := "", false, ""
			if b := s.best(books); b != nil {
				if removed = b.contact == nil; !removed {
					name = b.contact.FullName
				}
			}
			if p := s.best(profiles); p != nil {
				profile = p.message.Contact.ProfileName
			}
			all = append(all, fmt.Sprintf("%s book %q removed %v profile %q link %s", key, name, removed, profile, s.linked()))
		case "sync":
			r := s.best(all_)
			n := int64(0)
			if r.sync != nil {
				n = r.sync.Messages
			}
			all = append(all, fmt.Sprintf("%s messages %d removed %v", key, n, r.sync == nil))
		}
	}
	for n := range numbers {
		waba, display, event := told(records, func(r *record) string {
			switch {
			case r.message != nil && r.message.PhoneNumberID == n:
				return r.message.WABAID
			case r.contact != nil && r.contact.PhoneNumberID == n:
				return r.contact.WABAID
			case r.sync != nil && r.sync.PhoneNumberID == n:
				return r.sync.WABAID
			case r.account != nil && r.account.PhoneNumberID == n:
				return r.account.WABAID
			}
			return ""
		}), told(records, func(r *record) string {
			if r.message != nil && r.message.PhoneNumberID == n {
				return r.message.DisplayPhoneNumber
			}
			return ""
		}), told(records, func(r *record) string {
			if r.account != nil && r.account.PhoneNumberID == n {
				return r.account.Event
			}
			return ""
		})
		all = append(all, fmt.Sprintf("number %s waba %s display %s event %s", n, waba, display, event))
	}
	for b := range businesses {
		all = append(all, fmt.Sprintf("business %s event %s", b, told(records, func(r *record) string {
			if r.account != nil && r.account.WABAID == b {
				return r.account.Event
			}
			return ""
		})))
	}
	slices.Sort(all)
	return all
}

// told is what the newest record says that says anything.
func told(records []*record, what func(*record) string) string {
	var best *record
	for _, r := range records {
		if what(r) != "" && (best == nil || cmp.Or(cmp.Compare(r.received, best.received), tie(r, best)) > 0) {
			best = r
		}
	}
	if best == nil {
		return ""
	}
	return what(best)
}

// tie decides between events of which the rules do not say which is newer: there has to be one outcome.
func tie(a, b *record) int {
	return cmp.Compare(schemas.HashBytes(a.value).Hi, schemas.HashBytes(b.value).Hi)
}

func id(r *record) string {
	if r == nil {
		return ""
	}
	return r.id
}

func bodyOf(r *record) string {
	if r == nil {
		return ""
	}
	var original struct {
		Text struct {
			Body string `json:"body"`
		} `json:"text"`
	}
	_ = json.Unmarshal(r.message.Original, &original)
	if r.message.Type != "text" {
		return ""
	}
	return string(bytes.ReplaceAll([]byte(original.Text.Body), []byte{0}, nil))
}

// seen are the records of a row.
type seen struct {
	records []*record
	links   []link
}

type link struct {
	r  *record
	at int64
	id string
}

func (s *seen) add(r *record) { s.records = append(s.records, r) }

func (s *seen) link(r *record, at int64, id string) { s.links = append(s.links, link{r, at, id}) }

func (s *seen) linked() string {
	if len(s.links) == 0 {
		return ""
	}
	return slices.MaxFunc(s.links, func(a, b link) int { return cmp.Or(cmp.Compare(a.at, b.at), tie(a.r, b.r)) }).id
}

// rule is which records count for a part of a row, and which of two wins.
type rule struct {
	counts func(*record) bool
	than   func(a, b *record) int
}

func later(a, b *record) int {
	return cmp.Or(cmp.Compare(a.message.Timestamp, b.message.Timestamp), tie(a, b))
}

func kind(k string) func(*record) bool {
	return func(r *record) bool { return r.message != nil && r.message.Kind == k }
}

var (
	contents = rule{
		func(r *record) bool { return r.message.Kind == "message" || r.message.Kind == "placeholder" },
		func(a, b *record) int {
			live := func(r *record) int {
				if r.message.Historical {
					return 0
				}
				return 1
			}
			window := func(r *record) int32 {
				if r.message.Sync == nil {
					return 0
				}
				return r.message.Sync.Window
			}
			return cmp.Or(cmp.Compare(*a.message.Rank, *b.message.Rank), cmp.Compare(live(a), live(b)), cmp.Compare(window(a), window(b)), later(a, b))
		},
	}
	edits, revokes, assets = rule{kind("edit"), later}, rule{kind("revoke"), later}, rule{kind("media"), later}
	reactions              = rule{kind("reaction"), func(a, b *record) int {
		live := func(r *record) int {
			if r.message.Historical {
				return 0
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.message.Timestamp, b.message.Timestamp), cmp.Compare(live(a), live(b)), tie(a, b))
	}}
	byOffset = func(a, b *record) int { return cmp.Compare(a.place.Offset, b.place.Offset) }
	books    = rule{func(r *record) bool { return r.topic == schemas.TopicContacts }, byOffset}
	profiles = rule{func(r *record) bool { return r.message != nil }, later}
	all_     = rule{func(*record) bool { return true }, byOffset} //nolint:revive // all is the result
)

func (s *seen) best(by rule) (best *record) {
	for _, r := range s.records {
		if by.counts(r) && (best == nil || by.than(r, best) > 0) {
			best = r
		}
	}
	return best
}

func (s *seen) receipt() string {
	levels := []string{"deleted", "warning", "pending", "sent", "delivered", "read", "played"}
	level, failed := -1, (*record)(nil)
	first := map[string]int64{}
	for _, r := range s.records {
		m := r.message
		status := strings.ToLower(m.Status)
		if status == "" {
			continue
		}
		at := m.Timestamp
		if m.Kind != "status" {
			at = 0
		}
		if status == "failed" || status == "error" {
			if failed == nil || cmp.Or(cmp.Compare(at, first["failed"]), tie(r, failed)) > 0 {
				failed, first["failed"] = r, at
			}
			continue
		}
		level = max(level, slices.Index(levels, status))
		if at > 0 && (first[status] == 0 || at < first[status]) {
			first[status] = at
		}
	}
	status := ""
	if level >= 0 {
		status = levels[level]
	}
	return fmt.Sprintf("%s %d/%d/%d/%d failed %s", status, first["sent"], first["delivered"], first["read"], first["played"], id(failed))
}
