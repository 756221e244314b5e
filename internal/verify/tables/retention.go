package tables

import (
	"strings"
	"time"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
)

// cutOf are the partitions in which retention removed events, so that rows may be right whose events are not there any more. Topics that are compacted
// keep the newest of each key.
func cutOf(ranges map[kafka.TopicPartition]kafka.Range, byName map[string]schemas.Topic) map[int32]bool {
	cut := map[int32]bool{}
	for at, r := range ranges {
		switch byName[at.Topic] {
		case schemas.TopicContacts, schemas.TopicSyncs:
		default:
			cut[at.ID] = cut[at.ID] || r.Start > 0
		}
	}
	return cut
}

// unknown reports whether events of a row may have been removed from the topics.
func (r *rows) unknown(table, key string, cut map[int32]bool) bool {
	if table == contacts || table == threads || table == syncs {
		return false
	}
	if number, _, ok := strings.Cut(key, " "); ok {
		if partition, ok := r.partitions[number]; ok {
			return cut[partition]
		}
	}
	for _, removed := range cut { // a note, or a number of which the topics hold nothing
		if removed {
			return true
		}
	}
	return false
}

// removed reports whether the tables may lack a row because of their own retention. Rows about a message are removed with
// the message, or by their own time.
func (r *rows) removed(table, key string, before time.Time) bool {
	old := func(b *best) bool { return b.at > 0 && !before.IsZero() && b.at < before.Unix() }
	switch table {
	case messages, notes, assets:
		return old(r.of[table][key])
	case versions, receipts, reactions:
		if parts := strings.SplitN(key, " ", 3); len(parts) == 3 {
			if message := r.of[messages][parts[0]+" "+parts[1]]; message != nil {
				return old(message)
			}
		}
		return old(r.of[table][key])
	}
	return false
}
