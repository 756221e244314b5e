package judge

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/schemas"
)

// replace rewrites the value of the i-th event, and its key where the thread changes.
func (s *scene) replace(t *testing.T, i int, pattern, with string) {
	t.Helper()
	was := string(s.events[i].Value)
	value := regexp.MustCompile(pattern).ReplaceAllString(was, with)
	if value == was {
		t.Fatalf("%s is not in %s", pattern, was)
	}
	s.events[i].Value = []byte(value)
}

func (s *scene) drop(i int) { s.events = append(s.events[:i:i], s.events[i+1:]...) }

// Each behaviour of webhooks that the world plays is falsified as a faulty pipeline once did, and the judge has to name
// exactly that fault.
func TestABehaviourOfTheFieldThatIsToldWronglyIsFound(t *testing.T) {
	c := config(31)
	c.Businesses, c.Live, c.Contacts = 16, 1500, 600
	c.Spellings, c.Groups, c.Crowds, c.SameSecond, c.Undated, c.Twins, c.Aliases = 0.7, 0.1, 0.1, 0.4, 1, 0.3, 0.5
	c.Standby, c.Handovers, c.Odd, c.Failures, c.NoName, c.NoSender, c.Users, c.YCloud, c.Reonboard = 0.1, 0.1, 0.2, 0.3, 0.4, 0.2, 0.3, 0.3, 0.6
	s := play(t, c, nil, nil)
	if v := judgement(t, s, options()); !v.OK() {
		t.Fatal(show(v))
	}
	good := slices.Clone(s.events)
	like := func(topic schemas.Topic, pattern string) func(*Record) bool {
		re := regexp.MustCompile(pattern)
		return func(r *Record) bool { return r.Topic == topic && re.Match(r.Value) }
	}
	odd := s.oddWamids()
	besideOdd := func(topic schemas.Topic) func(*Record) bool {
		return func(r *Record) bool {
			m := regexp.MustCompile(`"wamid":"([^"]+)"`).FindSubmatch(r.Value)
			return r.Topic == topic && m != nil && odd[string(m[1])]
		}
	}
	rewrite := func(pattern, with string) func(*testing.T, int) {
		return func(t *testing.T, i int) { s.replace(t, i, pattern, with) }
	}
	// elsewhere moves an event to another chat.
	elsewhere := func(thread string) func(*testing.T, int) {
		return func(t *testing.T, i int) {
			s.replace(t, i, `"thread":"[^"]+"`, `"thread":"`+thread+`"`)
			number, _, _ := cut(string(s.events[i].Key))
			s.events[i].Key = []byte(number + "/" + thread)
		}
	}
	lost := func(_ *testing.T, i int) { s.drop(i) }
	header := func(name, value string) func(*testing.T, int) {
		return func(_ *testing.T, i int) {
			s.events[i].Headers = slices.DeleteFunc(slices.Clone(s.events[i].Headers), func(h Header) bool { return h.Key == name })
			if value != "" {
				s.events[i].Headers = append(s.events[i].Headers, Header{name, []byte(value)})
			}
		}
	}
	placed := func(r *Record) bool { _, ok := r.header(schemas.HeaderDLQPlaces); return ok && s.copies(r.Value) == 1 }
	for _, m := range []struct {
		name   string
		pick   func(*Record) bool
		mutate func(*testing.T, int)
		topic  schemas.Topic
		fault  Fault
	}{
		{"the business's own message in its other spelling is inbound", like(schemas.TopicHistory, `"direction":"outbound".*"from":"\+5`),
			rewrite(`"direction":"outbound"`, `"direction":"inbound"`), schemas.TopicHistory, WrongContent},
		{"a message to the user, without a sender, is inbound", like(schemas.TopicHistory, `"direction":"outbound".*"original":\{"to":"`),
			rewrite(`"direction":"outbound"`, `"direction":"inbound"`), schemas.TopicHistory, WrongContent},
		{"the direction that can be known is unknown", like(schemas.TopicHistory, `"direction":"inbound"`),
			rewrite(`"direction":"inbound"`, `"direction":"unknown"`), schemas.TopicHistory, WrongContent},
		{"the thread has a plus", like(schemas.TopicHistory, `"thread":"\d`), func(t *testing.T, i int) {
			thread := regexp.MustCompile(`"thread":"([^"]+)"`).FindSubmatch(s.events[i].Value)[1]
			elsewhere("+"+string(thread))(t, i)
		}, schemas.TopicHistory, WrongContent},
		{"the thread of a group is the participant", like(schemas.TopicMessages, `"kind":"message".*"group_id":"`), elsewhere("16505550100"), schemas.TopicMessages, WrongContent},
		{"the group is not named", like(schemas.TopicMessages, `"kind":"message".*"group_id":"[^"]+","contact`),
			rewrite(`"group_id":"[^"]+","contact`, `"contact`), schemas.TopicMessages, WrongContent},
		{"the status of a participant is lost", like(schemas.TopicMessages, `"kind":"status".*"group_id":"`), lost, schemas.TopicMessages, Lost},
		{"the participant of a status is another", like(schemas.TopicMessages, `"kind":"status".*"group_id":"[^"]+","contact":\{"wa_id":"`),
			rewrite(`"contact":\{"wa_id":"`, `"contact":{"wa_id":"9`), schemas.TopicMessages, WrongContent},
		{"the second status of a second is lost", like(schemas.TopicMessages, `"code":131047`), lost, schemas.TopicMessages, Lost},
		{"a user known by its id alone has no contact", like(schemas.TopicEchoes, `"contact":\{"user_id":"[^"]+"\}`),
			rewrite(`"contact":\{[^}]*\},`, ``), schemas.TopicEchoes, WrongContent},
		{"the contact lacks what contacts[] says", like(schemas.TopicMessages, `"username":"someone","country_code"`),
			rewrite(`"username":"someone",`, ``), schemas.TopicMessages, WrongContent},
		{"the contact has another's name", like(schemas.TopicMessages, `"profile_name":"`),
			rewrite(`"profile_name":"`, `"profile_name":"Other `), schemas.TopicMessages, WrongContent},
		{"profiles are those of others, too", like(schemas.TopicMessages, `"profiles":\[\{`),
			rewrite(`"profiles":\[\{`, `"profiles":[{"wa_id":"1"},{`), schemas.TopicMessages, WrongContent},
		{"profiles where nobody told of any", like(schemas.TopicHistory, `"original":`),
			rewrite(`"original":`, `"profiles":[{"wa_id":"1"}],"original":`), schemas.TopicHistory, WrongContent},
		{"an echo without a receiver has no thread", like(schemas.TopicEchoes, `"profiles":\[`), func(t *testing.T, i int) {
			s.replace(t, i, `"thread":"[^"]+",`, ``)
			number, _, _ := cut(string(s.events[i].Key))
			s.events[i].Key = []byte(number + "/" + regexp.MustCompile(`"wamid":"([^"]+)"`).FindStringSubmatch(string(s.events[i].Value))[1])
		}, schemas.TopicEchoes, WrongContent},
		{"half of a surrogate pair is left out", like(schemas.TopicMessages, `"profile_name":"[^"]*`+"\ufffd"),
			rewrite("\ufffd", ``), schemas.TopicMessages, WrongContent},
		{"a second edit is lost", like(schemas.TopicEchoes, `"kind":"edit"`), lost, schemas.TopicEchoes, Lost},
		{"a real message behind its placeholder is lost", func(r *Record) bool {
			return like(schemas.TopicMessages, `"kind":"message"`)(r) && s.announced(r)
		}, lost, schemas.TopicMessages, Lost},
		{"a placeholder is a message", like(schemas.TopicMessages, `"kind":"placeholder"`),
			rewrite(`"kind":"placeholder"`, `"kind":"message"`), schemas.TopicMessages, WrongContent},
		{"a rank is left out", like(schemas.TopicMessages, `"kind":"message","rank":1`), rewrite(`"rank":1,`, ``), schemas.TopicMessages, WrongContent},
		{"a status has a rank", like(schemas.TopicMessages, `"kind":"status"`), rewrite(`"kind":"status"`, `"kind":"status","rank":1`), schemas.TopicMessages, WrongContent},
		{"a message leaves again under its other wamid", s.hasTwin, func(_ *testing.T, i int) {
			r := s.events[i]
			for second, first := range s.twins() {
				r.Value = []byte(strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(string(r.Value), first, "\x00"), second, first), "\x00", second))
			}
			r.Headers = slices.Clone(r.Headers)
			for k := range r.Headers {
				if r.Headers[k].Key == schemas.HeaderCEID {
					r.Headers[k].Value = []byte("the other")
				}
			}
			s.events = append(s.events, r)
		}, schemas.TopicMessages, Duplicated},
		{"an asset under the other wamid is not joined", func(r *Record) bool {
			return r.Topic == schemas.TopicMedia && s.isTwin(r) && strings.Contains(string(r.Value), `"joined":true`)
		}, rewrite(`"joined":true`, `"joined":false`), schemas.TopicMedia, WrongContent},
		{"a copy on standby is not marked", like(schemas.TopicMessages, `"standby":true`), rewrite(`"standby":true,`, ``), schemas.TopicMessages, WrongContent},
		{"what is no copy is marked", like(schemas.TopicEchoes, `"historical":false,"original"|"historical":false,"profiles"`),
			rewrite(`"historical":false`, `"historical":false,"standby":true`), schemas.TopicEchoes, WrongContent},
		{"a handover is lost", like(schemas.TopicMessages, `"kind":"handover"`), lost, schemas.TopicMessages, Lost},
		{"a handover has a direction", like(schemas.TopicMessages, `"kind":"handover"`),
			rewrite(`"direction":"unknown"`, `"direction":"inbound"`), schemas.TopicMessages, WrongContent},
		{"the good message beside an odd one is lost", besideOdd(schemas.TopicMessages), lost, schemas.TopicMessages, Lost},
		{"the good message of a chunk with an odd one is lost", besideOdd(schemas.TopicHistory), lost, schemas.TopicHistory, Lost},
		{"the letter of an odd part is lost", placed, lost, schemas.TopicDLQ, Lost},
		{"the letter names another place", placed, header(schemas.HeaderDLQPlaces, "0.0.messages.99"), schemas.TopicDLQ, WrongContent},
		{"the letter names no place", placed, header(schemas.HeaderDLQPlaces, ""), schemas.TopicDLQ, WrongContent},
		{"the letter names another change", func(r *Record) bool {
			_, parts := r.header(schemas.HeaderDLQPlaces)
			_, change := r.header(schemas.HeaderDLQChanges)
			return change && !parts
		}, header(schemas.HeaderDLQChanges, "7"), schemas.TopicDLQ, WrongContent},
		{"a removal without a time that came again is lost", func(r *Record) bool { return r.Topic == schemas.TopicAccount && s.times(r) == 2 }, lost, schemas.TopicAccount, Lost},
		{"an event without a time that the history alone tells from a repetition is lost", func(r *Record) bool { return r.Topic == schemas.TopicAccount && s.times(r) == 4 },
			lost, schemas.TopicAccount, Lost},
		{"one error without its array is lost", s.oneError, lost, schemas.TopicMessages, Lost},
		{"a removal that came again has the id of the first", func(r *Record) bool { return r.Topic == schemas.TopicAccount && s.times(r) == 2 }, func(t *testing.T, i int) {
			first := find(t, s, func(r *Record) bool {
				return r.Topic == schemas.TopicAccount && r != &s.events[i] && string(r.Value) == string(s.events[i].Value)
			})
			s.events[i].Headers = s.events[first].Headers
		}, schemas.TopicAccount, ""},
		{"an account event keeps its lower case", like(schemas.TopicAccount, `"event":"PARTNER_ADDED".*"event":"partner_added"`),
			rewrite(`"event":"PARTNER_ADDED"`, `"event":"partner_added"`), schemas.TopicAccount, WrongContent},
		{"that a business was added amid its sync is lost", like(schemas.TopicAccount, `amid the sync`), lost, schemas.TopicAccount, Lost},
		{"an error of the history is not on its sync", func(r *Record) bool {
			return like(schemas.TopicSyncs, `"errors":\[`)(r) && s.newest(r)
		}, rewrite(`"errors":\[.*\]`, `"errors":[]`), schemas.TopicSyncs, WrongTable},
		{"an error of the history is lost", like(schemas.TopicOther, `"field":"history"`), lost, schemas.TopicOther, Lost},
		{"a message of YCloud's history is lost", like(schemas.TopicHistory, `"original":\{("sharedWith":\{"wabaId":"\d+"\},)?"wabaId"`), lost, schemas.TopicHistory, Lost},
		{"an event of YCloud ends on other", like(schemas.TopicEchoes, `"original":\{("sharedWith":\{"wabaId":"\d+"\},)?"wabaId"`), func(t *testing.T, i int) {
			waba := regexp.MustCompile(`"waba_id":"(\d+)"`).FindStringSubmatch(string(s.events[i].Value))[1]
			o := schemas.Other{WABAID: waba, Field: "whatsapp.smb.message.echoes", Original: []byte(`{"id":"evt"}`)}
			s.events = append(s.events, Record{Topic: schemas.TopicOther, Partition: s.events[i].Partition, Key: []byte(waba), Value: o.AppendJSON(nil), Headers: ce(schemas.TypeOther, "evt")})
		}, schemas.TopicOther, Unexpected},
		{"an older contact of one second stands", s.secondOfOne, func(t *testing.T, i int) {
			before := -1
			for k := range i {
				if string(s.events[k].Key) == string(s.events[i].Key) && s.events[k].Value != nil {
					before = k
				}
			}
			if before < 0 {
				t.Fatal("no version before")
			}
			s.drop(i)
		}, schemas.TopicContacts, WrongTable},
		{"a removal in the other spelling removes nothing", func(r *Record) bool { return r.Topic == schemas.TopicContacts && r.Value == nil && s.otherSpelling(r) }, lost, schemas.TopicContacts, WrongTable},
		{"the row in the other spelling stays", func(r *Record) bool {
			action, _ := r.header(schemas.HeaderContactAction)
			return r.Topic == schemas.TopicContacts && action == "merge" && r.Key[len(r.Key)-1] >= '0' && !strings.Contains(string(r.Key), ".")
		}, lost, schemas.TopicContacts, WrongTable},
		{"a contact's id has a plus", like(schemas.TopicContacts, `"phone_number":"\d`), rewrite(`"phone_number":"`, `"phone_number":"+`), schemas.TopicContacts, ""},
	} {
		t.Run(m.name, func(t *testing.T) {
			s.events = slices.Clone(good)
			m.mutate(t, find(t, s, m.pick))
			v := judgement(t, s, options())
			if m.fault == "" {
				if v.OK() {
					t.Fatal("it is found right")
				}
				return
			}
			if v.OK() || v.Faults != 1 || v.Count(m.fault) != 1 {
				t.Fatalf("expected %s alone:\n%s", m.fault, show(v))
			}
			for _, tv := range v.Topics {
				if tv.Faults[m.fault] == 1 && tv.Topic != m.topic.String() {
					t.Errorf("found on topic %s", tv.Topic)
				}
			}
		})
	}
}

