package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// Bounds of what a byte may cost.
const (
	outPerByte    = 8
	statePerByte  = 6  // a follow-up that waits takes most; it is part of what goes out
	cpuPerByte    = 10 // of the ordinary
	constantBytes = 256 << 10
	heapPerByte   = 8                                  // that stay in use; of ids, messages and numbers some hundred bytes each are remembered
	heapBytesFree = 4 << 20                            // of tables that grow by doubling, and of what the collector has not found yet
	bytesFree     = split.OutputBytesFree / outPerByte // of each body but the first
	letterPerBody = 2                                  // one reports the body; a chunk that leaves later may have another
)

// bodyBytesMax is the maximum size of a body: more than any sender sends.
const bodyBytesMax = 2 << 20

// ordinary is the cost of a byte of ordinary webhooks: of a chunk of history or of a live message, the greater one.
func ordinary() (time.Duration, error) {
	var most float64
	for _, body := range []func(i int) []byte{
		func(i int) []byte {
			var b strings.Builder
			fmt.Fprintf(&b, `{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"history","value":{"metadata":{"phone_number_id":"2","display_phone_number":"15550009001"},"history":[{"metadata":{"phase":0,"chunk_order":%d},"threads":[{"id":"16505550100","messages":[`, i+1)
			for k := range 2000 {
				if k > 0 {
					b.WriteByte(',')
				}
				fmt.Fprintf(&b, `{"from":"16505550100","id":"wamid.%d.%d","timestamp":"1739230955","type":"text","text":{"body":"Thank you for your order"}}`, i, k)
			}
			b.WriteString(`]}]}]}}]}]}`)
			return []byte(b.String())
		},
		func(i int) []byte {
			return fmt.Appendf(nil, `{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{"messaging_product":"whatsapp","metadata":{"phone_number_id":"2","display_phone_number":"15550009001"},"contacts":[{"profile":{"name":"N"},"wa_id":"16505550100"}],"messages":[{"from":"16505550100","id":"wamid.%d","timestamp":"1739230955","type":"text","text":{"body":"Thank you for your order"}}]}}]}]}`, i)
		},
	} {
		p, err := newPlayer()
		if err != nil {
			return 0, err
		}
		for i := 0; p.spent.in < 8<<20; i++ {
			p.play(body(i))
		}
		most = max(most, float64(p.spent.cpu)/float64(p.spent.in)*1024)
	}
	return time.Duration(most), nil // a KiB
}

// finding is a shape that costs too much.
type finding struct {
	seed  uint64
	scale int
	spent spent
	why   string
}

func (f *finding) String() string {
	return fmt.Sprintf("seed %d at scale %d: %s (%d bytes in, %d out, %d of state, %v, %d records)", f.seed, f.scale, f.why, f.spent.in, f.spent.out, f.spent.state, f.spent.cpu, f.spent.events)
}

// try increases a shape until its bodies are long, and returns the costs over a bound. kib is the cost of an ordinary KiB.
func try(seed uint64, kib time.Duration) (*finding, error) {
	s := newShape(seed)
	for scale := 1; ; scale *= 4 {
		bodies := s.bodies(scale)
		size := 0
		for _, b := range bodies {
			size += len(b)
		}
		if size > bodyBytesMax*len(bodies) || scale > 1<<18 {
			return nil, nil
		}
		f, err := cost(s, scale, bodies, kib)
		if f != nil && f.why == whyCPU {
			// Once more, beside ordinary bodies: on a shared machine a moment may be slower than the start of the search.
			now, err := ordinary()
			if err != nil {
				return nil, err
			}
			if f, err = cost(s, scale, bodies, max(kib, now)); f != nil || err != nil {
				return f, err
			}
		}
		if f != nil || err != nil {
			return f, err
		}
	}
}

// heapLookBytes is the size of a body from which the memory in use is measured: for small ones that would take too long.
const heapLookBytes = 256 << 10

const whyCPU = "the processor's time"

func cost(s shape, scale int, bodies [][]byte, kib time.Duration) (*finding, error) {
	before := inUse()
	p, err := newPlayer()
	if err != nil {
		return nil, err
	}
	p.step = s.step()
	if s.live {
		p.topic = schemas.TopicRawLive
	}
	for _, b := range bodies {
		p.play(b)
	}
	for _, d := range []time.Duration{time.Hour, 12 * time.Hour, 30 * 24 * time.Hour} {
		p.pass(d)
	}
	if p.spent.in > heapLookBytes {
		p.rest()
	}
	f := &finding{seed: s.seed, scale: scale, spent: p.spent}
	allowed := p.spent.in + constantBytes + (len(bodies)-1)*s.free()
	ofTime := p.spent.in + constantBytes + (len(bodies)-1)*bytesFree
	switch {
	case p.spent.out > outPerByte*allowed:
		f.why = fmt.Sprintf("%.1f bytes out for each byte in", float64(p.spent.out)/float64(p.spent.in))
	case p.spent.state > statePerByte*allowed:
		f.why = fmt.Sprintf("%.1f bytes of state for each byte in", float64(p.spent.state)/float64(p.spent.in))
	case p.spent.inLetters > allowed:
		f.why = fmt.Sprintf("%d bytes in letters", p.spent.inLetters)
	case p.spent.letters > letterPerBody*len(bodies):
		f.why = fmt.Sprintf("%d letters of %d bodies", p.spent.letters, len(bodies))
	case p.spent.heap > before+heapPerByte*p.spent.in+heapBytesFree:
		f.why = fmt.Sprintf("%d bytes of memory stay in use, and %d numbers", p.spent.heap-before, p.spent.numbers)
	case p.spent.cpu > cpuPerByte*kib*time.Duration(ofTime)/1024:
		f.why = whyCPU
	default:
		return nil, nil
	}
	return f, nil
}
