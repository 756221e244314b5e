package split

import (
	"bytes"
	"slices"
	"strings"
)

// refCloud is the reference for YCloud's events.
func refCloud(root *node) (Change, left) {
	c := Change{Raw: root.raw, Value: root.raw, Field: root.get("type").text(), EntryTime: root.get("createTime").date()}
	var l left
	book := root.get("whatsappSmbAppStateSync")
	kind := string(c.Field)
	parts := []*node{}
	if kind == "whatsapp.smb.app.state.sync" && book != nil && book.kind == '{' {
		parts = append(parts, book)
	}
	if why := looseness(root.without(parts)); why != "" {
		panic(refused{why})
	}
	var waba string
	for _, m := range root.members {
		if len(m.name) <= 8 || !strings.HasPrefix(m.name, "whatsapp") || slices.Contains(refCloudMessages, m.name) {
			continue
		}
		if w := string(m.value.get("wabaId").id()); w != "" && (waba == "" || w < waba) {
			waba = w
		}
	}
	for _, n := range []*node{root.get("whatsappGroupMessage"), root.get("whatsappMessage"), root.get("whatsappInboundMessage"), root} {
		if w := n.get("wabaId").id(); len(w) > 0 {
			waba = string(w)
		}
	}
	c.EntryID, c.WABA = []byte(waba), []byte(waba)
	named := func(number, id []byte) {
		c.DisplayPhoneNumber = bytes.TrimPrefix(number, []byte("+"))
		if c.PhoneNumberID = c.DisplayPhoneNumber; len(number) == 0 || string(number) == "+" {
			c.PhoneNumberID = id
		}
	}
	sent := refCloudSent(root)
	item := func(side string) (m Message, ok bool) {
		n := root.get(side)
		if n == nil || n.kind != '{' {
			return m, false
		}
		m = refCloudMessage(n)
		parent := n.get("fromParentUserId").id()
		m.Names = &Names{FromParentUserID: parent, ToParentUserID: refCloudToParent(n), RecipientParentUserID: refCloudToParent(n), GroupID: n.get("groupId").id()}
		if y := n.get("system"); y != nil && y.kind == '{' {
			m.Names.System = refSystem(y)
		}
		refCloudProfile(&c, n, side, m)
		return m, true
	}
	switch kind {
	case "whatsapp.smb.history":
		refCloudHistory(root, &c)
	case "whatsapp.smb.message.echoes", "whatsapp.echo_message.created":
		if m, ok := item(sent); ok {
			c.Field, c.Echoes = []byte("smb_message_echoes"), []Message{m}
			named(m.From, root.get(sent).get("phoneNumberId").id())
		}
	case "whatsapp.inbound_message.received", "whatsapp.group.inbound_message.received":
		if m, ok := item("whatsappInboundMessage"); ok {
			c.Field, c.Messages = []byte("messages"), []Message{m}
			named(m.To, root.get("whatsappInboundMessage").get("phoneNumberId").id())
		}
	case "whatsapp.message.updated", "whatsapp.echo_message.updated", "whatsapp.group.message.updated":
		if m, ok := item(sent); ok {
			n := root.get(sent)
			named(m.From, n.get("phoneNumberId").id())
			var at int64
			names := []string{"updateTime", "createTime"}
			if of, known := map[string]string{"sent": "sendTime", "delivered": "deliverTime", "read": "readTime"}[string(m.Status)]; known {
				names = append([]string{of}, names...)
			}
			names = append([]string{"statusTime"}, names...)
			for _, name := range names {
				if at == 0 {
					at = n.get(name).date()
				}
			}
			c.Field = []byte("messages")
			c.Statuses = []Message{{Raw: m.Raw, ID: m.ID, Status: m.Status, Timestamp: at, RecipientID: m.To, RecipientUserID: m.ToUserID, Names: m.Names}}
		}
	case "whatsapp.smb.app.state.sync":
		if book == nil || book.kind != '{' {
			break
		}
		named(book.get("phoneNumber").id(), nil)
		why := try(func() { c.StateSync = refContacts(book.get("stateSync"), &l) })
		if why == "" {
			why = looseness(book.without(l.parts))
		}
		if why != "" {
			panic(refused{why})
		}
		for i := range c.StateSync {
			c.StateSync[i].PhoneNumber = bytes.TrimPrefix(c.StateSync[i].PhoneNumber, []byte("+"))
		}
		if len(c.StateSync)+len(l.places) > 0 {
			c.Field = []byte("smb_app_state_sync")
		}
		c.Cut, c.Loose = len(l.places), len(l.places) > 0 && looseness(book.raw) != ""
	case "whatsapp.business_account.updated", "whatsapp.business_account.reviewed", "whatsapp.business_account.deleted":
		about := root.get("whatsappBusinessAccount")
		if waba == "" {
			c.WABA = about.get("id").id()
			c.EntryID = c.WABA
		}
		refCloudAccount(&c, about)
		if strings.HasSuffix(kind, "deleted") {
			c.Field, c.AccountEvent = []byte("account_update"), []byte("ACCOUNT_DELETED")
			c.PhoneNumber = bytes.TrimPrefix(about.get("phoneNumber").id(), []byte("+"))
		}
	case "whatsapp.phone_number.quality_updated":
		refCloudAccount(&c, root.get("whatsappPhoneNumber"))
	}
	return c, l
}

