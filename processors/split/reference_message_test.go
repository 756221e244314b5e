package split

import (
	"fmt"
	"slices"
	"strings"

	"github.com/coexstream/coexstream/schemas"
	"github.com/go-json-experiment/json/jsontext"
)

func refElement(h *node, position int, l *left) HistoryElement {
	meta := h.get("metadata")
	var found []*node
	for _, m := range h.all() {
		switch {
		case (m.name == "errors" || m.name == "error") && m.value.kind != 'n':
			found = append(found, m.value)
		case m.name == "metadata" && m.value.kind == '{':
			for _, inner := range m.value.members {
				if (inner.name == "errors" || inner.name == "error") && inner.value.kind != 'n' {
					found = append(found, inner.value)
				}
			}
		}
	}
	e := HistoryElement{Raw: h.raw, Errors: refJoined(found)}
	e.Phase, e.HasPhase = meta.get("phase").ordinal()
	e.ChunkOrder, e.HasChunkOrder = meta.get("chunk_order").ordinal()
	e.Progress, e.HasProgress = meta.get("progress").ordinal()
	for i, n := range h.get("threads").list() {
		var in left
		var t Thread
		path := fmt.Sprintf(".history.%d.threads.%d", position, i)
		why := schemas.ReasonShape
		if n.kind == '{' {
			if why = try(func() { t = refThread(n, path, &in) }); why == "" {
				why = looseness(n.without(in.parts))
			}
		}
		if why != "" {
			t, in = Thread{}, left{}
			in.out(n, path)
		}
		e.Threads = append(e.Threads, t)
		l.parts, l.places = append(l.parts, in.parts...), append(l.places, in.places...)
	}
	refDeclined(&e)
	return e
}

// refDeclined adds the first decline of a message.
func refDeclined(e *HistoryElement) {
	for _, t := range e.Threads {
		for _, m := range t.Messages {
			n, err := parseTree(m.Raw)
			if err != nil {
				continue
			}
			for _, name := range []string{"errors", "error"} {
				errs := n.get(name)
				if errs == nil {
					continue
				}
				for _, one := range append([]*node{errs}, errs.list()...) {
					if code := one.get("code"); code != nil && (string(code.raw) == "2593109" || string(code.raw) == `"2593109"`) {
						if e.Errors == nil {
							e.Errors = one.raw
						} else {
							e.Errors = refJoined([]*node{{kind: jsontext.Kind(e.Errors[0]), raw: e.Errors}, one})
						}
						return
					}
				}
			}
		}
	}
}

func refThread(t *node, path string, l *left) Thread {
	c := t.get("context")
	var lists []*node
	if m := t.get("messages"); m != nil {
		lists = append(lists, m)
	}
	return Thread{
		ID: t.get("id").id(), GroupID: t.get("group_id").id(), WaID: c.get("wa_id").id(), UserID: c.get("user_id").id(),
		ParentUserID: c.get("parent_user_id").id(), Username: c.get("username").text(),
		CountryCode: c.get("country_code").text(),
		Messages:    refMessages(lists, false, path+".messages", l),
	}
}

func refMessages(lists []*node, status bool, path string, l *left) (ms []Message) {
	var all []*node
	for _, list := range lists {
		all = append(all, list.list()...)
	}
	for i, n := range all {
		if n.oddness() != "" {
			l.out(n, fmt.Sprintf("%s.%d", path, i))
			continue
		}
		m := Message{
			Raw: n.raw, Index: int32(i), ID: n.get("id").id(), From: n.get("from").id(), To: n.get("to").id(),
			Type: n.get("type").text(), FromUserID: n.get("from_user_id").id(), ToUserID: n.get("to_user_id").id(),
			RecipientID: n.get("recipient_id").id(), RecipientUserID: n.get("recipient_user_id").id(),
			Timestamp: n.get("timestamp").seconds(), Status: n.get("history_context").get("status").text(),
		}
		if sent := n.get("message"); sent != nil && sent.kind == '{' {
			or := func(dst *[]byte, b []byte) {
				if len(*dst) == 0 {
					*dst = b
				}
			}
			or(&m.To, sent.get("to").id())
			or(&m.ToUserID, sent.get("recipient").id())
			or(&m.Type, sent.get("type").text())
		}
		if status {
			m.Status = n.get("status").text()
		}
		if f := n.get("history_context").get("from_me"); f != nil && !status {
			switch {
			case f.kind == 't', f.kind == '"' && f.str == "true":
				m.FromMe = FromMeTrue
			case f.kind == 'f', f.kind == '"' && f.str == "false":
				m.FromMe = FromMeFalse
			}
		}
		m.Names = refNames(n)
		if sent := n.get("message"); sent != nil && sent.kind == '{' && strings.EqualFold(string(sent.get("recipient_type").text()), "group") {
			m.Names.RecipientType = orElse(m.Names.RecipientType, sent.get("recipient_type").text())
		}
		if edit := n.get("edit"); edit != nil && edit.kind == '{' {
			m.Edit = edit.raw
		}
		for _, name := range []string{"errors", "error"} {
			errs := n.get(name)
			m.HasErrors = m.HasErrors || errs != nil && (errs.kind == '[' || errs.kind == '{') && len(strings.TrimSpace(string(errs.raw[1:len(errs.raw)-1]))) > 0
		}
		m.HasContent = m.HasErrors && !status && refHasContent(n, string(m.Type))
		for _, holder := range []string{"edit", "revoke"} {
			if id := refOriginal(n.get(holder)); len(id) > 0 {
				m.OriginalID = id
			}
		}
		ms = append(ms, m)
	}
	return ms
}

