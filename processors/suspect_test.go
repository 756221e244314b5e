package processors_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/processors"
	"github.com/coexstream/coexstream/schemas"
)

// refuse lets the broker reject produce requests that contain a word, and reports each one.
func (c *cluster) refuse(word string) (refused <-chan struct{}) {
	told := make(chan struct{}, 1000)
	c.kfake.ControlKey(int16(kmsg.Produce), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		c.kfake.KeepControl()
		req := kreq.(*kmsg.ProduceRequest)
		found := false
		for _, t := range req.Topics {
			for _, p := range t.Partitions {
				found = found || bytes.Contains(p.Records, []byte(word))
			}
		}
		if !found || req.TransactionID == nil { // the raw log takes it
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.ProduceResponse)
		for _, t := range req.Topics {
			rt := kmsg.NewProduceResponseTopic()
			rt.Topic, rt.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				rp := kmsg.NewProduceResponseTopicPartition()
				rp.Partition, rp.ErrorCode = p.Partition, kerr.InvalidRecord.Code
				rt.Partitions = append(rt.Partitions, rp)
			}
			resp.Topics = append(resp.Topics, rt)
		}
		select {
		case told <- struct{}{}:
		default:
		}
		return resp, nil, true
	})
	return told
}

// A body with records that the brokers reject would end one session after another. The body is set aside, with its place,
// and the records behind it, in its partition and in others, are processed.
func TestABodyThatFailsItsTransactionIsSetAside(t *testing.T) {
	t.Parallel()
	for name, poison := range map[schemas.Topic]string{
		schemas.TopicRawLive: echo("1", "poison"),
		schemas.TopicRawBulk: chunk("1", 0, 1, 50, "poison"),
	} {
		t.Run(name.String(), func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.refuse("poison")
			cfg := c.config("a")
			cfg.Compression = "none"
			for i := range 20 {
				c.put(name, "1", echo("1", fmt.Sprint("before.", i)))
			}
			c.put(name, "1", poison)
			c.put(schemas.TopicRawLive, "1", echo("1", "behind"))
			c.put(schemas.TopicRawLive, "2", echo("2", "elsewhere"))
			c.put(schemas.TopicRawBulk, "1", chunk("1", 0, 2, 100, "history behind"))
			c.run(cfg)
			echoes := c.read(schemas.TopicEchoes, atLeast(22))
			if got := wamids(echoes); !slices.Contains(got, "behind") || !slices.Contains(got, "elsewhere") {
				t.Errorf("echoes are %v", got)
			}
			letters := c.read(schemas.TopicDLQ, atLeast(1))
			l := letters[0]
			got := fmt.Sprint(len(letters), len(l.Value), " ", headerOf(l, schemas.HeaderDLQReason), " ", headerOf(l, schemas.HeaderDLQTopic), "@", headerOf(l, schemas.HeaderDLQOffset))
			if want := fmt.Sprint("1 0 body_failed ", name, "@20"); got != want {
				t.Errorf("letters: %s, want %s", got, want)
			}
		})
	}
}

// TestADeferredBodyThatFailsIsSetAside: this also holds for a deferred body that is processed in parts.
func TestADeferredBodyThatFailsIsSetAside(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.refuse("poison")
	cfg := c.config("a")
	cfg.Compression = "none"
	c.put(schemas.TopicRawLive, "1", messages("1", append(ids("before", 1000), "poison")...))
	c.put(schemas.TopicRawLive, "1", echo("1", "behind"))
	c.put(schemas.TopicRawLive, "2", echo("2", "elsewhere"))
	c.run(cfg)
	if got := wamids(c.read(schemas.TopicEchoes, atLeast(2))); !slices.Contains(got, "behind") || !slices.Contains(got, "elsewhere") {
		t.Errorf("echoes are %v", got)
	}
	letters := c.read(schemas.TopicDLQ, atLeast(1))
	if got := fmt.Sprint(len(letters), headerOf(letters[0], schemas.HeaderDLQReason), headerOf(letters[0], schemas.HeaderDLQOffset)); got != "1body_failed0" {
		t.Errorf("letters: %s", got)
	}
}

