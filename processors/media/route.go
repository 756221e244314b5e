package media

import (
	"time"
)

// Route is what an item of messages[] or message_echoes[] is.
type Route uint8

// The routes.
const (
	// Live: a message or an echo of now.
	Live Route = iota
	// Past: media of the past. It is emitted as media, joined or not.
	Past
	// Doubtful: an echo that looks like media of the past. It waits like Past for its placeholder; if none
	// comes, it is an echo, and a historical one.
	Doubtful
)

var routeNames = [...]string{Live: "live", Past: "past", Doubtful: "doubtful"}

// String is the route in lower case.
func (r Route) String() string { return routeNames[r] }

// doubtAfter is how much older than the opening of the sync an echo has to be to be doubtful: more than
// clocks differ and deliveries lag.
const doubtAfter = 10 * time.Minute

// Item is what RouteOf looks at.
type Item struct {
	Field     []byte // of the change
	Echo      bool   // of message_echoes[], by whatever name, and under whatever field
	Type      []byte // of the message
	Timestamp int64  // of the message, Unix seconds; 0 when absent
	// WindowOpenedAt is when the running history sync of the number opened; zero when none is running.
	WindowOpenedAt time.Time
	// Awaiting tells that no sync is running, and that the first chunk of one may be on its way: echoes come
	// by another lane and overtake history.
	Awaiting   bool
	ReceivedAt time.Time // of the webhook
	// PlaceholderKnown reports whether Find finds a placeholder of the item's wamid.
	PlaceholderKnown bool
}

// RouteOf tells media of the past from what happens now (docs/webhooks.md, History: three shapes of follow-up).
// What comes under the field `history` is of the past, always. What comes under another field is when its
// placeholder is known and its own time is of the past: whether the placeholder was processed before does not matter for
// what was just written, so a replay comes to the same. An echo of media that is older than the sync that runs, or old when it came while a
// sync may be about to begin, may be one whose placeholder is still to come.
func RouteOf(i Item) Route {
	switch {
	case string(i.Field) == "history", i.PlaceholderKnown && i.Timestamp > 0 && Before(i.Timestamp, i.ReceivedAt):
		return Past
	case !i.Echo, !isMedia(i.Type), i.Timestamp <= 0:
		return Live
	case !i.WindowOpenedAt.IsZero() && Before(i.Timestamp, i.WindowOpenedAt), i.Awaiting && Before(i.Timestamp, i.ReceivedAt):
		return Doubtful
	}
	return Live
}

// Before reports whether a message was written so long before a moment that clocks and delays cannot explain it.
func Before(timestamp int64, moment time.Time) bool {
	return time.Unix(timestamp, 0).Before(moment.Add(-doubtAfter))
}

func isMedia(itemType []byte) bool {
	switch string(itemType) {
	case "image", "video", "audio", "voice", "document", "sticker":
		return true
	}
	return false
}
