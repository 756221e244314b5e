package split

// itemKind tells messages from statuses, which keep their status in another place.
type itemKind uint8

const (
	kindMessage itemKind = iota
	kindStatus
)

// messageArray cuts an array of messages, echoes or statuses.
func (s *Scanner) messageArray(i int, dst *[]Message, kind itemKind) int {
	if s.in[i] != '[' {
		return s.misfit(i, "messages, message_echoes or statuses is not an array")
	}
	base := len(s.messages)
	i = s.enter(i)
	for first := true; ; first = false {
		var more bool
		if i, more = s.item(first, i); !more {
			break
		}
		if s.in[i] != '{' {
			i = s.oddElement(i, "a message or status is not an object")
			continue
		}
		m, ok := room(s, &s.messages, i)
		if !ok {
			return -1
		}
		i = s.message(i, m, kind)
	}
	*dst = since(s.messages, base)
	return i
}

func (s *Scanner) message(i int, m *Message, kind itemKind) int {
	start := i
	var edited []byte
	o, i := s.object(i)
	for {
		var more bool
		if i, more = s.key(&o, i); !more {
			break
		}
		switch string(o.key) {
		case "id":
			i = s.id(i, &m.ID)
		case "from":
			i = s.id(i, &m.From)
		case "to":
			i = s.id(i, &m.To)
		case "type":
			i = s.text(i, &m.Type)
		case "timestamp":
			i = s.seconds(i, &m.Timestamp)
		case "history_context":
			if s.in[i] == '{' && kind == kindMessage {
				i = s.historyContext(i, m)
			} else {
				i = s.skip(i)
			}
		case "edit":
			if at := i; s.in[i] == '{' {
				if i = s.original(i, &edited); i > 0 {
					m.Edit = s.in[at:i:i]
				}
			} else {
				i = s.skip(i)
			}
		case "errors":
			at := i
			i = s.skip(i)
			m.HasErrors = i-at > len("[]") && (s.in[at] == '[' || s.in[at] == '{')
		case "revoke":
			if s.in[i] == '{' {
				i = s.original(i, &m.OriginalID)
			} else {
				i = s.skip(i)
			}
		case "from_user_id":
			i = s.id(i, &m.FromUserID)
		case "to_user_id":
			i = s.id(i, &m.ToUserID)
		case "recipient_id":
			i = s.id(i, &m.RecipientID)
		case "recipient_user_id":
			i = s.id(i, &m.RecipientUserID)
		case "group_id":
			i = s.id(i, &s.namesOf(m).GroupID)
		case "from_parent_user_id":
			i = s.id(i, &s.namesOf(m).FromParentUserID)
		case "to_parent_user_id":
			i = s.id(i, &s.namesOf(m).ToParentUserID)
		case "recipient_type":
			i = s.text(i, &s.namesOf(m).RecipientType)
		case "recipient_logical_id":
			i = s.id(i, &s.namesOf(m).RecipientLogicalID)
		case "recipient_parent_user_id":
			i = s.nameFrom(i, &s.namesOf(m).RecipientParentUserID, true)
		case "parent_recipient_user_id":
			i = s.nameFrom(i, &s.namesOf(m).RecipientParentUserID, false)
		case "recipient_participant_id":
			i = s.nameFrom(i, &s.namesOf(m).ParticipantID, true)
		case "participant_recipient_id":
			i = s.nameFrom(i, &s.namesOf(m).ParticipantID, false)
		case "recipient_participant_user_id":
			i = s.id(i, &s.namesOf(m).ParticipantUserID)
		case "recipient_participant_parent_user_id":
			i = s.id(i, &s.namesOf(m).ParticipantParentUserID)
		case "system":
			if s.in[i] == '{' {
				i = s.system(i, &s.namesOf(m).System)
			} else {
				i = s.skip(i)
			}
		case "user_id_update":
			if s.in[i] == '{' {
				i = s.system(i, &s.namesOf(m).UserIDUpdate)
			} else {
				i = s.skip(i)
			}
		case "status":
			if kind == kindStatus {
				i = s.text(i, &m.Status)
			} else {
				i = s.skip(i)
			}
		default:
			i = s.skip(i)
		}
	}
	if i > 0 {
		m.Raw = s.in[start:i:i]
		m.OriginalID = orElse(m.OriginalID, edited)
	}
	return i
}

func (s *Scanner) historyContext(i int, m *Message) int {
	o, i := s.object(i)
	for {
		var more bool
		if i, more = s.key(&o, i); !more {
			return i
		}
		switch string(o.key) {
		case "status":
			i = s.text(i, &m.Status)
		case "from_me":
			i = s.flag(i, &m.FromMe)
		default:
			i = s.skip(i)
		}
	}
}

// original reads edit or revoke: which message it is about.
func (s *Scanner) original(i int, dst *[]byte) int {
	o, i := s.object(i)
	for {
		var more bool
		if i, more = s.key(&o, i); !more {
			return i
		}
		if string(o.key) == "original_message_id" {
			i = s.id(i, dst)
		} else {
			i = s.skip(i)
		}
	}
}