func headerOf(r *kgo.Record, key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

// A session that is careful lets the chunks of a healthy body leave, however many there are.
func TestACarefulSessionSetsNoHealthyBodyAside(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	note := kadm.Offset{Topic: schemas.TopicRawBulk.Name("coex."), Partition: kafka.Partition([]byte("1"), partitions), LeaderEpoch: -1, Metadata: `{"at":[0,0,0],"sessions":[5,5]}`}
	notes := kadm.Offsets{}
	notes.Add(note)
	done, err := kadm.NewClient(c.client).CommitOffsets(t.Context(), "coexstream-attempts", notes)
	if err == nil {
		err = done.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	const numbers = 5
	of := func(order int) string {
		all := make([]string, numbers)
		for i := range all {
			all[i] = fmt.Sprintf(`{"field":"history","value":{"metadata":{"phone_number_id":"9%d"},"history":[{"metadata":{"phase":0,"chunk_order":%d,"progress":1},"threads":[{"id":"15550199","messages":[{"from":"15550199","id":"m%d.%d","timestamp":"1772300000","type":"text"}]}]}]}}`, i, order, order, i)
		}
		return `{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[` + strings.Join(all, ",") + `]}]}`
	}
	c.put(schemas.TopicRawBulk, "1", of(2))
	c.put(schemas.TopicRawBulk, "1", of(1))
	var want []string
	for i := range 2 * numbers {
		want = append(want, fmt.Sprintf("m%d.%d", 1+i/numbers, i%numbers))
	}
	cfg := c.config("a")
	cfg.TickEvery = time.Hour // it stays careful
	c.run(cfg)
	got := wamids(c.read(schemas.TopicHistory, atLeast(len(want))))
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("history is %v", got)
	}
}

// Rebalances and stops have to do with no body: however many there are, no session is careful because of them.
func TestAStormOfRebalancesMakesNoSessionCareful(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a := c.start(c.config("a"))
	eventually(t, "it is ready", func() bool { return a.Ready() == nil })
	for range 2 {
		b := c.start(c.config("b"))
		eventually(t, "both have partitions", func() bool {
			return a.value(t, "partitions") == partitions/2 && b.value(t, "partitions") == partitions/2 && b.Ready() == nil
		})
		b.stop()
		eventually(t, "one has them all", func() bool { return a.value(t, "partitions") == partitions && a.Ready() == nil })
	}
	a.stop()
	a = c.start(c.config("a"))
	eventually(t, "it is ready again", func() bool { return a.Ready() == nil })
	notes, err := kadm.NewClient(c.client).FetchOffsets(t.Context(), "coexstream-attempts")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	notes.Each(func(o kadm.OffsetResponse) {
		var note struct{ Sessions [2]int }
		if err := json.Unmarshal([]byte(o.Metadata), &note); err != nil {
			t.Fatal(err)
		}
		if n++; note.Sessions != [2]int{1, 1} {
			t.Errorf("partition %d: %v sessions", o.Partition, note.Sessions)
		}
	})
	if n != partitions {
		t.Errorf("%d notes", n)
	}
}

// A note has an offset of raw.bulk. Where the log of that is shorter than another one, the note is not beyond its end: a
// broker that was killed would take the log for one that was cut.
func TestANoteIsNotBeyondTheEndOfTheLog(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	for range 3 {
		c.put(schemas.TopicRawLive, "1", echo("1", "e"))
	}
	c.put(schemas.TopicRawLive, "1", echo("1", "last"))
	stop := c.run(c.config("a"))
	c.read(schemas.TopicEchoes, atLeast(2))
	stop()
	stop = c.run(c.config("a"))
	c.put(schemas.TopicRawLive, "1", echo("1", "next"))
	c.read(schemas.TopicEchoes, atLeast(3))
	stop()
	notes, err := kadm.NewClient(c.client).FetchOffsets(t.Context(), "coexstream-attempts")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	notes.Each(func(o kadm.OffsetResponse) {
		if n++; o.At != 0 {
			t.Errorf("a note is at %d of %s/%d, which is empty", o.At, o.Topic, o.Partition)
		}
	})
	if n == 0 {
		t.Error("there are no notes")
	}
}

// TestOnlyFailingDeferredBodiesAreSetAside: of several deferred bodies in parts, exactly those that fail are set
// aside. All others are emitted once and in order. Other businesses of the partition make progress meanwhile.
func TestOnlyFailingDeferredBodiesAreSetAside(t *testing.T) {
	t.Parallel()
	mad, other, live := "1", mate("1"), mate("1", mate("1"))
	for name, poisons := range map[string]map[string][]int{ // which bodies of a business are poison
		"in the middle":             {mad: {5}},
		"two of a business":         {mad: {4, 5}},
		"of two businesses":         {mad: {3}, other: {6}},
		"the only one of its own":   {mad: {}, other: {0, 9}},
		"the first and the last":    {mad: {0, 9}},
		"while a processor is new":  {mad: {5}, other: {5}},
		"while two share the group": {mad: {5}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			refused := c.refuse("poison")
			config := func(instance string) processors.Config {
				cfg := c.config(instance)
				cfg.Compression = "none"
				cfg.Deferred.BodyBytesMax = 4 << 10
				return cfg
			}
			want, letters, offset, total := map[string][]string{}, []string{}, 0, 0
			for i := range 10 {
				for _, waba := range []string{mad, other} {
					all := ids(fmt.Sprintf("%s.%d", waba, i), 300)
					if slices.Contains(poisons[waba], i) {
						all[200] = "poison"
						letters = append(letters, fmt.Sprint("raw.live@", offset))
					} else {
						want[waba] = append(want[waba], all...)
						total += len(all)
					}
					c.put(schemas.TopicRawLive, waba, messages(waba, all...))
					offset++
				}
			}
			c.put(schemas.TopicRawBulk, live, chunk(live, 0, 1, 100, "history"))
			var stop func()
			switch name {
			case "while a processor is new":
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() {
					defer close(done)
					for ctx.Err() == nil {
						again := c.run(config("a"))
						select {
						case <-refused: // this one has failed, and another one takes its place
						case <-ctx.Done():
						}
						again()
					}
				}()
				stop = func() { cancel(); <-done }
			case "while two share the group":
				first := c.run(config("a"))
				<-refused
				stop = c.run(config("b"))
				<-refused
				first()
			default:
				stop = c.run(config("a"))
			}
			defer stop()
			n := 0
			got := c.read(schemas.TopicDLQ, func(rs []*kgo.Record) bool {
				c.put(schemas.TopicRawLive, live, echo(live, fmt.Sprint("live.", n)))
				n++
				return len(rs) >= len(letters)
			})
			var told []string
			for _, l := range got {
				told = append(told, fmt.Sprint(headerOf(l, schemas.HeaderDLQTopic), "@", headerOf(l, schemas.HeaderDLQOffset)))
				if reason := headerOf(l, schemas.HeaderDLQReason); reason != string(schemas.ReasonBodyFailed) {
					t.Errorf("a letter's reason is %s", reason)
				}
			}
			slices.Sort(told)
			slices.Sort(letters)
			if !slices.Equal(told, letters) {
				t.Errorf("letters about %v; want %v", told, letters)
			}
			all := map[string][]string{}
			good := 0
			c.read(schemas.TopicMessages, func(rs []*kgo.Record) bool {
				clear(all)
				good = 0
				for _, r := range rs {
					var m schemas.Message
					if err := json.Unmarshal(r.Value, &m); err != nil {
						t.Fatal(err)
					}
					var i int
					if _, err := fmt.Sscanf(m.WAMID[len(m.WABAID):], ".%d.", &i); err != nil {
						t.Fatalf("%s: %v", m.WAMID, err)
					}
					if !slices.Contains(poisons[m.WABAID], i) { // events of a body before its failing part are no fault
						all[m.WABAID] = append(all[m.WABAID], m.WAMID)
						good++
					}
				}
				return good >= total
			})
			for waba, w := range want {
				if !slices.Equal(all[waba], w) {
					t.Errorf("%s: %d messages, want %d in order; first difference at %d", waba, len(all[waba]), len(w), firstDifference(all[waba], w))
				}
			}
			c.read(schemas.TopicHistory, atLeast(1))
			var echoes []string
			for i := range n {
				echoes = append(echoes, fmt.Sprint("live.", i))
			}
			if got := wamids(c.read(schemas.TopicEchoes, atLeast(n))); !slices.Equal(got, echoes) {
				t.Errorf("%d echoes of the other business, want %d; first difference at %d", len(got), n, firstDifference(got, echoes))
			}
		})
	}
}