// oddWamids are those of the messages that stand in one part with something odd.
func (s *scene) oddWamids() map[string]bool {
	wamids := map[string]bool{}
	for _, l := range s.lines {
		if l.Body == nil {
			continue
		}
		for _, p := range l.Body.Parts {
			for _, it := range p.Items {
				wamids[it.WAMID] = wamids[it.WAMID] || len(p.Places) > 0
			}
		}
	}
	return wamids
}

func (s *scene) items(visit func(p *truth.Part, it *truth.Item)) {
	for _, l := range s.lines {
		if l.Body == nil {
			continue
		}
		for i := range l.Body.Parts {
			for k := range l.Body.Parts[i].Items {
				visit(&l.Body.Parts[i], &l.Body.Parts[i].Items[k])
			}
		}
	}
}

// announced reports whether a message's placeholder came live.
func (s *scene) announced(r *Record) (found bool) {
	s.items(func(p *truth.Part, it *truth.Item) {
		found = found || p.Kind == truth.KindMessage && it.Rank == schemas.RankPlaceholder && strings.Contains(string(r.Value), `"wamid":"`+it.WAMID+`"`)
	})
	return found
}

func (s *scene) twins() map[string]string {
	twins := map[string]string{}
	s.items(func(_ *truth.Part, it *truth.Item) {
		if it.Twin != "" {
			twins[it.WAMID] = it.Twin
		}
	})
	return twins
}

