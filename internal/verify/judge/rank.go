package judge

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/coexstream/coexstream/schemas"
)

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

// rankOfEvent is rankOf, also where the message has errors and not the content that its type names: it stands for another one
// then.
func rankOfEvent(e *event) schemas.Rank {
	rank := rankOf(e.Type)
	if rank == schemas.RankPlaceholder || !bytes.Contains(e.Original, []byte(`"errors"`)) {
		return rank
	}
	var said map[string]json.RawMessage
	var errors []json.RawMessage
	if json.Unmarshal(e.Original, &said) != nil || json.Unmarshal(said["errors"], &errors) != nil || len(errors) == 0 {
		return rank
	}
	if content := said[e.Type]; e.Type == "" || len(content) == 0 || string(content) == "null" {
		return schemas.RankPlaceholder
	}
	return rank
}

// sort compares how the event says it is to be read, and which of the versions of its message it is.
func (d *differences) sort(e *event, kind string, rank schemas.Rank) {
	d.text("kind", e.Kind, kind)
	if e.Rank == nil || *e.Rank != rank {
		*d = append(*d, fmt.Sprintf("rank is not %d", rank))
	}
}

// unranked is sort for items without versions.
func (d *differences) unranked(e *event, kind string) {
	d.text("kind", e.Kind, kind)
	if e.Rank != nil {
		*d = append(*d, "rank is there")
	}
}

// kindOfMessage is the kind of a message by its type and rank.
func kindOfMessage(messageType string, rank schemas.Rank) string {
	if rank == schemas.RankPlaceholder {
		return "placeholder"
	}
	switch messageType {
	case "reaction", "edit", "revoke", "system":
		return messageType
	}
	return "message"
}
