package event

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/coexstream/coexstream/schemas"
)

// Event is a record of an event topic. Of the values the one of its type is set; of a tombstone none is.
type Event struct {
	Headers
	Topic schemas.Topic
	Key   []byte // of the record
	Value []byte // of the record; empty: a tombstone

	Message *schemas.Message // history, media, echo, message, status, error and handover events
	Contact *schemas.ContactState
	Account *schemas.Account
	Sync    *schemas.Sync
	Other   *schemas.Other
	Asset   *schemas.Asset
}

// Tombstone reports whether the record removed its key.
func (e *Event) Tombstone() bool {
	return e.Type == schemas.TypeContactRemoved || e.Type == schemas.TypeSyncRemoved
}

// Error is the reason why a value is not of its type.
type Error struct {
	Type     string // ce_type
	Property string // the innermost that was being read; empty: the value itself
	Offset   int    // in the value
	Why      string
}

// Error shows nothing of the content.
func (e *Error) Error() string {
	what := "the value"
	if e.Property != "" {
		what = fmt.Sprintf("%.64q", e.Property)
	}
	return fmt.Sprintf("value of a %s event: at byte %d: %s %s", e.Type, e.Offset, what, e.Why)
}

// Read reads a whole record: headers, and the value by the ce_type that they name. The topic must carry events of that type.
func Read[H ~struct {
	Key   string
	Value []byte
}](topic schemas.Topic, key []byte, headers []H, value []byte) (Event, error) {
	h, err := ReadHeaders(headers)
	if err != nil {
		return Event{}, err
	}
	if on, ok := topicOf(h.Type); !ok || on != topic {
		return Event{}, fmt.Errorf("topic %s does not carry events of type %.64q", topic, h.Type)
	}
	e, err := Value(h.Type, value)
	e.Headers, e.Topic, e.Key = h, topic, key
	return e, err
}

// Value reads the value of a record of a type. Headers has the type alone.
func Value(ceType string, value []byte) (Event, error) {
	e := Event{Headers: Headers{Type: ceType}, Value: value}
	if e.Tombstone() {
		if len(value) > 0 {
			return e, &Error{Type: ceType, Why: "is there, though the event is a tombstone"}
		}
		return e, nil
	}
	if !utf8.Valid(value) {
		return e, &Error{Type: ceType, Why: "is not UTF-8"}
	}
	s := scanner{b: value}
	switch ceType {
	case schemas.TypeHistory, schemas.TypeMedia, schemas.TypeEcho, schemas.TypeMessage, schemas.TypeStatus, schemas.TypeError, schemas.TypeHandover:
		e.Message = s.message(ceType)
	case schemas.TypeContact:
		e.Contact = s.contact()
	case schemas.TypeAccount:
		e.Account = s.account()
	case schemas.TypeSync:
		e.Sync = s.sync()
	case schemas.TypeOther:
		e.Other = s.other()
	case schemas.TypeAsset:
		e.Asset = s.asset()
	default:
		return e, fmt.Errorf("events of type %.64q: %w", ceType, ErrType)
	}
	if s.end(); s.err != nil {
		s.err.Type = ceType
		return Event{Headers: e.Headers, Value: value}, s.err
	}
	return e, nil
}

// ErrType means that a ce_type is unknown.
var ErrType = errors.New("the type is not known")

// TypeOf is the type of the records of a topic that name none: they were written by something else, or a person took their
// headers away. It is empty where the topic carries no events.
func TypeOf(topic schemas.Topic) string {
	switch topic {
	case schemas.TopicHistory:
		return schemas.TypeHistory
	case schemas.TopicMedia:
		return schemas.TypeMedia
	case schemas.TopicContacts:
		return schemas.TypeContact
	case schemas.TopicEchoes:
		return schemas.TypeEcho
	case schemas.TopicMessages:
		return schemas.TypeMessage
	case schemas.TopicAccount:
		return schemas.TypeAccount
	case schemas.TopicSyncs:
		return schemas.TypeSync
	case schemas.TopicOther:
		return schemas.TypeOther
	case schemas.TopicAssets:
		return schemas.TypeAsset
	}
	return ""
}

// topicOf is the topic that carries events of a type.
func topicOf(ceType string) (schemas.Topic, bool) {
	switch ceType {
	case schemas.TypeHistory:
		return schemas.TopicHistory, true
	case schemas.TypeMedia:
		return schemas.TopicMedia, true
	case schemas.TypeContact, schemas.TypeContactRemoved:
		return schemas.TopicContacts, true
	case schemas.TypeEcho:
		return schemas.TopicEchoes, true
	case schemas.TypeMessage, schemas.TypeStatus, schemas.TypeError, schemas.TypeHandover:
		return schemas.TopicMessages, true
	case schemas.TypeAccount:
		return schemas.TopicAccount, true
	case schemas.TypeSync, schemas.TypeSyncRemoved:
		return schemas.TopicSyncs, true
	case schemas.TypeOther:
		return schemas.TopicOther, true
	case schemas.TypeAsset:
		return schemas.TopicAssets, true
	}
	return 0, false
}

// property is one that a value must have.
type property struct {
	bit  uint32
	name string
}

func (s *scanner) require(seen uint32, properties []property) {
	for _, p := range properties {
		s.must(seen&p.bit != 0, p.name, "is missing")
	}
}

func (s *scanner) must(ok bool, property, why string) {
	if !ok && s.err == nil {
		s.name = []byte(property)
		s.fail(why)
	}
}

// named holds that an event names a business or a number.
func (s *scanner) named(waba, number string) {
	s.must(waba != "" || number != "", "waba_id", "and phone_number_id are both empty")
}

func (s *scanner) oneOf(allowed ...string) string {
	v := s.str()
	if s.err == nil && !slices.Contains(allowed, v) {
		s.fail("is none of the values that are allowed")
	}
	return v
}
