package partition_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/coexstream/coexstream/processors/history"
	"github.com/coexstream/coexstream/processors/partition"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/fixtures"
	"github.com/coexstream/coexstream/schemas/schematest"
	"github.com/coexstream/coexstream/schemas/syncrequest"
)

// harness plays the owner of a partition: a raw log, committed topics, and transactions that either land
// whole or are thrown away with the partition.
type harness struct {
	t     *testing.T
	cfg   partition.Config
	core  *partition.Partition
	clock time.Time

	raw     []rawRecord
	scanner *split.Scanner
	// Raw records that a replay or a requeue wrote.
	copied   map[int]*partition.Replay
	requeued map[int]*partition.Requeue
	labels   map[int]string // where they stood first
	sources  map[int]string // of which they are, unless it is meta

	topics  map[schemas.Topic][]record // committed
	gaps    int64                      // counted in all transactions
	pending []record
	space   partition.Workspace

	// validateEvery is set where many thousand events differ in their numbers only: one of so many is validated. 0: all are.
	validateEvery int
	emitted       int

	// pieces are the chunks that were set apart from their bodies; nil: the log is read for each.
	pieces   map[partition.ChunkRef]*split.Piece
	cutAgain int // bytes of bodies that were cut again
}

type rawRecord struct {
	body []byte
	at   time.Time
}

// record is an emitted record with bytes of its own.
type record struct {
	topic     schemas.Topic
	partition int32
	key       string
	value     []byte
	headers   map[string]string
}

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newPartition(t *testing.T) *harness {
	t.Helper()
	cfg := partition.DefaultConfig()
	cfg.Partitions = 1
	cfg.PartitionOf = func([]byte) int32 { return 0 }
	p := &harness{t: t, cfg: cfg, clock: start, scanner: split.NewScanner(split.Limits{}), topics: map[schemas.Topic][]record{}, copied: map[int]*partition.Replay{}, requeued: map[int]*partition.Requeue{}, labels: map[int]string{}}
	p.restart()
	return p
}

// restart discards the partition and builds another one from the committed records.
func (p *harness) restart() {
	p.t.Helper()
	part, err := partition.New(p.cfg)
	if err != nil {
		p.t.Fatal(err)
	}
	p.pending = nil
	newest := map[string][]byte{}
	for _, r := range p.topics[schemas.TopicState] {
		if r.value == nil {
			delete(newest, r.key)
		} else {
			newest[r.key] = r.value
		}
	}
	for k, v := range newest {
		if err := part.RestoreState(k, v); err != nil {
			p.t.Fatalf("restore %q: %v", k, err)
		}
	}
	for _, r := range p.topics[schemas.TopicContacts] {
		err := part.RestoreContact([]byte(r.key), func(name string) []byte {
			if v, ok := r.headers[name]; ok {
				return []byte(v)
			}
			return nil
		}, r.value == nil)
		if err != nil {
			p.t.Fatalf("restore contact %q: %v", r.key, err)
		}
	}
	if err := part.Restored(); err != nil {
		p.t.Fatal(err)
	}
	p.core = part
	p.begin()
}

func own(r partition.Record) record {
	o := record{topic: r.Topic, partition: r.Partition, key: string(r.Key), headers: map[string]string{}}
	if r.Value != nil {
		o.value = append([]byte{}, r.Value...)
	}
	for _, h := range r.Headers {
		o.headers[h.Key] = string(h.Value)
	}
	return o
}

// send writes a body to the raw log and processes it, without committing.
func (p *harness) send(body string) {
	p.t.Helper()
	p.raw = append(p.raw, rawRecord{[]byte(body), p.clock})
	p.feed(len(p.raw) - 1)
}

func (p *harness) origin(offset int) *partition.Origin {
	r := p.raw[offset]
	label := fmt.Sprintf("raw.bulk/0/%d", offset)
	if first, ok := p.labels[offset]; ok {
		label = first
	}
	source := "meta"
	if s, ok := p.sources[offset]; ok {
		source = s
	}
	return &partition.Origin{
		Replay:  p.copied[offset],
		Requeue: p.requeued[offset],
		Topic:   schemas.TopicRawBulk, Offset: int64(offset), Label: []byte(label),
		ReceivedAt: r.at, Source: []byte(source), Key: []byte("hint"), Value: r.body,
		Headers: []partition.Header{{Key: schemas.HeaderSource, Value: []byte(source)}},
	}
}

func (p *harness) feed(offset int) {
	p.t.Helper()
	o := p.origin(offset)
	if string(o.Source) == syncrequest.Source {
		p.core.SyncRequest(o)
		return
	}
	body, err := p.scanner.Scan(append([]byte{}, p.raw[offset].body...))
	if err != nil {
		se := err.(*split.Error) //nolint:errorlint // Scan promises this type
		p.core.DeadLetter(o, se.Reason, se.Detail)
		return
	}
	p.core.Webhook(o, body)
	p.setApart(o, body)
	p.releaseAll()
}

