package tables

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/schemas"
)

// event is the value of any event, read by the names of the contract.
type event struct {
	WABAID        string `json:"waba_id"`
	PhoneNumberID string `json:"phone_number_id"`
	WAMID         string `json:"wamid"`
	OriginalWAMID string `json:"original_wamid"`
	GroupID       string `json:"group_id"`
	From          string `json:"from"`
	Contact       struct {
		WaID   string `json:"wa_id"`
		UserID string `json:"user_id"`
	} `json:"contact"`
	Thread     string `json:"thread"`
	Kind       string `json:"kind"`
	Rank       int    `json:"rank"`
	Standby    bool   `json:"standby"`
	Direction  string `json:"direction"`
	Timestamp  int64  `json:"timestamp"`
	Status     string `json:"status"`
	Historical bool   `json:"historical"`
	Sync       struct {
		Window int64 `json:"window"`
	} `json:"sync"`
	// Of an entry of the address book.
	ID          string `json:"id"`
	PhoneNumber string `json:"phone_number"`
	UserID      string `json:"user_id"`
	TimestampMS int64  `json:"timestamp_ms"`
	FullName    string `json:"full_name"`

	// Of the outcome of an asset.
	EventID string    `json:"event_id"`
	State   string    `json:"state"`
	Reason  string    `json:"reason"`
	SHA256  string    `json:"sha256"`
	Object  string    `json:"object"`
	Bytes   int64     `json:"bytes"`
	At      time.Time `json:"at"`

	Original jsontext.Value `json:"original"`
}

// best contains the values that one row may have: those of the greatest order.
type best struct {
	order  []int64
	values map[string]bool
	at     int64 // Unix seconds of the event, the earliest of equal ones. 0: the row has no time of its own
}

// take keeps a value if no greater one is known.
func (b *best) take(at int64, value string, order ...int64) {
	switch c := slices.Compare(order, b.order); {
	case b.values != nil && c < 0:
		return
	case b.values == nil || c > 0:
		b.order, b.values, b.at = order, map[string]bool{}, at
	}
	b.values[value], b.at = true, min(b.at, at)
}

// rows contains the expected rows: by table, then by key.
type rows struct {
	of         map[string]map[string]*best
	partitions map[string]int32 // of the business numbers
	syncs      map[syncKey]syncRow

	erasures erasures
	erased   *rows           // of the events about people who were erased later; nil: none
	nobody   map[string]bool // receipts that do not say whom they are about
	targets  map[string]bool // the messages that erased rows are about; nil: not asked for yet
}

func newRows() *rows {
	return &rows{of: map[string]map[string]*best{}, partitions: map[string]int32{}, syncs: map[syncKey]syncRow{}}
}

func (r *rows) at(table string, key ...string) *best {
	if r.of[table] == nil {
		r.of[table] = map[string]*best{}
	}
	name := strings.Join(key, " ")
	if r.of[table][name] == nil {
		r.of[table][name] = &best{}
	}
	return r.of[table][name]
}

// The tables that are compared with events.
const (
	messages  = "messages"
	versions  = "versions"
	receipts  = "receipts"
	reactions = "reactions"
	contacts  = "contacts"
	notes     = "notes"
	assets    = "assets"
	threads   = "threads" // compared with messages
)

func tableNames() []string {
	return []string{messages, versions, receipts, reactions, contacts, notes, assets, threads, syncs}
}

// add adds a record of an event topic. An unreadable one becomes a letter, and no row.
func (r *rows) add(topic schemas.Topic, rec *kgo.Record) error {
	header := map[string]string{}
	for _, h := range rec.Headers {
		if _, twice := header[h.Key]; !twice {
			header[h.Key] = string(h.Value)
		}
	}
	var e event
	if len(rec.Value) > 0 {
		if err := json.Unmarshal(rec.Value, &e, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
			return fmt.Errorf("%s/%d@%d: %w", topic, rec.Partition, rec.Offset, err)
		}
	}
	ceType, id := header["ce_type"], header["ce_id"]
	received, _ := strconv.ParseInt(header["coex-received-at"], 10, 64) // an event without one has no time
	if r.erasures.cover(topic, rec, &e, header, received) {
		if r.erased == nil {
			r.erased = newRows()
		}
		if topic != schemas.TopicContacts {
			r.partitions[clean(e.PhoneNumberID)] = rec.Partition
		}
		r = r.erased
	}
	received /= 1000
	switch topic {
	case schemas.TopicContacts:
		number, person, _ := strings.Cut(string(rec.Key), "/")
		value := fmt.Sprint("removed ", len(rec.Value) == 0)
		if len(rec.Value) > 0 {
			value += " " + clean(e.FullName)
		}
		r.at(contacts, number, person).take(0, value, rec.Offset)
	case schemas.TopicSyncs:
		if err := r.sync(rec); err != nil {
			return fmt.Errorf("%s/%d@%d: %w", topic, rec.Partition, rec.Offset, err)
		}
	case schemas.TopicAssets:
		r.asset(&e)
	case schemas.TopicAccount:
		r.at(notes, id).take(0, "", 0)
	case schemas.TopicOther:
		r.at(notes, id).take(received, "", 0)
	default:
		r.partitions[clean(e.PhoneNumberID)] = rec.Partition
		r.message(&e, ceType, id, received)
	}
	return nil
}