// hasTwin reports whether a live message came under both of its wamids.
func (s *scene) hasTwin(r *Record) bool {
	if r.Topic != schemas.TopicMessages || !strings.Contains(string(r.Value), `"kind":"message"`) {
		return false
	}
	for second, first := range s.twins() {
		if strings.Contains(string(r.Value), `"wamid":"`+second) || strings.Contains(string(r.Value), `"wamid":"`+first) {
			return true
		}
	}
	return false
}

func (s *scene) isTwin(r *Record) bool {
	for second := range s.twins() {
		if strings.Contains(string(r.Value), `"wamid":"`+second) {
			return true
		}
	}
	return false
}

// oneError reports whether a record is an error that was sent as `error`, without an array.
func (s *scene) oneError(r *Record) bool {
	if r.Topic != schemas.TopicMessages || !strings.Contains(string(r.Value), `"kind":"error"`) {
		return false
	}
	_, original, _ := strings.Cut(string(r.Value), `"original":`)
	return slices.ContainsFunc(s.raw, func(raw Record) bool {
		return strings.Contains(string(raw.Value), `"error":`+strings.TrimSuffix(original, "}"))
	})
}

// times is how often an account event is there.
func (s *scene) times(r *Record) (n int) {
	for i := range s.events {
		if s.events[i].Topic == r.Topic && string(s.events[i].Value) == string(r.Value) {
			n++
		}
	}
	return n
}