func refHasContent(n *node, messageType string) bool {
	names := []string{messageType}
	if messageType == "voice" {
		names = append(names, "audio")
	}
	for _, name := range names {
		for _, in := range []*node{n, n.get("message")} {
			if in == nil || in.kind != '{' || name == "" {
				continue
			}
			if content := in.get(name); content != nil && content.kind != 'n' {
				return true
			}
		}
	}
	return false
}

func refOriginal(holder *node) []byte {
	return orElse(holder.get("original_message_id").id(), holder.get("originalMessageId").id())
}

func refNames(n *node) *Names {
	return &Names{
		GroupID: n.get("group_id").id(), FromParentUserID: n.get("from_parent_user_id").id(), ToParentUserID: n.get("to_parent_user_id").id(),
		RecipientType: n.get("recipient_type").text(), RecipientLogicalID: n.get("recipient_logical_id").id(),
		RecipientParentUserID:   orElse(n.get("recipient_parent_user_id").id(), n.get("parent_recipient_user_id").id()),
		ParticipantID:           orElse(n.get("recipient_participant_id").id(), n.get("participant_recipient_id").id()),
		ParticipantUserID:       n.get("recipient_participant_user_id").id(),
		ParticipantParentUserID: n.get("recipient_participant_parent_user_id").id(),
		System:                  refSystem(n.get("system")), UserIDUpdate: refSystem(n.get("user_id_update")),
	}
}

func refSystem(n *node) System {
	current := func(name string) []byte { return orElse(n.get(name).get("current").id(), n.get(name).id()) }
	previous := func(name string) []byte {
		return orElse(n.get("previous_"+name).id(), n.get(name).get("previous").id())
	}
	return System{
		WaID: orElse(n.get("wa_id").id(), n.get("new_wa_id").id()), PreviousWaID: orElse(n.get("previous_wa_id").id(), n.get("customer").id()),
		UserID: current("user_id"), PreviousUserID: previous("user_id"),
		ParentUserID: current("parent_user_id"), PreviousParentUserID: previous("parent_user_id"),
	}
}

func refProfiles(lists []*node, l *left) (ps []Profile) {
	var entries []*node
	for _, list := range lists {
		if list.kind == '{' {
			entries = append(entries, list)
		} else {
			entries = append(entries, list.items...)
		}
	}
	for i, n := range entries {
		switch {
		case n.kind == 'n':
			continue
		case n.kind != '{' || n.oddness() != "":
			l.out(n, fmt.Sprintf(".contacts.%d", i))
			continue
		}
		p := n.get("profile")
		ps = append(ps, Profile{
			Raw: n.raw, WaID: n.get("wa_id").id(), UserID: n.get("user_id").id(), ParentUserID: n.get("parent_user_id").id(),
			CountryCode: n.get("country_code").text(), Name: p.get("name").text(),
			Username: orElse(p.get("username").text(), n.get("username").text()),
		})
	}
	return ps
}

func refHandover(v *node, c *Change) {
	own, user := v.get("recipient"), v.get("sender")
	if len(own.get("phone_number_id").id()) == 0 && len(user.get("phone_number_id").id()) > 0 {
		own, user = user, own
	}
	if len(c.PhoneNumberID) == 0 {
		c.PhoneNumberID = own.get("phone_number_id").id()
	}
	if len(c.DisplayPhoneNumber) == 0 {
		c.DisplayPhoneNumber = own.get("display_phone_number").id()
	}
	from := user.get("phone_number").id()
	if len(from) == 0 {
		from = user.get("wa_id").id()
	}
	c.History, c.Messages, c.Echoes, c.Statuses, c.StateSync = nil, nil, nil, nil, nil
	c.Handovers = []Message{{Raw: v.raw, Type: v.get("type").text(), Timestamp: v.get("timestamp").seconds(), From: from, FromUserID: user.get("user_id").id()}}
}

func refContacts(list *node, l *left) (items []ContactItem) {
	for i, n := range list.list() {
		if n.oddness() != "" {
			l.out(n, fmt.Sprintf(".state_sync.%d", i))
			continue
		}
		contact, meta := n.get("contact"), n.get("metadata")
		if contact != nil && contact.kind != '{' {
			contact = nil
		}
		either := func(names ...string) *node {
			var last *node
			for _, m := range contact.all() {
				if slices.Contains(names, m.name) && (len(m.value.id()) > 0 || m.value.kind == '"') {
					last = m.value
				}
			}
			return last
		}
		at := meta.get("timestamp").millis()
		if at == 0 {
			if at = n.get("timestamp").date() * 1000; at == 0 {
				at = n.get("timestamp").millis()
			}
		}
		items = append(items, ContactItem{
			Raw: n.raw, Type: n.get("type").text(), Action: n.get("action").text(),
			PhoneNumber: either("phone_number", "phoneNumber").id(), UserID: either("user_id", "userId").id(),
			ParentUserID: either("parent_user_id", "parentUserId").id(), Username: contact.get("username").text(),
			FullName: either("full_name", "fullName").text(), FirstName: either("first_name", "firstName").text(),
			TimestampMS: at, Version: meta.get("version").integer(), Index: int32(i),
		})
	}
	return items
}
