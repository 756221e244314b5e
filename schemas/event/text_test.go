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

// An edit may be one of an edit. So deep as nobody nests, no text is looked for.
func TestTextIsLookedForToFourLevels(t *testing.T) {
	const text = `{"type":"text","text":{"body":"new"}}`
	for levels, want := range map[int]string{0: "new", 1: "new", 4: "new", 5: "", 6: "", 40: ""} {
		edit, choice, kind := text, `{"type":"text","text":{"title":"new"}}`, "text"
		for range levels {
			edit = `{"type":"edit","edit":{"message":` + edit + `}}`
			choice = `{"type":"x","x":` + choice + `}`
			kind = "edit"
		}
		if got := event.Text([]byte(edit), kind); got != want {
			t.Errorf("%d edits: %q, want %q", levels, got, want)
		}
		if levels > 0 {
			kind = "x"
		}
		if got := event.Text([]byte(choice), kind); got != want {
			t.Errorf("%d choices: %q, want %q", levels, got, want)
		}
	}
}
