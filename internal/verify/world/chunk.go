package world

import (
	"strconv"

	"github.com/coexstream/coexstream/internal/verify/truth"
)

// chunk is one element of history[] of one onboarding.
type chunk struct {
	number   int32
	window   int32
	phase    int32
	order    int32 // -1: the chunk has none
	progress int32
	from, to int32 // messages
	// Messages of another chunk that this one repeats, before (front) or after its own.
	againFrom, againTo int32
	front              bool
	odd                int8 // invalid part among its messages
	failure            bool // an error stands beside them
}

// appendChunk appends the chunk as an element of history[].
func (w *World) appendChunk(dst []byte, c *chunk, quoted bool, tell *truth.Part) []byte {
	n := &w.numbers[c.number]
	d := roll(w.cfg.Seed, atBody, uint64(c.number), uint64(c.window), uint64(c.phase), uint64(c.from))
	start := len(dst)
	dst = append(dst, '{')
	last := d.chance(0.1) // metadata after the threads
	if !last {
		dst = append(c.appendMetadata(dst, quoted, &d), ',')
	}
	dst = append(dst, `"threads":[`...)
	threads := 0
	if c.front {
		dst = w.appendThreads(dst, n, c.againFrom, c.againTo, true, nil, &threads, tell)
	}
	dst = w.appendThreads(dst, n, c.from, c.to, false, oddOf(c.odd), &threads, tell)
	if !c.front {
		dst = w.appendThreads(dst, n, c.againFrom, c.againTo, true, nil, &threads, tell)
	}
	dst = append(dst, ']')
	var e truth.Failure
	if c.failure {
		e = chunkErrors[d.n(len(chunkErrors))]
		var before, after int
		dst, before, after = w.appendErrors(append(dst, ','), n, &e, c.from, d.chance(w.cfg.Aliases))
		if tell != nil {
			tell.Failure, tell.Other = &e, &truth.Other{Field: "history", Digest: truth.Sum(dst[before:after])}
		}
	}
	if last {
		dst = c.appendMetadata(append(dst, ','), quoted, &d)
	}
	dst = append(dst, '}')
	if tell != nil {
		phase, progress := c.phase, c.progress
		tell.Kind, tell.Number, tell.Window, tell.Phase, tell.Progress = truth.KindChunk, n.index, c.window, &phase, &progress
		if c.order >= 0 {
			order := c.order
			tell.Order = &order
		}
		tell.Digest = truth.Sum(dst[start:])
	}
	return dst
}

func (c *chunk) appendMetadata(dst []byte, quoted bool, d *dice) []byte {
	dst = append(dst, `"metadata":{"phase":`...)
	dst = appendNumber(dst, c.phase, quoted)
	if c.order >= 0 {
		dst = append(dst, `,"chunk_order":`...)
		dst = appendNumber(dst, c.order, !quoted && d.chance(0.02))
	}
	dst = append(dst, `,"progress":`...)
	dst = appendNumber(dst, c.progress, quoted)
	return append(dst, '}')
}

func appendNumber(dst []byte, v int32, quoted bool) []byte {
	if quoted {
		dst = append(dst, '"')
	}
	dst = strconv.AppendInt(dst, int64(v), 10)
	if quoted {
		dst = append(dst, '"')
	}
	return dst
}

// appendThreads appends the messages from to to, a thread for each run of one chat. An invalid part is in the last one.
func (w *World) appendThreads(dst []byte, n *number, from, to int32, copied bool, odd *oddPart, threads *int, tell *truth.Part) []byte {
	for from < to {
		end := min(to, (from/int32(n.block)+1)*int32(n.block))
		if *threads > 0 {
			dst = append(dst, ',')
		}
		here := odd
		if end < to {
			here = nil
		}
		dst = w.appendThread(dst, n, from, end, copied, here, *threads, tell)
		*threads++
		from = end
	}
	return dst
}

