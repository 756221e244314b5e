package task

import (
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/coexstream/coexstream/processors/identity"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// undated tells account events without a time from their repetitions, by WABA: a second removal is one when there was
// another event of its number, or of the whole WABA, between. Without that it is the first one, delivered again.
//
// It goes by the events alone, in the order in which they are processed. How many onboardings there were would tell as
// much, but is known earlier or later: live goes before history.
type undated struct {
	of      map[string]*lastEvents
	changed map[string]bool
	oldest  time.Time // when the next WABA goes; zero: there is none
}

// lastEvents are the last account events of a WABA.
type lastEvents struct {
	Version    int   `json:"v"`
	ReceivedMS int64 `json:"r"` // the last one
	// Of is the last event of each number, by the shorter spelling of value.phone_number; of the whole WABA under "".
	Of map[string]lastEvent `json:"of"`
	// Any is the last event of any number.
	Any schemas.Hash `json:"any"`
}

type lastEvent struct {
	Content schemas.Hash `json:"c"`  // what it says
	ID      schemas.Hash `json:"id"` // its identity
	Beside  schemas.Hash `json:"b"`  // identity of the last event that was not its number's when it came
}

const (
	undatedVersion = 1
	// undatedKept is for how long the events of a WABA are remembered after the last one: for longer than any sender
	// repeats a webhook.
	undatedKept = 8 * 24 * time.Hour
	// undatedNumbersMax bounds the numbers that are remembered of one WABA. Beyond it all are forgotten.
	undatedNumbersMax = 256
)

// ofNumber is under which of its WABA's events one is remembered, and what was beside these: between two events about a
// number may be one about the whole WABA; between two about the WABA, one about any number.
func (l *lastEvents) ofNumber(phone []byte) (number string, last lastEvent, known bool, beside schemas.Hash) {
	if len(phone) > 0 {
		canonical, _ := identity.AppendCanonical(nil, phone)
		number = string(canonical)
	}
	last, known = l.Of[number]
	if beside = l.Of[""].ID; number == "" {
		beside = l.Any
	}
	return number, last, known, beside
}

// id is the identity of an account event. content is that of what it says, which is all there is to those with a time.
func (u *undated) id(c *split.Change, content schemas.Hash) schemas.Hash {
	l := u.of[str(c.WABA)]
	if l == nil || c.EntryTime != 0 {
		return content
	}
	_, last, known, beside := l.ofNumber(c.PhoneNumber)
	switch {
	case known && last.Content == content && last.Beside == beside:
		return last.ID
	case known || beside != schemas.Hash{}:
		var b []byte
		for _, h := range [...]schemas.Hash{content, last.ID, beside} {
			b = h.AppendHex(b)
		}
		return schemas.HashBytes(b)
	}
	return content
}

// note remembers an event that left.
func (u *undated) note(c *split.Change, content, id schemas.Hash, receivedAt time.Time) {
	waba := string(c.WABA)
	l := u.of[waba]
	if l == nil {
		if u.of == nil {
			u.of, u.changed = map[string]*lastEvents{}, map[string]bool{}
		}
		l = &lastEvents{Version: undatedVersion, Of: map[string]lastEvent{}}
		u.of[waba] = l
	}
	number, _, known, beside := l.ofNumber(c.PhoneNumber)
	if !known && len(l.Of) >= undatedNumbersMax {
		clear(l.Of)
	}
	l.Of[number] = lastEvent{Content: content, ID: id, Beside: beside}
	if number != "" {
		l.Any = id
	}
	l.ReceivedMS = max(l.ReceivedMS, receivedAt.UnixMilli())
	u.changed[waba] = true
	u.next(l)
}

func (l *lastEvents) over() time.Time { return time.UnixMilli(l.ReceivedMS).Add(undatedKept) }

// next notes when the first WABA goes.
func (u *undated) next(l *lastEvents) {
	if at := l.over(); u.oldest.IsZero() || at.Before(u.oldest) {
		u.oldest = at
	}
}

// expire forgets what is old.
func (u *undated) expire(now time.Time) {
	if u.oldest.IsZero() || now.Before(u.oldest) {
		return
	}
	u.oldest = time.Time{}
	for waba, l := range u.of {
		if now.Before(l.over()) {
			u.next(l)
			continue
		}
		delete(u.of, waba)
		u.changed[waba] = true
	}
}

// flush writes what changed to `state`.
func (u *undated) flush(t *Task) {
	if len(u.changed) == 0 {
		return
	}
	for waba := range u.changed {
		delete(u.changed, waba)
		key := t.arena.copy(stateUndated, url.QueryEscape(waba))
		l := u.of[waba]
		if l == nil {
			t.state(key, nil)
			continue
		}
		value, err := json.Marshal(l)
		if err != nil {
			panic(fmt.Sprintf("marshal of numbers: %v", err))
		}
		t.state(key, value)
	}
}

// restore takes a record of flush.
func (u *undated) restore(rest string, value []byte) error {
	waba, err := url.QueryUnescape(rest)
	if err != nil {
		return fmt.Errorf("key's business: %w", err)
	}
	l := &lastEvents{}
	if err := json.Unmarshal(value, l); err != nil {
		return fmt.Errorf("last account events of %s: %w", waba, err)
	}
	if l.Of == nil {
		l.Of = map[string]lastEvent{}
	}
	if u.of == nil {
		u.of, u.changed = map[string]*lastEvents{}, map[string]bool{}
	}
	u.of[waba] = l
	u.next(l)
	return nil
}
