package split

import (
	"bytes"
	"strings"
)

// refCloud is the reference for YCloud's events.
func refCloud(root *node) Change {
	c := Change{Raw: root.raw, Value: root.raw, Field: root.get("type").text(), EntryTime: root.get("createTime").date()}
	var waba string
	for _, m := range root.members {
		if len(m.name) <= 8 || !strings.HasPrefix(m.name, "whatsapp") || m.name == "whatsappMessage" || m.name == "whatsappInboundMessage" {
			continue
		}
		if w := string(m.value.get("wabaId").id()); w != "" && (waba == "" || w < waba) {
			waba = w
		}
	}
	for _, n := range []*node{root.get("whatsappMessage"), root.get("whatsappInboundMessage"), root} {
		if w := n.get("wabaId").id(); len(w) > 0 {
			waba = string(w)
		}
	}
	c.EntryID, c.WABA = []byte(waba), []byte(waba)
	if string(c.Field) != "whatsapp.smb.history" {
		return c
	}
	c.Field = []byte("history")
	e := HistoryElement{Raw: root.raw, Errors: root.get("errors").verbatim()}
	e.Phase, e.HasPhase = root.get("phase").ordinal()
	e.Progress, e.HasProgress = root.get("progress").ordinal()
	for _, side := range []string{"whatsappInboundMessage", "whatsappMessage"} {
		n := root.get(side)
		if n == nil || n.kind != '{' {
			continue
		}
		m := Message{
			Raw: n.raw, ID: n.get("wamid").id(), From: bytes.TrimPrefix(n.get("from").id(), []byte("+")),
			To: bytes.TrimPrefix(n.get("to").id(), []byte("+")), Type: n.get("type").text(), Status: n.get("status").text(),
			FromUserID: n.get("fromUserId").id(), Timestamp: n.get("sendTime").date(), FromMe: FromMeFalse,
		}
		if len(m.ID) == 0 {
			m.ID = n.get("id").id()
		}
		if m.Timestamp == 0 {
			m.Timestamp = n.get("createTime").date()
		}
		var toParent []byte
		for _, name := range []string{"recipientUserId", "toUserId"} {
			if id := n.get(name).id(); len(id) > 0 {
				m.ToUserID = id
			}
		}
		for _, name := range []string{"parentRecipientUserId", "toParentUserId"} {
			if id := n.get(name).id(); len(id) > 0 {
				toParent = id
			}
		}
		t := Thread{ID: m.From, UserID: m.FromUserID, ParentUserID: n.get("fromParentUserId").id()}
		own := m.To
		if side == "whatsappMessage" {
			m.FromMe = FromMeTrue
			t, own = Thread{ID: m.To, UserID: m.ToUserID, ParentUserID: toParent}, m.From
		}
		t.Username = n.get("customerProfile").get("username").text()
		t.Messages = []Message{m}
		e.Threads = append(e.Threads, t)
		if len(c.PhoneNumberID) == 0 {
			c.PhoneNumberID, c.DisplayPhoneNumber = own, own
		}
	}
	c.History = []HistoryElement{e}
	return c
}
