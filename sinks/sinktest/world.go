package sinktest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/schemas"
)

// record is an event as it stands in a topic, and what the naive fold goes by.
type record struct {
	*kgo.Record
	topic    schemas.Topic
	id       string
	received int64
	poison   bool
	repeated bool
	replayed bool
	message  *schemas.Message
	contact  *schemas.ContactState
	sync     *schemas.Sync
	account  *schemas.Account
	asset    *schemas.Asset
}

// World is a set of events in the logs of some partitions, made from a seed. They are about few messages and people, so that many are
// about the same, and in no order that makes sense: edits before their messages, statuses that run backwards, copies of messages in histories. Texts have what databases
// refuse; some are a mebibyte long, and some events have properties that nobody knows.
type World struct {
	rng        *rand.Rand
	partitions []int32
	logs       map[schemas.Topic]map[int32][]*record
	partition  int32 // of the event that is being made
	clock      int64
	ids        int
	large      int // messages of a mebibyte that are still to come
}

// NewWorld makes a world of so many events.
func NewWorld(seed uint64, events int, partitions ...int32) *World {
	w := &World{rng: rand.New(rand.NewPCG(seed, 14)), partitions: partitions, logs: map[schemas.Topic]map[int32][]*record{}, clock: 1_772_000_000_000, large: events / 1000}
	for range events {
		w.partition = partitions[w.rng.IntN(len(partitions))]
		if w.maybe(4) {
			w.other()
		} else {
			w.message()
		}
	}
	return w
}

// Poison adds records that are no events: they have to become letters.
func (w *World) Poison(n int) {
	for i := range n {
		w.partition = w.partitions[w.rng.IntN(len(w.partitions))]
		r := w.add(schemas.TopicMessages, schemas.TypeMessage, w.own("n1")+"/491702", nil)
		r.Value, r.poison = []byte([]string{"{", `{"waba_id":"x"}`, "\xff", "", "null"}[i%5]), true
		log := w.logs[schemas.TopicMessages][w.partition]
		j := w.rng.IntN(len(log)) // somewhere among the others
		other := log[j]
		other.Offset, r.Offset = r.Offset, other.Offset
		log[j], log[len(log)-1] = r, other
	}
}

// Repeat lets events come again at later offsets, as a replay does. Only those of topics that are not compacted: there a later record is newer.
func (w *World) Repeat(n int) {
	for range n {
		w.partition = w.partitions[w.rng.IntN(len(w.partitions))]
		topic := []schemas.Topic{schemas.TopicMessages, schemas.TopicEchoes, schemas.TopicHistory, schemas.TopicMedia, schemas.TopicAccount, schemas.TopicAssets}[w.rng.IntN(6)]
		log := w.logs[topic][w.partition]
		if len(log) == 0 {
			continue
		}
		again := *log[w.rng.IntN(len(log))]
		record := *again.Record
		record.Offset = int64(offsetStep * len(log))
		if again.Record = &record; !again.poison {
			again.repeated = true
		}
		w.logs[topic][w.partition] = append(log, &again)
	}
}

// Replay lets all events come again, in their order, marked as those of a replay. Those of compacted topics do not: a replay changes nothing there.
func (w *World) Replay() {
	for _, topic := range []schemas.Topic{schemas.TopicMessages, schemas.TopicEchoes, schemas.TopicHistory, schemas.TopicMedia, schemas.TopicAccount, schemas.TopicAssets} {
		for partition, log := range w.logs[topic] {
			for _, r := range log {
				again, record := *r, *r.Record
				record.Offset = int64(offsetStep * len(w.logs[topic][partition]))
				record.Headers = append(slices.Clone(record.Headers), kgo.RecordHeader{Key: schemas.HeaderReplay, Value: []byte("replay")})
				again.replayed = true
				again.Record, again.repeated = &record, !r.poison
				w.logs[topic][partition] = append(w.logs[topic][partition], &again)
			}
		}
	}
}

