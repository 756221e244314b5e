package processors_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

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

// So is one that waits for a turn, and leaves in parts.
func TestADeferredBodyThatFailsIsSetAside(t *testing.T) {
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
