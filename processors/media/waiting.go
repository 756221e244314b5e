package media

import (
	"bytes"
	"slices"
	"strconv"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// waiting holds follow-ups until their placeholder arrives or their time has passed.
type waiting struct {
	byKey map[schemas.Hash][]*held // each list in the order of arrival
	queue []*held                  // in the order of their deadlines; those that left are removed later
	n     int
	bytes int
	seq   uint64 // of the next one

	fresh []*held  // not returned by TakeState yet
	gone  []string // state keys of those that left
}

type held struct {
	key      schemas.Hash
	seq      uint64
	deadline time.Time
	value    []byte
	told     bool
	left     bool
}

func (h *held) stateKey() string { return stateHeld + strconv.FormatUint(h.seq, 10) }

func (w *waiting) has(key schemas.Hash, value []byte) bool {
	return slices.ContainsFunc(w.byKey[key], func(h *held) bool { return bytes.Equal(h.value, value) })
}

// ofKeyMax bounds the follow-ups that wait under one key. A message has few, in few shapes.
const ofKeyMax = 64

func (w *waiting) full(key schemas.Hash) bool { return len(w.byKey[key]) >= ofKeyMax }

func (w *waiting) add(key schemas.Hash, deadline time.Time, value []byte) {
	h := &held{key: key, seq: w.seq, deadline: deadline, value: bytes.Clone(value)}
	w.fresh = append(w.fresh, h)
	w.insert(h)
}

func (w *waiting) insert(h *held) {
	w.seq = max(w.seq, h.seq+1)
	w.n++
	w.bytes += len(h.value)
	if w.byKey == nil {
		w.byKey = make(map[schemas.Hash][]*held)
	}
	w.byKey[h.key] = before(w.byKey[h.key], h, func(o *held) bool { return o.seq > h.seq })
	w.queue = before(w.queue, h, func(o *held) bool {
		return o.deadline.After(h.deadline) || o.deadline.Equal(h.deadline) && o.seq > h.seq
	})
}

// before inserts h into a list, before the later ones at its end.
func before(list []*held, h *held, later func(*held) bool) []*held {
	i := len(list)
	for i > 0 && later(list[i-1]) {
		i--
	}
	return slices.Insert(list, i, h)
}

// take removes and returns all follow-ups of a wamid.
func (w *waiting) take(key schemas.Hash) []FollowUp {
	list := w.byKey[key]
	if len(list) == 0 {
		return nil
	}
	delete(w.byKey, key)
	out := make([]FollowUp, len(list))
	for i, h := range list {
		out[i] = w.leave(h)
	}
	if len(w.queue) > 2*w.n+16 {
		w.queue = slices.DeleteFunc(w.queue, func(h *held) bool { return h.left })
	}
	return out
}

// expire removes and returns the follow-ups whose time has passed.
func (w *waiting) expire(now time.Time) (out []FollowUp) {
	for len(w.queue) > 0 && (w.queue[0].left || !w.queue[0].deadline.After(now)) {
		h := w.queue[0]
		w.queue[0] = nil
		w.queue = w.queue[1:]
		if h.left {
			continue
		}
		list := slices.DeleteFunc(w.byKey[h.key], func(o *held) bool { return o == h })
		if len(list) == 0 {
			delete(w.byKey, h.key)
		} else {
			w.byKey[h.key] = list
		}
		out = append(out, w.leave(h))
	}
	return out
}

func (w *waiting) leave(h *held) FollowUp {
	f := FollowUp{Key: h.key, Value: h.value}
	if h.told {
		w.gone = append(w.gone, h.stateKey())
	}
	w.n--
	w.bytes -= len(h.value)
	h.left, h.value = true, nil
	return f
}

func (w *waiting) deadline() time.Time {
	for _, h := range w.queue {
		if !h.left {
			return h.deadline
		}
	}
	return time.Time{}
}

func (w *waiting) memory() int {
	const heldBytes = 250 // the struct, its places in the queue and in the map
	return w.n*heldBytes + w.bytes
}
