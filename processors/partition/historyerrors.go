package partition

import (
	"encoding/json"
	"strconv"

	"github.com/coexstream/coexstream/processors/history"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// historyErrors are the errors of a history element or of a whole value.
type historyErrors struct {
	declined bool
	others   []history.Error   // all but the decline
	objects  []json.RawMessage // those of others, verbatim
	odd      bool              // one of others is not an object
}

func (f *historyErrors) any() bool { return f.declined || len(f.others) > 0 }

// errorsIn parses errors: an array of them, or a single one. Only the code of the decline is documented; it counts
// in both places.
func errorsIn(raw []byte) (f historyErrors) {
	for _, one := range split.ErrorsOf(raw) {
		e, object := errorOf(one)
		switch {
		case e.Code == split.DeclinedCode:
			f.declined = true
			continue
		case object:
			f.objects = append(f.objects, one)
		case string(one) == "null":
			continue
		default:
			f.odd = true
		}
		f.others = append(f.others, e)
	}
	return f
}

// errorOf parses one error. A field of another type than expected counts as absent.
func errorOf(raw []byte) (e history.Error, object bool) {
	var fields struct {
		Title   json.RawMessage `json:"title"`
		Message json.RawMessage `json:"message"`
	}
	if len(raw) == 0 || raw[0] != '{' || json.Unmarshal(raw, &fields) != nil {
		return e, false
	}
	e.Code = split.CodeOf(raw)
	if json.Unmarshal(fields.Title, &e.Title) != nil || e.Title == "" {
		_ = json.Unmarshal(fields.Message, &e.Title) // some senders have only that
	}
	return e, true
}

// failed passes the errors of a change to the number's sync. They come after its chunks, which belong to the sync
// that a decline ends. Declines come first, because other errors beside one belong to the declined sync.
func (p *Partition) failed(h inHand, c *split.Change, n *number) {
	whole := errorsIn(c.Errors)
	for _, decline := range c.Declines() {
		n.history.Decline(p.now, h.origin.ReceivedAt, decline)
	}
	for i := range c.History {
		el := &c.History[i]
		f := errorsIn(el.Errors)
		if len(f.others) == 0 || len(el.Threads) > 0 {
			continue // those beside messages were passed on with their chunk
		}
		if !f.declined {
			p.otherPart(h.origin, c, el.Raw, i)
		}
		failure := p.chunkOf(h.origin, c, el)
		failure.Errors, failure.Failed, failure.Again = f.others, true, false
		p.offerChunk(n, h.origin, failure)
	}
	// Errors under another field belong to live items. They are separate events in any case.
	if len(whole.others) > 0 && string(c.Field) == fieldHistory {
		failure := history.Chunk{ReceivedAt: h.origin.ReceivedAt, Errors: whole.others, Failed: true}
		parts := [][]byte{c.Content(nil, c.Value), strconv.AppendInt(nil, c.EntryTime, 10)}
		if len(c.Beside) > 0 {
			parts = append(parts, c.Content(nil, c.Beside))
		}
		failure.Digest, p.scratch = schemas.HashParts(p.scratch, parts...)
		p.offerChunk(n, h.origin, failure)
	}
}

// beside emits the errors of a chunk that has messages too. Its messages leave without them.
func (p *Partition) beside(o *Origin, c *split.Change, element int, f *historyErrors) {
	if f.odd {
		p.other(o, c)
		return
	}
	for _, object := range f.objects {
		p.otherPart(o, c, object, element)
	}
}