// OnboardAgain lets the past come again in a later window: with the ids that it had, as the messages say more by now.
func (w *World) OnboardAgain() {
	for _, partition := range w.partitions {
		w.partition = partition
		for _, r := range slices.Clone(w.logs[schemas.TopicHistory][partition]) {
			if r.message == nil || r.repeated {
				continue
			}
			m := *r.message
			m.Sync = &schemas.SyncPosition{Window: m.Sync.Window + 2}
			if m.Kind == schemas.KindMessage || m.Kind == schemas.KindPlaceholder {
				m.Original = json.RawMessage(fmt.Sprintf(`{"type":"text","text":{"body":"again"},"n":%d}`, w.ids))
			}
			again := w.add(schemas.TopicHistory, schemas.TypeHistory, string(r.Key), &m)
			again.message, again.id = &m, r.id
			for i := range again.Headers {
				if again.Headers[i].Key == "ce_id" {
					again.Headers[i].Value = []byte(r.id)
				}
			}
		}
	}
}

// Log are the records of a topic of a partition, in the order of their offsets. Control records stand between them.
func (w *World) Log(topic schemas.Topic, partition int32) []*kgo.Record {
	var all []*kgo.Record
	for _, r := range w.logs[topic][partition] {
		all = append(all, r.Record)
	}
	return all
}

// Sent is a record of a world, for a target that forwards records.
type Sent struct {
	Topic     schemas.Topic
	Partition int32
	Offset    int64
	ID        string
	Business  string // empty: the record does not name it
	Poison    bool
	Replayed  bool
}

// Sent are the records of all logs, those of a log in their order.
func (w *World) Sent() (all []Sent) {
	for topic, partitions := range w.logs {
		for _, log := range partitions {
			for _, r := range log {
				s := Sent{Topic: topic, Partition: r.Partition, Offset: r.Offset, ID: r.id, Poison: r.poison, Replayed: r.replayed}
				switch {
				case r.message != nil:
					s.Business = r.message.WABAID
				case r.contact != nil:
					s.Business = r.contact.WABAID
				case r.sync != nil:
					s.Business = r.sync.WABAID
				case r.account != nil:
					s.Business = r.account.WABAID
				}
				all = append(all, s)
			}
		}
	}
	return all
}

// Partitions are those of the world.
func (w *World) Partitions() []int32 { return w.partitions }

func (w *World) pick(words ...string) string { return words[w.rng.IntN(len(words))] }

func (w *World) maybe(n int) bool { return w.rng.IntN(n) == 0 }

// own is an id of the partition's own: businesses are in one partition.
func (w *World) own(id string) string {
	if id == "" {
		return ""
	}
	return fmt.Sprintf("%s.%d", id, w.partition)
}

func (w *World) add(topic schemas.Topic, ceType, key string, value interface{ AppendJSON([]byte) []byte }, more ...string) *record {
	w.ids++
	w.clock += int64(w.rng.IntN(3)) // several in one millisecond
	log := w.logs[topic][w.partition]
	r := &record{
		Record: &kgo.Record{Topic: topic.Name("coex."), Partition: w.partition, Offset: int64(offsetStep * len(log)), Key: []byte(key)},
		topic:  topic, id: fmt.Sprint("id", w.ids), received: w.clock,
	}
	if value != nil {
		if r.Value = value.AppendJSON(nil); w.maybe(5) { // a property of a later version
			r.Value = append([]byte(`{"later":{"a":[1,null]},`), r.Value[1:]...)
		}
	}
	headers := append([]string{
		"ce_specversion", "1.0", "ce_id", r.id, "ce_type", ceType, "ce_source", "/x", "ce_time", "2026-03-01T12:00:00Z", "coex-received-at", fmt.Sprint(w.clock),
	}, more...)
	for i := 0; i < len(headers); i += 2 {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: headers[i], Value: []byte(headers[i+1])})
	}
	if w.logs[topic] == nil {
		w.logs[topic] = map[int32][]*record{}
	}
	w.logs[topic][w.partition] = append(log, r)
	return r
}

// offsetStep leaves offsets to control records.
const offsetStep = 2

