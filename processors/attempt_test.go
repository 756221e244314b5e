package processors

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/processors/partition"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

var updateAttempts = flag.Bool("update", false, "write testdata/attempts.txt anew")

// memoryLog is a log of notes in memory. It can be unreachable.
type memoryLog struct {
	notes map[int32]attempt
	away  bool
}

var errAway = errors.New("away")

func (l *memoryLog) read(context.Context) (map[int32]attempt, error) {
	if l.away {
		return nil, errAway
	}
	return maps.Clone(l.notes), nil
}

func (l *memoryLog) write(_ context.Context, notes map[int32]attempt) error {
	if l.away {
		return errAway
	}
	maps.Copy(l.notes, notes)
	return nil
}

// TestAttempts runs testdata/attempts.txt: each line has an event and, behind the arrow, the resulting note.
func TestAttempts(t *testing.T) {
	const file = "testdata/attempts.txt"
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	log, book := &memoryLog{notes: map[int32]attempt{}}, newNotebook()
	by, sessions := "", 0
	for line := range strings.Lines(string(want)) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), " ->")
		if line == "" || line[0] == '#' {
			fmt.Fprintln(&got, line)
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		says := ""
		ctx := t.Context()
		alone := func(topic schemas.Topic, kind pieceKind, format string, into func(*piece) []any) {
			what := piece{Kind: kind, Topic: topic.String()}
			if _, err := fmt.Sscanf(rest, format, into(&what)...); err != nil {
				t.Fatal(err)
			}
			if says = "tried"; book.alone(ctx, log, 7, what) {
				says = "set aside"
			}
		}
		record := func(topic schemas.Topic) {
			alone(topic, pieceRecord, "%d", func(p *piece) []any { return []any{&p.Offset} })
		}
		switch word {
		case "new":
			log, book = &memoryLog{notes: map[int32]attempt{}}, newNotebook()
		case "begin":
			p := beginning{waits: [3]bool{true, true, true}}
			where, what, _ := strings.Cut(rest, ", ")
			if _, err := fmt.Sscan(where, &p.at[0], &p.at[1], &p.at[2]); err != nil {
				t.Fatal(err)
			}
			switch what {
			case "":
			case "backlog":
				p.backlog = true
			case "idle":
				p.waits = [3]bool{}
			default:
				t.Fatalf("%q is nothing that waits", what)
			}
			sessions++
			by = fmt.Sprint("session ", sessions)
			notes, err := book.begin(ctx, log, by, map[int32]beginning{7: p})
			if err != nil {
				t.Fatal(err)
			}
			note := notes[7]
			var lanes [lanesCount]string
			for l, careful := range note.careful() {
				if lanes[l] = fmt.Sprint(note.Sessions[l]-1, " failed"); careful {
					lanes[l] += ", careful"
				}
			}
			if says = lanes[laneLive]; says != lanes[laneBacklog] {
				says = fmt.Sprintf("live %s; backlog %s", lanes[laneLive], lanes[laneBacklog])
			}
		case "live":
			record(schemas.TopicRawLive)
		case "rerouted":
			record(schemas.TopicRerouted)
		case "bulk":
			record(schemas.TopicRawBulk)
		case "held":
			alone(schemas.TopicRawBulk, pieceHeld, "%d %d.%d+%d", func(p *piece) []any { return []any{&p.Offset, &p.Change, &p.Item, &p.From} })
		case "part":
			alone(schemas.TopicRawLive, piecePart, "%d %d.%d", func(p *piece) []any { return []any{&p.Offset, &p.Change, &p.Item} })
		case "relax":
			l := laneLive
			if rest == laneBacklog.String() {
				l = laneBacklog
			}
			if err := book.relax(ctx, log, 7, l); err != nil {
				t.Fatal(err)
			}
		case "got":
			book.change(7, attempt.got)
		case "end":
			if err := book.end(ctx, log, by, nil, outcome(rest)); err != nil {
				t.Fatal(err)
			}
		case "unwritten":
			log.away = true
			if err := book.end(ctx, log, by, nil, outcome(rest)); !errors.Is(err, errAway) {
				t.Fatal(err)
			}
			log.away = false
		case "die", "elsewhere":
			book = newNotebook()
		default:
			t.Fatalf("%q is no event", line)
		}
		if says != "" {
			says = " -> " + says
		}
		fmt.Fprintf(&got, "%s%s\n", line, says)
	}
	if *updateAttempts {
		if err := os.WriteFile(file, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("it is\n%s", got.String())
	}
}

