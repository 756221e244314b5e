package history

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// The number continues without records that the log of the state lost, for any records, and reports them once.
func TestRestoreGoesOnWithoutWhatIsMissing(t *testing.T) {
	eachSeed(t, func(t *testing.T, rng *rand.Rand) {
		o := newOwner(t, DefaultConfig())
		older := make(map[string][]byte) // values that newer ones replaced: they are there again where the newer ones are lost
		for i := range int32(30) {
			at := epoch.Add(time.Duration(i) * time.Minute)
			before := maps.Clone(o.state)
			if i == 15 {
				o.n.Boundary(at, Boundary{Time: at, ReceivedAt: at})
			}
			c := ordered(rng.Int32N(2), 1+rng.Int32N(12), int64(i))
			c.ReceivedAt = at
			o.chunk(c, []message{{fmt.Sprint(i), 1}})
			o.leave()
			o.commit()
			for k, v := range before {
				if !bytes.Equal(o.state[k], v) {
					older[k] = v
				}
			}
		}
		left, lost := make(map[string][]byte), 0
		for k, v := range o.state {
			switch old, ok := older[k]; {
			case rng.IntN(4) > 0:
				left[k] = v
			case ok && rng.IntN(2) == 0:
				left[k] = old
				lost++
			default:
				lost++
			}
		}
		restore := func() *Number {
			n := NewNumber(&o.cfg, testIdentity)
			for k, v := range left {
				if err := n.Restore(k, v); err != nil {
					t.Fatal(err)
				}
			}
			if err := n.Restored(epoch); err != nil {
				t.Fatal(err)
			}
			return n
		}
		n := restore()
		if lost == 0 && n.Incomplete() > 0 {
			t.Fatalf("%d records are said to be missing, and none is", n.Incomplete())
		}
		write := func(n *Number) {
			n.TakeState(func(k string, v []byte) {
				if v == nil {
					delete(left, k)
				} else {
					left[k] = v
				}
			})
		}
		write(n)
		if again := restore(); again.Incomplete() > 0 {
			t.Fatalf("%d records are said to be missing once more", again.Incomplete())
		}
		// It continues to work: held chunks leave, and the sync ends.
		n = restore()
		at := epoch.Add(time.Hour)
		for i := range int32(12) {
			c := ordered(0, i+1, 1000+int64(i))
			c.ReceivedAt = at
			n.Chunk(at, c)
		}
		n.Tick(at.Add(8 * 24 * time.Hour))
		for {
			d, ok := n.Next(at)
			if !ok {
				break
			}
			n.Left(at, d, 1, 0, nil)
		}
		n.Tick(at.Add(9 * 24 * time.Hour))
		if _, running := n.Running(); running || n.Held() > 0 {
			t.Fatalf("running %v, %d chunks held", running, n.Held())
		}
		write(n)
		restore()
	})
}

func TestRestoreRefusesWhatIsDamaged(t *testing.T) {
	o := newOwner(t, DefaultConfig())
	o.chunk(ordered(0, 1, 1), []message{{"a", 1}})
	o.chunk(ordered(0, 3, 2), nil)
	o.leave()
	o.commit()
	restore := func(state map[string][]byte) error {
		n := NewNumber(&o.cfg, testIdentity)
		for k, v := range state {
			if err := n.Restore(k, v); err != nil {
				return err
			}
		}
		return n.Restored(epoch)
	}
	if err := restore(o.state); err != nil {
		t.Fatal(err)
	}
	if len(o.state) != 5 {
		t.Fatalf("%d records", len(o.state))
	}
	for key, value := range o.state {
		without := make(map[string][]byte)
		for k, v := range o.state {
			if k != key {
				without[k] = v
			}
		}
		for cut := 1; cut < len(value); cut++ {
			without[key] = value[:cut]
			if err := restore(without); err == nil {
				t.Errorf("%s is cut at %d, and nobody says so", key, cut)
			}
		}
		without[key] = append([]byte{9}, value[1:]...)
		if err := restore(without); err == nil {
			t.Errorf("%s has another version, and nobody says so", key)
		}
	}
	for _, key := range []string{"", "x/1", "w/0", "w/x", "w/1/1", "c/1", "c/1/x", "k/1/-1", "c//1", "x/1/1"} {
		if err := restore(map[string][]byte{key: {1}}); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", key)) {
			t.Errorf("key %q: %v", key, err)
		}
	}
	for key := range o.state {
		if err := NewNumber(&o.cfg, testIdentity).Restore(key, nil); err != nil {
			t.Errorf("tombstone of %s: %v", key, err)
		}
	}
}