// asset adds the outcome of an asset: the latest one of an event counts.
func (r *rows) asset(e *event) {
	at := e.Timestamp
	if at <= 0 {
		at = e.At.Unix()
	}
	r.at(assets, clean(e.PhoneNumberID), clean(e.EventID)).take(at, assetText(e.State, clean(e.Reason), e.SHA256, clean(e.Object), e.Bytes), e.At.Unix(), int64(e.At.Nanosecond()))
}

// assetText is what a row says about an asset.
func assetText(state, reason, sha256, object string, bytes int64) string {
	return fmt.Sprintf("%s %s %s %q %d bytes", state, reason, sha256, object, bytes)
}

func (r *rows) message(e *event, ceType, id string, received int64) {
	at := e.Timestamp
	if at <= 0 {
		at = received
	}
	number, wamid, original := clean(e.PhoneNumberID), clean(e.WAMID), hash(e.Original)
	person := clean(e.Contact.WaID)
	if person == "" {
		person = clean(e.Contact.UserID)
	}
	kind := e.Kind
	switch ceType {
	case schemas.TypeStatus, schemas.TypeError, schemas.TypeHandover, schemas.TypeMedia:
		kind = map[string]string{schemas.TypeStatus: "status", schemas.TypeError: "error", schemas.TypeHandover: "handover", schemas.TypeMedia: "media"}[ceType]
	}
	target := wamid
	if (kind == "edit" || kind == "revoke") && e.OriginalWAMID != "" {
		target = clean(e.OriginalWAMID)
	}
	switch {
	case kind == "error", kind == "handover":
		r.at(notes, id).take(at, "", 0)
	case kind == "reaction":
		r.reaction(e, id, number, person, at)
	case target == "":
		r.at(notes, id).take(at, "", 0)
	case kind == "status":
		if e.GroupID == "" {
			person = ""
		}
		r.status(e.Status, number, target, person, e.Timestamp)
	case kind == "edit", kind == "revoke":
		r.at(versions, number, target, kind).take(e.Timestamp, original, e.Timestamp)
	case kind == "media":
		r.at(versions, number, tokenOf(target), kind).take(e.Timestamp, original, sign(e.Rank > 0), e.Timestamp)
	default:
		r.at(messages, number, target).take(at, original, sign(e.Rank > 0), sign(!e.Historical), sign(!e.Standby), e.Sync.Window, e.Timestamp)
		if e.Status != "" {
			r.status(e.Status, number, target, "", 0)
		}
	}
}

func (r *rows) reaction(e *event, id, number, person string, at int64) {
	var original struct {
		Reaction struct {
			MessageID string `json:"message_id"`
			Emoji     string `json:"emoji"`
		} `json:"reaction"`
	}
	err := json.Unmarshal(e.Original, &original, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	target := clean(original.Reaction.MessageID)
	if err != nil || target == "" {
		r.at(notes, id).take(at, "", 0)
		return
	}
	if person == "" {
		person = clean(e.From)
	}
	if e.Direction == "outbound" {
		person = ""
	}
	r.at(reactions, number, target, person).take(e.Timestamp, clean(original.Reaction.Emoji), e.Timestamp, sign(!e.Historical))
}

// levels of statuses: a receipt only rises
var levels = []string{"pending", "sent", "delivered", "read", "played"}

// status adds a status. A failure leaves no status of its own.
func (r *rows) status(status, number, wamid, participant string, at int64) {
	status = clean(strings.ToLower(status))
	b := r.at(receipts, number, wamid, participant)
	at = max(at, b.at) // the newest time of a receipt is that of the row
	defer func() { b.at = at }()
	if status == "failed" || status == "error" {
		b.take(at, "", -2)
		return
	}
	level := int64(slices.Index(levels, status))
	if level < 0 && b.values != nil && b.order[0] == level { // of unknown ones, the last one by its letters
		for other := range b.values {
			status = max(status, other)
		}
		b.values = nil
	}
	b.take(at, status, level)
}

func sign(v bool) int64 {
	if v {
		return 1
	}
	return 0
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return string(sum[:12])
}

// tokenOf returns the part of a wamid that both of its spellings share, or the wamid.
func tokenOf(wamid string) string {
	if w, ok := schemas.ParseWAMID([]byte(wamid)); ok {
		return string(w.Token())
	}
	return wamid
}

// clean returns a text as the tables show it.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, s)
}
