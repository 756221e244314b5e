package webhook

import (
	"slices"

	"github.com/coexstream/coexstream/schemas/event"
	"github.com/coexstream/coexstream/sinks/webhook/envelope"
)

// Takes reports whether an event is for the endpoint. A replayed event is for none: receivers have effects, and an effect must not repeat.
func (e *Endpoint) Takes(ev *event.Event) bool {
	switch {
	case ev.Replay != "":
		return false
	case !e.topics[ev.Topic]:
		return false
	case !e.Historical && ev.Message != nil && ev.Message.Historical:
		return false
	case !e.Historical && ev.Asset != nil && ev.Asset.Historical:
		return false
	case len(e.Types) > 0 && !slices.Contains(e.Types, ev.Type):
		return false
	case len(e.WABAs) > 0 && !slices.Contains(e.WABAs, envelope.Business(ev)):
		return false
	case len(e.Numbers) > 0 && !slices.Contains(e.Numbers, envelope.Number(ev)):
		return false
	}
	return e.Format != FormatMeta || envelope.HasMeta(ev)
}