// newest reports whether a record is the last one of its key.
func (s *scene) newest(r *Record) bool {
	for i := len(s.events) - 1; i >= 0; i-- {
		if s.events[i].Topic == r.Topic && string(s.events[i].Key) == string(r.Key) {
			return &s.events[i] == r
		}
	}
	return false
}

// secondOfOne reports whether a contact's record is the last one, and not the first of its second.
func (s *scene) secondOfOne(r *Record) bool {
	if r.Topic != schemas.TopicContacts || r.Value == nil || !s.newest(r) {
		return false
	}
	stamp := regexp.MustCompile(`"timestamp_ms":\d+,"original"`)
	for i := range s.events {
		o := &s.events[i]
		if o != r && o.Topic == r.Topic && o.Value != nil && string(o.Key) == string(r.Key) && string(stamp.Find(o.Value)) == string(stamp.Find(r.Value)) && stamp.Match(r.Value) {
			return true
		}
	}
	return false
}

// otherSpelling reports whether the contact that a record removes has another spelling only after its row.
func (s *scene) otherSpelling(r *Record) bool {
	number, id, _ := cut(string(r.Key))
	action, _ := r.header(schemas.HeaderContactAction)
	if action != "remove" || !s.newest(r) {
		return false
	}
	row := false
	for i := range s.events {
		row = row || string(s.events[i].Key) == string(r.Key) && s.events[i].Value != nil
	}
	other := false
	for _, l := range s.lines {
		if l.Body == nil {
			continue
		}
		for _, p := range l.Body.Parts {
			for _, c := range p.Contacts {
				other = other || c.Remove && digitsOf(c.Phone) != id && oneSpelling(c.Phone) == oneSpelling(id)
			}
		}
	}
	return row && other && number != ""
}
