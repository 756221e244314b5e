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
	odd      bool              // one of others is no object
}

func (f *historyErrors) any() bool { return f.declined || len(f.others) > 0 }

// errorsIn reads errors: an array of them, or one without its array. Their documents know one code, the decline; it counts
// wherever it stands.
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

// errorOf reads one error. What is of another kind than expected counts as absent.
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
		_ = json.Unmarshal(fields.Message, &e.Title) // some senders have that alone
	}
	return e, true
}

// failed tells a number's sync what a change says that went wrong: after its chunks, since they are of the sync that a
// decline ends, and the declines first, since what stands beside one is of the declined sync.
func (p *Partition) failed(h inHand, c *split.Change, n *number) {
	whole := errorsIn(c.Errors)
	for _, decline := range c.Declines() {
		n.history.Decline(p.now, h.origin.ReceivedAt, decline)
	}
	for i := range c.History {
		el := &c.History[i]
		f := errorsIn(el.Errors)
		if len(f.others) == 0 || len(el.Threads) > 0 {
			continue // those beside messages were told with their chunk
		}
		if !f.declined {
			p.otherPart(h.origin, c, el.Raw, i)
		}
		failure := p.chunkOf(h.origin, c, el)
		failure.Errors, failure.Failed, failure.Again = f.others, true, false
		p.offerChunk(n, h.origin, failure)
	}
	// Under another field errors are of what is live. They are events of their own in any case.
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

// beside passes on the errors of a chunk that has messages, too: those leave without them.
func (p *Partition) beside(o *Origin, c *split.Change, element int, f *historyErrors) {
	if f.odd {
		p.other(o, c)
		return
	}
	for _, object := range f.objects {
		p.otherPart(o, c, object, element)
	}
}
