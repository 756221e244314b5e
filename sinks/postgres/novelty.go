package postgres

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/coexstream/coexstream/sinks/merge"
)

// novelty assumes that history brings new rows, as in a first import. PostgreSQL then need not look for each row before it inserts it, and the
// chats are counted here. Where a row exists, the transaction fails and the batch is joined instead; so are the next ones of its partition.
type novelty struct {
	mu sync.Mutex
	of map[int32]assumption
}

// assumption is what the last batches of a partition have shown.
type assumption struct {
	joins int // batches that are joined before the next attempt
	after int // as many as after the last failure
}

// joinsMax is the longest pause between two attempts: a wasted one costs less than a hundredth of the work.
const joinsMax = 256

// holds reports whether the next batch of a partition is inserted as new.
func (n *novelty) holds(partition int32) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	a := n.of[partition]
	if a.joins == 0 {
		return true
	}
	a.joins--
	n.of[partition] = a
	return false
}

// learned records whether a batch that was inserted as new was new.
func (n *novelty) learned(partition int32, isNew bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	a := n.of[partition]
	if isNew {
		a.after /= 2
	} else {
		a.after = min(max(1, 4*a.after), joinsMax)
		a.joins = a.after
	}
	n.of[partition] = a
}

// isRepeated reports whether a row of a batch that was inserted as new is there already.
func isRepeated(err error) bool {
	const uniqueViolation = "23505"
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == uniqueViolation
}

// insert inserts the rows of the stage. It fails if one of them is there.
func (t *table) insert() string {
	return fmt.Sprintf("INSERT INTO %[1]s (%[2]s) SELECT %[2]s FROM %[3]s", t.name, t.names(), t.given(true))
}

// chats are chats with the number of their new messages, in the order of their keys.
type chats struct {
	numbers, chats []string
	messages       []int64
}

// chatsOf counts messages that are all new.
func chatsOf(contents []*merge.Message) *chats {
	type key struct{ number, chat string }
	counts := map[key]int64{}
	for _, m := range contents {
		if m.Content.Chat != "" {
			counts[key{m.Number, m.Content.Chat}]++
		}
	}
	keys := make([]key, 0, len(counts))
	for k := range counts {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b key) int {
		return cmp.Or(strings.Compare(a.number, b.number), strings.Compare(a.chat, b.chat))
	})
	c := &chats{}
	for _, k := range keys {
		c.numbers, c.chats, c.messages = append(c.numbers, k.number), append(c.chats, k.chat), append(c.messages, counts[k])
	}
	return c
}

// addToChats counts new messages. The rows of the chats stay locked, as with putMessages.
const addToChats = `INSERT INTO threads AS t (phone_number_id, chat, messages, last_wamid, last_at, unread)
SELECT number, chat, n, '', 'epoch', 0 FROM unnest($1::text[], $2::text[], $3::bigint[]) AS c (number, chat, n)
ON CONFLICT (phone_number_id, chat) DO UPDATE SET messages = t.messages + excluded.messages`