func (w *World) appendThread(dst []byte, n *number, from, to int32, copied bool, odd *oddPart, place int, tell *truth.Part) []byte {
	t := w.thread(n, int(from))
	d := roll(w.cfg.Seed, atBlock, uint64(n.index), uint64(from)/uint64(n.block), 1)
	newestFirst := d.chance(w.cfg.NewestFirst)
	dst = append(dst, '{')
	var p truth.Person
	if w.byUser(n, t) {
		p = truth.Person{User: w.user(n, t), Username: "someone", Country: "US"}
		if d.chance(0.5) {
			dst = append(dst, `"id":"",`...)
		}
		dst = append(dst, `"context":{`...)
		dst = appendField(dst, "user_id", p.User)
		dst = append(dst, `,"username":"someone","country_code":"US"}`...)
	} else {
		// One chat has one spelling, but for a plus.
		p.Phone = w.phone(n, t)
		if n.country != plain && d.chance(0.3) {
			p.Phone = "+" + p.Phone
		}
		dst = appendField(dst, "id", p.Phone)
		if n.contexts {
			p.User = w.user(n, t)
			if n.country != plain {
				p.Thread = p.Phone
				p.Phone = n.respelt(w.phone(n, t), &d)
			}
			dst = appendField(append(dst, `,"context":{`...), "wa_id", p.Phone)
			dst = appendField(append(dst, ','), "user_id", p.User)
			dst = append(dst, '}')
		}
	}
	dst = append(dst, `,"messages":[`...)
	if tell != nil {
		tell.People = append(tell.People, p)
	}
	for i := from; i < to; i++ {
		m := i
		if newestFirst {
			m = from + to - 1 - i
		}
		if i > from {
			dst = append(dst, ',')
		}
		if odd != nil && i == (from+to)/2 {
			dst = append(odd.append(dst, "history.0.threads."+strconv.Itoa(place)+".messages.", int(i-from), tell), ',')
		}
		var it truth.Item
		start := len(dst)
		dst = w.appendPast(dst, n, int(m), t, copied, &it)
		if tell != nil {
			it.Person, it.Digest = len(tell.People)-1, truth.Sum(dst[start:])
			tell.Items = append(tell.Items, it)
		}
	}
	return append(dst, ']', '}')
}

// Errors of chunks.
var chunkErrors = [...]truth.Failure{{Code: 131000, Title: "Something went wrong"}, {Code: 2593107, Title: "History sync failed"}}

// appendError appends an error. The detail makes it one of its own.
func (w *World) appendError(dst []byte, n *number, e *truth.Failure, detail int32) []byte {
	dst = strconv.AppendInt(append(dst, `{"code":`...), e.Code, 10)
	dst = appendField(append(dst, ','), "title", e.Title)
	dst = append(append(dst, `,"error_data":{"details":"`...), n.id...)
	dst = strconv.AppendInt(append(dst, ' '), int64(detail), 10)
	return append(dst, `"}}`...)
}

// appendErrors appends an error as errors or, alone, as error. It stands from before to after.
func (w *World) appendErrors(dst []byte, n *number, e *truth.Failure, detail int32, alone bool) (_ []byte, before, after int) {
	if alone {
		before = len(dst) + len(`"error":`)
		dst = w.appendError(append(dst, `"error":`...), n, e, detail)
		return dst, before, len(dst)
	}
	before = len(dst) + len(`"errors":[`)
	dst = w.appendError(append(dst, `"errors":[`...), n, e, detail)
	return append(dst, ']'), before, len(dst)
}

// appendFailure appends an element of history[] that says that the chunk could not be sent.
func (w *World) appendFailure(dst []byte, c *chunk, quoted bool, tell *truth.Part) []byte {
	n := &w.numbers[c.number]
	d := roll(w.cfg.Seed, atBody, uint64(c.number), uint64(c.window), uint64(c.phase), uint64(c.from), 1)
	e := chunkErrors[d.n(len(chunkErrors))]
	start := len(dst)
	dst = append(c.appendMetadata(append(dst, '{'), quoted, &d), ',')
	dst, _, _ = w.appendErrors(dst, n, &e, c.from, d.chance(w.cfg.Aliases))
	dst = append(dst, '}')
	if tell != nil {
		*tell = truth.Part{
			Kind: truth.KindFailure, Number: n.index, Window: c.window, Phase: &c.phase, Order: &c.order, Failure: &e,
			Other: &truth.Other{Field: "history", Digest: truth.Sum(dst[start:])},
		}
	}
	return dst
}
