package archive

import (
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/parquet-go/parquet-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/event"
)

// row is a record as a row of Parquet. The tag doc is the meaning of a column, for docs/archive.md. A text that is not there is null.
//
// key, headers and value are the record itself. The columns behind them repeat parts of it, for queries.
type row struct {
	Offset      int64       `parquet:"offset" doc:"Offset of the record."`
	Timestamp   int64       `parquet:"timestamp,timestamp(millisecond)" doc:"Time of the record."`
	Key         *string     `parquet:"key,optional" doc:"Key of the record, where it is UTF-8."`
	KeyBinary   []byte      `parquet:"key_binary,optional" doc:"Key of the record, where it is not UTF-8."`
	Headers     []rowHeader `parquet:"headers,list" doc:"Headers of the record in their order: key, value, and key_binary, value_binary where the bytes are not UTF-8."`
	Value       *string     `parquet:"value,optional" doc:"Value of the record, where it is UTF-8. null in both columns: a tombstone."`
	ValueBinary []byte      `parquet:"value_binary,optional" doc:"Value of the record, where it is not UTF-8."`

	CEID       string `parquet:"ce_id,optional" doc:"Id of the event. Repeated events have the same one."`
	CEType     string `parquet:"ce_type,optional" doc:"Type of the event."`
	CESource   string `parquet:"ce_source,optional" doc:"Source of the event."`
	CETime     int64  `parquet:"ce_time,optional,timestamp(millisecond)" doc:"Time of the event."`
	ReceivedAt int64  `parquet:"received_at,optional,timestamp(millisecond)" doc:"Time at which the webhook was received."`
	Replay     string `parquet:"replay,optional" doc:"Id of the replay that wrote the event."`

	WABAID             string `parquet:"waba_id,optional" doc:"WhatsApp Business Account."`
	PhoneNumberID      string `parquet:"phone_number_id,optional" doc:"Id of the business's number."`
	DisplayPhoneNumber string `parquet:"display_phone_number,optional" doc:"The business's number."`
	Kind               string `parquet:"kind,optional" doc:"Kind of a message event."`
	WAMID              string `parquet:"wamid,optional" doc:"Id of the message."`
	OriginalWAMID      string `parquet:"original_wamid,optional" doc:"Id of the message that is edited or revoked."`
	Thread             string `parquet:"thread,optional" doc:"The chat."`
	GroupID            string `parquet:"group_id,optional" doc:"Id of the group."`
	ContactID          string `parquet:"contact_id,optional" doc:"Phone number of the contact, without +."`
	ContactUserID      string `parquet:"contact_user_id,optional" doc:"Business-scoped user id of the contact."`
	ContactName        string `parquet:"contact_name,optional" doc:"Profile name, or the name in the address book."`
	Direction          string `parquet:"direction,optional" doc:"inbound or outbound."`
	SentAt             int64  `parquet:"sent_at,optional,timestamp(millisecond)" doc:"Time of the message, of the change of the contact, or of the account event, by its sender."`
	Type               string `parquet:"type,optional" doc:"Type of the message, such as text."`
	Status             string `parquet:"status,optional" doc:"Status of the message."`
	Historical         *bool  `parquet:"historical,optional" doc:"True: the message is of the past."`
	SyncWindow         int32  `parquet:"sync_window,optional" doc:"Onboarding of the number, from 1."`
	SyncState          string `parquet:"sync_state,optional" doc:"State of a sync."`
	AccountEvent       string `parquet:"account_event,optional" doc:"Event of an account."`
	Field              string `parquet:"field,optional" doc:"Field of the webhook, in the topic other."`
}

// rowHeader is a header of a record.
type rowHeader struct {
	Key         *string `parquet:"key,optional"`
	Value       *string `parquet:"value,optional"`
	KeyBinary   []byte  `parquet:"key_binary,optional"`
	ValueBinary []byte  `parquet:"value_binary,optional"`
}

// Column is a column of the Parquet objects.
type Column struct{ Name, Type, Meaning string }

// Columns are those of the Parquet objects, in their order.
func Columns() (all []Column) {
	types := map[string]string{}
	for _, f := range parquet.SchemaOf(row{}).Fields() {
		types[f.Name()] = typeName(f)
	}
	t := reflect.TypeFor[row]()
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("parquet"), ",")
		all = append(all, Column{name, types[name], f.Tag.Get("doc")})
	}
	return all
}

func typeName(f parquet.Field) string {
	if !f.Leaf() {
		return "LIST of STRUCT"
	}
	switch name, _, _ := strings.Cut(f.Type().String(), "("); name {
	case "TIMESTAMP":
		return "TIMESTAMP (ms, UTC)"
	case "INT":
		return f.Type().Kind().String()
	default:
		return name
	}
}

