package judge

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/bench/truth"
	"github.com/coexstream/coexstream/bench/world"
	"github.com/coexstream/coexstream/schemas"
)

// config is a small world with every quirk.
func config(seed uint64) world.Config {
	c := world.DefaultConfig()
	c.Seed, c.Start, c.Businesses, c.Messages, c.Live, c.Contacts = seed, start, 6, 1500, 300, 200
	c.ChunkBytesMin, c.ChunkBytesMax, c.Dialog, c.Reonboard, c.Declines, c.Media = 5_000, 30_000, 0.2, 0.4, 0.2, 0.2
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

// seed is random, or COEX_SEED to run one again.
func seed(t testing.TB) uint64 {
	s := rand.Uint64()
	if v := os.Getenv("COEX_SEED"); v != "" {
		var err error
		if s, err = strconv.ParseUint(v, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("COEX_SEED=%d", s)
	return s
}

func TestARightRunIsFoundRight(t *testing.T) {
	base := seed(t)
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

// An acknowledged body that is in no raw topic is a loss, whatever the events say.
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

// find returns the index of the last event that pick accepts.
func find(t *testing.T, s *scene, pick func(r *Record) bool) int {
	t.Helper()
	for i := len(s.events) - 1; i >= 0; i-- {
		if pick(&s.events[i]) {
			return i
		}
	}
	t.Fatal("no such event")
	return -1
}

func typed(ceType string) func(*Record) bool {
	return func(r *Record) bool { v, _ := r.header(schemas.HeaderCEType); return v == ceType }
}

func onTopic(topic schemas.Topic) func(*Record) bool {
	return func(r *Record) bool { return r.Topic == topic }
}

// The heart of the matter: a check that cannot fail is worth nothing. Each kind of event is removed,
// repeated and altered, and the judge has to name exactly that.
func TestOneFaultIsNamedAlone(t *testing.T) {
	s := play(t, config(14), nil, nil)
	if v := judgement(t, s, options()); !v.OK() {
		t.Fatal(show(v))
	}
	good := append([]Record(nil), s.events...)
	type mutation struct {
		name   string
		pick   func(*Record) bool
		mutate func(i int)
		topic  schemas.Topic
		fault  Fault
	}
	remove := func(i int) { s.events = append(s.events[:i:i], s.events[i+1:]...) }
	repeat := func(i int) { s.events = append(s.events, s.events[i]) }
	alter := func(old, with string) func(int) {
		return func(i int) {
			v := strings.Replace(string(s.events[i].Value), old, with, 1)
			if v == string(s.events[i].Value) {
				t.Fatalf("%q is not in %s", old, v)
			}
			s.events[i].Value = []byte(v)
		}
	}
	header := func(name, value string) func(int) {
		return func(i int) {
			hs := append([]Header(nil), s.events[i].Headers...)
			for k := range hs {
				if hs[k].Key == name {
					hs[k].Value = []byte(value)
				}
			}
			s.events[i].Headers = hs
		}
	}
	var ms []mutation
	for _, e := range []struct {
		ceType string
		topic  schemas.Topic
		lost   Fault
	}{
		{schemas.TypeHistory, schemas.TopicHistory, Lost},
		{schemas.TypeMedia, schemas.TopicMedia, Lost},
		{schemas.TypeEcho, schemas.TopicEchoes, Lost},
		{schemas.TypeMessage, schemas.TopicMessages, Lost},
		{schemas.TypeStatus, schemas.TopicMessages, Lost},
		{schemas.TypeError, schemas.TopicMessages, Lost},
		{schemas.TypeAccount, schemas.TopicAccount, Lost},
		{schemas.TypeOther, schemas.TopicOther, Lost},
		{schemas.TypeContact, schemas.TopicContacts, WrongTable},
		{schemas.TypeSync, schemas.TopicSyncs, WrongTable},
	} {
		ms = append(ms,
			mutation{"remove", typed(e.ceType), remove, e.topic, e.lost},
			mutation{"repeat", typed(e.ceType), repeat, e.topic, Duplicated},
			mutation{"wrong specversion", typed(e.ceType), header(schemas.HeaderCESpecVersion, "0.3"), e.topic, BadHeaders},
			mutation{"no ce_id", typed(e.ceType), header(schemas.HeaderCEID, ""), e.topic, BadHeaders},
			mutation{"unreadable value", typed(e.ceType), func(i int) {
				repeat(i)
				s.events[len(s.events)-1].Value = []byte("{")
			}, e.topic, WrongContent},
			mutation{"wrong key", typed(e.ceType), func(i int) { s.events[i].Key = []byte("x") }, e.topic, WrongKey},
			mutation{"wrong partition", typed(e.ceType), func(i int) {
				r := s.events[i]
				r.Partition = (r.Partition + 1) % partitions
				s.events[i] = r
			}, e.topic, Misplaced},
		)
		if e.ceType != schemas.TypeSync {
			ms = append(ms, mutation{"altered original", typed(e.ceType), func(i int) {
				v := s.events[i].Value
				k := strings.Index(string(v), `"original":{`) + len(`"original":{`)
				s.events[i].Value = []byte(string(v[:k]) + `"a":0,` + string(v[k:]))
			}, e.topic, WrongContent})
		}
	}
	ms = append(ms,
		mutation{"remove", onTopic(schemas.TopicDLQ), remove, schemas.TopicDLQ, Lost},
		mutation{"repeat", func(r *Record) bool { return r.Topic == schemas.TopicDLQ && s.copies(r.Value) == 1 }, repeat, schemas.TopicDLQ, Duplicated},
		mutation{"wrong reason", onTopic(schemas.TopicDLQ), header(schemas.HeaderDLQReason, "because"), schemas.TopicDLQ, WrongContent},
		mutation{"altered", onTopic(schemas.TopicDLQ), func(i int) { s.events[i].Value = append([]byte(" "), s.events[i].Value...) }, schemas.TopicDLQ, WrongContent},

		mutation{"direction", typed(schemas.TypeHistory), alter(`"direction":"`, `"direction":"un`), schemas.TopicHistory, WrongContent},
		mutation{"thread", typed(schemas.TypeHistory), func(i int) {
			alter(`"thread":"`, `"thread":"9`)(i)
			k := strings.Index(string(s.events[i].Key), "/")
			s.events[i].Key = []byte(string(s.events[i].Key[:k+1]) + "9" + string(s.events[i].Key[k+1:]))
		}, schemas.TopicHistory, WrongContent},
		mutation{"timestamp", typed(schemas.TypeHistory), alter(`"timestamp":`, `"timestamp":9`), schemas.TopicHistory, WrongContent},
		mutation{"type", typed(schemas.TypeHistory), alter(`,"type":"text"`, `,"type":"texts"`), schemas.TopicHistory, WrongContent},
		mutation{"type of another rank", typed(schemas.TypeHistory), alter(`,"type":"text"`, `,"type":"edit"`), schemas.TopicHistory, WrongContent},
		mutation{"not historical", typed(schemas.TypeHistory), alter(`"historical":true`, `"historical":false`), schemas.TopicHistory, WrongContent},
		mutation{"phase", typed(schemas.TypeHistory), alter(`"phase":`, `"phase":1`), schemas.TopicHistory, WrongContent},
		mutation{"progress", typed(schemas.TypeHistory), alter(`"progress":`, `"progress":1`), schemas.TopicHistory, WrongContent},
		mutation{"late", typed(schemas.TypeHistory), alter(`"sync":{`, `"sync":{"late":true,`), schemas.TopicHistory, NotLate},
		mutation{"status", typed(schemas.TypeHistory), alter(`"status":"`, `"status":"x`), schemas.TopicHistory, WrongContent},
		mutation{"display number", typed(schemas.TypeHistory), alter(`"display_phone_number":"1`, `"display_phone_number":"2`), schemas.TopicHistory, WrongContent},
		mutation{"not joined", typed(schemas.TypeMedia), alter(`"joined":true`, `"joined":false`), schemas.TopicMedia, WrongContent},
		mutation{"time of media", typed(schemas.TypeMedia), alter(`"timestamp":`, `"timestamp":9`), schemas.TopicMedia, WrongContent},
		mutation{"historical echo", typed(schemas.TypeEcho), alter(`"historical":false`, `"historical":true`), schemas.TopicEchoes, WrongContent},
		mutation{"profiles", typed(schemas.TypeMessage), alter(`"profiles":[`, `"profiles":[1,`), schemas.TopicMessages, WrongContent},
		mutation{"name of a contact", typed(schemas.TypeContact), alter(`"full_name":"`, `"full_name":"x`), schemas.TopicContacts, WrongContent},
		mutation{"account event", typed(schemas.TypeAccount), alter(`"event":"`, `"event":"X`), schemas.TopicAccount, WrongContent},
		mutation{"field of other", typed(schemas.TypeOther), alter(`"field":"`, `"field":"X`), schemas.TopicOther, WrongContent},
		mutation{"state of a sync", typed(schemas.TypeSync), alter(`"state":"`, `"state":"x`), schemas.TopicSyncs, WrongTable},
		mutation{"messages of a sync", typed(schemas.TypeSync), alter(`"messages":`, `"messages":1`), schemas.TopicSyncs, WrongTable},
		mutation{"id of another event", typed(schemas.TypeHistory), func(i int) {
			id, _ := s.events[i-1].header(schemas.HeaderCEID)
			header(schemas.HeaderCEID, id)(i)
		}, schemas.TopicHistory, SameID},
		mutation{"a body that can be understood", typed(schemas.TypeHistory), func(i int) {
			s.events = append(s.events, Record{Topic: schemas.TopicDLQ, Value: s.raw[0].Value})
		}, schemas.TopicDLQ, Unexpected},
		mutation{"nobody's message", typed(schemas.TypeMessage), func(i int) {
			repeat(i)
			alter(`"wamid":"wamid.`, `"wamid":"x`)(len(s.events) - 1)
			header(schemas.HeaderCEID, "new")(len(s.events) - 1)
		}, schemas.TopicMessages, Unexpected},
		mutation{"media as a live echo", typed(schemas.TypeMedia), func(i int) {
			repeat(i)
			last := &s.events[len(s.events)-1]
			last.Topic = schemas.TopicEchoes
			header(schemas.HeaderCEType, schemas.TypeEcho)(len(s.events) - 1)
		}, schemas.TopicEchoes, Leaked},
	)
	for _, m := range ms {
		s.events = append([]Record(nil), good...)
		i := find(t, s, m.pick)
		if strings.HasPrefix(m.name, "type") || m.name == "not joined" || m.name == "phase" {
			want := map[string]string{"not joined": `"joined":true`, "phase": `"phase":`}[m.name]
			if want == "" {
				want = `,"type":"text"`
			}
			i = find(t, s, func(r *Record) bool { return m.pick(r) && strings.Contains(string(r.Value), want) })
		}
		kind := fmt.Sprintf("%s, %v", m.name, m.topic)
		m.mutate(i)
		v := judgement(t, s, options())
		if v.OK() || v.Faults != 1 || v.Count(m.fault) != 1 {
			t.Errorf("%s: expected %s alone:\n%s", kind, m.fault, show(v))
			continue
		}
		for _, tv := range v.Topics {
			if tv.Faults[m.fault] == 1 && tv.Topic != m.topic.String() {
				t.Errorf("%s: found on topic %s", kind, tv.Topic)
			}
		}
	}
}

// neighbours finds two events that follow each other in a partition and have to.
func neighbours(s *scene, ok func(a, b *Record) bool) (int, int) {
	last := map[place]int{}
	for i := range s.events {
		r := &s.events[i]
		at := place{r.Topic, r.Partition}
		if k, known := last[at]; known && ok(&s.events[k], r) {
			return k, i
		}
		last[at] = i
	}
	return -1, -1
}

func TestASwapIsOutOfOrder(t *testing.T) {
	s := play(t, config(15), nil, nil)
	for _, topic := range []schemas.Topic{schemas.TopicHistory, schemas.TopicEchoes, schemas.TopicMessages, schemas.TopicAccount, schemas.TopicOther} {
		good := append([]Record(nil), s.events...)
		a, b := neighbours(s, func(a, b *Record) bool {
			na, _, _ := cut(string(a.Key))
			nb, _, _ := cut(string(b.Key))
			// Of bodies that went their own way nothing is known: two events that are ordered are needed.
			return a.Topic == topic && (topic != schemas.TopicHistory || na == nb) && s.ordered(a) && s.ordered(b)
		})
		if a < 0 {
			t.Fatalf("%s: no neighbours", topic)
		}
		s.events[a], s.events[b] = s.events[b], s.events[a]
		if v := judgement(t, s, options()); v.Faults != 1 || v.Count(OutOfOrder) != 1 {
			t.Errorf("%s: %s", topic, show(v))
		}
		s.events = good
	}
}

// ordered tells whether an event's body went the ordinary way: one WABA, live lane (or a chunk).
func (s *scene) ordered(r *Record) bool {
	if r.Topic == schemas.TopicHistory {
		return true
	}
	k := strings.Index(string(r.Value), `"original":`) + len(`"original":`)
	text := strings.TrimSuffix(string(r.Value[k:]), "}")
	for _, raw := range s.raw {
		if raw.Topic == schemas.TopicRawLive && strings.Contains(string(raw.Value), text) {
			return strings.Count(string(raw.Value), `"changes":`) == 1 && raw.Partition == r.Partition
		}
	}
	return false
}

// copies counts the deliveries of a body.
func (s *scene) copies(body []byte) int {
	n := 0
	for i := range s.raw {
		if string(s.raw[i].Value) == string(body) {
			n++
		}
	}
	return n
}

// A contact that goes back to an older version is wrong even if the table ends right.
func TestAContactMustNotGoBack(t *testing.T) {
	s := play(t, config(16), nil, nil)
	byKey := map[string]int{}
	for i := range s.events {
		r := &s.events[i]
		if r.Topic != schemas.TopicContacts || r.Value == nil {
			continue
		}
		if k, known := byKey[string(r.Key)]; known {
			s.events[k], s.events[i] = s.events[i], s.events[k]
			s.events = append(s.events, s.events[k])
			v := judgement(t, s, options())
			if v.Count(OutOfOrder) != 1 || v.Count(Duplicated) != 1 || v.Faults != 2 {
				t.Fatal(show(v))
			}
			return
		}
		byKey[string(r.Key)] = i
	}
	t.Fatal("no contact has two versions")
}

// A place has passed when something behind it waited for as long as the processor waits.
func TestLateIsRightOnlyWhenThePlaceHadPassed(t *testing.T) {
	for _, c := range []struct {
		after time.Duration
		late  bool
	}{{time.Minute, false}, {31 * time.Minute, true}} {
		cfg := config(17)
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