// message makes a message event, of one of few messages, so that many are about the same.
func (w *World) message() {
	m := &schemas.Message{
		WABAID: w.own("waba"), PhoneNumberID: w.own(w.pick("n1", "n2")), DisplayPhoneNumber: w.pick("", "111", "222"), WAMID: w.pick("w1", "w2", "w3", "w4"),
		Thread: w.pick("491701", "491701", "491702", ""), Direction: w.pick("inbound", "outbound"), Timestamp: int64(1000 + w.rng.IntN(30)), Type: "text",
		Contact: &schemas.Contact{WaID: w.pick("", "491701", "491702"), UserID: w.pick("", "DE.1", "DE.2"), ProfileName: w.pick("", "Ada", "Bea")},
	}
	if w.maybe(8) {
		m.Timestamp = 0
	}
	body := fmt.Sprintf(`t%d`, w.rng.IntN(5)) + w.pick(``, `\u0000`, `\ud800`, `\ud83d\ude00`, `é`, `\n`)
	if w.large > 0 && w.maybe(50) {
		w.large--
		body += strings.Repeat("x", 1<<20)
	}
	text := fmt.Sprintf(`{"type":"text","text":{"body":"%s"},"text":{"body":"%[1]s"},"n":%d}`, body, w.ids)
	m.Original = json.RawMessage(text)
	topic, ceType, rank := schemas.TopicMessages, schemas.TypeMessage, schemas.RankConcrete
	m.Kind = schemas.KindMessage
	switch w.rng.IntN(12) {
	case 0, 1:
		m.Kind, rank, m.Type = schemas.KindPlaceholder, schemas.RankPlaceholder, "unsupported"
	case 2, 3:
		m.Kind, rank, m.Type = schemas.KindEdit, schemas.RankEdit, "edit"
		m.WAMID, m.OriginalWAMID = "e"+fmt.Sprint(w.ids), m.WAMID
		m.Original = json.RawMessage(fmt.Sprintf(`{"edit":{"message":{"type":"text","text":{"body":"edit %d"}}}}`, w.ids))
		if w.maybe(3) {
			m.WAMID, m.OriginalWAMID = m.OriginalWAMID, ""
		}
	case 4:
		m.Kind, rank, m.Type = schemas.KindRevoke, schemas.RankRevoke, "revoke"
		m.WAMID, m.OriginalWAMID = "r"+fmt.Sprint(w.ids), m.WAMID
	case 5:
		m.Kind, m.Type = schemas.KindReaction, "reaction"
		m.Original = json.RawMessage(fmt.Sprintf(`{"reaction":{"message_id":%q,"emoji":%q},"n":%d}`, m.WAMID, w.pick("", "x", "y"), w.ids))
		m.WAMID = "re" + fmt.Sprint(w.ids)
	case 6, 7:
		m.Kind, ceType, m.Direction, m.Type = schemas.KindStatus, schemas.TypeStatus, "outbound", ""
		m.Status = w.pick("sent", "delivered", "read", "played", "failed", "deleted", "warning")
		if w.maybe(2) {
			m.GroupID = "g"
		}
	case 8:
		topic, ceType, m.Kind, m.Historical = schemas.TopicMedia, schemas.TypeMedia, schemas.KindMedia, true
		joined := w.maybe(2)
		m.Joined, m.Type = &joined, "image"
	case 9:
		ceType, m.Kind = schemas.TypeError, schemas.KindError
		m.WAMID = ""
	}
	if m.Kind != schemas.KindStatus && m.Kind != schemas.KindError {
		m.Rank = &rank
	}
	if topic == schemas.TopicMessages && ceType == schemas.TypeMessage {
		switch w.rng.IntN(3) {
		case 0:
			topic, ceType, m.Historical = schemas.TopicHistory, schemas.TypeHistory, true
			m.Sync = &schemas.SyncPosition{Window: int32(1 + w.rng.IntN(2))}
			if m.Kind == schemas.KindMessage {
				m.Status = w.pick("", "READ", "DELIVERED", "ERROR", "PENDING")
			}
		case 1:
			topic, ceType, m.Direction = schemas.TopicEchoes, schemas.TypeEcho, "outbound"
			m.Standby = w.maybe(4)
		default:
			m.Standby = w.maybe(4)
		}
	}
	w.add(topic, ceType, m.PhoneNumberID+"/"+m.Thread, m).message = m
}

