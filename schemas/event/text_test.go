package event_test

import (
	"testing"

	"github.com/coexstream/coexstream/schemas/event"
)

func TestTextIsWhatAPersonReads(t *testing.T) {
	for _, tt := range []struct{ kind, original, want string }{
		{"text", `{"type":"text","text":{"body":"Hello \ud83d\ude00"}}`, "Hello 😀"},
		{"image", `{"image":{"id":"1","caption":"Look"}}`, "Look"},
		{"document", `{"document":{"filename":"a.pdf"}}`, "a.pdf"},
		{"location", `{"location":{"latitude":1,"address":"Street 1"}}`, "Street 1"},
		{"reaction", `{"reaction":{"message_id":"w","emoji":"👍"}}`, "👍"},
		{"button", `{"button":{"payload":"x","text":"Yes"}}`, "Yes"},
		{"interactive", `{"interactive":{"type":"list_reply","list_reply":{"id":"1","title":"The blue one"}}}`, "The blue one"},
		{"edit", `{"edit":{"original_message_id":"w","message":{"type":"text","text":{"body":"new"}}}}`, "new"},
		{"edit", `{"edit":{"message":{"text":{"body":"new"}}}}`, "new"},
		{"edit", `{"edit":{"message":{"type":"image","image":{"caption":"other"}}}}`, "other"},
		{"edit", `{"edit":{"message":{"type":"edit","edit":{"message":{"type":"edit","edit":{}}}}}}`, ""},
		{"text", `{"text":{"body":"one"},"text":{"body":"two"}}`, "two"},
		{"text", `{"text":{"body":7}}`, ""},
		{"text", `{"text":[]}`, ""},
		{"text", `{"text":{"body":"cut`, ""},
		{"text", ``, ""},
		{"", `{}`, ""},
		{"sticker", `{"sticker":{"id":"1"}}`, ""},
	} {
		if got := event.Text([]byte(tt.original), tt.kind); got != tt.want {
			t.Errorf("%s of %s: %q, want %q", tt.kind, tt.original, got, tt.want)
		}
	}
}
