package judge

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/testing/seed"
	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/internal/verify/world"
	"github.com/coexstream/coexstream/schemas"
)

// config is a small world with every quirk.
func config(seed uint64) world.Config {
	c := world.DefaultConfig()
	c.Seed, c.Start, c.Businesses, c.Messages, c.Live, c.Contacts = seed, start, 6, 1500, 300, 200
	c.ChunkBytesMin, c.ChunkBytesMax, c.Dialog, c.YCloud, c.Reonboard, c.Declines, c.Media = 5_000, 30_000, 0.2, 0.2, 0.4, 0.2, 0.2
	return c
}

func options() Options {
	o := DefaultOptions()
	o.Partitions, o.AsOf = partitions, start.Add(time.Hour)
	return o
}

// judgement runs the judge over a scene.
func judgement(t testing.TB, s *scene, opt Options) Verdict {
	t.Helper()
	j, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.lines {
		if err := j.Truth(&s.lines[i]); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range s.raw {
		j.Raw(r)
	}
	j.Expect()
	s.owed = j.Owed()
	if s.owed != j.Missing() {
		t.Fatalf("%d owed, %d missing before anything was seen", s.owed, j.Missing())
	}
	for _, r := range s.events {
		j.Event(r)
	}
	missing := j.Missing()
	v := j.Verdict()
	if lost := v.Count(Lost) + v.Count(WrongTable); (missing == 0) != (lost-v.Topics[0].Faults[Lost] == 0) {
		t.Fatalf("%d missing, but %d lost or wrong", missing, lost)
	}
	return v
}

func show(v Verdict) string {
	var b strings.Builder
	if err := v.WriteTable(&b); err != nil {
		return err.Error()
	}
	return b.String()
}

func TestARightRunIsFoundRight(t *testing.T) {
	base := seed.Of(t)
	for k := range uint64(10) {
		c := config(base + k)
		switch k % 5 {
		case 1:
			c.Numbering = world.NumberingThrough
		case 2:
			c.Numbering, c.Progress = world.NumberingMixed, world.ProgressMixed
		case 3:
			c.ShuffleWindow, c.OverlapRate, c.ZeroStart = 4, 1, 0.5
		case 4:
			c.Progress, c.Several, c.Mixed = world.ProgressOverall, 0.3, 0.3
		}
		s := play(t, c, nil, nil)
		v := judgement(t, s, options())
		if !v.OK() || v.Pending > 0 || v.Foreign > 0 {
			t.Fatalf("seed %d: %s", base+k, show(v))
		}
		if s.owed < 1500 {
			t.Fatalf("seed %d: only %d events are owed", base+k, s.owed)
		}
	}
}

func TestOnlyWhatGotA200IsOwed(t *testing.T) {
	s := play(t, config(11), func(body int) bool { return body%7 == 3 }, func(body int) bool { return body%5 == 1 })
	opt := options()
	opt.AsOf = start // holes are still waited for
	v := judgement(t, s, opt)
	if v.Count(Lost) != 0 || v.BodiesOptional == 0 {
		t.Fatal(show(v))
	}
}

// An acknowledged body that is in no raw topic is a loss, for any events.
func TestALostBodyIsFound(t *testing.T) {
	s := play(t, config(12), nil, nil)
	for i := range s.raw {
		if i == len(s.raw)/2 {
			h := truth.Sum(s.raw[i].Value)
			kept := s.raw[:0:0]
			for _, r := range s.raw {
				if truth.Sum(r.Value) != h {
					kept = append(kept, r)
				}
			}
			s.raw = kept
			break
		}
	}
	if v := judgement(t, s, options()); v.Topics[0].Faults[Lost] != 1 || v.OK() {
		t.Fatal(show(v))
	}
}

func TestAnAlteredBodyIsFound(t *testing.T) {
	s := play(t, config(12), nil, nil)
	copies := map[truth.Digest]int{}
	for _, r := range s.raw {
		copies[truth.Sum(r.Value)]++
	}
	for i, r := range s.raw {
		if copies[truth.Sum(r.Value)] == 1 {
			s.raw[i].Value = append([]byte(" "), r.Value...)
			break
		}
	}
	if v := judgement(t, s, options()); v.Topics[0].Faults[Lost] != 1 || v.Foreign != 1 {
		t.Fatal(show(v))
	}
}

func TestSignaturesAreVerifiedAgain(t *testing.T) {
	s := play(t, config(13), nil, nil)
	opt := options()
	opt.Secrets = []string{"other", "secret"}
	for i := range s.raw {
		s.raw[i].Headers = append(s.raw[i].Headers, Header{schemas.HeaderSignature, []byte("sha256=" + sign256("secret", s.raw[i].Value))})
	}
	if v := judgement(t, s, opt); !v.OK() {
		t.Fatal(show(v))
	}
	s.raw[3].Headers[len(s.raw[3].Headers)-1].Value = []byte("sha256=" + sign256("guess", s.raw[3].Value))
	if v := judgement(t, s, opt); v.Faults != 1 || v.Count(Unverified) != 1 {
		t.Fatal(show(v))
	}
}

// A place has passed when something behind it waited for as long as the processor waits.
func TestLateIsRightOnlyWhenThePlaceHadPassed(t *testing.T) {
	for _, c := range []struct {
		after time.Duration
		late  bool
	}{{time.Minute, false}, {31 * time.Minute, true}} {
		cfg := config(17).Plain()
		cfg.ShuffleWindow, cfg.OverlapRate, cfg.ZeroStart, cfg.Reonboard, cfg.LateHoles = 1, 0, 0, 0, 0
		s := play(t, cfg, nil, nil)
		// The second chunk of some number's second phase comes after all others.
		moved := ""
		for i := range s.raw {
			if v := string(s.raw[i].Value); strings.Contains(v, `"phase":1,"chunk_order":2,`) && strings.Count(v, `"changes":`) == 1 {
				r := s.raw[i]
				for k := i + 1; k < len(s.raw); k++ {
					if truth.Sum(s.raw[k].Value) == truth.Sum(r.Value) {
						s.raw = append(s.raw[:k], s.raw[k+1:]...)
						k--
					}
				}
				s.raw = append(s.raw[:i:i], s.raw[i+1:]...)
				for h := range r.Headers {
					if r.Headers[h].Key == schemas.HeaderReceivedAt {
						ms, _ := strconv.ParseInt(string(r.Headers[h].Value), 10, 64)
						r.Headers[h].Value = strconv.AppendInt(nil, ms+c.after.Milliseconds(), 10)
					}
				}
				s.raw = append(s.raw, r)
				k := strings.Index(v, `"phone_number_id":"`) + len(`"phone_number_id":"`)
				moved = v[k : k+15]
				break
			}
		}
		if moved == "" {
			t.Fatal("no such chunk")
		}
		marked := 0
		for i := range s.events {
			if r := &s.events[i]; r.Topic == schemas.TopicHistory && strings.Contains(string(r.Key), moved) && strings.Contains(string(r.Value), `"phase":1,"chunk_order":2,`) {
				r.Value = []byte(strings.Replace(string(r.Value), `"sync":{`, `"sync":{"late":true,`, 1))
				marked++
			}
		}
		v := judgement(t, s, options())
		if marked == 0 || v.OK() != c.late || !c.late && v.Count(NotLate) != marked || c.late && v.Late != marked {
			t.Fatalf("after %s, %d events marked: %s", c.after, marked, show(v))
		}
	}
}

func TestOtherRunsAreNotJudged(t *testing.T) {
	s, other := play(t, config(18), nil, nil), play(t, config(19), nil, nil)
	for i := range other.raw {
		other.raw[i].Offset += 1_000_000 // both runs share the log
	}
	for i := range other.events {
		for k := range other.events[i].Headers {
			if h := &other.events[i].Headers[k]; h.Key == schemas.HeaderDLQOffset {
				h.Value = append([]byte("1000"), h.Value...)
			}
		}
	}
	s.raw = append(s.raw, other.raw...)
	s.events = append(s.events, other.events...)
	if v := judgement(t, s, options()); !v.OK() || v.Foreign != len(other.raw)+len(other.events) {
		t.Fatalf("%d foreign: %s", len(other.raw)+len(other.events), show(v))
	}
}

func TestNothingAtAllIsNotOK(t *testing.T) {
	v := judgement(t, &scene{lines: []truth.Line{{Head: &truth.Head{Version: truth.Version}}}}, options())
	if v.OK() {
		t.Fatal("an empty truth was found right")
	}
}

func TestThePartitionerIsKafkas(t *testing.T) {
	// From Kafka's own UtilsTest.testMurmur2, without the sign, modulo a large prime.
	for key, hash := range map[string]int32{"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536, "abc": 479470107} {
		if want := (hash & 0x7fffffff) % 1_000_003; partitionOf(key, 1_000_003) != want {
			t.Errorf("%s: %d instead of %d", key, partitionOf(key, 1_000_003), want)
		}
	}
}
