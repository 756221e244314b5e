package partition

import (
	"encoding/json"
	"fmt"

	"github.com/coexstream/coexstream/schemas"
)

// pastEvent has the fields of an event of the topic history that identify its message.
type pastEvent struct {
	WABAID        string               `json:"waba_id"`
	PhoneNumberID string               `json:"phone_number_id"`
	WAMID         string               `json:"wamid"`
	Timestamp     int64                `json:"timestamp"`
	Rank          schemas.Rank         `json:"rank"`
	Sync          schemas.SyncPosition `json:"sync"`
	Original      json.RawMessage      `json:"original"`
}

// Relearn processes an event of this partition's history topic if the restored state is incomplete. Later deliveries
// of its message are then duplicates. Call it after Restored for all events, and Relearned at the end.
func (p *Partition) Relearn(value []byte) error {
	var e pastEvent
	if err := json.Unmarshal(value, &e); err != nil {
		return fmt.Errorf("event of the history: %w", err)
	}
	n, ok := p.numbers[e.WABAID+"/"+e.PhoneNumberID]
	if !ok {
		return nil
	}
	var id schemas.Hash
	if e.WAMID != "" {
		id, p.scratch = schemas.MessageKey(p.scratch, bytesOf(e.PhoneNumberID), bytesOf(e.WAMID))
	} else {
		id, p.scratch = schemas.HashParts(p.scratch, bytesOf(e.PhoneNumberID), nil, schemas.AppendCompact(nil, e.Original))
	}
	n.history.Relearn(e.Sync.Window, id, e.Rank)
	if e.Rank == schemas.RankEdit {
		content := e.Original
		var original struct {
			Edit json.RawMessage `json:"edit"`
		}
		if json.Unmarshal(e.Original, &original) == nil && len(original.Edit) > 0 && original.Edit[0] == '{' {
			content = original.Edit
		}
		n.history.Relearn(e.Sync.Window, schemas.EditKey(id, e.Timestamp, schemas.AppendCompact(nil, content)), e.Rank)
	}
	return nil
}

// Relearned ends the work of Relearn.
func (p *Partition) Relearned() {
	p.recency.each(func(n *number) {
		n.history.Relearned()
		p.touch(n)
	})
}
