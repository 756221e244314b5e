package deferred

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/testing/seed"
	"github.com/coexstream/coexstream/schemas"
)

func record(offset int64) Record {
	return Record{Topic: schemas.TopicRawLive, Offset: offset, ReceivedAt: time.UnixMilli(1_700_000_000_000 + offset), Bytes: 10 + offset}
}

// longest is when the record was received that waits the longest, in Unix milliseconds; 0: none waits.
func longest(q *Queue) int64 {
	h, n := q.Longest()
	if n == 0 {
		return 0
	}
	return h.ReceivedAt.UnixMilli()
}

func TestBusinessesAreServedInTurn(t *testing.T) {
	var q Queue
	for i := range 4 {
		q.Put([]byte("mad"), record(int64(i)))
	}
	q.Put([]byte("b"), record(10))
	q.Put([]byte("c"), record(11))
	var got []string
	for {
		h, ok := q.Next()
		if !ok {
			break
		}
		got = append(got, fmt.Sprint(h.Business, h.Offset))
		q.Take(h.Business)
	}
	if want := "[mad0 b10 c11 mad1 mad2 mad3]"; fmt.Sprint(got) != want {
		t.Errorf("served %v; want %s", got, want)
	}
	if q.Len() != 0 || q.Bytes() != 0 || q.Businesses() != 0 || q.Has([]byte("mad")) || longest(&q) != 0 {
		t.Errorf("an empty queue has %d records, %d bytes, %d businesses", q.Len(), q.Bytes(), q.Businesses())
	}
}

func TestAMarkTellsWhatBeganToWaitBefore(t *testing.T) {
	var q Queue
	q.Put([]byte("a"), record(1))
	mark := q.Mark()
	q.Put([]byte("a"), record(2))
	if h, ok := q.First([]byte("a"), mark); !ok || h.Offset != 1 {
		t.Fatalf("%+v, %v; want the first record", h, ok)
	}
	q.Take("a")
	if h, ok := q.First([]byte("a"), mark); ok {
		t.Errorf("%+v waits from before the mark", h)
	}
	if _, ok := q.First([]byte("b"), mark); ok {
		t.Error("a record of a business without a line waits")
	}
}

// TestARebuiltQueueHoldsTheSame drives a queue with random steps, writes its state as transactions do, and compares the queue
// that is rebuilt from it.
func TestARebuiltQueueHoldsTheSame(t *testing.T) {
	seed := seed.Of(t)
	rng := rand.New(rand.NewPCG(seed, 1))
	state := map[string][]byte{}
	q := &Queue{}
	waits := map[string][]int64{} // model
	offset := int64(0)
	for step := range 3000 {
		for range rng.IntN(6) {
			name := fmt.Sprint("b", rng.IntN(4))
			if rng.IntN(2) == 0 {
				q.Put([]byte(name), record(offset))
				waits[name] = append(waits[name], offset)
				offset += int64(1 + rng.IntN(3))
			} else if h, ok := q.Next(); ok {
				if h.Offset != waits[h.Business][0] || h.Record != record(h.Offset) {
					t.Fatalf("seed %d, step %d: %+v; want offset %d", seed, step, h, waits[h.Business][0])
				}
				waits[h.Business] = waits[h.Business][1:]
				if empty := q.Take(h.Business); empty != (len(waits[h.Business]) == 0) {
					t.Fatalf("seed %d, step %d: empty is %v", seed, step, empty)
				}
			}
		}
		q.TakeState(func(key string, value []byte) {
			if value == nil {
				if state[key] == nil {
					t.Fatalf("seed %d, step %d: key %s is removed and was never written", seed, step, key)
				}
				delete(state, key)
			} else {
				state[key] = value
			}
		})
		if rng.IntN(10) == 0 {
			again := &Queue{}
			for k, v := range state {
				if err := again.Restore(k, v); err != nil {
					t.Fatalf("seed %d, step %d: %v", seed, step, err)
				}
			}
			again.Restored()
			if again.Len() != q.Len() || again.Bytes() != q.Bytes() || again.Businesses() != q.Businesses() ||
				longest(again) != longest(q) || again.Of(schemas.TopicRawLive) != q.Len() {
				t.Fatalf("seed %d, step %d: %d records, %d bytes; want %d, %d", seed, step, again.Len(), again.Bytes(), q.Len(), q.Bytes())
			}
			q = again
		}
		sum := 0
		for name, all := range waits {
			sum += len(all)
			if q.Has([]byte(name)) != (len(all) > 0) {
				t.Fatalf("seed %d, step %d: %s has %d", seed, step, name, len(all))
			}
		}
		if sum != q.Len() {
			t.Fatalf("seed %d, step %d: %d records; want %d", seed, step, q.Len(), sum)
		}
	}
	for q.Len() > 0 {
		h, _ := q.Next()
		q.Take(h.Business)
	}
	q.TakeState(func(key string, value []byte) {
		if value != nil {
			t.Errorf("an empty queue writes %s", key)
		}
		delete(state, key)
	})
	if len(state) > 0 {
		t.Errorf("seed %d: an empty queue leaves %d records of state", seed, len(state))
	}
}

