package history

import (
	"github.com/coexstream/coexstream/processors/dedup"
	"github.com/coexstream/coexstream/schemas"
)

// relearnPageEntries bounds a page of relearned messages.
const relearnPageEntries = 4096

// Relearn records that a message left in a window at a rank. It is for a number whose restored state is incomplete. The
// owner calls it before the first use, and Relearned after it.
func (n *Number) Relearn(number int32, h schemas.Hash, rank schemas.Rank) {
	for _, w := range n.windows {
		if w.number != number || w.known == nil {
			continue
		}
		if was, seen := w.known.Raise(h, rank); !seen || rank > was {
			w.relearned = dedup.AppendEntry(w.relearned, h, rank)
			if len(w.relearned) >= relearnPageEntries*dedup.EntryBytes {
				n.keepRelearned(w)
			}
		}
	}
}

// Relearned writes the relearned messages to pages.
func (n *Number) Relearned() {
	for _, w := range n.windows {
		n.keepRelearned(w)
	}
}

func (n *Number) keepRelearned(w *window) {
	if len(w.relearned) == 0 {
		return
	}
	n.journal.put(pageKey(w.number, w.pages), pageRecord(w.relearned))
	w.pages++
	w.relearned, w.changed = nil, true
}
