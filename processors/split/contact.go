package split

// stateSyncArray parses value.state_sync[].
func (s *Scanner) stateSyncArray(i int, dst *[]ContactItem) int {
	if s.in[i] != '[' {
		return s.misfitArray(i, placeContact)
	}
	base, odd := len(s.contacts), s.isOdd()
	i = s.enter(i)
	for n := int32(0); ; n++ {
		var more bool
		if i, more = s.item(n == 0, i); !more {
			break
		}
		isObject := s.in[i] == '{'
		if isObject {
			c, ok := room(s, &s.contacts, i)
			if !ok {
				return -1
			}
			c.Index = n
			i = s.contactItem(i, c)
		} else {
			i = s.misfitElement(i, "an element of state_sync is not an object")
		}
		if s.isOdd() && !odd && i > 0 {
			if isObject {
				dropLast(&s.contacts)
			}
			s.leaveOut(Place{kind: placeContact, index: n})
		}
	}
	*dst = since(s.contacts, base)
	return i
}

func (s *Scanner) contactItem(i int, c *ContactItem) int {
	start := i
	var o object
	i = s.enter(i)
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
		case string(o.key) == "timestamp": // in native events
			var at int64
			if i = s.moment(i, &at); c.TimestampMS == 0 {
				c.TimestampMS = at
			}
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
	var o object
	i = s.enter(i)
	for {
		var more bool
		if i, more = s.key(&o, i); !more {
			return i
		}
		switch string(o.key) {
		case "phone_number", "phoneNumber": // in snake and in camel case
			i = s.id(i, &c.PhoneNumber)
		case "user_id", "userId":
			i = s.id(i, &c.UserID)
		case "parent_user_id", "parentUserId":
			i = s.id(i, &c.ParentUserID)
		case "username":
			i = s.text(i, &c.Username)
		case "full_name", "fullName":
			i = s.text(i, &c.FullName)
		case "first_name", "firstName":
			i = s.text(i, &c.FirstName)
		default:
			i = s.skip(i)
		}
	}
}

func (s *Scanner) contactMetadata(i int, c *ContactItem) int {
	var o object
	i = s.enter(i)
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
