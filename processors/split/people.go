package split

// The sender, the recipient and the users of a message, beyond the ids that every message has.

// namesOf returns the place of a message's rarer ids. It belongs to a message, so it does not count as an item.
func (s *Scanner) namesOf(m *Message) *Names {
	if m.Names == nil {
		s.rare = append(s.rare, Names{})
		m.Names = &s.rare[len(s.rare)-1]
	}
	return m.Names
}

// nameFrom reads an id with two documented names. The newer one takes precedence.
func (s *Scanner) nameFrom(i int, dst *[]byte, newer bool) int {
	var id []byte
	i = s.id(i, &id)
	if newer {
		*dst = orElse(id, *dst)
	} else {
		*dst = orElse(*dst, id)
	}
	return i
}

// system reads the user of a system message. A new number is in wa_id, in older versions in new_wa_id. A changed
// user id is in user_id beside previous_user_id, or in an object with both.
func (s *Scanner) system(i int, y *System) int {
	var newWaID, customer, user, parent []byte
	var o object
	i = s.enter(i)
	for {
		var more bool
		if i, more = s.key(&o, i); !more {
			break
		}
		switch string(o.key) {
		case "wa_id":
			i = s.id(i, &y.WaID)
		case "new_wa_id":
			i = s.id(i, &newWaID)
		case "customer": // by the former number
			i = s.id(i, &customer)
		case "previous_wa_id":
			i = s.id(i, &y.PreviousWaID)
		case "user_id":
			i = s.changed(i, &y.UserID, &user)
		case "previous_user_id":
			i = s.id(i, &y.PreviousUserID)
		case "parent_user_id":
			i = s.changed(i, &y.ParentUserID, &parent)
		case "previous_parent_user_id":
			i = s.id(i, &y.PreviousParentUserID)
		default:
			i = s.skip(i)
		}
	}
	y.WaID, y.PreviousWaID = orElse(y.WaID, newWaID), orElse(y.PreviousWaID, customer)
	y.PreviousUserID, y.PreviousParentUserID = orElse(y.PreviousUserID, user), orElse(y.PreviousParentUserID, parent)
	return i
}

// changed reads an id, or an object with the new and the former id.
func (s *Scanner) changed(i int, current, previous *[]byte) int {
	if s.in[i] != '{' {
		return s.id(i, current)
	}
	var o object
	i = s.enter(i)
	for {
		var more bool
		if i, more = s.key(&o, i); !more {
			return i
		}
		switch string(o.key) {
		case "current":
			i = s.id(i, current)
		case "previous":
			i = s.id(i, previous)
		default:
			i = s.skip(i)
		}
	}
}

// profileArray cuts value.contacts[]. It only adds to what the items say themselves, so nothing odd in it costs an item:
// an odd entry, and one that is no object, is left out alone; null stands for none. A single entry without its array is taken for one.
// Another array of the same change adds to the first: its entries are the last ones of the slab.
func (s *Scanner) profileArray(i int, dst *[]Profile) int {
	base := len(s.profiles) - len(*dst)
	switch s.in[i] {
	case '{':
		i = s.profileEntry(i)
	case '[':
		i = s.enter(i)
		for first := true; ; first = false {
			var more bool
			if i, more = s.item(first, i); !more {
				break
			}
			i = s.profileEntry(i)
		}
	default:
		return s.misfitArray(i, placeProfile)
	}
	*dst = since(s.profiles, base)
	return i
}

// profileEntry reads an entry, and leaves it out if it is odd.
func (s *Scanner) profileEntry(i int) int {
	odd := s.isOdd()
	next := &s.cutting.items[placeProfile]
	isObject := s.in[i] == '{'
	if isObject {
		i = s.profile(i)
	} else {
		i = s.misfit(i, "an entry of contacts is not an object")
	}
	if s.isOdd() && !odd && i > 0 {
		if isObject {
			dropLast(&s.profiles)
		}
		s.leaveOut(Place{kind: placeProfile, index: *next})
	}
	*next++
	return i
}

func (s *Scanner) profile(i int) int {
	p, ok := room(s, &s.profiles, i)
	if !ok {
		return -1
	}
	start := i
	var username []byte
	var o object
	i = s.enter(i)
	for {
		var more bool
		if i, more = s.key(&o, i); !more {
			break
		}
		switch string(o.key) {
		case "wa_id":
			i = s.id(i, &p.WaID)
		case "user_id":
			i = s.id(i, &p.UserID)
		case "parent_user_id":
			i = s.id(i, &p.ParentUserID)
		case "country_code":
			i = s.text(i, &p.CountryCode)
		case "username":
			i = s.text(i, &username)
		case "profile":
			if s.in[i] == '{' {
				i = s.profileNames(i, p)
			} else {
				i = s.skip(i)
			}
		default:
			i = s.skip(i)
		}
	}
	if i > 0 {
		p.Raw = s.in[start:i:i]
		p.Username = orElse(p.Username, username)
	}
	return i
}

func (s *Scanner) profileNames(i int, p *Profile) int {
	var o object
	i = s.enter(i)
	for {
		var more bool
		if i, more = s.key(&o, i); !more {
			return i
		}
		switch string(o.key) {
		case "name":
			i = s.text(i, &p.Name)
		case "username":
			i = s.text(i, &p.Username)
		default:
			i = s.skip(i)
		}
	}
}
