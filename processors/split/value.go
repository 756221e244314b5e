package split

// value parses a change's value. waba is the member with the WABA id of a wrapped value; empty in a change.
func (s *Scanner) value(i int, c *Change, waba string) int {
	start := i
	var o object
	i = s.enter(i)
	for {
		var more bool
		if i, more = s.key(&o, i); !more {
			break
		}
		if waba != "" && string(o.key) == waba {
			i = s.id(i, &c.EntryID)
			continue
		}
		i = s.valueMember(i, c, o.key)
	}
	if i > 0 {
		c.Value = s.in[start:i:i]
	}
	return i
}

// valueMember reads the member key of a value. The arrays are parsed by their names in every field: history contains
// messages[] and message_echoes[] too.
func (s *Scanner) valueMember(i int, c *Change, key []byte) int {
	switch string(key) {
	case "metadata":
		if s.in[i] == '{' {
			return s.valueMetadata(i, c)
		}
	case "waba_info":
		if s.in[i] == '{' {
			return s.wabaInfo(i, c)
		}
	case "history":
		return s.historyArray(i, &c.History)
	case "messages":
		return s.messagesOf(i, &c.Messages, kindMessage, placeMessage)
	case "message_echoes", "smb_message_echoes":
		return s.messagesOf(i, &c.Echoes, kindMessage, placeEcho)
	case "statuses":
		return s.messagesOf(i, &c.Statuses, kindStatus, placeStatus)
	case "state_sync":
		return s.stateSyncArray(i, &c.StateSync)
	case "standby":
		if s.in[i] == '{' {
			return s.standby(i, c)
		}
	case "contacts":
		return s.profileArray(i, &c.Profiles)
	case "errors", "error":
		return s.errors(i, &c.Errors)
	case "event":
		return s.text(i, &c.AccountEvent)
	case "phone_number":
		return s.id(i, &c.PhoneNumber)
	case "waba_id":
		return s.id(i, &c.ownWABA)
	case "type", "timestamp", "sender", "recipient":
		return s.handoverMember(i, key)
	}
	return s.skip(i)
}

// standby reads value.standby: copies of messages that another application answers, in the arrays of the field
// messages. The number and the errors of the value itself take precedence.
func (s *Scanner) standby(i int, c *Change) int {
	var in Change
	var o object
	i = s.enter(i)
	for {
		var more bool
		if i, more = s.key(&o, i); !more {
			c.PhoneNumberID, c.DisplayPhoneNumber = orElse(c.PhoneNumberID, in.PhoneNumberID), orElse(c.DisplayPhoneNumber, in.DisplayPhoneNumber)
			c.Errors = orElse(c.Errors, in.Errors)
			return i
		}
		switch string(o.key) {
		case "messages", "message_echoes", "smb_message_echoes", "statuses", "contacts":
			i = s.valueMember(i, c, o.key)
		case "errors", "error", "metadata":
			i = s.valueMember(i, &in, o.key)
		default:
			i = s.skip(i)
		}
	}
}

func (s *Scanner) valueMetadata(i int, c *Change) int {
	var o object
	i = s.enter(i)
	for {
		var more bool
		if i, more = s.key(&o, i); !more {
			return i
		}
		switch string(o.key) {
		case "phone_number_id":
			i = s.id(i, &c.PhoneNumberID)
		case "display_phone_number":
			i = s.id(i, &c.DisplayPhoneNumber)
		default:
			i = s.skip(i)
		}
	}
}

// wabaInfo reads the WABA of PARTNER_* events, whose entry.id can be the business portfolio.
func (s *Scanner) wabaInfo(i int, c *Change) int {
	var o object
	i = s.enter(i)
	for {
		var more bool
		if i, more = s.key(&o, i); !more {
			return i
		}
		if string(o.key) == "waba_id" {
			i = s.id(i, &c.WABA)
		} else {
			i = s.skip(i)
		}
	}
}

// bareField returns the field of a bare value, by its content: the field that an envelope would name. If it has
// content of several, the greatest counts.
type bareField uint8

const (
	bareNone bareField = iota
	bareHandover
	bareMessages
	bareEchoes
	bareStateSync
	bareHistory
	bareStandby
)

func bareFieldOf(key []byte) bareField {
	switch string(key) {
	case "messages", "statuses", "errors", "error":
		return bareMessages
	case "message_echoes", "smb_message_echoes":
		return bareEchoes
	case "state_sync":
		return bareStateSync
	case "history":
		return bareHistory
	case "standby":
		return bareStandby
	case "control_passed", "control_taken":
		return bareHandover
	}
	return bareNone
}

// bareNames is never written to.
var bareNames = [...][]byte{
	bareHandover:  []byte(fieldHandovers),
	bareMessages:  []byte(fieldMessages),
	bareEchoes:    []byte(fieldEchoes),
	bareStateSync: []byte(fieldContacts),
	bareHistory:   []byte(fieldHistory),
	bareStandby:   []byte(fieldStandby),
}

func (f bareField) name() []byte { return bareNames[f] }
