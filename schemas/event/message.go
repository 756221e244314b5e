package event

import (
	"math"
	"strings"

	"github.com/coexstream/coexstream/schemas"
)

// message is a Message with what it points to: one allocation for each event.
type message struct {
	schemas.Message
	rank       schemas.Rank
	joined     bool
	contact    schemas.Contact
	sync       schemas.SyncPosition
	phase      int32
	chunkOrder int32
	progress   int32
}

// Properties of a message of which it matters whether they were there.
const (
	messageWABA = 1 << iota
	messageNumber
	messageDisplay
	messageKind
	messageRank
	messageWAMID
	messageOriginalWAMID
	messageWAMIDToken
	messageThread
	messageGroup
	messageContact
	messageDirection
	messageFrom
	messageTo
	messageTimestamp
	messageType
	messageStatus
	messageHistorical
	messageStandby
	messageJoined
	messageSync
	messageProfiles
	messageOriginal
)

var messageRequired = []property{
	{messageWABA, "waba_id"}, {messageNumber, "phone_number_id"}, {messageDirection, "direction"},
	{messageTimestamp, "timestamp"}, {messageHistorical, "historical"}, {messageOriginal, "original"},
}

func (s *scanner) message(ceType string) *schemas.Message {
	m, seen := new(message), uint32(0)
	s.enter('{')
	for s.key() {
		switch string(s.name) {
		case "waba_id":
			s.once(&seen, messageWABA)
			m.WABAID = s.str()
		case "phone_number_id":
			s.once(&seen, messageNumber)
			m.PhoneNumberID = s.str()
		case "display_phone_number":
			s.once(&seen, messageDisplay)
			m.DisplayPhoneNumber = s.filled()
		case "kind":
			s.once(&seen, messageKind)
			m.Kind = s.filled()
		case "rank":
			s.once(&seen, messageRank)
			m.rank = schemas.Rank(s.between(0, math.MaxUint8))
			m.Rank = &m.rank
		case "wamid":
			s.once(&seen, messageWAMID)
			m.WAMID = s.filled()
		case "original_wamid":
			s.once(&seen, messageOriginalWAMID)
			m.OriginalWAMID = s.filled()
		case "wamid_token":
			s.once(&seen, messageWAMIDToken)
			m.WAMIDToken = s.hexadecimal()
		case "thread":
			s.once(&seen, messageThread)
			m.Thread = s.filled()
		case "group_id":
			s.once(&seen, messageGroup)
			m.GroupID = s.filled()
		case "contact":
			s.once(&seen, messageContact)
			s.contactOf(&m.contact)
			m.Contact = &m.contact
		case "direction":
			s.once(&seen, messageDirection)
			m.Direction = s.oneOf(schemas.DirectionInbound, schemas.DirectionOutbound, schemas.DirectionUnknown)
		case "from":
			s.once(&seen, messageFrom)
			m.From = s.filled()
		case "to":
			s.once(&seen, messageTo)
			m.To = s.filled()
		case "timestamp":
			s.once(&seen, messageTimestamp)
			m.Timestamp = s.integer()
		case "type":
			s.once(&seen, messageType)
			m.Type = s.filled()
		case "status":
			s.once(&seen, messageStatus)
			m.Status = s.filled()
		case "historical":
			s.once(&seen, messageHistorical)
			m.Historical = s.boolean()
		case "standby":
			s.once(&seen, messageStandby)
			m.Standby = s.boolean()
		case "joined":
			s.once(&seen, messageJoined)
			m.joined = s.boolean()
			m.Joined = &m.joined
		case "sync":
			s.once(&seen, messageSync)
			s.position(m)
			m.Sync = &m.sync
		case "profiles":
			s.once(&seen, messageProfiles)
			m.Profiles = s.raw('[')
		case "original":
			s.once(&seen, messageOriginal)
			m.Original = s.raw('{')
		default:
			s.skip()
		}
	}
	s.require(seen, messageRequired)
	s.named(m.WABAID, m.PhoneNumberID)
	s.messageOfType(ceType, &m.Message)
	return &m.Message
}

// messageOfType holds the message to the schema of its type.
func (s *scanner) messageOfType(ceType string, m *schemas.Message) {
	if s.err != nil {
		return
	}
	switch ceType {
	case schemas.TypeHistory:
		s.must(m.Historical, "historical", "is not true")
		s.must(m.Sync != nil, "sync", "is missing")
		s.must(!strings.ContainsFunc(m.Status, func(r rune) bool { return r >= 'a' && r <= 'z' }), "status", "is not in upper case")
	case schemas.TypeMedia:
		s.must(m.Historical, "historical", "is not true")
		s.must(m.Joined != nil, "joined", "is missing")
	case schemas.TypeEcho:
		s.must(m.Direction == schemas.DirectionOutbound, "direction", "is not outbound")
	case schemas.TypeStatus:
		s.must(!m.Historical, "historical", "is not false")
		s.must(m.Direction == schemas.DirectionOutbound, "direction", "is not outbound")
		s.must(!strings.ContainsFunc(m.Status, func(r rune) bool { return r >= 'A' && r <= 'Z' }), "status", "is not in lower case")
	default:
		s.must(!m.Historical, "historical", "is not false")
	}
}

func (s *scanner) contactOf(c *schemas.Contact) {
	const (
		waID = 1 << iota
		userID
		parent
		username
		country
		profile
	)
	seen := uint32(0)
	s.enter('{')
	for s.key() {
		switch string(s.name) {
		case "wa_id":
			s.once(&seen, waID)
			c.WaID = s.filled()
		case "user_id":
			s.once(&seen, userID)
			c.UserID = s.filled()
		case "parent_user_id":
			s.once(&seen, parent)
			c.ParentUserID = s.filled()
		case "username":
			s.once(&seen, username)
			c.Username = s.filled()
		case "country_code":
			s.once(&seen, country)
			c.CountryCode = s.filled()
		case "profile_name":
			s.once(&seen, profile)
			c.ProfileName = s.filled()
		default:
			s.skip()
		}
	}
}

func (s *scanner) position(m *message) {
	const (
		window = 1 << iota
		phase
		order
		progress
		late
	)
	p, seen := &m.sync, uint32(0)
	s.enter('{')
	for s.key() {
		switch string(s.name) {
		case "window":
			s.once(&seen, window)
			p.Window = int32(s.between(1, math.MaxInt32))
		case "phase":
			s.once(&seen, phase)
			m.phase = s.int32()
			p.Phase = &m.phase
		case "chunk_order":
			s.once(&seen, order)
			m.chunkOrder = s.int32()
			p.ChunkOrder = &m.chunkOrder
		case "progress":
			s.once(&seen, progress)
			m.progress = s.int32()
			p.Progress = &m.progress
		case "late":
			s.once(&seen, late)
			p.Late = s.boolean()
		default:
			s.skip()
		}
	}
	s.must(s.err != nil || seen&window != 0, "sync.window", "is missing")
}
