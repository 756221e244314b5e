package judge

import "github.com/coexstream/coexstream/schemas"

// rankOf is the rank of a message by its type, as docs/webhooks.md has it. It is the judge's own, so that a mistake of the
// pipeline's is seen.
func rankOf(messageType string) schemas.Rank {
	for rank, types := range [...][]string{
		schemas.RankPlaceholder: {"media_placeholder", "unsupported", "unknown", "errors"},
		schemas.RankEdit:        {"edit"},
		schemas.RankRevoke:      {"revoke"},
	} {
		for _, t := range types {
			if t == messageType {
				return schemas.Rank(rank)
			}
		}
	}
	return schemas.RankConcrete
}
