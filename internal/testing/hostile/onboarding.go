package main

import "strconv"

// numbersOfWABA is how many numbers a WABA may have.
const numbersOfWABA = 4096

// eventsOfBody is how many account events each body has, and eventsAlone how many bodies have one event, after histories.
const eventsOfBody, eventsAlone = 64, 64

// onboardings are a body with many numbers of one WABA, and bodies with events about all of them. No event is the copy of another. The
// numbers have had live messages, or histories.
func (w *writer) onboardings() (out [][]byte) {
	numbers := min(w.scale, numbersOfWABA)
	w.WriteString(`{"object":"whatsapp_business_account","entry":[{"id":"7100","changes":`)
	w.array(numbers, func(w *writer, i, _ int) {
		field := "messages"
		if w.synced {
			field = "history"
		}
		w.WriteString(`{"field":"` + field + `","value":{"metadata":{"phone_number_id":"81` + strconv.Itoa(i) + `"`)
		if w.ids.display >= 0 {
			w.WriteString(`,"display_phone_number":"15550` + strconv.Itoa(100_000+i) + `"`)
		}
		if w.synced {
			w.WriteString(`},"history":`)
			w.array(1, chunk(func(int, int) int { return 1 }, 1))
		} else {
			w.WriteString(`},"statuses":`)
			w.array(1, status)
		}
		w.WriteString("}}")
	})
	w.WriteString("}]}")
	take := func() {
		out = append(out, []byte(w.String()))
		w.Reset()
	}
	take()
	bodies, events := w.several, eventsOfBody
	if w.synced {
		bodies, events = eventsAlone, 1
	}
	for range bodies {
		w.WriteString(`{"object":"whatsapp_business_account","entry":`)
		w.array(events, func(w *writer, _, _ int) {
			w.next++
			w.WriteString(`{"id":"7100","time":` + strconv.Itoa(1739230955+w.next) + `,"changes":[{"field":"account_update","value":{"event":"` +
				[]string{"PARTNER_ADDED", "ACCOUNT_RECONNECTED", "PARTNER_REMOVED"}[w.r.IntN(3)] + `"}}]}`)
		})
		w.WriteString("}")
		take()
	}
	return out
}
