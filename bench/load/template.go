package load

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/internal/verify/world"
)

// template is a body with a slot for an identity.
type template struct {
	kind           int // index in the mix
	business       string
	prefix, suffix []byte // around the slot
}

func (t *template) length() int { return len(t.prefix) + identityLen + len(t.suffix) }

// Templates are the bodies of a mix. The same mix gives the same ones in every process, so that who sends
// and who checks need not talk about them.
type Templates struct {
	all    []template
	digest []uint64 // of all, without the slots
	deal   []uint16 // templates in the order in which a connection takes them
}

// kinds say where bodies of a kind come from.
var kinds = map[string]struct {
	least    int // bytes
	variants int // different bodies
	kind     truth.Kind
	world    func(c *world.Config, bytes int)
}{
	Echo: {900, 64, truth.KindEcho, func(c *world.Config, _ int) { c.Businesses, c.Live = 200, 4000 }},
	Contacts: {4 << 10, 32, truth.KindContact, func(c *world.Config, bytes int) {
		c.Businesses, c.Contacts = 100, 100*bytes/150
	}},
	History: {20 << 10, 4, truth.KindChunk, func(c *world.Config, bytes int) {
		// The world keeps below the target size: chunks have half to two thirds of it.
		aim := bytes * 3 / 2
		c.Businesses, c.Messages = 8, 8*5*aim/200
		c.ChunkBytesMin, c.ChunkBytesMax = aim, aim
	}},
}

// rounds is how often the deal goes through the mix, so that every variant gets its turn.
const rounds = 64

// NewTemplates makes up the bodies of a mix.
func NewTemplates(mix []Kind) (*Templates, error) {
	ts := &Templates{}
	for i, k := range mix {
		from := len(ts.all)
		if err := ts.add(i, k); err != nil {
			return nil, err
		}
		n := len(ts.all) - from
		for j := range k.Weight / gcdOfWeights(mix) * rounds {
			ts.deal = append(ts.deal, uint16(from+j%n))
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	rng.Shuffle(len(ts.deal), func(i, j int) { ts.deal[i], ts.deal[j] = ts.deal[j], ts.deal[i] })
	for i := range ts.all {
		ts.digest = append(ts.digest, digest(ts.all[i].prefix, ts.all[i].suffix))
	}
	return ts, nil
}

func gcdOfWeights(mix []Kind) int {
	g := 0
	for _, k := range mix {
		for a, b := g, k.Weight; ; a, b = b, a%b {
			if b == 0 {
				g = a
				break
			}
		}
	}
	return g
}

func digest(prefix, suffix []byte) uint64 {
	return xxh3.Hash(prefix) ^ xxh3.HashSeed(suffix, 1)
}

// Same reports whether a body is, byte for byte, the one that was sent under the identity found at a place.
func (ts *Templates) Same(body []byte, id Identity, at int) bool {
	if int(id.Template) >= len(ts.all) {
		return false
	}
	t := &ts.all[id.Template]
	return len(body) == t.length() && at == len(t.prefix) && digest(body[:at], body[at+identityLen:]) == ts.digest[id.Template]
}

// add makes the bodies of one kind: whole ones of the world that are a little shorter than wanted.
func (ts *Templates) add(kind int, k Kind) error {
	from := kinds[k.Name]
	cfg := world.DefaultConfig().Plain() // bodies of one shape
	cfg.Seed, cfg.Start = 20, time.Unix(1_760_000_000, 0)
	cfg.Messages, cfg.Live, cfg.Contacts, cfg.Broken, cfg.Unknown = 0, 0, 0, 0, 0
	cfg.Mixed, cfg.Several, cfg.Dialog, cfg.Reonboard, cfg.Declines, cfg.OverlapRate = 0, 0, 0, 0, 0, 0
	const slack = 110 // names of members, the slot
	room := k.Bytes - slack
	from.world(&cfg, room)
	w, err := world.New(cfg)
	if err != nil {
		return fmt.Errorf("make up bodies of %s: %w", k.Name, err)
	}
	business := map[string]int{}
	var rest []template // of businesses that have one already
	numbers := w.Numbers()
	for i := range w.Bodies() {
		if len(business) == from.variants {
			break
		}
		body, parts := w.Render(nil, i, cfg.Start.Unix(), true)
		if len(parts) != 1 || parts[0].Kind != from.kind || len(body) > room || len(body) < shortest(k, room) {
			continue
		}
		// An edit or a revoke is about another echo, and media may be the asset of a placeholder of the past,
		// which the processor waits for.
		if k.Name == Echo && parts[0].Items[0].Type != "text" {
			continue
		}
		t, err := newTemplate(kind, k, body, parts[0])
		if err != nil {
			return err
		}
		t.business = numbers[parts[0].Number].WABA
		if business[t.business]++; business[t.business] > 1 {
			rest = append(rest, t)
			continue
		}
		ts.all = append(ts.all, t)
	}
	ts.all = append(ts.all, rest[:max(0, min(len(rest), from.variants-len(business)))]...)
	if len(business) == 0 {
		return fmt.Errorf("make up bodies of %s: the world has none of about %d bytes", k.Name, k.Bytes)
	}
	return nil
}

// shortest is the least that a made-up body brings of its own, so that large ones are not mostly filling.
func shortest(k Kind, room int) int {
	if k.Name == Echo {
		return 0
	}
	return room * 3 / 4
}

func newTemplate(kind int, k Kind, body []byte, part truth.Part) (template, error) {
	var prefix, suffix []byte
	end := len(body) - 1
	if body[end] != '}' {
		return template{}, fmt.Errorf("make up bodies of %s: a body ends with %q, not with }", k.Name, body[end])
	}
	if k.Name == Echo {
		wamid := []byte(part.Items[0].WAMID)
		at := bytes.Index(body, wamid)
		if at < 0 {
			return template{}, fmt.Errorf("make up bodies of %s: the wamid %s is not in its body", k.Name, wamid)
		}
		prefix = append(prefix, body[:at]...)
		prefix = append(prefix, "wamid."...)
		suffix = append(suffix, body[at+len(wamid):end]...)
		suffix = append(suffix, `,"filling":"`...)
		suffix = append(fill(suffix, k.Bytes-len(prefix)-identityLen-len(suffix)-2), '"', '}')
	} else {
		prefix = append(prefix, body[:end]...)
		prefix = append(prefix, `,"filling":"`...)
		prefix = fill(prefix, k.Bytes-len(prefix)-len(`","delivery":"`)-identityLen-2)
		prefix = append(prefix, `","delivery":"`...)
		suffix = append(suffix, '"', '}')
	}
	t := template{kind: kind, prefix: prefix, suffix: suffix}
	if t.length() != k.Bytes {
		return t, fmt.Errorf("make up bodies of %s: one came out with %d bytes, not %d", k.Name, t.length(), k.Bytes)
	}
	return t, nil
}

// fill appends n characters that compress as badly as base64.
func fill(dst []byte, n int) []byte {
	if n <= 0 {
		return dst
	}
	raw := make([]byte, n)
	for i, rng := 0, rand.New(rand.NewPCG(uint64(n), uint64(len(dst)))); i < n; i++ {
		raw[i] = byte(rng.Uint32())
	}
	return append(dst, base64.RawURLEncoding.EncodeToString(raw)[:n]...)
}
