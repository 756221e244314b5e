package judge

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/coexstream/coexstream/schemas"
)

func (f *reference) past(n *refNumber, th refThread, raw json.RawMessage) schemas.Message {
	r := must[refMessage](f, raw)
	m := schemas.Message{
		WAMID: r.ID, Type: r.Type, Status: strings.ToUpper(r.HistoryContext.Status), Historical: true, Original: raw,
		Timestamp: f.seconds(r.Timestamp), Contact: th.Context, Thread: th.ID, Direction: schemas.DirectionInbound,
	}
	if m.Thread == "" {
		m.Thread = th.Context.UserID
	}
	if r.HistoryContext.FromMe || r.From == n.Display {
		m.Direction = schemas.DirectionOutbound
	}
	return m
}

func (f *reference) seconds(b json.RawMessage) int64 {
	v, err := strconv.ParseInt(strings.Trim(string(b), `"`), 10, 64)
	if err != nil {
		f.t.Fatal(err)
	}
	return v
}

func (f *reference) live(n *refNumber, raw json.RawMessage, ceType string, profiles json.RawMessage) {
	r := must[refMessage](f, raw)
	m := schemas.Message{
		WAMID: r.ID, Type: r.Type, Original: raw, Timestamp: f.seconds(r.Timestamp), Profiles: profiles,
		OriginalWAMID: r.Edit.OriginalMessageID + r.Revoke.OriginalMessageID,
	}
	topic, user := schemas.TopicMessages, r.FromUserID
	switch ceType {
	case schemas.TypeStatus:
		m.Status, m.Direction, m.Thread = r.Status, schemas.DirectionOutbound, r.RecipientID+r.RecipientUserID
		f.message(topic, ceType, n, m, n.PhoneNumberID+"/"+m.Thread, fmt.Sprint(m.WAMID, r.Status, m.Timestamp))
		return
	case schemas.TypeEcho:
		topic, user = schemas.TopicEchoes, r.ToUserID
		m.Direction, m.Thread = schemas.DirectionOutbound, r.To
		if m.Timestamp < start.Unix()-1800 { // a message of the past that came as an echo
			f.assets = append(f.assets, refAsset{n, raw})
			return
		}
	default:
		m.Direction, m.Thread = schemas.DirectionInbound, r.From
	}
	if user != "" {
		m.Contact = &schemas.Contact{UserID: user}
		m.Thread += user
	}
	rank := rankOf(r.Type)
	key := ceType + n.PhoneNumberID + r.ID
	if was, seen := f.sent[key]; seen && rank <= was {
		return
	}
	f.sent[key] = rank
	f.message(topic, ceType, n, m, n.PhoneNumberID+"/"+m.Thread, fmt.Sprint(m.WAMID, rank))
}

func (f *reference) asset(a refAsset) {
	r := must[refMessage](f, a.raw)
	ph, joined := f.holders[r.ID]
	m := schemas.Message{
		WAMID: r.ID, Type: r.Type, Original: a.raw, Historical: true, Joined: &joined, Timestamp: f.seconds(r.Timestamp),
		Direction: schemas.DirectionUnknown,
	}
	if joined {
		m.Thread, m.Timestamp, m.Direction = ph.Thread, ph.Timestamp, ph.Direction
	}
	f.message(schemas.TopicMedia, schemas.TypeMedia, a.n, m, a.n.PhoneNumberID+"/"+m.WAMID, m.WAMID)
}

func (f *reference) contact(n *refNumber, raw json.RawMessage) {
	c := must[struct {
		Action  string
		Contact struct {
			Full  string `json:"full_name"`
			First string `json:"first_name"`
			Phone string `json:"phone_number"`
			User  string `json:"user_id"`
		}
		Metadata struct {
			Timestamp json.RawMessage
			Version   int64
		}
	}](f, raw)
	ms := f.seconds(c.Metadata.Timestamp)
	if ms < 1e11 {
		ms *= 1000
	}
	id := c.Contact.Phone
	if id == "" {
		id = c.Contact.User
		if n.same[id] != "" {
			return // the phone number's row is newer: links are made last
		}
	}
	version := [2]int64{ms, c.Metadata.Version}
	if was, known := n.contacts[id]; known && (version[0] < was[0] || version[0] == was[0] && version[1] <= was[1]) {
		return
	}
	n.contacts[id] = version
	gone := func(id, action string) {
		f.put(schemas.TopicContacts, n.WABA, n.PhoneNumberID+"/"+id, nil, append(ce(schemas.TypeContactRemoved, fmt.Sprint(id, action, n.PhoneNumberID, version)),
			Header{schemas.HeaderContactAction, []byte(action)}, Header{schemas.HeaderContactTimestamp, strconv.AppendInt(nil, ms, 10)},
			Header{schemas.HeaderContactVersion, strconv.AppendInt(nil, version[1], 10)})...)
	}
	if c.Contact.Phone != "" && c.Contact.User != "" {
		n.same[c.Contact.User] = id
		if _, known := n.contacts[c.Contact.User]; known {
			gone(c.Contact.User, "merge")
		}
	}
	if c.Action == "remove" {
		gone(id, "remove")
		return
	}
	v := schemas.ContactState{
		WABAID: n.WABA, PhoneNumberID: n.PhoneNumberID, DisplayPhoneNumber: n.Display, ID: id, PhoneNumber: c.Contact.Phone, UserID: c.Contact.User,
		FullName: c.Contact.Full, FirstName: c.Contact.First, TimestampMS: ms, Version: c.Metadata.Version, Original: raw,
	}
	f.put(schemas.TopicContacts, n.WABA, n.PhoneNumberID+"/"+id, v.AppendJSON(nil), ce(schemas.TypeContact, fmt.Sprint(id, n.PhoneNumberID, version))...)
}
