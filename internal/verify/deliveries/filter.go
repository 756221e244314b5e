package deliveries

import (
	"slices"

	"github.com/coexstream/coexstream/internal/verify/receiver"
	"github.com/coexstream/coexstream/schemas"
)

// topics are those whose records are events.
func topics() []schemas.Topic {
	var all []schemas.Topic
	for _, t := range schemas.Topics() {
		switch t {
		case schemas.TopicRawLive, schemas.TopicRawBulk, schemas.TopicRerouted, schemas.TopicDLQ, schemas.TopicState:
		default:
			all = append(all, t)
		}
	}
	return all
}

func past(t schemas.Topic) bool { return t == schemas.TopicHistory || t == schemas.TopicMedia }

// right is why an event may arrive, or must not.
type right uint8

const (
	due        right = iota
	early            // it was there before the endpoint: it may arrive
	excluded         // by the filter
	replayed         // by `coexstream replay`
	historical       // from before the onboarding, which the endpoint does not ask for
)

// rightOf judges an event. since is when the receiver started, Unix milliseconds.
func rightOf(e *receiver.Endpoint, topic schemas.Topic, ev *event, since int64) right {
	takes := func(list []string, v string) bool { return len(list) == 0 || slices.Contains(list, v) }
	switch {
	case ev.replayed:
		return replayed
	case !e.Historical && (ev.historical || past(topic)):
		return historical
	case topic == schemas.TopicAssets && !slices.Contains(e.Topics, topic.String()): // only who names it gets it
		return excluded
	case !ev.arrives, !takes(e.Topics, topic.String()), !takes(e.Types, ev.ceType), !takes(e.WABAs, ev.waba), !takes(e.Numbers, ev.number):
		return excluded
	case e.FromEnd && ev.received < since:
		return early
	}
	return due
}
