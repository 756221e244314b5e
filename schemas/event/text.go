package event

// Text returns the readable text of a message: its text, a caption, a file name, the name of a place, an emoji, the
// title of the chosen option, or the new text of an edit. original is a message's object and messageType its type, as
// in events. It is empty if there is none; then only the type describes the content.
//
// The vendor wrote the text, and it may have control characters. It is a part of original if it has no escapes.
func Text(original []byte, messageType string) string {
	return textOf(original, messageType, 0)
}

// textNestingMax bounds edits within edits.
const textNestingMax = 4

// texts are the properties with a text; the first one that is present counts.
var texts = [...]string{"body", "caption", "filename", "name", "emoji", "text", "title", "address"}

func textOf(original []byte, messageType string, depth int) string {
	content := Member(original, messageType)
	if len(content) == 0 || content[0] != '{' || depth > textNestingMax {
		return ""
	}
	for _, name := range texts {
		if v := String(Member(content, name)); v != "" {
			return v
		}
	}
	if message := Member(content, "message"); len(message) > 0 {
		kind := String(Member(message, "type"))
		if kind == "" {
			kind = "text"
		}
		return textOf(message, kind, depth+1)
	}
	// A choice: {"type": "button_reply", "button_reply": {"title": …}}.
	if kind := String(Member(content, "type")); kind != "" {
		return textOf(content, kind, depth+1)
	}
	return ""
}

// Member is the value of a property of an object, verbatim: a part of it. Of a name that stands twice it is the last. It is
// nil where there is none, or object is no valid object.
func Member(object []byte, name string) (value []byte) {
	s := scanner{b: object}
	s.enter('{')
	for s.key() {
		if string(s.name) == name {
			value = s.skip()
		} else {
			s.skip()
		}
	}
	if s.err != nil {
		return nil
	}
	return value
}

// String is the text of a JSON string, "" where value is none.
func String(value []byte) string {
	if len(value) == 0 || value[0] != '"' {
		return ""
	}
	s := scanner{b: value}
	return s.str()
}
