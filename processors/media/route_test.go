package media_test

import (
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/processors/media"
)

// docs/webhooks.md, History: three shapes of follow-up; Echoes: history that reaches a CRM as live messages
// fires bots.
func TestRouteTellsMediaOfThePastFromWhatHappensNow(t *testing.T) {
	opened := start
	at := func(age time.Duration) int64 { return opened.Add(-age).Unix() }
	for _, test := range []struct {
		name        string
		field, kind string
		timestamp   int64
		opened      time.Time
		placeholder bool
		want        media.Route
	}{
		{"messages[] under history", "history", "image", at(0), opened, false, media.Past},
		{"any item under history", "history", "text", at(0), time.Time{}, false, media.Past},
		{"old echo with the placeholder's wamid", "smb_message_echoes", "image", at(10*time.Minute + time.Second), time.Time{}, true, media.Past},
		{"old message with the placeholder's wamid", "messages", "image", at(10*time.Minute + time.Second), time.Time{}, true, media.Past},
		{"echo of now with the placeholder's wamid", "smb_message_echoes", "image", at(10 * time.Minute), time.Time{}, true, media.Live},
		{"message of now with the placeholder's wamid", "messages", "image", at(10 * time.Minute), time.Time{}, true, media.Live},
		{"message without a time, with the placeholder's wamid", "messages", "image", 0, time.Time{}, true, media.Live},
		{"echo of now", "smb_message_echoes", "image", at(-time.Minute), opened, false, media.Live},
		{"echo shortly before the sync", "smb_message_echoes", "image", at(10 * time.Minute), opened, false, media.Live},
		{"old echo of an image", "smb_message_echoes", "image", at(10*time.Minute + time.Second), opened, false, media.Doubtful},
		{"old echo of a sticker", "smb_message_echoes", "sticker", at(24 * time.Hour), opened, false, media.Doubtful},
		{"old echo of a text", "smb_message_echoes", "text", at(24 * time.Hour), opened, false, media.Live},
		{"old echo, no sync runs", "smb_message_echoes", "image", at(24 * time.Hour), time.Time{}, false, media.Live},
		{"echo without a time", "smb_message_echoes", "image", 0, opened, false, media.Live},
		{"old message", "messages", "image", at(24 * time.Hour), opened, false, media.Live},
		{"old echo under messages", "messages/echo", "image", at(24 * time.Hour), opened, false, media.Doubtful},
		{"old echo on standby", "standby/echo", "image", at(24 * time.Hour), opened, false, media.Doubtful},
		{"old message on standby", "standby", "image", at(24 * time.Hour), opened, false, media.Live},
		{"echo of now under messages", "messages/echo", "image", at(-time.Minute), opened, false, media.Live},
	} {
		field, _, echo := strings.Cut(test.field, "/")
		got := media.RouteOf(media.Item{
			Field: []byte(field), Echo: echo || field == "smb_message_echoes", Type: []byte(test.kind), Timestamp: test.timestamp,
			WindowOpenedAt: test.opened, ReceivedAt: opened, PlaceholderKnown: test.placeholder,
		})
		if got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}
