package app

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/ingress/route"
	"github.com/coexstream/coexstream/processors/history"
	"github.com/coexstream/coexstream/processors/partition"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/fixtures"
)

// modelledBusiness is a business in a random log, with its last webhook for each way to its partition.
type modelledBusiness struct {
	waba, number, display string
	posts                 []modelledPost // of late
	chunks, others        []time.Time    // when webhooks with history came, and others
}

// modelledPost is a webhook of a business: its content without the envelope.
type modelledPost struct {
	at    time.Time
	way   modelledWay
	value string
}

var wamidIn = regexp.MustCompile(`wamid\.[A-Za-z0-9=+/]+`)

// alike reports whether two webhooks may come in any order. They go one way; or they are live, and where they tell the same message
// they say the same of it.
func (a *modelledPost) alike(b *modelledPost) bool {
	switch {
	case a.way == wayAway || b.way == wayAway:
		return false
	case a.way == b.way || a.value == b.value && max(a.way, b.way) == wayBare:
		return true
	case max(a.way, b.way) != wayBare:
		return false
	}
	for _, id := range wamidIn.FindAllString(a.value, -1) {
		if strings.Contains(b.value, id) {
			return false
		}
	}
	return true
}

// modelledWay is how a webhook reaches the partition of its business.
type modelledWay int

const (
	wayLive modelledWay = iota // by raw.live, and names its WABA first
	wayBare                    // by raw.live, and names the number alone
	wayBulk                    // by raw.bulk, and names its WABA first
	wayAway                    // any other: it is read elsewhere first
)

// modelledLog is a random log of all examples that there are: each posted as it is, as the value alone, or with the entries
// of another; of some businesses at a time. Webhooks of one business that go different ways are some seconds apart: of those
// that are not, docs/adr/0014-replay.md says what may differ. Only bare values come within a millisecond of others, and of the
// first ones of their number. No chunk that is rerouted comes within seconds of the end of a wait of its sync.
type modelledLog struct {
	t     *testing.T
	rng   *rand.Rand
	start time.Time
	at    time.Time
	posts []posted
	// contacts: bare values may change them. Whether the number and its WABA are of one partition, and so of one table, depends
	// on how many partitions there are.
	contacts bool
}

func (l *modelledLog) fill() {
	var pool []*modelledBusiness
	for i := range 1 + l.rng.IntN(6) {
		pool = append(pool, &modelledBusiness{
			waba: fmt.Sprintf("72%011d", l.rng.IntN(1000)*10+i), number: fmt.Sprintf("82%011d", l.rng.IntN(1000)*10+i),
			display: fmt.Sprintf("1555%07d", l.rng.IntN(1000)*10+i),
		})
	}
	type example struct {
		body string
		of   *modelledBusiness
	}
	var examples []example
	for _, f := range fixtures.All() {
		b := pool[l.rng.IntN(len(pool))]
		// Native events name the business by its number alone: no two businesses may have the same.
		body := strings.NewReplacer("102290129340398", b.waba, "106540352242922", b.number, "15550783881", b.display).Replace(string(f.Body))
		examples = append(examples, example{body, b})
	}
	files, err := filepath.Glob(casesFolder + "/*.json")
	if err != nil {
		l.t.Fatal(err)
	}
	for _, file := range files {
		b := &modelledBusiness{}
		for _, body := range caseBodies(l.t, strings.TrimSuffix(filepath.Base(file), ".json"), l.at) {
			examples = append(examples, example{body, b})
		}
	}
	l.rng.Shuffle(len(examples), func(i, j int) { examples[i], examples[j] = examples[j], examples[i] })
	for _, e := range examples[:1+l.rng.IntN(len(examples))] {
		if l.at.Sub(l.start) > 20*time.Hour {
			break // a repetition is dropped for a day
		}
		topic, key := route.LaneAndKey([]byte(e.body))
		way := wayLive
		if topic == schemas.TopicRawBulk {
			way = wayBulk
		}
		if len(key) == 0 || strings.Count(e.body, `"id": "`+string(key)+`"`)+strings.Count(e.body, `"id":"`+string(key)+`"`) != 1 {
			way = wayAway
		}
		value, single := bareOf(e.body)
		single = single && !strings.Contains(e.body, `standby"`) && (l.contacts || !strings.Contains(value, `"state_sync"`))
		switch n := l.rng.IntN(9); {
		case n == 0 && single:
			l.post(value, wayOfBare(value), e.of)
		case n == 1 && single: // beside the same in its envelope, in any order
			if l.rng.IntN(2) == 0 {
				l.post(value, wayOfBare(value), e.of)
				l.post(e.body, way, e.of)
			} else {
				l.post(e.body, way, e.of)
				l.post(value, wayOfBare(value), e.of)
			}
		case n == 2:
			with := examples[l.rng.IntN(len(examples))]
			if body, ok := joinedOf(with.body, e.body); ok {
				l.post(body, wayAway, with.of, e.of)
			}
		default:
			l.post(e.body, way, e.of)
		}
	}
}

