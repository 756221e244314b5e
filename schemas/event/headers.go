package event

import (
	"errors"
	"fmt"
	"strconv"
	"time"
	"unsafe"

	"github.com/coexstream/coexstream/schemas"
)

// Headers are those of an event: CloudEvents 1.0 in Kafka's binary mode, and the pipeline's own.
type Headers struct {
	ID     string // ce_id
	Type   string // ce_type
	Source string // ce_source
	Time   time.Time
	// ReceivedAt is when the webhook was received, in Unix milliseconds; 0 where the header is not there.
	ReceivedAt int64
	Origin     string // the place of the webhook in the raw log
	Replay     string // id of the replay that the event comes of; empty: of none

	Contact ContactHeaders // of the events of the address book
}

// ContactHeaders describe the change of a row by a record of `contacts`. Tombstones have nothing else.
type ContactHeaders struct {
	Action              string // add, remove, merge
	TimestampMS         int64
	Phone, User, Linked string
}

var (
	errSpecVersion = errors.New("header ce_specversion is not " + schemas.CESpecVersion)
	errNoID        = errors.New("header ce_id is missing or empty")
	errNoSource    = errors.New("header ce_source is missing or empty")
	errNoAction    = errors.New("header coex-contact-action is neither remove nor merge, though the record is a tombstone")
)

// ReadHeaders reads headers; of those that stand twice the last one counts. Unknown ones are skipped. An error names the header.
func ReadHeaders[H ~struct {
	Key   string
	Value []byte
}](headers []H) (h Headers, err error) {
	var version string
	var at []byte
	for i := range headers {
		one := struct {
			Key   string
			Value []byte
		}(headers[i])
		switch one.Key {
		case schemas.HeaderCESpecVersion:
			version = view(one.Value)
		case schemas.HeaderCEID:
			h.ID = view(one.Value)
		case schemas.HeaderCEType:
			h.Type = view(one.Value)
		case schemas.HeaderCESource:
			h.Source = view(one.Value)
		case schemas.HeaderCETime:
			at = one.Value
		case schemas.HeaderReceivedAt:
			h.ReceivedAt, err = decimal(one.Key, one.Value)
		case schemas.HeaderOrigin:
			h.Origin = view(one.Value)
		case schemas.HeaderReplay:
			h.Replay = view(one.Value)
		case schemas.HeaderContactAction:
			h.Contact.Action = view(one.Value)
		case schemas.HeaderContactTimestamp:
			h.Contact.TimestampMS, err = decimal(one.Key, one.Value)
		case schemas.HeaderContactPhone:
			h.Contact.Phone = view(one.Value)
		case schemas.HeaderContactUserID:
			h.Contact.User = view(one.Value)
		case schemas.HeaderContactLinked:
			h.Contact.Linked = view(one.Value)
		}
		if err != nil {
			return h, err
		}
	}
	switch {
	case version != schemas.CESpecVersion:
		return h, errSpecVersion
	case h.ID == "":
		return h, errNoID
	case h.Source == "":
		return h, errNoSource
	case h.Type == schemas.TypeContactRemoved && h.Contact.Action != "remove" && h.Contact.Action != "merge":
		return h, errNoAction
	}
	var ok bool
	if h.Time, ok = parseTime(at); !ok {
		return h, fmt.Errorf("header %s is missing or no time", schemas.HeaderCETime)
	}
	return h, nil
}

func decimal(name string, value []byte) (int64, error) {
	n, err := strconv.ParseInt(view(value), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("header %s is no integer", name)
	}
	return n, nil
}

func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
