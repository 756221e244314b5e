package media

import (
	"time"
)

// Route is the kind of an item of messages[] or message_echoes[].
type Route uint8

// The routes.
const (
	// Live: a new message or echo.
	Live Route = iota
	// Past: media of the past. It is emitted as media, joined or not.
	Past
	// Doubtful: an echo that looks like media of the past. It waits like Past for its placeholder. Without one, it is
	// emitted as a historical echo.
	Doubtful
)

var routeNames = [...]string{Live: "live", Past: "past", Doubtful: "doubtful"}

// String is the route in lower case.
func (r Route) String() string { return routeNames[r] }

// doubtAfter is the minimum age of a doubtful echo at the opening of the sync. It exceeds differences of clocks and
// delays of deliveries.
const doubtAfter = 10 * time.Minute

// Item is the input of RouteOf.
type Item struct {
	Field     []byte // of the change
	Echo      bool   // of message_echoes[], under any name and any field
	Type      []byte // of the message
	Timestamp int64  // of the message, Unix seconds; 0 when absent
	// WindowOpenedAt is when the running history sync of the number opened; zero: none is running.
	WindowOpenedAt time.Time
	// Awaiting reports that no sync is running, and that the first chunk of one may still come. Echoes use another lane
	// and overtake history.
	Awaiting   bool
	ReceivedAt time.Time // of the webhook
	// PlaceholderKnown reports whether Find finds a placeholder of the item's wamid.
	PlaceholderKnown bool
}

// RouteOf distinguishes media of the past from present items (docs/webhooks.md, History: three shapes of follow-up).
// Every item of the field `history` is of the past. An item of another field is of the past if its placeholder is known
// and its own time is old. A new item is live even if its placeholder was processed before it, so a replay has the same
// result. An echo of media is doubtful if its placeholder may still come: if it is older than the running sync, or if
// it was old at its receipt and a sync may be about to begin.
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

// Before reports whether a message is so much older than a moment that clocks and delays cannot explain it.
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
