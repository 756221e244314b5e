package main

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// shape is the form of a body of any size: the same seed gives the same shape.
type shape struct {
	seed     uint64
	features []feature
	envelope int // one of the envelope kinds below
	entries  int // of a body at scale 1
	changes  int // of an entry at scale 1
	grows    int // which of the counts grows with the scale
	ids      idLengths
	field    string
	several  int // bodies of a sequence
	same     bool
	padding  string // what long strings are made of
	inTurn   bool   // the chunks of the bodies leave in turn
	onboards bool   // the bodies are those of onboardings
	live     bool   // the bodies come by the live lane
	synced   bool   // and the numbers of the onboardings have histories, which end before the next body
}

// idLengths says how long the ids of a body are: 0 is the ordinary length, -1 is left out, more is so many bytes for each
// scale.
type idLengths struct{ waba, number, display, person, wamid, name int }

// The parts that grow.
const (
	growsEntries = iota
	growsChanges
	growsItems
	growsKinds
)

// Envelopes.
const (
	envelopeMeta = iota
	envelopeDialog
	envelopeBare
	envelopeCloud
	envelopeKinds
)

func newShape(seed uint64) shape {
	r := rand.New(rand.NewPCG(seed, 7))
	s := shape{seed: seed, entries: 1, changes: 1, grows: r.IntN(growsKinds), several: 1 + r.IntN(6), same: r.IntN(3) == 0}
	for range 1 + r.IntN(3) {
		s.features = append(s.features, features[r.IntN(len(features))])
	}
	if r.IntN(3) == 0 {
		s.envelope = r.IntN(envelopeKinds)
	}
	if r.IntN(3) == 0 {
		s.entries = 1 + r.IntN(4)
	}
	if r.IntN(3) == 0 {
		s.changes = 1 + r.IntN(8)
	}
	for _, id := range []*int{&s.ids.waba, &s.ids.number, &s.ids.display, &s.ids.person, &s.ids.wamid, &s.ids.name} {
		switch r.IntN(8) {
		case 0:
			*id = -1
		case 1:
			*id = 64 << r.IntN(6)
		case 2:
			*id = 4096 << r.IntN(5)
		}
	}
	s.field = fields[r.IntN(len(fields))]
	s.padding = paddings[r.IntN(len(paddings))]
	s.inTurn = r.IntN(3) == 0
	s.onboards, s.live, s.synced = seed%16 == 14, seed%32 == 14, seed%128 >= 64
	return s
}

var (
	fields   = []string{"history", "messages", "smb_message_echoes", "smb_app_state_sync", "account_update", "standby", "messaging_handovers", "flows", "message_echoes"}
	paddings = []string{"x", "1", `\u0001`, `\"`, "\xe2\x80\xa8", `\ud83d`, "\xff", "é"}
)

// writer makes one body of a shape.
type writer struct {
	strings.Builder
	shape
	r     *rand.Rand
	scale int
	next  int // numbers the parts that have to differ
	nth   int // body of the sequence
}

// step is the time between two bodies.
func (s *shape) step() time.Duration {
	if s.onboards && s.synced {
		return 13 * time.Hour
	}
	return time.Second
}

// free is how many bytes each body but the first has free: what Body.Bound allows. An account event alone has fewer.
func (s *shape) free() int {
	if s.onboards && s.synced {
		return 2 << 10
	}
	return bytesFree
}

// bodies are a sequence of bodies of a shape at a scale.
func (s shape) bodies(scale int) (out [][]byte) {
	w := writer{shape: s, r: rand.New(rand.NewPCG(s.seed, 11)), scale: scale}
	if s.onboards {
		return w.onboardings()
	}
	for nth := range s.several {
		w.nth = nth
		if s.same {
			w.next = 0
		}
		w.body()
		out = append(out, []byte(w.String()))
		w.Reset()
	}
	return out
}

func (w *writer) count(base, what int) int {
	if w.grows == what {
		return base * w.scale
	}
	return base
}

func (w *writer) body() {
	switch w.envelope {
	case envelopeDialog:
		w.WriteString(`{"id":"e`)
		w.number()
		w.WriteString(`","event":"` + w.field + `","data":{"id":"`)
		w.id(w.ids.waba, "7100")
		w.WriteString(`",`)
		w.value()
		w.WriteString("}}")
		return
	case envelopeBare:
		w.WriteString(`{`)
		w.value()
		w.WriteString("}")
		return
	case envelopeCloud:
		w.cloud()
		return
	}
	w.WriteString(`{"object":"whatsapp_business_account","entry":[`)
	for i := range w.count(w.entries, growsEntries) {
		if i > 0 {
			w.WriteByte(',')
		}
		w.WriteString(`{"id":"`)
		w.id(w.ids.waba, "7100")
		w.WriteString(`","time":1739230955,"changes":[`)
		for k := range w.count(w.changes, growsChanges) {
			if k > 0 {
				w.WriteByte(',')
			}
			w.WriteString(`{"field":"` + w.field + `","value":{`)
			w.value()
			w.WriteString("}}")
		}
		w.WriteString("]}")
	}
	w.WriteString("]}")
}

func (w *writer) value() {
	w.WriteString(`"messaging_product":"whatsapp","metadata":{`)
	if w.ids.display >= 0 {
		w.WriteString(`"display_phone_number":"`)
		w.id(w.ids.display, "1555")
		w.WriteString(`",`)
	}
	w.WriteString(`"phone_number_id":"`)
	w.id(w.ids.number, "8100")
	w.WriteString(`"}`)
	seen := map[string]bool{}
	for _, f := range w.features {
		if !seen[f.name] {
			seen[f.name] = true
			w.WriteByte(',')
			f.write(w, w.count(1+w.r.IntN(8), growsItems))
		}
	}
}

func (w *writer) cloud() {
	w.WriteString(`{"id":"e`)
	w.number()
	w.WriteString(`","type":"whatsapp.smb.history","phase":0,"progress":1,"whatsappInboundMessage":{"id":"y`)
	w.number()
	w.WriteString(`","wabaId":"`)
	w.id(w.ids.waba, "7100")
	w.WriteString(`","from":"+`)
	w.id(w.ids.person, "1650")
	w.WriteString(`","to":"+`)
	w.id(w.ids.number, "1555")
	w.WriteString(`","type":"text","text":{"body":"`)
	w.pad(w.count(1, growsItems) * 64)
	w.WriteString(`"},"customerProfile":{"username":"`)
	w.name()
	w.WriteString(`"}}}`)
}

// number writes a number that no other has.
func (w *writer) number() {
	w.next++
	w.WriteString(strconv.Itoa(w.next))
}

// id writes an id of a length. Ordinary ones are among few, or each differ: the shape decides.
func (w *writer) id(length int, prefix string) {
	w.WriteString(prefix)
	if w.seed%2 == 0 {
		w.WriteString("1")
	} else {
		w.number()
	}
	if length > 0 {
		w.pad(length)
	}
}

func (w *writer) name() {
	if w.ids.name > 0 {
		w.pad(w.ids.name)
	} else {
		w.WriteString("N")
	}
}

// pad writes about n bytes.
func (w *writer) pad(n int) {
	for ; n > 0; n -= len(w.padding) {
		w.WriteString(w.padding)
	}
}

func (w *writer) wamid() {
	w.WriteString(`"id":"wamid.`)
	w.number()
	if w.ids.wamid > 0 {
		w.pad(w.ids.wamid)
	}
	w.WriteByte('"')
}

func (w *writer) person(key string) {
	w.WriteString(`"` + key + `":"`)
	w.id(w.ids.person, "1650")
	w.WriteByte('"')
}
