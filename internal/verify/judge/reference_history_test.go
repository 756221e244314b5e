package judge

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/coexstream/coexstream/schemas"
)

type refChunk struct {
	at                     int
	phase, order, progress *int32
	threads                []refThread
	whole                  *schemas.Message // YCloud's: its one message
	n                      *refNumber
}

type refThread struct {
	ID       string
	Context  *schemas.Contact
	Messages []json.RawMessage
}

func (f *reference) element(at int, path []any, n *refNumber, raw json.RawMessage) {
	h := must[struct {
		Metadata struct {
			Phase, Progress json.RawMessage
			Order           json.RawMessage `json:"chunk_order"`
		}
		Threads []refThread
		Errors  []json.RawMessage
		Error   json.RawMessage
	}](f, raw)
	if h.Error != nil {
		h.Errors = append(h.Errors, h.Error)
	}
	digest0 := schemas.HashBytes(raw)
	known := n.seenChunk[digest0]
	n.seenChunk[digest0] = true
	for _, e := range h.Errors {
		said := must[struct {
			Code  int64
			Title string
		}](f, e)
		if said.Code == decline {
			n.declined = true
			return
		}
		if known {
			continue
		}
		w := max(len(n.windows)-1, 0)
		n.failed[w] = append(n.failed[w], schemas.SyncError{Code: said.Code, Title: said.Title, Phase: number32(f, h.Metadata.Phase), ChunkOrder: number32(f, h.Metadata.Order)})
		if h.Threads == nil {
			e = raw
		}
		f.other(n.WABA, "history", e)
	}
	if len(h.Errors) > 0 && h.Threads == nil {
		return
	}
	for k := range h.Threads {
		h.Threads[k].Messages = f.sound(h.Threads[k].Messages, append(slices.Clone(path), "threads", k, "messages")...)
	}
	f.chunk(at, n, raw, &refChunk{
		at: at, phase: number32(f, h.Metadata.Phase), order: number32(f, h.Metadata.Order), progress: number32(f, h.Metadata.Progress),
		threads: h.Threads, n: n,
	})
}

func (f *reference) chunk(at int, n *refNumber, raw json.RawMessage, c *refChunk) {
	if len(n.windows) == 0 {
		n.windows = [][]*refChunk{nil}
	}
	w := len(n.windows) - 1
	digest := schemas.HashBytes(append([]byte{byte(w)}, raw...)) // another onboarding may tell the same
	if n.seenChunk[digest] {
		return
	}
	n.seenChunk[digest] = true
	n.windows[w] = append(n.windows[w], c)
}

func (f *reference) histories(n *refNumber) {
	if n.declined {
		f.sync(n, schemas.Sync{State: schemas.SyncDeclined, Window: 1})
	}
	for w, chunks := range n.windows {
		if len(chunks) == 0 {
			continue
		}
		sort.SliceStable(chunks, func(a, b int) bool {
			x, y := chunks[a], chunks[b]
			if x.order == nil || y.order == nil {
				return x.at < y.at
			}
			return *x.phase < *y.phase || *x.phase == *y.phase && *x.order < *y.order
		})
		f.sync(n, schemas.Sync{State: schemas.SyncRunning, Window: int32(w + 1)})
		state := schemas.Sync{State: schemas.SyncRunning, Window: int32(w + 1), Chunks: int64(len(chunks))}
		state.Errors = n.failed[w]
		top := map[string]schemas.Rank{}
		for _, c := range chunks {
			var told []schemas.Message
			if c.whole != nil {
				told = append(told, *c.whole)
			}
			for _, th := range c.threads {
				for _, raw := range th.Messages {
					told = append(told, f.past(n, th, raw))
				}
			}
			for _, m := range told {
				rank := refRank(m.Type, refErrorsAlone(m.Type, m.Original))
				if was, seen := top[m.WAMID]; seen && rank <= was {
					continue
				}
				top[m.WAMID] = rank
				m.Sync = &schemas.SyncPosition{Window: int32(w + 1), Phase: c.phase, ChunkOrder: c.order, Progress: c.progress}
				if m.Type == "media_placeholder" {
					m.WAMIDToken = refToken(m.WAMID)
				}
				f.message(schemas.TopicHistory, schemas.TypeHistory, n, m, fmt.Sprint(m.WAMID, rank))
				if _, known := f.holders[refToken(m.WAMID)]; m.Type == "media_placeholder" && !known {
					f.holders[refToken(m.WAMID)] = m
				}
				state.Messages++
			}
		}
		if last := chunks[len(chunks)-1]; last.order != nil && *last.phase == 2 && *last.progress == 100 {
			state.State, state.EndReason = schemas.SyncDone, schemas.SyncEndComplete
		}
		f.sync(n, state)
	}
}

func (f *reference) sync(n *refNumber, s schemas.Sync) {
	s.WABAID, s.PhoneNumberID, s.DisplayPhoneNumber = n.WABA, n.PhoneNumberID, n.Display
	v := s.AppendJSON(nil)
	f.put(schemas.TopicSyncs, n.WABA, n.PhoneNumberID, v, ce(schemas.TypeSync, schemas.HashBytes(v).Hex())...)
}

func number32(f *reference, b json.RawMessage) *int32 {
	if b == nil {
		return nil
	}
	v, err := strconv.ParseInt(strings.Trim(string(b), `"`), 10, 32)
	if err != nil {
		f.t.Fatal(err)
	}
	w := int32(v)
	return &w
}
