package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/internal/testing/kafkacluster"
	"github.com/coexstream/coexstream/internal/testing/required"
	"github.com/coexstream/coexstream/internal/verify/judge"
	"github.com/coexstream/coexstream/schemas"
)

// events are the topics that other teams read.
var events = []schemas.Topic{
	schemas.TopicHistory, schemas.TopicMedia, schemas.TopicContacts, schemas.TopicEchoes, schemas.TopicMessages,
	schemas.TopicAccount, schemas.TopicSyncs, schemas.TopicOther, schemas.TopicDLQ,
}

// Separators that no JSON and no key contains.
const (
	fieldSeparator  = "\x1f"
	recordSeparator = "\x1e"
)

// foreignClientsSee compares what `check` judged with what clients see that share no code with the program.
func foreignClientsSee(t *testing.T, c *kafkacluster.Cluster, s *stage, v judge.Verdict) {
	t.Helper()
	ours := read(t, c.Addrs(), s.prefix)
	for _, topic := range v.Topics {
		if n, ok := ours[s.prefix+topic.Topic]; ok && len(n) != topic.Seen {
			t.Errorf("%s: check saw %d, a reader %d", topic.Topic, topic.Seen, len(n))
		}
	}
	t.Run("kcat", func(t *testing.T) { kcatSees(t, c, ours) })
	t.Run("console consumer", func(t *testing.T) { consoleConsumerSees(t, c, s.prefix, ours) })
}

// read is every committed record of the event topics, by topic: partition, offset, key, value.
func read(t *testing.T, brokers []string, prefix string) map[string]map[string]bool {
	t.Helper()
	var names []string
	for _, topic := range events {
		names = append(names, topic.Name(prefix))
	}
	r, err := kafka.NewReader(kafka.Connection{Brokers: brokers, ClientID: "e2e", DialTimeout: 10 * time.Second, RequestTimeout: time.Minute}, names)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ranges, err := r.Ranges(t.Context(), kafka.FromStart())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]map[string]bool{}
	for _, name := range names {
		seen[name] = map[string]bool{}
	}
	err = r.ReadRanges(t.Context(), ranges, func(rec *kgo.Record) error {
		value := rec.Value
		if value == nil {
			value = []byte("NULL") // a tombstone
		}
		key := rec.Key
		if key == nil {
			key = []byte("NULL")
		}
		seen[rec.Topic][fmt.Sprintf("%d%s%d%s%s%s%s", rec.Partition, fieldSeparator, rec.Offset, fieldSeparator, key, fieldSeparator, value)] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

// same compares two sets of records.
func same(t *testing.T, what string, theirs []string, ours map[string]bool) {
	t.Helper()
	twice := map[string]bool{}
	for _, r := range theirs {
		if !ours[r] || twice[r] {
			t.Errorf("%s: a record that is not ours, or came twice: %.200q", what, r)
			return
		}
		twice[r] = true
	}
	if len(theirs) != len(ours) {
		t.Errorf("%s: %d records, ours are %d", what, len(theirs), len(ours))
	}
}

func split(out []byte) []string {
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == rune(recordSeparator[0]) })
}

func kcatSees(t *testing.T, c *kafkacluster.Cluster, ours map[string]map[string]bool) {
	path, err := kcat(t)
	if err != nil {
		required.LeaveOut(t, fmt.Errorf("kcat cannot be had: %w", err))
	}
	for topic, records := range ours {
		var errs bytes.Buffer
		cmd := exec.CommandContext(t.Context(), path, "-C", "-q", "-e", "-Z", "-o", "beginning", "-b", strings.Join(c.Addrs(), ","), "-t", topic,
			"-X", "isolation.level=read_committed", "-f", strings.Join([]string{"%p", "%o", "%k", "%s"}, fieldSeparator)+recordSeparator)
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("kcat %s: %v\n%s", topic, err, errs.String())
		}
		same(t, "kcat "+topic, split(out), records)
	}
}

// kcat is installed where it is missing and may be.
func kcat(t *testing.T) (string, error) {
	path, err := exec.LookPath("kcat")
	if err == nil || os.Geteuid() != 0 {
		return path, err
	}
	for _, args := range [][]string{{"-q", "update"}, {"-q", "install", "-y", "--no-install-recommends", "kcat"}} {
		cmd := exec.CommandContext(t.Context(), "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("apt-get %s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	return exec.LookPath("kcat")
}

// consoleConsumerSees runs Kafka's own consumer once, over all topics: it prints no topic, but a record is known by
// its partition, offset, key and value.
func consoleConsumerSees(t *testing.T, c *kafkacluster.Cluster, prefix string, ours map[string]map[string]bool) {
	all, names := map[string]bool{}, []string{}
	for topic, records := range ours {
		names = append(names, strings.ReplaceAll(topic, ".", `\.`))
		for r := range records {
			f := strings.SplitN(r, fieldSeparator, 3)
			all["Partition:"+f[0]+fieldSeparator+"Offset:"+f[1]+fieldSeparator+f[2]] = true
		}
	}
	args := []string{"--bootstrap-server", strings.Join(c.Addrs(), ","), "--include", strings.Join(names, "|"), "--from-beginning",
		"--isolation-level", "read_committed", "--timeout-ms", "20000", "--group", prefix + "console"}
	for _, property := range []string{"print.partition=true", "print.offset=true", "print.key=true", "null.literal=NULL",
		"key.separator=" + fieldSeparator, "line.separator=" + recordSeparator} {
		args = append(args, "--formatter-property", property)
	}
	var errs bytes.Buffer
	cmd := c.Tool(t.Context(), "org.apache.kafka.tools.consumer.ConsoleConsumer", args...)
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("console consumer: %v\n%s", err, errs.String())
	}
	same(t, "console consumer", split(out), all)
}