// A session whose partitions another one has by now notes nothing of them.
func TestASessionThatLostAPartitionNotesNothingOfIt(t *testing.T) {
	log := &memoryLog{notes: map[int32]attempt{}}
	mine, other := newNotebook(), newNotebook()
	places := map[int32]beginning{1: {}, 2: {}}
	for by, b := range map[string]*notebook{"mine": mine} {
		if _, err := b.begin(t.Context(), log, by, places); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := other.begin(t.Context(), log, "other", map[int32]beginning{2: {}}); err != nil {
		t.Fatal(err)
	}
	if err := mine.end(t.Context(), log, "mine", nil, outcomeBlameless); err != nil {
		t.Fatal(err)
	}
	if log.notes[1].End != outcomeBlameless || log.notes[2].End != outcomeNone || log.notes[2].By != "other" {
		t.Errorf("the notes are %+v", log.notes)
	}
}

// A try whose note cannot be written does not count, so the body is not set aside.
func TestATryThatCannotBeNotedDoesNotCount(t *testing.T) {
	log, b := &memoryLog{notes: map[int32]attempt{}}, newNotebook()
	if _, err := b.begin(t.Context(), log, "s", map[int32]beginning{7: {}}); err != nil {
		t.Fatal(err)
	}
	log.away = true
	for range 2 * failedSessionsMax {
		if b.alone(t.Context(), log, 7, piece{Topic: "raw.live", Offset: 1}) {
			t.Fatal("set aside")
		}
	}
}

func TestTheNoteOfManyTriesFitsAnOffsetsMetadata(t *testing.T) {
	a := attempt{At: [3]int64{1 << 60, 1 << 60, 1 << 60}, End: outcomeBlameless, By: rand.Text()}
	for i := range 1000 {
		a, _ = a.alone(piece{Kind: pieceHeld, Topic: "raw.bulk", Offset: 1<<60 - int64(i), Change: 1 << 15, Item: 1 << 30, From: 1 << 30})
	}
	b, err := json.Marshal(a)
	if err != nil || len(b) > 4096 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

// Only what a body can have brought about counts.
func TestOutcomes(t *testing.T) {
	const timeout = time.Minute
	for _, c := range []struct {
		err    error
		worked time.Duration
		want   outcome
	}{
		{nil, 0, outcomeBlameless}, // a stop, or an abort by a rebalance
		{fmt.Errorf("produce coex.echoes/1: %w", kerr.MessageTooLarge), time.Second, outcomeFailed},
		{fmt.Errorf("produce coex.echoes/1: %w", kerr.InvalidRecord), time.Second, outcomeFailed},
		{fmt.Errorf("%w: an index", errPanic), 0, outcomeFailed},
		{kerr.ProducerFenced, time.Second, outcomeBlameless},
		{kerr.InvalidProducerEpoch, time.Second, outcomeBlameless},
		{kerr.InvalidProducerEpoch, timeout, outcomeFailed}, // the brokers ended a transaction that took too long
		{nil, 2 * timeout, outcomeFailed},
		{kerr.IllegalGeneration, time.Second, outcomeBlameless},
		{kerr.UnknownMemberID, time.Second, outcomeBlameless},
		{kerr.FencedInstanceID, time.Second, outcomeBlameless},
		{kerr.BrokerNotAvailable, time.Second, outcomeBlameless},
		{kerr.NotEnoughReplicas, time.Second, outcomeBlameless},
		{context.DeadlineExceeded, time.Second, outcomeBlameless}, // acknowledgements that did not come
	} {
		if got := outcomeOf(c.err, c.worked, timeout); got != c.want {
			t.Errorf("after %v, and %v of work, it is %q, want %q", c.err, c.worked, got, c.want)
		}
	}
}

func TestAPanicIsAnErrorThatNamesTheRecord(t *testing.T) {
	part, err := partition.New(partitionOfOne())
	if err != nil {
		t.Fatal(err)
	}
	part.Begin(func(r partition.Record) {
		if r.Topic == schemas.TopicState {
			panic("an index out of range")
		}
	}, &partition.Workspace{})
	body, err := split.NewScanner(split.Limits{}).Scan([]byte(`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"91"},"messages":[{"id":"m"}]}}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	part.Webhook(&partition.Origin{Label: []byte("raw.live/0/7")}, body)
	for name, do := range map[string]func(*runner) error{
		"at the end of a transaction": func(r *runner) error { return (&txnWork{runners: []*runner{r}}).flush(1) },
		"when time passes":            func(r *runner) error { return r.tick(time.Unix(1, 0)) },
		"in the live lane": func(r *runner) (err error) {
			defer r.recovered(&err)
			panic("an index out of range")
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := &runner{partition: 3, core: part, now: time.Now}
			if name == "when time passes" {
				r.core = nil
			}
			r.under.topic, r.under.offset = schemas.TopicRawBulk, 7
			err := do(r)
			if !errors.Is(err, errPanic) || !attributable(err) || !strings.Contains(err.Error(), "offset 7 of raw.bulk/3") {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

// A panic in the work of one partition makes no other partition careful. Other failures may be due to any of them.
func TestAPanicCountsForItsPartitionAlone(t *testing.T) {
	for name, c := range map[string]struct {
		err     error
		careful []int32
	}{
		"a panic":                  {fmt.Errorf("work: %w", &panicked{2, errPanic}), []int32{2}},
		"a record that is refused": {kerr.InvalidRecord, []int32{1, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			p := &Processor{cfg: DefaultConfig(), log: slog.New(slog.DiscardHandler), notes: newNotebook()}
			log := &memoryLog{notes: map[int32]attempt{}}
			waiting := beginning{at: [3]int64{5, 0, 0}, waits: [3]bool{true, false, false}}
			var notes map[int32]attempt
			for i := range failedSessionsMax + 1 {
				s := &session{p: p, cfg: &p.cfg, by: fmt.Sprint("session ", i), noteLog: log}
				var err error
				if notes, err = p.notes.begin(t.Context(), log, s.by, map[int32]beginning{1: waiting, 2: waiting}); err != nil {
					t.Fatal(err)
				}
				s.noteEnds(c.err)
			}
			var careful []int32
			for _, partition := range []int32{1, 2} {
				if note := notes[partition]; note.careful()[laneLive] {
					careful = append(careful, partition)
				}
			}
			if !slices.Equal(careful, c.careful) {
				t.Errorf("careful are %v, want %v", careful, c.careful)
			}
		})
	}
}

// The tail of rerouted may hold records of aborted transactions, which nobody reads.
func TestAbortedRecordsOfReroutedDoNotWait(t *testing.T) {
	t.Parallel()
	topic := schemas.TopicRerouted.Name("coex.")
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	client := func(opts ...kgo.Opt) *kgo.Client {
		t.Helper()
		cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(k.ListenAddrs()...), kgo.DefaultProduceTopic(topic))...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cl.Close)
		return cl
	}
	producer := client(kgo.TransactionalID("p"))
	end := int64(0)
	transaction := func(commit kgo.TransactionEndTry) {
		t.Helper()
		if err := producer.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := producer.ProduceSync(t.Context(), kgo.StringRecord("r")).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		if err := producer.EndTransaction(t.Context(), commit); err != nil {
			t.Fatal(err)
		}
		end += 4 // and its marker
	}
	cfg := DefaultConfig()
	part, err := partition.New(partitionOfOne())
	if err != nil {
		t.Fatal(err)
	}
	waits := func(from int64) bool {
		r := &runner{fetcher: kafka.NewFetcher(client()), names: topicNames(&cfg), core: part}
		r.position[schemas.TopicRerouted], r.ends[schemas.TopicRerouted] = from, end
		at := slices.Index(schemas.Inputs(), schemas.TopicRerouted)
		return r.beginning(t.Context()).waits[at]
	}
	transaction(kgo.TryCommit)
	behind := end
	transaction(kgo.TryAbort)
	transaction(kgo.TryAbort)
	if waits(behind) || waits(behind-1) {
		t.Error("aborted records and markers wait")
	}
	if !waits(behind - 2) {
		t.Error("a committed record before them does not wait")
	}
	transaction(kgo.TryCommit)
	if !waits(behind) {
		t.Error("a committed record behind them does not wait")
	}
}

func partitionOfOne() partition.Config {
	cfg := partition.DefaultConfig()
	cfg.Partitions, cfg.PartitionOf = 1, func([]byte) int32 { return 0 }
	return cfg
}
