package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/event"
	"github.com/coexstream/coexstream/sinks/media/plan"
)

func TestADigestIsReadInEachForm(t *testing.T) {
	const want = "de7d1b721a1e0632b7cf04edf5032c8ecffa9f9a08492152b926f1a5a7e765d7"
	for _, text := range []string{
		want, strings.ToUpper(want), " " + want + "\n", "3n0bchoeBjK3zwTt9QMsjs/6n5oISSFSuSbxpafnZdc=", "3n0bchoeBjK3zwTt9QMsjs/6n5oISSFSuSbxpafnZdc", "3n0bchoeBjK3zwTt9QMsjs_6n5oISSFSuSbxpafnZdc=",
	} {
		if got := plan.Digest(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
	for _, text := range []string{"", "x", want[:62], want + "00", "3n0bchoeBjK3", strings.Repeat("g", 64)} {
		if got := plan.Digest(text); got != "" {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func TestAnEventNamesItsAsset(t *testing.T) {
	const life = 7 * 24 * time.Hour
	at := time.UnixMilli(1772366400000)
	for _, c := range []struct{ kind, original, id, typ, mime, file string }{
		{"image", `{"type":"image","image":{"id":"1","mime_type":"image/jpeg","caption":"x"}}`, "1", "image", "image/jpeg", ""},
		{"video", `{"video":{"id":2}}`, "2", "video", "", ""},
		{"audio", `{"audio":{"id":"3","voice":true,"mime_type":"audio/ogg; codecs=opus"}}`, "3", "audio", "audio/ogg; codecs=opus", ""},
		{"document", `{"document":{"id":"4","filename":"a.pdf"}}`, "4", "document", "", "a.pdf"},
		{"sticker", `{"sticker":{"id":"5"}}`, "5", "sticker", "", ""},
		{"edit", `{"edit":{"original_message_id":"w","message":{"type":"image","image":{"id":"6"}}}}`, "6", "image", "", ""},
		{"text", `{"text":{"body":"x"},"image":{"id":"7"}}`, "", "", "", ""},
		{"edit", `{"edit":{"message":{"type":"text","text":{"body":"x"}}}}`, "", "", "", ""},
		{"edit", `{"edit":{"message":{"type":"edit","edit":{"message":{"type":"edit","edit":{"message":{"type":"edit","edit":{"message":{"type":"edit","edit":{"message":{"type":"image","image":{"id":"8"}}}}}}}}}}}}`, "", "", "", ""},
		{"media_placeholder", `{"type":"media_placeholder"}`, "", "", "", ""},
		{"image", `{"errors":[{}]}`, "", "", "", ""},
		{"image", `{"image":null}`, "", "", "", ""},
		{"image", `{"image":{"id":""}}`, "", "", "", ""},
		{"image", `{"image":{"id":{}}}`, "", "", "", ""},
	} {
		e := event.Event{Headers: event.Headers{ID: "e", Type: schemas.TypeMessage, ReceivedAt: at.UnixMilli()}, Message: &schemas.Message{WABAID: "9", Type: c.kind, Original: []byte(c.original)}}
		a, ok := plan.AssetOf(&e, life)
		if ok != (c.id != "") || a.MediaID != c.id || a.Type != c.typ || a.MIMEType != c.mime || a.Filename != c.file {
			t.Errorf("%s: %+v", c.original, a)
		}
		if ok && (!a.Expires.Equal(at.Add(life)) || a.WABA != "9" || a.EventID != "e") {
			t.Errorf("%s: %+v", c.original, a)
		}
	}
	if _, ok := plan.AssetOf(&event.Event{Contact: &schemas.ContactState{}}, life); ok {
		t.Error("a contact has an asset")
	}
}
