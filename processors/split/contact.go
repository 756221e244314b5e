package split

// stateSyncArray cuts value.state_sync[].
func (s *Scanner) stateSyncArray(i int, dst *[]ContactItem) int {
	if s.in[i] != '[' {
		return s.misfit(i, "state_sync is not an array")
	}
	base := len(s.contacts)
	i = s.enter(i)
	for first := true; ; first = false {
		var more bool
		if i, more = s.item(first, i); !more {
			break
		}
		if s.in[i] != '{' {
			i = s.oddElement(i, "an element of state_sync is not an object")
			continue
		}
		c, ok := room(s, &s.contacts, i)
		if !ok {
			return -1
		}
		i = s.contactItem(i, c)
	}
	*dst = since(s.contacts, base)
	return i
}

func (s *Scanner) contactItem(i int, c *ContactItem) int {
	start := i
	o, i := s.object(i)
	for {
		var more bool
		if i, more = s.key(&o, i); !more {
			break
		}
		isObject := s.in[i] == '{'
		switch {
		case string(o.key) == "type":
			i = s.text(i, &c.Type)
		case string(o.key) == "action":
			i = s.text(i, &c.Action)
		case isObject && string(o.key) == "contact":
			i = s.contact(i, c)
		case isObject && string(o.key) == "metadata":
			i = s.contactMetadata(i, c)
		default:
			i = s.skip(i)
		}
	}
	if i > 0 {
		c.Raw = s.in[start:i:i]
	}
	return i
}

func (s *Scanner) contact(i int, c *ContactItem) int {
	o, i := s.object(i)
	for {
		var more bool
		if i, more = s.key(&o, i); !more {
			return i
		}
		switch string(o.key) {
		case "phone_number":
			i = s.id(i, &c.PhoneNumber)
		case "user_id":
			i = s.id(i, &c.UserID)
		case "parent_user_id":
			i = s.id(i, &c.ParentUserID)
		case "username":
			i = s.text(i, &c.Username)
		case "full_name":
			i = s.text(i, &c.FullName)
		case "first_name":
			i = s.text(i, &c.FirstName)
		default:
			i = s.skip(i)
		}
	}
}

func (s *Scanner) contactMetadata(i int, c *ContactItem) int {
	o, i := s.object(i)
	for {
		var more bool
		if i, more = s.key(&o, i); !more {
			return i
		}
		switch string(o.key) {
		case "timestamp":
			i = s.millis(i, &c.TimestampMS)
		case "version":
			i = s.integer(i, &c.Version)
		default:
			i = s.skip(i)
		}
	}
}
