// Package dedup deduplicates messages. It stores the hash and the rank of each seen message in 10 bytes.
//
// Set has the wamids of one onboarding window. Recent has those of the last hours, to deduplicate live webhooks. Both
// are rebuilt from pages: the same 10-byte entries, as the processor wrote them to the `state` topic. Table maps hashes
// to values of a fixed size, for more than a rank. None of them reads a clock.
//
// Two messages whose hashes agree in 78 bits count as one. Among a million messages this happens by chance once in 6e11
// cases.
package dedup

import "github.com/coexstream/coexstream/schemas"

// EntryBytes is the size of an entry, in memory and in a page: 78 bits of the hash and 2 of the rank.
const EntryBytes = 10

// AppendEntry appends the entry of a message to a page.
func AppendEntry(page []byte, h schemas.Hash, r schemas.Rank) []byte {
	hi := h.Hi
	lo := uint16(h.Lo)&^3 | uint16(r&3)
	return append(page,
		byte(hi>>56), byte(hi>>48), byte(hi>>40), byte(hi>>32), byte(hi>>24), byte(hi>>16), byte(hi>>8), byte(hi),
		byte(lo>>8), byte(lo))
}