func TestTheStateOfManyRecordsIsSmall(t *testing.T) {
	var q Queue
	const n = 20_000
	for i := range n {
		q.Put([]byte("106540352242922"), record(int64(i)))
	}
	bytes := 0
	q.TakeState(func(key string, value []byte) { bytes += len(key) + len(value) })
	if bytes > 8*n {
		t.Errorf("%d bytes of state for %d records", bytes, n)
	}
}

func TestStateThatCannotBeReadIsRefused(t *testing.T) {
	var q Queue
	q.Put([]byte("a"), record(1))
	var key string
	var value []byte
	q.TakeState(func(k string, v []byte) { key, value = k, v })
	for i := range value {
		if err := new(Queue).Restore(key, value[:i]); err == nil {
			t.Errorf("%d of %d bytes were read", i, len(value))
		}
	}
	for _, bad := range []struct {
		key   string
		value []byte
	}{
		{key, append(value, 0)},
		{key, append([]byte{99}, value[1:]...)},
		{"x|records", value},
		{"0|other", value},
		{"0", value},
	} {
		if err := new(Queue).Restore(bad.key, bad.value); err == nil {
			t.Errorf("key %q, value %x: no error", bad.key, bad.value)
		}
	}
}

func TestTheBytesAndTheLongestLineAreThoseOfWhatWaits(t *testing.T) {
	var q Queue
	for i := range int64(3) {
		q.Put([]byte("a"), record(i)) // 10, 11 and 12 bytes
	}
	q.Put([]byte("b"), record(90))
	if q.Bytes() != 10+11+12+100 {
		t.Errorf("%d bytes; want 133", q.Bytes())
	}
	q.Take("a")
	if h, n := q.Longest(); h.Business != "a" || h.Offset != 1 || n != 2 || q.Bytes() != 11+12+100 {
		t.Errorf("longest: %+v of %d, %d bytes; want the second of a, of 2, and 123 bytes", h, n, q.Bytes())
	}
}

// state takes the state of a queue.
func state(q *Queue) map[string][]byte {
	s := map[string][]byte{}
	q.TakeState(func(key string, value []byte) { s[key] = value })
	return s
}

// rebuilt is the queue of a state.
func rebuilt(t *testing.T, state map[string][]byte) *Queue {
	t.Helper()
	q := new(Queue)
	for key, value := range state {
		if err := q.Restore(key, value); err != nil {
			t.Fatal(err)
		}
	}
	q.Restored()
	return q
}

func TestALineOfManyBlocksIsRestored(t *testing.T) {
	var q Queue
	const n = 2*blockRecordsMax + 1
	for i := range int64(n) {
		q.Put([]byte("a"), record(i))
	}
	s := state(&q)
	if len(s) != 3 {
		t.Fatalf("%d records of state; want three blocks", len(s))
	}
	again := rebuilt(t, s)
	for i := range int64(n) {
		h, ok := again.Next()
		if !ok || h.Record != record(i) {
			t.Fatalf("%+v, %v; want offset %d", h, ok, i)
		}
		again.Take("a")
	}
}

func TestARebuiltQueueUsesNoNumberAgain(t *testing.T) {
	var q Queue
	for i := range int64(3) {
		q.Put([]byte("a"), record(i))
	}
	again := rebuilt(t, state(&q))
	if again.Mark() != 3 {
		t.Errorf("the mark is %d; want 3", again.Mark())
	}
	again.Put([]byte("a"), record(3))
	if s := state(again); s["3|records"] == nil {
		t.Errorf("state %v; want one block with the number 3", s)
	}

	// All that is left of block 7 is how many of it were done.
	again = rebuilt(t, map[string][]byte{"7|done": {stateVersion, 2}})
	again.Put([]byte("a"), record(9))
	s := state(again)
	if gone, ok := s["7|done"]; !ok || gone != nil || s["8|records"] == nil {
		t.Errorf("state %v; want 7|done removed and a block with the number 8", s)
	}
}

func TestABlockOfWhichAllIsDoneIsRemoved(t *testing.T) {
	var q Queue
	q.Put([]byte("a"), record(0))
	q.Put([]byte("a"), record(1))
	s := state(&q)
	s["0|done"] = []byte{stateVersion, 2}
	again := rebuilt(t, s)
	if again.Len() != 0 || again.Has([]byte("a")) {
		t.Errorf("%d records wait", again.Len())
	}
	s = state(again)
	for _, key := range []string{"0|records", "0|done"} {
		if value, ok := s[key]; !ok || value != nil {
			t.Errorf("%s is not removed", key)
		}
	}
}

func TestABlockOfNoneOrOfTooManyIsRefused(t *testing.T) {
	for _, n := range []int{0, blockRecordsMax + 1} {
		value := appendBlock(nil, "a", make([]numbered, n))
		if err := new(Queue).Restore("0|records", value); err == nil {
			t.Errorf("a block of %d records was read", n)
		}
	}
	if err := new(Queue).Restore("0|records", []byte{99}); err == nil || !strings.Contains(err.Error(), "version 99") {
		t.Errorf("state of a newer version: %v", err)
	}
}
