package app

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/replay"
	"github.com/coexstream/coexstream/internal/replay/replaytest"
	"github.com/coexstream/coexstream/internal/testing/long"
	"github.com/coexstream/coexstream/schemas"
)

// archived waits until the archive holds all records of the topics without compaction.
func (p *process) archived() (r archiveReport) {
	p.t.Helper()
	brokers := p.running().Defaults["kafka.brokers"]
	last := map[string]map[int32]int64{} // offsets, by topic and partition
	for _, topic := range schemas.Topics() {
		if topic.Compacted() || topic == schemas.TopicRerouted {
			continue
		}
		last[topic.String()] = map[int32]int64{}
		for _, rec := range committed(p.t, brokers, topic.Name("coex.")) {
			last[topic.String()][rec.Partition] = rec.Offset
		}
	}
	p.until("the archive holds all records", func() bool {
		out, code := p.run("sink", "archive", "ls", "--output", "json")
		if r = (archiveReport{}); code != ExitOK || json.Unmarshal([]byte(out), &r) != nil {
			return false
		}
		next := map[string]map[int32]int64{}
		for _, c := range r.Chains {
			if next[c.Topic] == nil {
				next[c.Topic] = map[int32]int64{}
			}
			if c.Log == p.logOf(&r, c.Topic) {
				next[c.Topic][c.Partition] = c.Next
			}
		}
		for topic, partitions := range last {
			for id, offset := range partitions {
				if next[topic][id] <= offset {
					return false
				}
			}
		}
		return true
	})
	return r
}

// logOf is the newest log of a topic in the archive.
func (p *process) logOf(r *archiveReport, topic string) (log string) {
	newest := archivedChain{}
	for _, c := range r.Chains {
		if c.Topic == topic && !c.Newest.Before(newest.Newest) {
			newest = c
		}
	}
	return newest.Log
}

// counts of a dry run, which do not say where the records were.
func (p *process) counts(args ...string) replay.Counts {
	p.t.Helper()
	out, code := p.run(append([]string{"replay", "--dry-run", "--output", "json"}, args...)...)
	_, out, _ = strings.Cut(out, "\n") // the progress
	var progress replay.Progress
	if err := json.Unmarshal([]byte(out), &progress); err != nil || code != ExitOK {
		p.t.Fatalf("replay %v: %d, %v\n%s", args, code, err, out)
	}
	return progress.Counts
}

// wiped stops up, deletes the broker's data, and starts it again.
func (p *process) wiped(args ...string) *process {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	for _, name := range []string{"broker", readModelName, readModelName + "-wal", readModelName + "-shm"} {
		if err := os.RemoveAll(filepath.Join(p.dir, "data", name)); err != nil {
			p.t.Fatal(err)
		}
	}
	return startUp(p.t, p.dir, args...)
}