// TestHeldChunksOfABodyAreNoAttemptsOfTheBody: a body whose chunks leave one after another while a session is careful has not failed as
// often.
func TestHeldChunksOfABodyAreNoAttemptsOfTheBody(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.refuse("poison")
	cfg := c.config("a")
	cfg.Compression = "none"
	var want []string
	var elements [2][]string // of two bodies with alternating chunks
	for order := 2; order <= 9; order++ {
		id := fmt.Sprint("chunk.", order)
		want = append(want, id)
		elements[order%2] = append(elements[order%2], fmt.Sprintf(`{"metadata":{"phase":0,"chunk_order":%d,"progress":%d},"threads":[{"id":"15550199","messages":[{"from":"15550199","id":%q,"timestamp":"1772300000","type":"text","text":{"body":"b"}}]}]}`, order, 10*order, id))
	}
	for _, of := range elements {
		c.put(schemas.TopicRawBulk, "1", body("1", "history", `"history":[`+strings.Join(of, ",")+`]`))
	}
	c.put(schemas.TopicRawBulk, "1", chunk("1", 0, 1, 10, "chunk.1"))
	c.put(schemas.TopicRawBulk, "1", chunk("1", 0, 10, 100, "poison"))
	c.run(cfg)
	letters := c.read(schemas.TopicDLQ, atLeast(1))
	if got := headerOf(letters[0], schemas.HeaderDLQOffset); len(letters) != 1 || got != "3" {
		t.Errorf("%d letters, the first about offset %s; want one about 3", len(letters), got)
	}
	if got := wamids(c.read(schemas.TopicHistory, atLeast(9))); !slices.Equal(got, append([]string{"chunk.1"}, want...)) {
		t.Errorf("history is %v", got)
	}
}

