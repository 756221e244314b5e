package e2e

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/replay/replaytest"
	"github.com/coexstream/coexstream/internal/testing/kafkacluster"
)

// A world with everything in it that is hard to replay: broken bodies, and bodies of several businesses.
func TestReplayDeadLettersAndDoctor(t *testing.T) {
	c := cluster(t)
	s := newStage(t, c.Addrs(), 3, 2)
	s.up()
	// No chunk shares its body with echoes: which of an echo and its edit is read first would depend on the lanes.
	truth, report := s.simulate(world{seed: 31, businesses: 5, messages: 6000, live: 800, contact: 400,
		more: []string{"--broken", "12", "--several", "0.1", "--mixed", "0"}})
	s.check(truth)
	s.bounded(report)

	s.replays(c, "replayed.")
	s.requeues()
	s.examined(c)
	s.down()
}

// replays replays everything into another prefix, where a processor has to come to the same events.
func (s *stage) replays(c *kafkacluster.Cluster, name string) {
	s.t.Helper()
	prefix := s.prefix + name
	s.must("topics", "create", "--prefix", prefix)
	again := s.start("replaying", "process", "--prefix", prefix, "--set", "processor.group_id="+prefix)
	again.awaitReady()
	s.must("replay", "--to", prefix, "--verify-signatures")
	var left []string
	// Events that were rerouted have no promised order, and are compared without it.
	until(s.t, "the replay has the same events", func() bool {
		left = s.differences(c, prefix)
		return len(left) == 0
	}, func() { s.t.Logf("%s", strings.Join(left, "\n")) })
	again.stop()
}

// differences are those between the events of the stage and those of a replay of it.
func (s *stage) differences(c *kafkacluster.Cluster, prefix string) (all []string) {
	s.t.Helper()
	for _, topic := range replaytest.Topics() {
		of := func(prefix string) (records []*kgo.Record) {
			eachRecord(s.t, c, []string{topic.Name(prefix)}, kgo.ReadCommitted(), func(r *kgo.Record) { records = append(records, r) })
			return records
		}
		all = append(all, replaytest.Compare(topic, of(s.prefix), of(prefix), true)...)
	}
	return all
}

// letter is what `dlq list` says of a dead letter.
type letter struct {
	Place, State, Origin string
	Attempts, Bytes      int
}

func (s *stage) letters(filter ...string) (list []letter) {
	s.t.Helper()
	out := s.must(append([]string{"dlq", "list", "--output", "json"}, filter...)...)
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		s.t.Fatalf("dlq list: %v\n%s", err, out)
	}
	return list
}

// requeues gives one dead letter another try. It fails again, and comes back as the second attempt.
func (s *stage) requeues() {
	s.t.Helper()
	before := s.letters()
	if len(before) == 0 {
		s.t.Fatal("there is no dead letter")
	}
	first := before[0]
	if first.State != "open" || first.Attempts != 1 {
		s.t.Errorf("a letter that nobody touched is %+v", first)
	}
	if out := s.must("dlq", "requeue", first.Place); !strings.Contains(out, "attempt 2") || !strings.Contains(out, "1 letter requeued") {
		s.t.Errorf("dlq requeue says\n%s", out)
	}
	var after []letter
	until(s.t, "the letter is back", func() bool {
		after = s.letters()
		return len(after) > len(before)
	})
	second := 0
	for _, l := range after {
		switch {
		case l.Attempts == 2 && l.Origin == first.Origin && l.Bytes == first.Bytes && l.State == "open":
			second++
		case l.Place == first.Place && l.State != "requeued":
			s.t.Errorf("the letter that was requeued is %+v", l)
		}
	}
	if second != 1 || len(after) != len(before)+1 {
		s.t.Errorf("%d second attempts of %+v among %d letters, which were %d", second, first, len(after), len(before))
	}
	if out := s.must("dlq", "requeue", first.Place); !strings.Contains(out, "0 letters requeued") {
		s.t.Errorf("the same letter once more:\n%s", out)
	}
}

// examined lets the doctor look at the cluster while it is well, while a broker is dead, and when it is back.
func (s *stage) examined(c *kafkacluster.Cluster) {
	s.t.Helper()
	// The disks of the machine are its own affair.
	doctor := func(more ...string) (string, int) {
		args := append([]string{"doctor", "--skip", "disk", "--timeout", "60s"}, more...)
		for _, p := range append([]*program{s.ingress}, s.processors...) {
			args = append(args, "--admin", "http://"+p.admin)
		}
		out, errs, code := s.run(args...)
		return out + errs, code
	}
	if out, code := doctor(); code != 0 || !strings.Contains(out, "have a leader and all replicas in sync") || !strings.Contains(out, "2 processors serve") {
		s.t.Errorf("all is well: exit code %d\n%s", code, out)
	}
	const victim = 1
	if err := c.Broker(victim).Kill(); err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	if err := c.AwaitLeaders(ctx, ""); err != nil {
		s.t.Fatal(err)
	}
	told := func(out string) bool {
		return strings.Contains(out, "partitions are under-replicated") && strings.Contains(out, "warn  brokers       "+c.Addrs()[victim]+": no answer")
	}
	var out string
	until(s.t, "the doctor names what the dead broker leaves behind", func() bool {
		var code int
		out, code = doctor("--strict")
		return code == 3 && told(out)
	}, func() { s.t.Logf("%s", out) })
	if strings.Contains(out, "all replicas in sync") {
		s.t.Errorf("a broker is dead:\n%s", out)
	}
	if err := c.Broker(victim).Start(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	inSync(s.t, c)
	until(s.t, "the doctor is content again", func() bool {
		var code int
		out, code = doctor()
		return code == 0 && !told(out) && strings.Contains(out, "all replicas in sync")
	}, func() { s.t.Logf("%s", out) })
}