// releaseAll reads held chunks again, until none is left that may leave.
func (p *harness) releaseAll() {
	p.t.Helper()
	for {
		h, ok := p.core.NextHeld()
		if !ok {
			return
		}
		ref := h.Ref()
		o := p.origin(int(ref.Offset))
		o.Topic = ref.Topic
		if piece := p.pieces[ref]; piece != nil {
			o.Value = nil
			h.Release(o, p.scanner.ScanPiece(piece))
			continue
		}
		body, err := p.scanner.Scan(append([]byte{}, p.raw[ref.Offset].body...))
		if err != nil {
			p.t.Fatalf("scan of a held chunk: %v", err)
		}
		p.cutAgain += len(p.raw[ref.Offset].body)
		h.Release(o, body)
		p.setApart(o, body)
	}
}

func (p *harness) setApart(o *partition.Origin, b *split.Body) {
	if p.pieces == nil {
		return
	}
	for _, piece := range p.core.Pieces(o, b) {
		p.pieces[partition.ChunkRef{Topic: o.Topic, Offset: o.Offset, Change: uint16(piece.Change), Element: uint16(piece.Element)}] = piece
	}
}

// commit ends the transaction and returns what it brought.
func (p *harness) commit() []record {
	p.t.Helper()
	p.core.Flush()
	p.gaps += p.core.Counts().Gaps
	got := p.pending
	p.pending = nil
	for _, r := range got {
		p.topics[r.topic] = append(p.topics[r.topic], r)
		switch r.topic {
		case schemas.TopicState, schemas.TopicDLQ, schemas.TopicRerouted:
		default:
			if p.emitted++; p.emitted%max(p.validateEvery, 1) == 0 {
				schematest.Event(p.t, r.topic, r.headers, r.value)
			}
		}
	}
	p.begin()
	return got
}

// begin begins the next transaction.
func (p *harness) begin() {
	p.space.Reset()
	p.core.Begin(func(r partition.Record) { p.pending = append(p.pending, own(r)) }, &p.space)
}

// webhook sends a body in a transaction of its own.
func (p *harness) webhook(body string) []record {
	p.t.Helper()
	p.send(body)
	return p.commit()
}

// tick lets time pass in steps, as the owner does.
func (p *harness) tick(d time.Duration) []record {
	p.t.Helper()
	p.clock = p.clock.Add(d)
	p.core.Tick(p.clock)
	p.releaseAll()
	return p.commit()
}

// events are the committed values of a topic.
func events[T any](p *harness, topic schemas.Topic) []T {
	p.t.Helper()
	var out []T
	for _, r := range p.topics[topic] {
		if r.value == nil {
			continue
		}
		var v T
		if err := json.Unmarshal(r.value, &v); err != nil {
			p.t.Fatalf("%s: %v", topic, err)
		}
		out = append(out, v)
	}
	return out
}

func wamids(ms []schemas.Message) []string {
	out := make([]string, len(ms))
	for i := range ms {
		out[i] = ms[i].WAMID
	}
	return out
}

// table is what a consumer of `contacts` has.
func (p *harness) table() map[string]schemas.ContactState {
	t := map[string]schemas.ContactState{}
	for _, r := range p.topics[schemas.TopicContacts] {
		if r.value == nil {
			delete(t, r.key)
			continue
		}
		var c schemas.ContactState
		if err := json.Unmarshal(r.value, &c); err != nil {
			p.t.Fatal(err)
		}
		t[r.key] = c
	}
	return t
}

const (
	waba   = "102290129340398"
	phone  = "106540352242922"
	biz    = "15550783881"
	user   = "16505551234"
	other  = "12125557890"
	tenant = `"metadata":{"display_phone_number":"15550783881","phone_number_id":"106540352242922"}`
)

// envelope wraps a value as Meta does.
func envelope(field, value string) string {
	return `{"object":"whatsapp_business_account","entry":[{"id":"` + waba + `","time":1772366400,"changes":[{"value":` + value + `,"field":"` + field + `"}]}]}`
}

func value(parts string) string {
	return `{"messaging_product":"whatsapp",` + tenant + `,` + parts + `}`
}

// chunk is a history webhook of one thread with text messages.
func chunk(phase, order, progress int, ids ...string) string {
	msgs := ""
	for i, id := range ids {
		if i > 0 {
			msgs += ","
		}
		msgs += text(id)
	}
	return envelope("history", value(fmt.Sprintf(`"history":[{"metadata":{"phase":%d,"chunk_order":%d,"progress":%d},"threads":[{"id":"%s","messages":[%s]}]}]`,
		phase, order, progress, user, msgs)))
}

func text(id string) string {
	return `{"from":"` + user + `","id":"` + id + `","timestamp":"1772300000","type":"text","text":{"body":"text of ` + id + `"},"history_context":{"status":"read"}}`
}

func historyOf(cfg *partition.Config) *history.Config { return &cfg.History }

func body(name string) string { return string(fixtures.Named(name).Body) }