func wayOfBare(value string) modelledWay {
	if topic, _ := route.LaneAndKey([]byte(value)); topic == schemas.TopicRawBulk || strings.Contains(value, `"state_sync"`) {
		return wayAway
	}
	return wayBare
}

func (l *modelledLog) post(body string, way modelledWay, of ...*modelledBusiness) {
	switch n := l.rng.IntN(20); {
	case n < 14:
		l.at = l.at.Add(time.Duration(l.rng.IntN(4)) * time.Millisecond)
	case n < 18:
		l.at = l.at.Add(time.Duration(l.rng.IntN(20000)) * time.Millisecond)
	default:
		l.at = l.at.Add(time.Duration(l.rng.IntN(180)) * time.Minute)
	}
	p := modelledPost{way: way, value: body}
	if value, ok := bareOf(body); ok {
		p.value = value
	}
	for _, b := range of {
		for i := range b.posts {
			if apart := b.posts[i].at.Add(3 * modelledLag); l.at.Before(apart) && !p.alike(&b.posts[i]) {
				l.at = apart
			}
		}
	}
	past := strings.Contains(body, `"history"`)
	if past {
		l.avoidDeadlines(way, of)
	}
	p.at = l.at
	for _, b := range of {
		if past {
			b.chunks = append(b.chunks, l.at)
		} else {
			b.others = append(b.others, l.at)
		}
		b.posts = slices.DeleteFunc(b.posts, func(q modelledPost) bool { return l.at.Sub(q.at) > 3*modelledLag })
		b.posts = append(b.posts, p)
	}
	l.posts = append(l.posts, posted{body, l.at})
}

// avoidDeadlines moves the next webhook with history behind the latency of a wait that has just ended: of its sync, where it is
// rerouted, or of a follow-up for its placeholder. It may be processed before the end of the wait at first, and in a replay it
// is processed behind it.
func (l *modelledLog) avoidDeadlines(way modelledWay, of []*modelledBusiness) {
	c, hold := history.DefaultConfig(), partition.DefaultConfig().Media.Hold
	for _, b := range of {
		for again := true; again; {
			again = false
			behind := func(came []time.Time, waits ...time.Duration) {
				for _, at := range came {
					for _, wait := range waits {
						if since := l.at.Sub(at.Add(wait)); since >= 0 && since < 3*modelledLag {
							l.at, again = at.Add(wait+3*modelledLag), true
						}
					}
				}
			}
			behind(b.others, hold)
			if way == wayAway {
				behind(b.chunks, c.GapTimeout, c.PhaseHold, c.QuietTime, c.Ceiling)
			}
		}
	}
}

// bareOf is the value of a body's only change.
func bareOf(body string) (string, bool) {
	var b struct {
		Entry []struct {
			Changes []struct {
				Value json.RawMessage `json:"value"`
			} `json:"changes"`
		} `json:"entry"`
	}
	if json.Unmarshal([]byte(body), &b) != nil || len(b.Entry) != 1 || len(b.Entry[0].Changes) != 1 {
		return "", false
	}
	v := string(b.Entry[0].Changes[0].Value)
	return v, strings.Contains(v, `"messaging_product"`)
}

// joinedOf is a body with the entries of two.
func joinedOf(first, second string) (string, bool) {
	var a, b struct {
		Object string            `json:"object"`
		Entry  []json.RawMessage `json:"entry"`
	}
	if json.Unmarshal([]byte(first), &a) != nil || json.Unmarshal([]byte(second), &b) != nil || a.Object == "" || b.Object == "" {
		return "", false
	}
	var all []string
	for _, e := range slices.Concat(a.Entry, b.Entry) {
		all = append(all, string(e))
	}
	return `{"object":"` + a.Object + `","entry":[` + strings.Join(all, ",") + `]}`, true
}
