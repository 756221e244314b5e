// Package known remembers which messages were seen, and at which rank, in 10 bytes an entry.
//
// Set holds the wamids of one onboarding window; Recent holds those of the last hours for the
// de-duplication of live webhooks. Both are rebuilt from pages: the same 10-byte entries, as the
// processor wrote them to the `state` topic. Neither reads a clock. Table is for what more has to be known
// of a hash than a rank.
//
// Two messages that agree in 78 bits of their hashes are taken for one: among a million messages that
// happens by chance once in 6e11 times.
package known

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