// TestWhatWasArchivedOutlivesKafka archives whole onboardings, deletes the data of Kafka, and replays them from the archive, twice.
func TestWhatWasArchivedOutlivesKafka(t *testing.T) {
	long.Test(t)
	t.Parallel()
	dir := t.TempDir()
	folder := filepath.Join(dir, "the archive")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	text := "sink:\n  archive: {enabled: true, url: \"file://" + folder + "\", rotation: 1s, parquet: [events, raw.live]}\n"
	if err := os.WriteFile(filepath.Join(dir, "coexstream.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	up := append(slices.Clone(eachBodyOnce), "--set", "topics.max_message_bytes=128KiB") // longer bodies are in segments
	p := startUp(t, dir, up...)
	address, secret := p.credentials() // the first start alone prints them
	ingress := p.running().Ingress
	if out, code := p.run("simulate", "--businesses", "4", "--messages", "6000", "--live", "300", "--contacts", "300", "--chunk-bytes-max", "600000", "--mixed", "0", "--seed", "7"); code != ExitOK {
		t.Fatalf("simulate: %d\n%s", code, out)
	}
	p.want(ExitOK, "", "check", "--validate-every", "0")
	first := map[schemas.Topic][]*kgo.Record{}
	brokers := p.running().Defaults["kafka.brokers"]
	for _, topic := range replaytest.Topics() {
		first[topic] = committed(t, brokers, topic.Name("coex."))
	}
	bulk := schemas.TopicRawBulk.Name("coex.")
	if segmentsIn(t, brokers, bulk, len(committed(t, brokers, bulk))) == 0 {
		t.Error("no body is in segments")
	}
	p.archived()
	p.want(ExitOK, ": OK, ", "sink", "archive", "verify")

	// Each filter takes the same bodies from the archive as from Kafka.
	all := p.counts()
	var waba string
	for w := range all.ByWABA {
		waba = max(waba, w)
	}
	lane := "raw.live/0"
	for _, filter := range [][]string{
		nil, {"--verify-signatures"}, {"--waba", waba}, {"--field", "history"}, {"--field", "messages", "--waba", waba}, {"--number", "x"}, {"--since", "10m"}, {"--until", "10m"},
		{"--since", "10m", "--until", "1ms"}, {"--offsets", lane + ":3-20"}, {"--offsets", lane + ":5-", "--offsets", "raw.bulk/1:-3"}, {"--include-copies"}, {"--wamid", "x"},
	} {
		if kafka, archive := p.counts(filter...), p.counts(append(filter, "--from-archive")...); !reflect.DeepEqual(kafka, archive) {
			t.Errorf("%v: from the archive %+v, from Kafka %+v", filter, archive, kafka)
		}
	}
	if all.Taken.Bodies == 0 || p.counts("--from-archive", "--verify-signatures").Verified != all.Taken.Bodies {
		t.Errorf("of %d bodies, not all signatures verify", all.Taken.Bodies)
	}

	p = p.wiped(up...)
	p.want(ExitOK, "signatures", "replay", "--from-archive", "--to", "coex.", "--verify-signatures")
	p.want(ExitOK, "", "check", "--validate-every", "0")
	brokers = p.running().Defaults["kafka.brokers"]
	settles(t, "the events before and after the loss", func() (differences []string) {
		for _, topic := range replaytest.Topics() {
			differences = append(differences, replaytest.Compare(topic, first[topic], committed(t, brokers, topic.Name("coex.")), true)...)
		}
		return differences
	})

	// Later records are in other logs of the same topics.
	if status := post(t, p.running().Ingress+strings.TrimPrefix(address, ingress), secret, exampleBody); status != http.StatusOK {
		t.Fatal(status)
	}
	p.until("has the message", func() bool { return len(p.ofExample()) == 1 })
	p.archived()
	p.want(ExitOK, ": OK, ", "sink", "archive", "verify")
	p = p.wiped(up...)
	if out := p.want(ExitOK, "", "replay", "--from-archive", "--to", "coex."); strings.Count(out, "replayed") != 2 {
		t.Errorf("there are two logs of each topic:\n%s", out)
	}
	p.until("has the message again", func() bool { return len(p.ofExample()) == 1 })
	p.want(ExitOK, "", "check", "--validate-every", "0")
	p.archived()
	p.archiveFaultsAreFound(folder)
	p.signal(syscall.SIGTERM)
}

// ofExample are the events of exampleBody.
func (p *process) ofExample() []*kgo.Record {
	p.t.Helper()
	return slices.DeleteFunc(committed(p.t, p.running().Defaults["kafka.brokers"], schemas.TopicMessages.Name("coex.")), func(r *kgo.Record) bool {
		return !strings.Contains(string(r.Value), "wamid.EXAMPLE1")
	})
}

// archiveFaultsAreFound damages the archive.
func (p *process) archiveFaultsAreFound(folder string) {
	p.t.Helper()
	var objects []string
	err := filepath.WalkDir(filepath.Join(folder, "coex.messages"), func(path string, e fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".parquet") {
			objects = append(objects, path)
		}
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	if len(objects) == 0 {
		p.t.Fatal("nothing of messages is archived")
	}
	content, err := os.ReadFile(objects[0])
	if err != nil {
		p.t.Fatal(err)
	}
	bad := slices.Clone(content)
	bad[len(bad)-1] ^= 1
	if err := os.WriteFile(objects[0], bad, 0o600); err != nil {
		p.t.Fatal(err)
	}
	p.want(ExitFaults, ": damaged: ", "sink", "archive", "verify", "messages")
	p.want(ExitOK, ": OK, ", "sink", "archive", "verify", "messages", "--quick")
	if err := os.WriteFile(objects[0], content, 0o600); err != nil {
		p.t.Fatal(err)
	}
	p.want(ExitOK, ": OK, ", "sink", "archive", "verify", "messages")
}

func TestTheArchiveCommandsSayWhatIsMissing(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("SKIP: runs the binary")
	}
	p := startUp(t, t.TempDir(), "--set", "sink.archive.enabled=true", "--set", "sink.archive.url=file:///nowhere/at/all")
	defer p.signal(syscall.SIGTERM)
	if !regexp.MustCompile(`"msg":"nothing is archived".*nowhere`).MatchString(p.stderr.String()) {
		t.Errorf("up does not say that nothing is archived:\n%s", p.stderr)
	}
	p.want(ExitUsage, "no archive is given", "sink", "archive", "ls")
	p.want(ExitUsage, "no archive is given", "replay", "--from-archive", "--dry-run")
	p.want(ExitUsage, "--archive-url needs --from-archive", "replay", "--dry-run", "--archive-url", "file:///tmp")
	p.want(ExitUsage, "three slashes", "sink", "archive", "ls", "--url", "file://tmp/x")
	p.want(ExitUsage, "raw.live, raw.bulk", "sink", "archive", "ls", "raw.dead", "--url", "file:///tmp")
	p.want(ExitFailure, "has no raw records", "replay", "--from-archive", "--dry-run", "--archive-url", "file://"+t.TempDir())
	p.want(ExitUsage, "true with sink.archive.url", "up", "--set", "sink.archive.enabled=true")
	if _, err := os.Stat("/nowhere"); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the folder of the archive was made")
	}
}
