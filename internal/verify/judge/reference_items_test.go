package judge

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// refSame compares two phone numbers by their last digits: those of the world differ there, and the optional ones are in
// front of these.
func refSame(a, b string) bool {
	a, b = strings.TrimPrefix(a, "+"), strings.TrimPrefix(b, "+")
	if a == b {
		return a != ""
	}
	for _, country := range []string{"55", "52", "54"} {
		if strings.HasPrefix(a, country) && strings.HasPrefix(b, country) && len(a)+len(b) == 25 && a[len(a)-8:] == b[len(b)-8:] {
			return true
		}
	}
	return false
}

// refShort is the shorter spelling of a number of the world.
func refShort(id string) string {
	if len(id) == 13 {
		return id[:2] + "/" + id[len(id)-8:]
	}
	if len(id) == 12 {
		return id[:2] + "/" + id[4:]
	}
	return id
}

// refToken is what both wamids of a message have.
func refToken(wamid string) string {
	b, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(wamid, "wamid."))
	if err != nil || len(b) < 19 {
		return wamid
	}
	return string(b[len(b)-19 : len(b)-1])
}

type refProfile struct {
	WaID         string `json:"wa_id"`
	UserID       string `json:"user_id"`
	ParentUserID string `json:"parent_user_id"`
	CountryCode  string `json:"country_code"`
	Profile      struct{ Name, Username string }
}

// side sets who is on the other side: a phone number or user id that the item names, and what the profiles say of it.
func (f *reference) side(m *schemas.Message, phone, user, group string, profiles []json.RawMessage) {
	c := schemas.Contact{WaID: strings.TrimPrefix(phone, "+"), UserID: user}
	if strings.Contains(phone, ".") {
		c.WaID, c.UserID = "", phone
	}
	named := c
	var about [][]byte
	for _, raw := range profiles {
		p := must[refProfile](f, raw)
		if named != (schemas.Contact{}) && !refSame(p.WaID, named.WaID) && (named.UserID == "" || p.UserID != named.UserID) {
			continue
		}
		about = append(about, raw)
		if c.WaID == "" {
			c.WaID = p.WaID
		}
		if c.UserID == "" {
			c.UserID = p.UserID
		}
		c.ParentUserID, c.CountryCode, c.Username, c.ProfileName = p.ParentUserID, p.CountryCode, p.Profile.Username, p.Profile.Name
	}
	if len(about) > 0 {
		m.Profiles = append(append([]byte{'['}, bytes.Join(about, []byte{','})...), ']')
	}
	m.Contact, m.GroupID, m.Thread = &c, group, group
	for _, id := range []string{c.WaID, c.UserID, c.ParentUserID} {
		if m.Thread == "" {
			m.Thread = id
		}
	}
}