// TestOnlyTheChunkThatFailsIsSetAside: of a body with several chunks, those before and behind a chunk that fails leave.
// It does not matter whether they were held, came in order, belong to several numbers, or came by the live lane.
func TestOnlyTheChunkThatFailsIsSetAside(t *testing.T) {
	element := func(order int, id string) string {
		return fmt.Sprintf(`{"metadata":{"phase":0,"chunk_order":%d,"progress":%d},"threads":[{"id":"15550199","messages":[{"from":"15550199","id":%q,"timestamp":"1772300000","type":"text","text":{"body":"b"}}]}]}`, order, 10*order, id)
	}
	of := func(from, to, poison int) string {
		var all []string
		for order := from; order <= to; order++ {
			id := fmt.Sprint("chunk.", order)
			if order == poison {
				id = "poison"
			}
			all = append(all, element(order, id))
		}
		return body("1", "history", `"history":[`+strings.Join(all, ",")+`]`)
	}
	for name, c := range map[string]struct {
		topic  schemas.Topic
		bodies []string
		poison int
		place  string
	}{
		"held":                {schemas.TopicRawBulk, []string{of(2, 6, 5), chunk("1", 0, 1, 10, "chunk.1")}, 5, "0 element 3"},
		"held, the first one": {schemas.TopicRawBulk, []string{of(2, 6, 2), chunk("1", 0, 1, 10, "chunk.1")}, 2, "0 element 0"},
		"in order":            {schemas.TopicRawBulk, []string{of(1, 6, 4)}, 4, "0 element 3"},
		"the first one":       {schemas.TopicRawBulk, []string{of(1, 6, 1)}, 1, "0 element 0"},
		"in the live lane":    {schemas.TopicRawLive, []string{of(1, 6, 4)}, 4, "0 element 3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cl := newCluster(t)
			cl.refuse("poison")
			cfg := cl.config("a")
			cfg.Compression = "none"
			var want []string
			for order := 1; order <= 6; order++ {
				if order != c.poison {
					want = append(want, fmt.Sprint("chunk.", order))
				}
			}
			for _, b := range c.bodies {
				cl.put(c.topic, "1", b)
			}
			cl.run(cfg)
			letters := cl.read(schemas.TopicDLQ, atLeast(1))
			l := letters[0]
			if got, want := fmt.Sprint(headerOf(l, schemas.HeaderDLQReason), " ", headerOf(l, schemas.HeaderDLQTopic), "@", headerOf(l, schemas.HeaderDLQOffset)), fmt.Sprint("body_failed ", c.topic, "@0"); got != want {
				t.Errorf("the letter is %s, want %s", got, want)
			}
			change, element, _ := strings.Cut(c.place, " ")
			if got := headerOf(l, schemas.HeaderDLQChanges); got != change || !strings.Contains(headerOf(l, schemas.HeaderDLQMessage), element) {
				t.Errorf("the letter names change %q: %s; want %s", got, headerOf(l, schemas.HeaderDLQMessage), c.place)
			}
			if got := wamids(cl.read(schemas.TopicHistory, atLeast(5))); !slices.Equal(got, want) {
				t.Errorf("history is %v, want %v", got, want)
			}
			if letters = cl.read(schemas.TopicDLQ, atLeast(1)); len(letters) != 1 {
				t.Errorf("%d letters, want one", len(letters))
			}
		})
	}
}

