package event

import "github.com/coexstream/coexstream/schemas"

// The values that are no messages: contacts, account events, changes of other fields.

const (
	contactWABA = 1 << iota
	contactNumber
	contactDisplay
	contactID
	contactPhone
	contactUser
	contactParent
	contactUsername
	contactFullName
	contactFirstName
	contactTimestamp
	contactVersion
	contactOriginal
)

var contactRequired = []property{
	{contactWABA, "waba_id"}, {contactNumber, "phone_number_id"}, {contactID, "id"}, {contactTimestamp, "timestamp_ms"}, {contactOriginal, "original"},
}

func (s *scanner) contact() *schemas.ContactState {
	c, seen := new(schemas.ContactState), uint32(0)
	s.enter('{')
	for s.key() {
		switch string(s.name) {
		case "waba_id":
			s.once(&seen, contactWABA)
			c.WABAID = s.str()
		case "phone_number_id":
			s.once(&seen, contactNumber)
			c.PhoneNumberID = s.str()
		case "display_phone_number":
			s.once(&seen, contactDisplay)
			c.DisplayPhoneNumber = s.filled()
		case "id":
			s.once(&seen, contactID)
			c.ID = s.filled()
		case "phone_number":
			s.once(&seen, contactPhone)
			c.PhoneNumber = s.filled()
		case "user_id":
			s.once(&seen, contactUser)
			c.UserID = s.filled()
		case "parent_user_id":
			s.once(&seen, contactParent)
			c.ParentUserID = s.filled()
		case "username":
			s.once(&seen, contactUsername)
			c.Username = s.filled()
		case "full_name":
			s.once(&seen, contactFullName)
			c.FullName = s.filled()
		case "first_name":
			s.once(&seen, contactFirstName)
			c.FirstName = s.filled()
		case "timestamp_ms":
			s.once(&seen, contactTimestamp)
			c.TimestampMS = s.integer()
		case "version":
			s.once(&seen, contactVersion)
			c.Version = s.integer()
		case "original":
			s.once(&seen, contactOriginal)
			c.Original = s.raw('{')
		default:
			s.skip()
		}
	}
	s.require(seen, contactRequired)
	s.named(c.WABAID, c.PhoneNumberID)
	return c
}

func (s *scanner) account() *schemas.Account {
	const (
		waba = 1 << iota
		entry
		phone
		number
		name
		when
		original
	)
	a, seen := new(schemas.Account), uint32(0)
	s.enter('{')
	for s.key() {
		switch string(s.name) {
		case "waba_id":
			s.once(&seen, waba)
			a.WABAID = s.filled()
		case "entry_id":
			s.once(&seen, entry)
			a.EntryID = s.filled()
		case "phone_number":
			s.once(&seen, phone)
			a.PhoneNumber = s.filled()
		case "phone_number_id":
			s.once(&seen, number)
			a.PhoneNumberID = s.filled()
		case "event":
			s.once(&seen, name)
			a.Event = s.filled()
		case "time":
			s.once(&seen, when)
			a.Time = s.integer()
		case "original":
			s.once(&seen, original)
			a.Original = s.raw('{')
		default:
			s.skip()
		}
	}
	s.must(seen&waba != 0, "waba_id", "is missing")
	s.must(seen&original != 0, "original", "is missing")
	return a
}

func (s *scanner) other() *schemas.Other {
	const (
		waba = 1 << iota
		number
		field
		original
	)
	o, seen := new(schemas.Other), uint32(0)
	s.enter('{')
	for s.key() {
		switch string(s.name) {
		case "waba_id":
			s.once(&seen, waba)
			o.WABAID = s.filled()
		case "phone_number_id":
			s.once(&seen, number)
			o.PhoneNumberID = s.filled()
		case "field":
			s.once(&seen, field)
			o.Field = s.str()
		case "original":
			s.once(&seen, original)
			o.Original = s.raw('{')
		default:
			s.skip()
		}
	}
	s.must(seen&field != 0, "field", "is missing")
	s.must(seen&original != 0, "original", "is missing")
	return o
}
