package office

import (
	"context"
	"time"

	"github.com/coexstream/coexstream/internal/desk"
)

// copyAfter is the age of a step after which another instance copies it into the raw log.
const copyAfter = 30 * time.Second

// copy writes a step into the raw log, and a note of that.
func (o *Office) copy(ctx context.Context, e *desk.Entry) error {
	if err := o.Log.Raw(ctx, e.Record()); err != nil {
		o.Logger.Error("a step of a sync is not in the raw log yet", "phone_number_id", e.Number, "error", err)
		return err
	}
	note := desk.Entry{ID: randomID(), Kind: desk.Copied, Of: e.ID, At: o.Now().UnixMilli()}
	b, err := note.Encode()
	if err == nil {
		err = o.Log.Write(ctx, b)
	}
	if err != nil {
		o.Logger.Warn("the note of a copied step is missing, so the step will be copied again", "error", err)
	}
	return nil
}

// copyOthers copies the steps whose writer ended before it had copied them.
func (o *Office) copyOthers(ctx context.Context) {
	o.mu.Lock()
	list := o.ledger.Uncopied()
	o.mu.Unlock()
	for i := range list {
		if o.Now().Sub(time.UnixMilli(list[i].At)) < copyAfter {
			return // in their order
		}
		if o.copy(ctx, &list[i]) != nil {
			return
		}
	}
	if len(list) > 0 {
		_ = o.Refresh(ctx) // its error is reported by the next one
	}
}