func (f *reference) past(n *refNumber, th refThread, raw json.RawMessage) schemas.Message {
	r := must[refMessage](f, raw)
	m := schemas.Message{
		WAMID: r.ID, Type: r.Type, Status: strings.ToUpper(r.HistoryContext.Status), Historical: true, Original: raw,
		Timestamp: f.seconds(r.Timestamp), Direction: schemas.DirectionInbound,
	}
	c := schemas.Contact{}
	if th.Context != nil {
		c = *th.Context
	}
	c.WaID = strings.TrimPrefix(c.WaID, "+")
	m.Thread = strings.TrimPrefix(th.ID, "+")
	if c.WaID == "" {
		c.WaID = m.Thread
	}
	if m.Thread == "" {
		m.Thread = c.UserID
	}
	m.Contact = &c
	user := func(id string) bool {
		return refSame(id, c.WaID) || refSame(id, m.Thread) || id != "" && id == c.UserID
	}
	if r.HistoryContext.FromMe || refSame(r.From, n.Display) || user(r.To) || user(r.ToUserID) {
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

func (f *reference) live(n *refNumber, raw json.RawMessage, ceType string, profiles []json.RawMessage, standby bool) {
	r := must[refMessage](f, raw)
	m := schemas.Message{
		WAMID: r.ID, Type: r.Type, Original: raw, Timestamp: f.seconds(r.Timestamp), Standby: standby,
		OriginalWAMID: r.Edit.OriginalMessageID + r.Revoke.OriginalMessageID, Direction: schemas.DirectionOutbound,
	}
	topic := schemas.TopicMessages
	switch ceType {
	case schemas.TypeStatus:
		m.Status = r.Status
		phone, group := r.RecipientID, ""
		if r.RecipientType == "group" {
			phone, group = r.ParticipantID+r.ParticipantOther, r.RecipientID
		}
		f.side(&m, phone, r.RecipientUserID+r.ParticipantUserID, group, profiles)
		f.message(topic, ceType, n, m, schemas.HashBytes(raw).Hex())
		return
	case schemas.TypeEcho:
		topic = schemas.TopicEchoes
		if m.Timestamp < start.Unix()-1800 { // a message of the past that came as an echo
			f.assets = append(f.assets, refAsset{n, raw, true})
			return
		}
		f.side(&m, r.To, r.ToUserID, r.GroupID, profiles)
	default:
		m.Direction = schemas.DirectionInbound
		f.side(&m, r.From, r.FromUserID, r.GroupID, profiles)
	}
	rank := refRank(r.Type, refErrorsAlone(r.Type, raw))
	key := ceType + n.PhoneNumberID + refToken(r.ID)
	id := fmt.Sprint(m.WAMID, rank)
	if rank == schemas.RankEdit {
		id += schemas.HashBytes(raw).Hex()
		key += id // each edit is an event, and a real message behind it is not
		f.sent[ceType+n.PhoneNumberID+refToken(r.ID)] = rank
	}
	if was, seen := f.sent[key]; seen && rank <= was {
		return
	}
	f.sent[key] = rank
	f.message(topic, ceType, n, m, id)
}

func (f *reference) handover(n *refNumber, value json.RawMessage) {
	r := must[struct {
		Type      string
		Timestamp json.RawMessage
		Sender    struct {
			Phone string `json:"phone_number"`
			User  string `json:"user_id"`
		}
	}](f, value)
	m := schemas.Message{Type: r.Type, Timestamp: f.seconds(r.Timestamp), Direction: schemas.DirectionUnknown, Original: value}
	f.side(&m, r.Sender.Phone, r.Sender.User, "", nil)
	f.message(schemas.TopicMessages, schemas.TypeHandover, n, m, schemas.HashBytes(value).Hex())
}

func (f *reference) asset(a refAsset) {
	r := must[refMessage](f, a.raw)
	ph, joined := f.holders[refToken(r.ID)]
	m := schemas.Message{
		WAMID: r.ID, Type: r.Type, Original: a.raw, Historical: true, Joined: &joined, Timestamp: f.seconds(r.Timestamp),
		Direction: schemas.DirectionInbound,
	}
	if a.echo {
		m.Direction = schemas.DirectionOutbound
		f.side(&m, r.To, "", "", nil)
	} else {
		f.side(&m, r.From, "", "", nil)
	}
	if joined {
		m.Thread, m.Timestamp, m.Direction = ph.Thread, ph.Timestamp, ph.Direction
	}
	m.WAMIDToken = refToken(m.WAMID)
	f.message(schemas.TopicMedia, schemas.TypeMedia, a.n, m, m.WAMID)
}

func (f *reference) contact(n *refNumber, raw json.RawMessage) {
	c := must[struct {
		Action  string
		Contact struct {
			Full   string `json:"full_name"`
			First  string `json:"first_name"`
			Phone  string `json:"phone_number"`
			User   string `json:"user_id"`
			Full2  string `json:"fullName"`
			First2 string `json:"firstName"`
			Phone2 string `json:"phoneNumber"`
			User2  string `json:"userId"`
		}
		Timestamp json.RawMessage
		Metadata  struct {
			Timestamp json.RawMessage
			Version   int64
		}
	}](f, raw)
	phone, user := strings.TrimPrefix(c.Contact.Phone+c.Contact.Phone2, "+"), c.Contact.User+c.Contact.User2
	var ms int64
	for _, stamp := range []json.RawMessage{c.Timestamp, c.Metadata.Timestamp} {
		if stamp != nil {
			ms = f.seconds(stamp)
		}
	}
	if ms < 1e11 {
		ms *= 1000
	}
	id := phone
	if id == "" {
		id = user
		if n.same[id] != "" {
			return // the phone number's row is newer: links are made last
		}
	}
	version, short := [2]int64{ms, c.Metadata.Version}, refShort(id)
	if was, known := n.contacts[short]; known && (version[0] < was[0] || version[0] == was[0] && version[1] < was[1]) {
		return
	}
	n.contacts[short] = version
	gone := func(id, action string) {
		f.put(schemas.TopicContacts, n.WABA, n.PhoneNumberID+"/"+id, nil, append(ce(schemas.TypeContactRemoved, fmt.Sprint(len(f.s.events))),
			Header{schemas.HeaderContactAction, []byte(action)}, Header{schemas.HeaderContactTimestamp, strconv.AppendInt(nil, ms, 10)},
			Header{schemas.HeaderContactVersion, strconv.AppendInt(nil, version[1], 10)})...)
	}
	if phone != "" && user != "" {
		n.same[user] = id
		if _, known := n.contacts[user]; known {
			gone(user, "merge")
		}
	}
	row := n.rows[short]
	delete(n.rows, short)
	if c.Action == "remove" {
		if row == "" {
			row = id
		}
		gone(row, "remove")
		return
	}
	n.rows[short] = id
	v := schemas.ContactState{
		WABAID: n.WABA, PhoneNumberID: n.PhoneNumberID, DisplayPhoneNumber: n.Display, ID: id, PhoneNumber: phone, UserID: user,
		FullName: c.Contact.Full + c.Contact.Full2, FirstName: c.Contact.First + c.Contact.First2, TimestampMS: ms, Version: c.Metadata.Version, Original: raw,
	}
	f.put(schemas.TopicContacts, n.WABA, n.PhoneNumberID+"/"+id, v.AppendJSON(nil), ce(schemas.TypeContact, fmt.Sprint(len(f.s.events)))...)
	if row != "" && row != id {
		gone(row, "merge")
	}
}

// ycloud reads an event of YCloud.
func (f *reference) ycloud(at int, kind string, body []byte) {
	type message struct {
		WAMID, WabaID, From, To, FromUserID, ToUserID, Type, Status string
		SendTime, DeliverTime, ReadTime                             time.Time
	}
	e := must[struct {
		CreateTime      time.Time
		Phase, Progress json.RawMessage
		In              json.RawMessage `json:"whatsappInboundMessage"`
		Out             json.RawMessage `json:"whatsappMessage"`
		Book            struct {
			PhoneNumber string
			StateSync   []json.RawMessage
		} `json:"whatsappSmbAppStateSync"`
		Account struct{ WabaID, UpdateEvent string } `json:"whatsappBusinessAccount"`
		Phone   struct{ WabaID string }              `json:"whatsappPhoneNumber"`
	}](f, body)
	switch kind {
	case "whatsapp.business_account.updated":
		f.account(e.Account.WabaID, e.CreateTime.Unix(), e.Account.UpdateEvent, "", "", body)
		return
	case "whatsapp.smb.app.state.sync":
		for _, c := range e.Book.StateSync {
			f.contact(f.byID[e.Book.PhoneNumber[1:]], c)
		}
		return
	case "whatsapp.phone_number.updated":
		f.other(e.Phone.WabaID, kind, body)
		return
	}
	raw := append(e.In, e.Out...)
	r := must[message](f, raw)
	m := schemas.Message{WAMID: r.WAMID, Type: r.Type, Timestamp: r.SendTime.Unix(), Original: raw, Direction: schemas.DirectionOutbound}
	own := r.From
	if e.In != nil {
		own, m.Direction = r.To, schemas.DirectionInbound
		f.side(&m, r.From, r.FromUserID, "", nil)
	} else {
		f.side(&m, r.To, r.ToUserID, "", nil)
	}
	n := f.byID[own[1:]]
	switch kind {
	case "whatsapp.smb.history":
		m.Historical, m.Status = true, strings.ToUpper(r.Status)
		f.chunk(at, n, body, &refChunk{at: at, phase: number32(f, e.Phase), progress: number32(f, e.Progress), n: n, whole: &m})
	case "whatsapp.message.updated", "whatsapp.echo_message.updated":
		m.Type, m.Status = "", r.Status
		for _, t := range []time.Time{r.DeliverTime, r.ReadTime} {
			if !t.IsZero() {
				m.Timestamp = t.Unix()
			}
		}
		f.message(schemas.TopicMessages, schemas.TypeStatus, n, m, schemas.HashBytes(raw).Hex())
	case "whatsapp.inbound_message.received":
		f.message(schemas.TopicMessages, schemas.TypeMessage, n, m, m.WAMID)
	default:
		f.message(schemas.TopicEchoes, schemas.TypeEcho, n, m, m.WAMID)
	}
}
