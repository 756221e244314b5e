package main

import "strconv"

// feature is a property of a value, with n items.
type feature struct {
	name  string
	write func(w *writer, n int)
}

// list writes a property that is an array.
func list(name string, item func(w *writer, i, n int)) feature {
	return feature{name, func(w *writer, n int) {
		w.WriteString(`"` + name + `":`)
		w.array(n, item)
	}}
}

func (w *writer) array(n int, item func(w *writer, i, n int)) {
	w.WriteByte('[')
	for i := range n {
		if i > 0 {
			w.WriteByte(',')
		}
		item(w, i, n)
	}
	w.WriteByte(']')
}

// of names a feature that writes a property of another name.
func of(name string, f feature) feature { return feature{name, f.write} }

var features = []feature{
	list("messages", message("text")),
	of("messages", list("messages", message("media_placeholder"))),
	of("messages", list("messages", message("image"))),
	of("messages", list("messages", message("edit"))),
	of("messages", list("messages", empty)),
	list("message_echoes", message("text")),
	of("message_echoes", list("message_echoes", message("revoke"))),
	list("statuses", status),
	list("errors", func(w *writer, i, _ int) { w.WriteString(`{"code":` + strconv.Itoa(i) + `}`) }),
	list("contacts", profile),
	list("state_sync", contact("add", false)),
	of("state_sync", list("state_sync", contact("remove", false))),
	of("state_sync", list("state_sync", contact("add", true))),
	list("history", chunk(func(i, _ int) int { return i + 1 }, 1)),
	of("history", list("history", chunk(func(i, n int) int { return n - i }, 1))),
	of("history", list("history", chunk(func(i, n int) int { return 2 * (n - i) }, 1))),
	of("history", list("history", chunk(func(i, n int) int { return i*7919%n + 1 }, 0))),
	of("history", list("history", chunk(func(int, int) int { return -1 }, 1))),
	of("history", list("history", empty)),
	of("history", list("history", func(w *writer, i, _ int) {
		w.WriteString(`{"metadata":{"phase":` + strconv.Itoa(i%300) + `,"chunk_order":1}}`)
	})),
	of("history", feature{"", func(w *writer, n int) {
		w.WriteString(`"history":[{"metadata":{"phase":0,"chunk_order":1,"progress":1},"threads":`)
		w.array(n, func(w *writer, _, _ int) {
			w.WriteString(`{`)
			w.person("id")
			w.WriteString(`,"context":{"username":"`)
			w.name()
			w.WriteString(`"},"messages":`)
			w.array(1, message("text"))
			w.WriteString(`}`)
		})
		w.WriteString(`}]`)
	}}),
	of("history", feature{"", func(w *writer, n int) {
		w.WriteString(`"history":[{"metadata":{"phase":0,"chunk_order":1,"progress":1},"threads":[{`)
		w.person("id")
		w.WriteString(`,"context":{"username":"`)
		w.name()
		w.WriteString(`"},"messages":`)
		w.array(n, message("text"))
		w.WriteString(`}]}]`)
	}}),
	of("history", feature{"", func(w *writer, n int) {
		w.WriteString(`"history":[{"metadata":{"phase":0,"chunk_order":1},"errors":`)
		w.array(n, func(w *writer, i, _ int) { w.WriteString(`{"code":` + strconv.Itoa(i+1) + `,"title":"t"}`) })
		w.WriteString(`}]`)
	}}),
	{"event", func(w *writer, n int) {
		w.WriteString(`"event":"` + []string{"PARTNER_REMOVED", "PARTNER_ADDED", "ACCOUNT_OFFBOARDED", "X"}[n%4] + `","phone_number":"`)
		w.id(0, "1555")
		w.WriteByte('"')
	}},
	{"standby", func(w *writer, n int) {
		w.WriteString(`"standby":{"messages":`)
		w.array(n, message("text"))
		w.WriteByte('}')
	}},
	{"unknown", func(w *writer, n int) {
		w.WriteString(`"unknown":`)
		w.array(n, func(w *writer, _, _ int) { w.WriteString("[[{}]]") })
	}},
	{"nested", func(w *writer, n int) {
		n = min(n, 100)
		for range n {
			w.WriteString(`"nested":{`)
		}
		w.WriteString(`"x":1`)
		for range n {
			w.WriteByte('}')
		}
	}},
}

func empty(w *writer, _, _ int) { w.WriteString("{}") }

func message(kind string) func(w *writer, i, n int) {
	return func(w *writer, _, _ int) {
		w.WriteByte('{')
		w.wamid()
		if w.ids.person >= 0 {
			w.WriteByte(',')
			w.person("from")
		}
		w.WriteString(`,"timestamp":"1739230955","type":"` + kind + `"`)
		switch kind {
		case "edit", "revoke":
			w.WriteString(`,"` + kind + `":{"original_message_id":"wamid.1"}`)
		case "text":
			w.WriteString(`,"text":{"body":"b"}`)
		}
		w.WriteByte('}')
	}
}

func status(w *writer, i, _ int) {
	w.WriteString(`{"id":"wamid.1","status":"` + []string{"sent", "delivered", "read"}[i%3] + `","timestamp":"` + strconv.Itoa(1739230955+i) + `",`)
	w.person("recipient_id")
	w.WriteByte('}')
}

func profile(w *writer, _, _ int) {
	w.WriteString(`{"profile":{"name":"`)
	w.name()
	w.WriteString(`"},`)
	w.person("wa_id")
	w.WriteByte('}')
}

// contact writes an item of an address book. pairs name two ids, so that contacts are linked in long lists.
func contact(action string, pairs bool) func(w *writer, i, n int) {
	return func(w *writer, i, _ int) {
		w.WriteString(`{"type":"contact","action":"` + action + `","contact":{"full_name":"`)
		w.name()
		w.WriteString(`",`)
		w.person("phone_number")
		if pairs {
			w.WriteString(`,"user_id":"US.` + strconv.Itoa(i) + `"`)
		}
		w.WriteString(`},"metadata":{"timestamp":"` + strconv.Itoa(1739230955+i) + `"}}`)
	}
}

func chunk(order func(i, n int) int, messages int) func(w *writer, i, n int) {
	return func(w *writer, i, n int) {
		w.WriteString(`{"metadata":{"phase":0,"progress":1`)
		if at := order(i, n); at >= 0 {
			if w.inTurn { // the last body has the first chunk
				at = at*w.several + w.several - w.nth
			}
			w.WriteString(`,"chunk_order":` + strconv.Itoa(at))
		}
		w.WriteString(`},"threads":[{`)
		w.person("id")
		w.WriteString(`,"messages":`)
		w.array(messages, message("text"))
		w.WriteString(`}]}`)
	}
}
