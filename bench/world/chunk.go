package world

import (
	"strconv"

	"github.com/coexstream/coexstream/bench/truth"
)

// chunk is one element of history[] of one onboarding.
type chunk struct {
	number   int32
	window   int32
	phase    int32
	order    int32 // -1: the chunk does not tell
	progress int32
	from, to int32 // messages
	// Messages of another chunk that this one repeats, before (front) or after its own.
	againFrom, againTo int32
	front              bool
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
	first := true
	if c.front {
		dst = w.appendThreads(dst, n, c.againFrom, c.againTo, true, &first, tell)
	}
	dst = w.appendThreads(dst, n, c.from, c.to, false, &first, tell)
	if !c.front {
		dst = w.appendThreads(dst, n, c.againFrom, c.againTo, true, &first, tell)
	}
	dst = append(dst, ']')
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

// appendThreads appends the messages from to to, a thread for each run of one chat.
func (w *World) appendThreads(dst []byte, n *number, from, to int32, copied bool, first *bool, tell *truth.Part) []byte {
	for from < to {
		end := min(to, (from/int32(n.block)+1)*int32(n.block))
		if !*first {
			dst = append(dst, ',')
		}
		*first = false
		dst = w.appendThread(dst, n, from, end, copied, tell)
		from = end
	}
	return dst
}

func (w *World) appendThread(dst []byte, n *number, from, to int32, copied bool, tell *truth.Part) []byte {
	t := w.thread(n, int(from))
	d := roll(w.cfg.Seed, atBlock, uint64(n.index), uint64(from)/uint64(n.block), 1)
	newestFirst := d.chance(w.cfg.NewestFirst)
	dst = append(dst, '{')
	user := ""
	if w.byUser(n, t) {
		user = w.user(n, t)
		if d.chance(0.5) {
			dst = append(dst, `"id":"",`...)
		}
		dst = append(dst, `"context":{`...)
		dst = appendField(dst, "user_id", user)
		dst = append(dst, `,"username":"someone","country_code":"US"}`...)
	} else {
		dst = appendField(dst, "id", w.phone(n, t))
		if n.contexts {
			user = w.user(n, t)
			dst = appendField(append(dst, `,"context":{`...), "wa_id", w.phone(n, t))
			dst = appendField(append(dst, ','), "user_id", user)
			dst = append(dst, '}')
		}
	}
	dst = append(dst, `,"messages":[`...)
	if tell != nil {
		tell.Threads = append(tell.Threads, w.threadID(n, t))
	}
	for i := from; i < to; i++ {
		m := i
		if newestFirst {
			m = from + to - 1 - i
		}
		if i > from {
			dst = append(dst, ',')
		}
		var it truth.Item
		start := len(dst)
		dst = w.appendPast(dst, n, int(m), t, copied, &it)
		if tell != nil {
			it.Thread, it.User, it.Digest = len(tell.Threads)-1, user, truth.Sum(dst[start:])
			tell.Items = append(tell.Items, it)
		}
	}
	return append(dst, ']', '}')
}