func refCloudHistory(root *node, c *Change) {
	c.Field = []byte("history")
	e := HistoryElement{Raw: root.raw, Errors: refErrors(root)}
	e.Phase, e.HasPhase = root.get("phase").ordinal()
	e.Progress, e.HasProgress = root.get("progress").ordinal()
	var ids [][]byte
	sent := refCloudSent(root)
	for _, side := range []string{"whatsappInboundMessage", sent} {
		n := root.get(side)
		if n == nil || n.kind != '{' {
			continue
		}
		m := refCloudMessage(n)
		m.FromMe = FromMeFalse
		if id := n.get("groupId").id(); len(id) > 0 {
			m.Names = &Names{GroupID: id}
		}
		if y := n.get("system"); y != nil && y.kind == '{' {
			if m.Names == nil {
				m.Names = &Names{}
			}
			m.Names.System = refSystem(y)
		}
		toParent := refCloudToParent(n)
		t := Thread{ID: m.From, UserID: m.FromUserID, ParentUserID: n.get("fromParentUserId").id()}
		own := m.To
		if side == sent {
			m.FromMe = FromMeTrue
			t, own = Thread{ID: m.To, UserID: m.ToUserID, ParentUserID: toParent}, m.From
		}
		refCloudProfile(c, n, side, m)
		t.Username = n.get("customerProfile").get("username").text()
		t.Messages = []Message{m}
		e.Threads = append(e.Threads, t)
		if len(c.PhoneNumberID) == 0 {
			c.PhoneNumberID, c.DisplayPhoneNumber = own, own
		}
		ids = append(ids, n.get("phoneNumberId").id())
	}
	for _, id := range ids {
		if len(c.PhoneNumberID) == 0 {
			c.PhoneNumberID = id
		}
	}
	refDeclined(&e)
	c.History = []HistoryElement{e}
}

// refCloudMessages are the members of the root that hold a message.
var refCloudMessages = []string{"whatsappInboundMessage", "whatsappMessage", "whatsappGroupMessage"}

// refCloudSent is the member with the message of the business.
func refCloudSent(root *node) string {
	if m := root.get("whatsappMessage"); m == nil || m.kind != '{' {
		return "whatsappGroupMessage"
	}
	return "whatsappMessage"
}

func refCloudAccount(c *Change, about *node) {
	if event := about.get("updateEvent").text(); len(event) > 0 {
		c.Field, c.AccountEvent = []byte("account_update"), event
		c.PhoneNumber = bytes.TrimPrefix(about.get("phoneNumber").id(), []byte("+"))
	}
}

func refCloudToParent(n *node) (id []byte) {
	for _, name := range []string{"parentRecipientUserId", "toParentUserId"} {
		if found := n.get(name).id(); len(found) > 0 {
			id = found
		}
	}
	return id
}

func refCloudProfile(c *Change, n *node, side string, m Message) {
	p := n.get("customerProfile")
	if p == nil || p.kind != '{' {
		return
	}
	of := Profile{Raw: p.raw, Name: p.get("name").text(), Username: p.get("username").text(), WaID: m.From, UserID: m.FromUserID, ParentUserID: n.get("fromParentUserId").id()}
	if side != "whatsappInboundMessage" {
		of.WaID, of.UserID, of.ParentUserID = m.To, m.ToUserID, refCloudToParent(n)
	}
	c.Profiles = append(c.Profiles, of)
}

func refCloudMessage(n *node) Message {
	m := Message{
		Raw: n.raw, ID: n.get("wamid").id(), From: bytes.TrimPrefix(n.get("from").id(), []byte("+")),
		To: bytes.TrimPrefix(n.get("to").id(), []byte("+")), Type: n.get("type").text(), Status: n.get("status").text(),
		FromUserID: n.get("fromUserId").id(), Timestamp: n.get("sendTime").date(),
	}
	if len(m.ID) == 0 {
		m.ID = n.get("id").id()
	}
	if m.Timestamp == 0 {
		m.Timestamp = n.get("createTime").date()
	}
	for _, name := range []string{"recipientUserId", "toUserId"} {
		if id := n.get(name).id(); len(id) > 0 {
			m.ToUserID = id
		}
	}
	if errs := n.get("errors"); errs != nil {
		m.HasErrors = (errs.kind == '[' || errs.kind == '{') && len(bytes.TrimSpace(errs.raw[1:len(errs.raw)-1])) > 0
	}
	m.HasContent = m.HasErrors && refHasContent(n, string(m.Type))
	for _, holder := range []string{"edit", "revoke"} {
		if id := refOriginal(n.get(holder)); len(id) > 0 {
			m.OriginalID = id
		}
	}
	if e := n.get("edit"); e != nil && e.kind == '{' {
		m.Edit = e.raw
	}
	return m
}