// asset makes the outcome of the asset of an event: of one that was made, or of one that comes later. Outcomes of an event come in any order, and several
// at one time.
func (w *World) asset() {
	at := time.UnixMilli(1_772_000_000_000 + int64(w.rng.IntN(5))*250).UTC()
	a := &schemas.Asset{
		WABAID: w.own("waba"), PhoneNumberID: w.own(w.pick("n1", "n2")), EventID: fmt.Sprint("id", 1+w.rng.IntN(w.ids+10)), EventType: schemas.TypeMessage,
		WAMID: w.pick("", "w1", "w2", "w3", "w4"), Thread: w.pick("491701", "491702", ""), GroupID: w.pick("", "", "g"), MediaID: fmt.Sprint(w.ids), Type: "image",
		Contact: &schemas.Contact{WaID: w.pick("", "491701", "491702"), UserID: w.pick("", "DE.1", "DE.2")}, Timestamp: int64(1000 + w.rng.IntN(30)),
		Filename: w.pick("", "a\u0000b.pdf", "../c"), State: schemas.AssetMissing, Reason: w.pick(schemas.AssetReasons()...), At: at, ExpiresAt: at.Add(time.Hour),
	}
	if w.maybe(2) {
		a.State, a.Reason, a.SHA256, a.Bytes, a.MIMEType = schemas.AssetStored, "", strings.Repeat("a", 60)+fmt.Sprintf("%04x", w.ids%0x10000), int64(w.ids), "image/png"
		a.Object = "media/sha256/aa/" + a.SHA256
	}
	if a.Contact.WaID == "" && a.Contact.UserID == "" {
		a.Contact = nil
	}
	w.add(schemas.TopicAssets, schemas.TypeAsset, a.PhoneNumberID+"/"+a.WAMID, a).asset = a
}

func (w *World) other() {
	switch w.rng.IntN(4) {
	case 3:
		w.asset()
	case 0:
		c := &schemas.ContactState{
			WABAID: w.own("waba"), PhoneNumberID: w.own(w.pick("n1", "n2")), ID: w.pick("491701", "DE.1"), FullName: w.pick("", "Ada L", "Bea M"), TimestampMS: int64(1_000_000 + w.rng.IntN(30)*1000),
			PhoneNumber: "491701", UserID: w.pick("", "DE.1"), Original: json.RawMessage(fmt.Sprintf(`{"n":%d}`, w.ids)),
		}
		key := c.PhoneNumberID + "/" + c.ID
		if w.maybe(3) {
			w.add(schemas.TopicContacts, schemas.TypeContactRemoved, key, nil, "coex-contact-action", "remove", "coex-contact-timestamp", fmt.Sprint(c.TimestampMS))
			return
		}
		w.add(schemas.TopicContacts, schemas.TypeContact, key, c, "coex-contact-action", "add").contact = c
	case 1:
		s := &schemas.Sync{WABAID: w.own("waba"), PhoneNumberID: w.own(w.pick("n1", "n2")), Window: int32(1 + w.rng.IntN(2)), State: schemas.SyncRunning, Messages: int64(w.ids)}
		if w.maybe(4) {
			w.add(schemas.TopicSyncs, schemas.TypeSyncRemoved, s.PhoneNumberID, nil)
			return
		}
		w.add(schemas.TopicSyncs, schemas.TypeSync, s.PhoneNumberID, s).sync = s
	case 2:
		a := &schemas.Account{WABAID: w.own(w.pick("waba", "waba2")), PhoneNumberID: w.own(w.pick("", "n1", "n2")), Event: w.pick("PARTNER_ADDED", "PARTNER_REMOVED"), Original: json.RawMessage(fmt.Sprintf(`{"n":%d}`, w.ids))}
		w.add(schemas.TopicAccount, schemas.TypeAccount, a.WABAID, a).account = a
	}
}
