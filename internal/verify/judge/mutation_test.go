package judge

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/schemas"
)

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
	c := config(14)
	c.Businesses, c.Live, c.Reonboard = 10, 900, 0.7 // each kind of event is there, wherever the dice fall
	s := play(t, c, nil, nil)
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

		mutation{"contact of a message", typed(schemas.TypeMessage), alter(`"contact":{"`, `"contact":{"x`), schemas.TopicMessages, WrongContent},
		mutation{"contact of a status", typed(schemas.TypeStatus), alter(`"contact":{"`, `"contact":{"x`), schemas.TopicMessages, WrongContent},
		mutation{"contact of a message of the past", typed(schemas.TypeHistory), alter(`"contact":{"`, `"contact":{"x`), schemas.TopicHistory, WrongContent},
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
		mutation{"display number", typed(schemas.TypeHistory), alter(`"display_phone_number":"`, `"display_phone_number":"2`), schemas.TopicHistory, WrongContent},
		mutation{"not joined", typed(schemas.TypeMedia), alter(`"joined":true`, `"joined":false`), schemas.TopicMedia, WrongContent},
		mutation{"token of media", typed(schemas.TypeMedia), alter(`"wamid_token":"`, `"wamid_token":"0`), schemas.TopicMedia, WrongContent},
		mutation{"time of media", typed(schemas.TypeMedia), alter(`"timestamp":`, `"timestamp":9`), schemas.TopicMedia, WrongContent},
		mutation{"historical echo", typed(schemas.TypeEcho), alter(`"historical":false`, `"historical":true`), schemas.TopicEchoes, WrongContent},
		mutation{"profiles", typed(schemas.TypeMessage), alter(`"profiles":[`, `"profiles":[1,`), schemas.TopicMessages, WrongContent},
		mutation{"name of a contact", typed(schemas.TypeContact), alter(`"full_name":"`, `"full_name":"x`), schemas.TopicContacts, WrongContent},
		mutation{"account event", typed(schemas.TypeAccount), alter(`"event":"`, `"event":"X`), schemas.TopicAccount, WrongContent},
		mutation{"number of an account event", func(r *Record) bool {
			return r.Topic == schemas.TopicAccount && strings.Contains(string(r.Value), `"phone_number_id":"`)
		}, alter(`"phone_number_id":"`, `"phone_number_id":"9`), schemas.TopicAccount, WrongContent},
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
		if strings.HasPrefix(m.name, "type") || m.name == "not joined" || m.name == "phase" || m.name == "status" {
			want := map[string]string{"not joined": `"joined":true`, "phase": `"phase":`, "status": `"status":"`}[m.name]
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
	c := config(15)
	c.Businesses, c.Aliases = 12, 1
	s := play(t, c, nil, nil)
	for _, topic := range []schemas.Topic{schemas.TopicHistory, schemas.TopicEchoes, schemas.TopicMessages, schemas.TopicAccount, schemas.TopicOther} {
		good := append([]Record(nil), s.events...)
		a, b := neighbours(s, func(a, b *Record) bool {
			na, _, _ := cut(string(a.Key))
			nb, _, _ := cut(string(b.Key))
			// Of bodies that went their own way nothing is known, and different owners overtake each other.
			return a.Topic == topic && na == nb && s.ordered(a) && s.ordered(b)
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

// ordered reports whether an event's body went the ordinary way: one WABA, live lane (or a chunk).
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
	byKey := map[string][]int{}
	for i := range s.events {
		if r := &s.events[i]; r.Topic == schemas.TopicContacts {
			byKey[string(r.Key)] = append(byKey[string(r.Key)], i)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		is := byKey[key]
		if len(is) != 2 || s.events[is[0]].Value == nil || s.events[is[1]].Value == nil {
			continue
		}
		k, i := is[0], is[1]
		s.events[k], s.events[i] = s.events[i], s.events[k]
		s.events = append(s.events, s.events[k])
		v := judgement(t, s, options())
		// Of one second the order is that of the raw log, which the topic need not show.
		if v.Count(OutOfOrder) > 1 || v.Count(Duplicated) != 1 || v.Faults != v.Count(OutOfOrder)+1 {
			t.Fatal(show(v))
		}
		if v.Count(OutOfOrder) == 1 {
			return
		}
		s.events = s.events[:len(s.events)-1]
		s.events[k], s.events[i] = s.events[i], s.events[k]
	}
	t.Fatal("no contact has two versions")
}
