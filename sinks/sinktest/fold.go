package sinktest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// Fold says what a target has to hold, by the rules of docs/consuming.md, from all events at once: no registers, no joins.
func (w *World) Fold() []string {
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
		for _, partition := range w.partitions {
			records = append(records, w.logs[topic][partition]...)
		}
	}
	for _, r := range records {
		switch {
		case r.repeated: // it changes nothing
		case r.poison:
			all = append(all, fmt.Sprintf("letter %s/%d@%d %s", r.topic, r.Partition, r.Offset, sum(string(r.Value))))
		case r.message != nil:
			m := r.message
			numbers[m.PhoneNumberID], businesses[m.WABAID] = true, true
			target := m.WAMID
			if (m.Kind == "edit" || m.Kind == "revoke") && m.OriginalWAMID != "" {
				target = m.OriginalWAMID
			}
			switch m.Kind {
			case "error":
				all = append(all, fmt.Sprintf("note %s error %s of %s", r.id, sum(string(m.Original)), person(r)))
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
			number, id, _ := strings.Cut(string(r.Key), "/")
			at("contact %s %s", number, id).add(r)
			if c := r.contact; c != nil {
				numbers[number], businesses[c.WABAID] = true, true
				if c.UserID != "" {
					at("contact %s %s", number, c.PhoneNumber).link(r, c.TimestampMS/1000, c.UserID)
					at("contact %s %s", number, c.UserID).link(r, c.TimestampMS/1000, c.PhoneNumber)
				}
			}
		case r.topic == schemas.TopicSyncs && r.sync == nil:
			at("sync %s 0", r.Key).add(r)
		case r.sync != nil:
			numbers[r.sync.PhoneNumberID], businesses[r.sync.WABAID] = true, true
			at("sync %s %d", r.Key, r.sync.Window).add(r)
		case r.asset != nil:
			at("asset %s %s", r.asset.PhoneNumberID, r.asset.EventID).add(r)
		case r.account != nil:
			businesses[r.account.WABAID] = true
			if r.account.PhoneNumberID != "" {
				numbers[r.account.PhoneNumberID] = true
			}
			all = append(all, fmt.Sprintf("note %s %s %s of ", r.id, r.account.Event, sum(string(r.account.Original))))
		}
	}
	chats := map[Chat][]*record{}
	for key, s := range rows {
		switch kind, _, _ := strings.Cut(key, " "); kind {
		case "message":
			content, edit, revoke, media := s.best(contents), s.best(edits), s.best(revokes), s.best(assets)
			if content != nil && content.message.Thread != "" {
				chat := Chat{content.message.PhoneNumberID, content.message.Thread}
				chats[chat] = append(chats[chat], content)
			}
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
			all = append(all, fmt.Sprintf("%s content %s %q %s edit %s %q %s of %s revoke %s %s of %s media %s %s of %s receipt %s", key, id(content), bodyOf(content), kindOf(content),
				id(edit), new.Edit.Message.Text.Body, original(edit), person(edit), id(revoke), original(revoke), person(revoke), id(media), original(media), person(media), s.receipt()))
		case "participant":
			all = append(all, fmt.Sprintf("%s receipt %s", key, s.receipt()))
		case "reaction":
			r := s.best(reactions)
			var content struct {
				Reaction struct {
					Emoji string `json:"emoji"`
				} `json:"reaction"`
			}
			_ = json.Unmarshal(r.message.Original, &content)
			all = append(all, fmt.Sprintf("%s %q %s %s of %s", key, content.Reaction.Emoji, r.id, original(r), person(r)))
		case "contact":
			name, entry, removed, profile := "", sum(""), false, ""
			if b := s.best(books); b != nil {
				if removed = b.contact == nil; !removed {
					name, entry = b.contact.FullName, sum(string(b.contact.Original))
				}
			}
			if p := s.best(profiles); p != nil {
				profile = p.message.Contact.ProfileName
			}
			all = append(all, fmt.Sprintf("%s book %q %s removed %v profile %q link %s", key, name, entry, removed, profile, s.linked()))
		case "asset":
			a := s.best(outcomes).asset
			all = append(all, fmt.Sprintf("%s of %s in %s: %s %s %s %d %s %q %q %s until %d", key, whose(a), a.Thread, a.State, a.Reason, a.SHA256, a.Bytes, a.Object,
				strings.ReplaceAll(a.Filename, "\x00", ""), a.MIMEType, a.At.Format(time.RFC3339Nano), a.ExpiresAt.Unix()))
		case "sync":
			r := s.best(syncs)
			n := int64(0)
			if r.sync != nil {
				n = r.sync.Messages
			}
			all = append(all, fmt.Sprintf("%s messages %d %s removed %v", key, n, sum(string(r.Value)), r.sync == nil))
		}
	}
	for chat, messages := range chats {
		all = append(all, threadOf(chat, messages))
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

// threadOf is a chat by the messages in it.
func threadOf(chat Chat, messages []*record) string {
	sortAt := func(r *record) int64 {
		if r.message.Timestamp == 0 {
			return r.received / 1000
		}
		return r.message.Timestamp
	}
	slices.SortFunc(messages, func(a, b *record) int {
		return -cmp.Or(cmp.Compare(sortAt(a), sortAt(b)), cmp.Compare(a.message.WAMID, b.message.WAMID))
	})
	unread, since := 0, int64(0)
	for _, r := range messages {
		if r.message.Historical || r.message.Direction == "outbound" {
			break
		}
		unread++
		since = sortAt(r)
	}
	last := messages[0]
	return fmt.Sprintf("thread %s %q messages %d last %s at %d unread %d since %d", chat.Number, chat.Chat, len(messages), last.message.WAMID, sortAt(last), unread, since)
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
	return cmp.Compare(schemas.HashBytes(a.Value).Hi, schemas.HashBytes(b.Value).Hi)
}

func id(r *record) string {
	if r == nil {
		return ""
	}
	return r.id
}

// original is the verbatim object of a message event.
func original(r *record) string {
	if r == nil {
		return sum("")
	}
	return sum(string(r.message.Original))
}

// person is whom an event is about: the thread, if it is no group, or else the contact.
func person(r *record) string {
	switch {
	case r == nil:
		return ""
	case r.message.GroupID == "" && r.message.Thread != "":
		return r.message.Thread
	case r.message.Contact.WaID != "":
		return r.message.Contact.WaID
	}
	return r.message.Contact.UserID
}

// whose is whom an asset is about, as person says it of a message.
func whose(a *schemas.Asset) string {
	contact := &schemas.Contact{}
	if a.Contact != nil {
		contact = a.Contact
	}
	return person(&record{message: &schemas.Message{GroupID: a.GroupID, Thread: a.Thread, Contact: contact}})
}

// kindOf says what sort of content a message has.
func kindOf(r *record) string {
	if r == nil {
		return "  window 0 " + sum("")
	}
	window := int32(0)
	if r.message.Sync != nil {
		window = r.message.Sync.Window
	}
	return fmt.Sprintf("%s %s window %d %s", r.message.Type, r.message.Direction, window, original(r))
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
			own := func(r *record) int { // no copy of what another application answers
				if r.message.Standby {
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
			return cmp.Or(cmp.Compare(*a.message.Rank, *b.message.Rank), cmp.Compare(live(a), live(b)), cmp.Compare(own(a), own(b)), cmp.Compare(window(a), window(b)), later(a, b))
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
	outcomes = rule{func(*record) bool { return true }, func(a, b *record) int { return cmp.Or(a.asset.At.Compare(b.asset.At), tie(a, b)) }}
	byOffset = func(a, b *record) int { return cmp.Compare(a.Offset, b.Offset) }
	books    = rule{func(r *record) bool { return r.topic == schemas.TopicContacts }, byOffset}
	profiles = rule{func(r *record) bool { return r.message != nil }, later}
	syncs    = rule{func(*record) bool { return true }, byOffset}
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
	level, failed, who := -1, (*record)(nil), ""
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
		} else {
			who = max(who, person(r))
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
	return fmt.Sprintf("%s %d/%d/%d/%d failed %s %s of %s", status, first["sent"], first["delivered"], first["read"], first["played"], id(failed), original(failed), who)
}
