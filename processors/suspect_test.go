package processors_test

import (
	"bytes"
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
	"github.com/coexstream/coexstream/schemas"
)

// refuse lets the broker refuse produce requests in which a word stands.
func (c *cluster) refuse(word string) {
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
		return resp, nil, true
	})
}

// What the brokers refuse of a body would end one session after another. The body is set aside, with its place, and what
// waits behind it, in its partition and in others, goes on.
func TestABodyThatFailsItsTransactionIsSetAside(t *testing.T) {
	for name, poison := range map[schemas.Topic]string{
		schemas.TopicRawLive: echo("1", "poison"),
		schemas.TopicRawBulk: chunk("1", 0, 1, 50, "poison"),
	} {
		t.Run(name.String(), func(t *testing.T) {
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
	c := newCluster(t)
	note := kadm.Offset{Topic: schemas.TopicRawBulk.Name("coex."), Partition: kafka.Partition([]byte("1"), partitions), LeaderEpoch: -1, Metadata: `{"at":[0,0,0],"sessions":5}`}
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
	c := newCluster(t)
	a := c.start(c.config("a"))
	eventually(t, "it is ready", func() bool { return a.Ready() == nil })
	for range 2 {
		b := c.start(c.config("b"))
		eventually(t, "both have partitions", func() bool {
			return a.value(t, "tasks") == partitions/2 && b.value(t, "tasks") == partitions/2 && b.Ready() == nil
		})
		b.stop()
		eventually(t, "one has them all", func() bool { return a.value(t, "tasks") == partitions && a.Ready() == nil })
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
		var note struct{ Sessions int }
		if err := json.Unmarshal([]byte(o.Metadata), &note); err != nil {
			t.Fatal(err)
		}
		if n++; note.Sessions != 1 {
			t.Errorf("partition %d: %d sessions", o.Partition, note.Sessions)
		}
	})
	if n != partitions {
		t.Errorf("%d notes", n)
	}
}

// A note has an offset of raw.bulk. Where the log of that is shorter than another one, the note is not beyond its end: a
// broker that was killed would take the log for one that was cut.
func TestANoteIsNotBeyondTheEndOfTheLog(t *testing.T) {
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
