package app

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/testing/long"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/segment"
)

// segmentsIn counts the segments in a topic that has so many bodies.
func segmentsIn(t *testing.T, brokers, topic string, wholes int) (n int) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	for wholes > 0 {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("%s: %d bodies were not found", topic, wholes)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			s, is, err := segment.Of(func(name string) []byte {
				for _, h := range r.Headers {
					if h.Key == name {
						return h.Value
					}
				}
				return nil
			})
			if err != nil {
				t.Errorf("%s/%d@%d: %v", topic, r.Partition, r.Offset, err)
			}
			if is {
				n++
			}
			if !is || s.Last() {
				wholes--
			}
		})
	}
	return n
}

// On a cluster whose records are far shorter than the bodies everything works as on any other.
func TestBodiesLongerThanARecordGoTheWholeWay(t *testing.T) {
	long.Test(t)
	t.Parallel()
	up := startUp(t, t.TempDir(), append(eachBodyOnce, "--set", "topics.max_message_bytes=128KiB")...)
	defer up.signal(syscall.SIGTERM)
	// No body has parts of several businesses: whether such a part overtakes another body of its business depends on
	// when it is processed, and a replay decides it anew.
	up.want(ExitOK, "given up       0", "simulate", "--businesses", "2", "--messages", "30000", "--mixed", "0", "--several", "0", "--late-holes", "0",
		"--chunk-bytes-min", "1000000", "--chunk-bytes-max", "3000000", "--seed", "7")
	up.want(ExitOK, "OK: 0 lost, 0 duplicated, 0 out of order", "check", "--validate-every", "0")
	brokers := up.running().Defaults["kafka.brokers"]
	bulk := schemas.TopicRawBulk.String()
	if n := segmentsIn(t, brokers, "coex."+bulk, len(committed(t, brokers, "coex."+bulk))); n < 20 {
		t.Errorf("%s has %d segments", bulk, n)
	}

	up.want(ExitOK, "", "topics", "create", "--prefix", "again.")
	stop := up.beside("process", "--prefix", "again.", "--set", "processor.group_id=again", "--set", "admin.listen=")
	up.want(ExitOK, "", "replay", "--to", "again.", "--verify-signatures")
	agree(t, brokers, "coex.", "again.", true)
	if n := segmentsIn(t, brokers, "again."+bulk, len(committed(t, brokers, "again."+bulk))); n < 10 {
		t.Errorf("the replay wrote %d segments", n)
	}
	stop()

	// A dead letter is as long as its body, and so is what a requeue writes.
	url, secret := up.credentials()
	before := len(up.letters(len(committed(t, brokers, "coex.dlq"))))
	poison := `{"object":"whatsapp_business_account","entry":[{"id":"42",` + text(2<<20)
	if status := post(t, url, secret, poison); status != http.StatusOK {
		t.Fatal(status)
	}
	up.letters(before + 1)
	letter := up.letters(1, "--waba", "42")[0]
	if out := up.want(ExitOK, "", "dlq", "show", letter.Place, "--raw"); out != poison {
		t.Errorf("the letter has %d bytes, want %d", len(out), len(poison))
	}
	up.want(ExitOK, "1 letter requeued", "dlq", "requeue", letter.Place)
	for _, l := range up.letters(2, "--waba", "42") {
		if l.Bytes != len(poison) {
			t.Errorf("a letter has %d bytes, want %d", l.Bytes, len(poison))
		}
	}
	if out, _ := up.run("topics", "verify", "--set", "topics.max_message_bytes=1MiB"); !strings.Contains(out, "longer bodies travel in segments") {
		t.Errorf("verify says\n%s", out)
	}
}

// text hardly becomes shorter by compression.
func text(n int) string {
	rng := rand.New(rand.NewPCG(1, 1))
	var b strings.Builder
	for b.Len() < n {
		fmt.Fprintf(&b, "%x", rng.Uint64())
	}
	return b.String()
}
