package office

import "time"

// note is the reason why a number waits, and the time of the next try.
type note struct {
	why   string
	until time.Time
}

// noteFor is the pause after a token was not found or is still refused.
const noteFor = 15 * time.Second

func (o *Office) note(number, why string) {
	o.state.Lock()
	defer o.state.Unlock()
	if why == "" {
		delete(o.notes, number)
		return
	}
	if o.notes[number].why != why {
		o.Logger.Warn("a request for a sync waits", "phone_number_id", number, "reason", why)
	}
	o.notes[number] = note{why, o.Now().Add(noteFor)}
}

// forgetNote lets the next try come at once.
func (o *Office) forgetNote(number string) {
	o.state.Lock()
	defer o.state.Unlock()
	delete(o.notes, number)
	delete(o.denied, number)
}

func (o *Office) noted(number string) string {
	o.state.Lock()
	defer o.state.Unlock()
	return o.notes[number].why
}
