package split

import "bytes"

// itemKind distinguishes messages from statuses, whose status is in another member.
type itemKind uint8

const (
	kindMessage itemKind = iota
	kindStatus
)

// messageArray parses an array of messages, echoes or statuses. in is the place of one of them. The positions begin
// at its index, and *next, if not nil, becomes the position after them.
func (s *Scanner) messageArray(i int, dst *[]Message, kind itemKind, in Place, next *int32) int {
	if s.in[i] != '[' {
		return s.misfit(i, "messages, message_echoes or statuses is not an array")
	}
	base, odd := len(s.messages), s.isOdd()
	i = s.enter(i)
	for first := true; ; first = false {
		var more bool
		if i, more = s.item(first, i); !more {
			break
		}
		isObject := s.in[i] == '{'
		if isObject {
			m, ok := room(s, &s.messages, i)
			if !ok {
				return -1
			}
			m.Index = in.index
			i = s.message(i, m, kind)
		} else {
			i = s.misfitElement(i, "a message or status is not an object")
		}
		if s.isOdd() && !odd && i > 0 {
			if isObject {
				dropLast(&s.messages)
			}
			s.leaveOut(in)
		}
		in.index++
	}
	if next != nil {
		*next = in.index
	}
	*dst = joined(&s.messages, *dst, base)
	return i
}

// messagesOf parses an array of a value.
func (s *Scanner) messagesOf(i int, dst *[]Message, kind itemKind, where placeKind) int {
	if s.in[i] != '[' {
		return s.misfitArray(i, where)
	}
	next := &s.cutting.items[where]
	return s.messageArray(i, dst, kind, Place{kind: where, index: *next}, next)
}

func (s *Scanner) message(i int, m *Message, kind itemKind) int {
	start := i
	var edited []byte
	var o object
	i = s.enter(i)
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
		case "errors", "error":
			at := i
			i = s.skip(i)
			m.HasErrors = m.HasErrors || i > 0 && anyError(s.in[at:i])
		case "message":
			// A copy of a message that another application sent contains its request: {id, timestamp, message{to, type,
			// …}}.
			if s.in[i] == '{' {
				i = s.sendRequest(i, m)
			} else {
				i = s.skip(i)
			}
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
		if m.HasErrors && kind == kindMessage {
			m.HasContent = s.hasContent(start, m.Type)
			s.failed = true
		}
	}
	return i
}

// hasContent reports whether the message at i, which was read before, has the content that its type names. A copy has it in
// the request that sent it. Few messages have errors, so only theirs is looked for.
func (s *Scanner) hasContent(i int, messageType []byte) (has bool) {
	if len(messageType) == 0 {
		return false
	}
	var o object
	i = s.enter(i)
	for {
		var more bool
		if i, more = s.key(&o, i); !more {
			return has
		}
		switch {
		case isContent(o.key, messageType):
			has = has || s.in[i] != 'n'
		case string(o.key) == "message" && s.in[i] == '{':
			has = s.requestHasContent(i, messageType) || has
		}
		i = s.skip(i)
	}
}

func (s *Scanner) requestHasContent(i int, messageType []byte) (has bool) {
	var o object
	i = s.enter(i)
	for {
		var more bool
		if i, more = s.key(&o, i); !more {
			return has
		}
		has = has || isContent(o.key, messageType) && s.in[i] != 'n'
		i = s.skip(i)
	}
}

// isContent reports whether a property has the content of a message of a type. The content of a voice message can be its audio.
func isContent(key, messageType []byte) bool {
	return bytes.Equal(key, messageType) || string(messageType) == "voice" && string(key) == "audio"
}

var typeGroup = []byte("group")

// sendRequest reads the recipient of a message, whether that is a group, and the message's type from the request
// that sent it. The members of the message itself take precedence, in any order.
func (s *Scanner) sendRequest(i int, m *Message) int {
	var to, user, kind, recipient []byte
	var o object
	i = s.enter(i)
	for {
		var more bool
		if i, more = s.key(&o, i); !more {
			m.To, m.ToUserID, m.Type = orElse(m.To, to), orElse(m.ToUserID, user), orElse(m.Type, kind)
			if bytes.EqualFold(recipient, typeGroup) {
				names := s.namesOf(m)
				names.RecipientType = orElse(names.RecipientType, recipient)
			}
			return i
		}
		switch string(o.key) {
		case "to":
			i = s.id(i, &to)
		case "recipient":
			i = s.id(i, &user)
		case "recipient_type":
			i = s.text(i, &recipient)
		case "type":
			i = s.text(i, &kind)
		default:
			i = s.skip(i)
		}
	}
}

func (s *Scanner) historyContext(i int, m *Message) int {
	var o object
	i = s.enter(i)
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

// original reads edit or revoke: the message that it refers to. Partners with names in camel case may use them here
// too.
func (s *Scanner) original(i int, dst *[]byte) int {
	var o object
	i = s.enter(i)
	for {
		var more bool
		if i, more = s.key(&o, i); !more {
			return i
		}
		switch string(o.key) {
		case "original_message_id":
			i = s.nameFrom(i, dst, true)
		case "originalMessageId":
			i = s.nameFrom(i, dst, false)
		default:
			i = s.skip(i)
		}
	}
}
