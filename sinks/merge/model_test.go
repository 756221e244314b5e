package merge_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/event"
	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/merge"
	"github.com/coexstream/coexstream/sinks/sinktest"
)

// save is what a target does: it reads rows, joins, and writes.
func save[K comparable, T any, P interface {
	*T
	Join(*T) bool
}](to, from map[K]*T) {
	for key, row := range from {
		was, ok := to[key]
		if !ok {
			to[key] = row
			continue
		}
		before := *was
		if changed := P(was).Join(row); changed == reflect.DeepEqual(before, *was) {
			panic(fmt.Sprintf("Join says %v: %+v became %+v", changed, before, *was))
		}
	}
}

func apply(to, r *merge.Rows) {
	save(to.Messages, r.Messages)
	save(to.Participants, r.Participants)
	save(to.Reactions, r.Reactions)
	save(to.Contacts, r.Contacts)
	save(to.Numbers, r.Numbers)
	save(to.Businesses, r.Businesses)
	save(to.Syncs, r.Syncs)
	save(to.Notes, r.Notes)
	save(to.Assets, r.Assets)
}

// play reads the logs in an order of its own: between topics any, within one that of the log. Some is read again.
func play(t *testing.T, w *sinktest.World, rng *rand.Rand) *merge.Rows {
	t.Helper()
	const partition = 3
	all := merge.NewRows()
	next := map[schemas.Topic]int{}
	for {
		var open []schemas.Topic
		for _, topic := range sinks.TableTopics() {
			if next[topic] < len(w.Log(topic, partition)) {
				open = append(open, topic)
			}
		}
		if len(open) == 0 {
			return all
		}
		batch := merge.NewRows()
		for range 1 + rng.IntN(20) {
			topic := open[rng.IntN(len(open))]
			log := w.Log(topic, partition)
			if next[topic] == len(log) {
				continue
			}
			r := log[next[topic]]
			e, err := event.Read(topic, r.Key, r.Headers, r.Value)
			if err != nil {
				t.Fatalf("%v\n%s", err, r.Value)
			}
			batch.Add(&e, merge.Place{Partition: r.Partition, Offset: r.Offset})
			next[topic]++
		}
		apply(all, batch)
		if rng.IntN(4) == 0 { // as after a crash, or when offsets are set back
			topic := open[rng.IntN(len(open))]
			next[topic] = rng.IntN(next[topic] + 1)
		}
	}
}

// threads are the chats of rows.
func threads(r *merge.Rows) map[sinktest.Chat]sinktest.Thread {
	chats := map[sinktest.Chat][]*merge.Message{}
	for _, m := range r.Messages {
		if m.Visible() && m.Content.Chat != "" {
			chat := sinktest.Chat{Number: m.Number, Chat: m.Content.Chat}
			chats[chat] = append(chats[chat], m)
		}
	}
	all := map[sinktest.Chat]sinktest.Thread{}
	for chat, messages := range chats {
		slices.SortFunc(messages, func(a, b *merge.Message) int {
			if a.Content.SortAt != b.Content.SortAt {
				return int(b.Content.SortAt - a.Content.SortAt)
			}
			if a.WAMID > b.WAMID {
				return -1
			}
			return 1
		})
		t := sinktest.Thread{Messages: int64(len(messages))}
		for _, m := range messages {
			if !t.Walk(m.WAMID, m.Content.Direction, m.Content.Historical, m.Content.SortAt) {
				break
			}
		}
		all[chat] = t
	}
	return all
}

// TestOutcomeIsTheSameWhateverTheOrderBatchesAndRepetitions compares random interleavings with a naive fold.
func TestOutcomeIsTheSameWhateverTheOrderBatchesAndRepetitions(t *testing.T) {
	seeds := uint64(1000)
	if testing.Short() {
		seeds = 100
	}
	for seed := range seeds {
		rng := rand.New(rand.NewPCG(seed, 41))
		w := sinktest.NewWorld(seed, 10+rng.IntN(80), 3)
		first := play(t, w, rng)
		if second := play(t, w, rng); !reflect.DeepEqual(first, second) {
			t.Fatalf("seed %d: two orders, two outcomes", seed)
		}
		content := sinktest.Content{Rows: first, Threads: threads(first)}
		if err := sinktest.Compare(content.Lines(), w.Fold()); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}
