package split

// A change of the field messaging_handovers reports who controls a thread (Meta: messaging_handovers):
//
//	{type: control_passed | control_taken, timestamp, sender{phone_number}, recipient{phone_number_id,
//	display_phone_number}, control_passed{previous_owner_role, new_owner_role, …}}
//
// It has no metadata: the business's number is the recipient, and the WhatsApp user is the sender, which may be absent.

// handover has the members of a value that may be one.
type handover struct {
	seen              bool
	kind              []byte // type
	at                int64
	sender, recipient party
}

// party is a sender or recipient.
type party struct {
	phone, user          []byte // of a WhatsApp user
	numberID, numberName []byte // of a number of the business
}

// handoverMember reads a member that only handovers have.
func (s *Scanner) handoverMember(i int, key []byte) int {
	h := &s.handover
	h.seen = true
	switch string(key) {
	case "sender":
		return s.party(i, &h.sender)
	case "recipient":
		return s.party(i, &h.recipient)
	case "timestamp":
		return s.seconds(i, &h.at)
	}
	return s.text(i, &h.kind)
}

func (s *Scanner) party(i int, p *party) int {
	if s.in[i] != '{' {
		return s.skip(i)
	}
	var waID []byte
	var o object
	i = s.enter(i)
	for {
		var more bool
		if i, more = s.key(&o, i); !more {
			p.phone = orElse(p.phone, waID)
			return i
		}
		switch string(o.key) {
		case "phone_number":
			i = s.id(i, &p.phone)
		case "wa_id":
			i = s.id(i, &waID)
		case "user_id":
			i = s.id(i, &p.user)
		case "phone_number_id":
			i = s.id(i, &p.numberID)
		case "display_phone_number":
			i = s.id(i, &p.numberName)
		default:
			i = s.skip(i)
		}
	}
}

// handOver makes the value the only part of its change. If it is not clear which party is the business, it is the
// one with a phone_number_id. It fails if the limit on items is reached.
func (s *Scanner) handOver(c *Change) bool {
	h := &s.handover
	if c.Value == nil {
		return true
	}
	own, user := &h.recipient, &h.sender
	if len(own.numberID) == 0 && len(user.numberID) > 0 {
		own, user = user, own
	}
	c.PhoneNumberID = orElse(c.PhoneNumberID, own.numberID)
	c.DisplayPhoneNumber = orElse(c.DisplayPhoneNumber, own.numberName)
	c.empty()
	m, ok := room(s, &s.messages, 0)
	if !ok {
		return false
	}
	*m = Message{Raw: c.Value, Type: h.kind, Timestamp: h.at, From: user.phone, FromUserID: user.user}
	c.Handovers = since(s.messages, len(s.messages)-1)
	return true
}
