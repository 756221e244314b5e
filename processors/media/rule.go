package media

import "time"

// Lane is how a message that may be the asset of a past one came in.
type Lane uint8

// The lanes: the three shapes of follow-ups, and what never is one by its shape.
const (
	LaneHistory  Lane = iota // field `history`, value.messages[] or value.message_echoes[]
	LaneEchoes               // field `smb_message_echoes`
	LaneMessages             // field `messages`
)

// Fate is what to do with a message.
type Fate uint8

// The fates.
const (
	Live  Fate = iota // an ordinary message or echo
	Asset             // emit it as media of the past
	Wait              // hold it: it is early, or looks like it
)

// EchoAgeMin is how far before the opening of the running window an echo has to be written to be taken for
// an early follow-up: what a phone sends after it was onboarded is not older than the onboarding, and
// clocks differ.
const EchoAgeMin = 10 * time.Minute

// FateOf decides what a message is. known tells whether its wamid is that of a remembered placeholder.
// opened is when the running onboarding window opened, zero when none runs.
func FateOf(lane Lane, messageType []byte, writtenAt, opened time.Time, known bool) Fate {
	switch {
	case known:
		return Asset
	case lane == LaneHistory && opened.IsZero():
		return Asset // no chunk can be on its way in a window that is not open
	case lane == LaneHistory:
		return Wait
	case lane == LaneEchoes && !opened.IsZero() && isMedia(messageType) && !writtenAt.IsZero() && opened.Sub(writtenAt) > EchoAgeMin:
		return Wait
	}
	return Live
}

func isMedia(messageType []byte) bool {
	switch string(messageType) {
	case "image", "video", "audio", "document", "sticker":
		return true
	}
	return false
}