// set makes the row that of a record. It keeps parts of the record.
func (r *row) set(rec *kgo.Record) {
	headers := r.Headers[:0]
	*r = row{Offset: rec.Offset, Timestamp: rec.Timestamp.UnixMilli()}
	r.Key, r.KeyBinary = textOrBinary(rec.Key)
	r.Value, r.ValueBinary = textOrBinary(rec.Value)
	for i := range rec.Headers {
		var h rowHeader
		h.Key, h.KeyBinary = textOrBinary([]byte(rec.Headers[i].Key))
		h.Value, h.ValueBinary = textOrBinary(rec.Headers[i].Value)
		headers = append(headers, h)
	}
	r.Headers = headers
	r.extract(rec)
}

// textOrBinary chooses the column of bytes. Bytes that are no UTF-8 are never empty, so an empty binary is null.
func textOrBinary(b []byte) (*string, []byte) {
	switch {
	case b == nil:
		return nil, nil
	case utf8.Valid(b):
		s := unsafe.String(unsafe.SliceData(b), len(b))
		return &s, nil
	}
	return nil, b
}

// extract sets the columns for queries. A record that is no event has those of its headers.
func (r *row) extract(rec *kgo.Record) {
	h, err := event.ReadHeaders(rec.Headers)
	r.CEID, r.CEType, r.CESource, r.Replay, r.ReceivedAt = valid(h.ID), valid(h.Type), valid(h.Source), valid(h.Replay), h.ReceivedAt
	if !h.Time.IsZero() {
		r.CETime = h.Time.UnixMilli()
	}
	if err != nil {
		return
	}
	e, err := event.Value(h.Type, rec.Value)
	if err != nil {
		return
	}
	switch {
	case e.Message != nil:
		r.message(e.Message)
	case e.Contact != nil:
		c := e.Contact
		r.WABAID, r.PhoneNumberID, r.DisplayPhoneNumber = c.WABAID, c.PhoneNumberID, c.DisplayPhoneNumber
		r.ContactID, r.ContactUserID, r.ContactName, r.SentAt = c.PhoneNumber, c.UserID, c.FullName, c.TimestampMS
	case e.Account != nil:
		a := e.Account
		r.WABAID, r.PhoneNumberID, r.DisplayPhoneNumber, r.AccountEvent, r.SentAt = a.WABAID, a.PhoneNumberID, a.PhoneNumber, a.Event, milliseconds(a.Time)
	case e.Sync != nil:
		s := e.Sync
		r.WABAID, r.PhoneNumberID, r.DisplayPhoneNumber, r.SyncWindow, r.SyncState = s.WABAID, s.PhoneNumberID, s.DisplayPhoneNumber, s.Window, s.State
	case e.Other != nil:
		r.WABAID, r.PhoneNumberID, r.Field = e.Other.WABAID, e.Other.PhoneNumberID, e.Other.Field
	case e.Tombstone():
		number, _, _ := strings.Cut(string(rec.Key), "/")
		r.PhoneNumberID = valid(number)
		r.ContactID, r.ContactUserID, r.SentAt = valid(h.Contact.Phone), valid(h.Contact.User), h.Contact.TimestampMS
	}
}

func (r *row) message(m *schemas.Message) {
	r.WABAID, r.PhoneNumberID, r.DisplayPhoneNumber = m.WABAID, m.PhoneNumberID, m.DisplayPhoneNumber
	r.Kind, r.WAMID, r.OriginalWAMID, r.Thread, r.GroupID = m.Kind, m.WAMID, m.OriginalWAMID, m.Thread, m.GroupID
	r.Direction, r.SentAt, r.Type, r.Status, r.Historical = m.Direction, milliseconds(m.Timestamp), m.Type, m.Status, &m.Historical
	if m.Contact != nil {
		r.ContactID, r.ContactUserID, r.ContactName = m.Contact.WaID, m.Contact.UserID, m.Contact.ProfileName
	}
	if m.Sync != nil {
		r.SyncWindow = m.Sync.Window
	}
}

// milliseconds are those of Unix seconds; 0, which is null, where they do not fit.
func milliseconds(seconds int64) int64 {
	if ms := seconds * 1000; ms/1000 == seconds {
		return ms
	}
	return 0
}

// valid is a text where it is UTF-8, as readers of Parquet demand.
func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return ""
}

// record is the record of the row, which keeps nothing of it.
func (r *row) record(rec *kgo.Record) {
	rec.Offset, rec.Timestamp = r.Offset, time.UnixMilli(r.Timestamp)
	rec.Key, rec.Value = copied(r.Key, r.KeyBinary), copied(r.Value, r.ValueBinary)
	rec.Headers = make([]kgo.RecordHeader, 0, len(r.Headers))
	for i := range r.Headers {
		h := &r.Headers[i]
		rec.Headers = append(rec.Headers, kgo.RecordHeader{Key: string(copied(h.Key, h.KeyBinary)), Value: copied(h.Value, h.ValueBinary)})
	}
}

func copied(text *string, binary []byte) []byte {
	switch {
	case text != nil:
		return append([]byte{}, *text...)
	case len(binary) > 0:
		return slices.Clone(binary)
	}
	return nil
}