// TestAFailingBodyIsFoundWhileTheOtherLaneContinues: live records are committed in each session, also in those that end
// because of the history.
func TestAFailingBodyIsFoundWhileTheOtherLaneContinues(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.refuse("poison")
	cfg := c.config("a")
	cfg.Compression = "none"
	var all []string
	for i := range 2000 { // long enough to be prefetched
		all = append(all, fmt.Sprint("wamid.of.the.past.", i))
	}
	c.put(schemas.TopicRawLive, "1", echo("1", "first"))
	c.put(schemas.TopicRawBulk, "1", chunk("1", 0, 1, 100, append(all, "poison")...))
	c.put(schemas.TopicRawBulk, mate("1"), chunk(mate("1"), 0, 1, 100, "behind"))
	c.run(cfg)
	n := 0
	letters := c.read(schemas.TopicDLQ, func(rs []*kgo.Record) bool {
		c.put(schemas.TopicRawLive, "1", echo("1", fmt.Sprint("live.", n)))
		n++
		return len(rs) > 0
	})
	if got := fmt.Sprint(headerOf(letters[0], schemas.HeaderDLQReason), headerOf(letters[0], schemas.HeaderDLQTopic), headerOf(letters[0], schemas.HeaderDLQOffset)); got != "body_failedraw.bulk0" {
		t.Errorf("the letter is %s", got)
	}
	c.read(schemas.TopicEchoes, atLeast(n+1))
	// The parts of the body that left before the failing part are no fault.
	c.read(schemas.TopicHistory, func(rs []*kgo.Record) bool { return len(rs) > 0 && wamid(rs[len(rs)-1]) == "behind" })
}

// TestAChunkDueBeforeABodyIsNoAttemptOfTheBody: time passes up to the receipt of a body, and a chunk that is due by then fails.
func TestAChunkDueBeforeABodyIsNoAttemptOfTheBody(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.refuse("poison")
	cfg := c.config("a")
	cfg.Compression = "none"
	now := time.Now()
	c.putAt(schemas.TopicRawBulk, "1", chunk("1", 0, 2, 50, "poison"), now.Add(-3*time.Hour)) // its predecessor is given up
	for i := range 3 {
		waba := mate("1")
		c.putAt(schemas.TopicRawBulk, waba, chunk(waba, 0, 1+i, 30*(i+1), fmt.Sprint("behind.", i)), now.Add(-time.Hour))
	}
	c.run(cfg)
	letters := c.read(schemas.TopicDLQ, atLeast(1))
	if got := wamids(c.read(schemas.TopicHistory, atLeast(3))); !slices.Equal(got, []string{"behind.0", "behind.1", "behind.2"}) {
		t.Errorf("history is %v", got)
	}
	letters = append(letters, c.read(schemas.TopicDLQ, atLeast(1))[1:]...)
	for _, l := range letters {
		if got := headerOf(l, schemas.HeaderDLQOffset); got != "0" {
			t.Errorf("a letter about offset %s", got)
		}
	}
}
