package queue

import "time"

// Answer is the outcome of a request.
type Answer struct {
	Status     int           // 0: none came
	RetryAfter time.Duration // 0: none was named
	Took       time.Duration
	Why        string // for people; nothing of the content
}

// Fate is what an answer means.
type Fate uint8

// The fates.
const (
	// Delivered: the endpoint has the event.
	Delivered Fate = iota
	// Refused: the endpoint does not take this event. It is the event's fault.
	Refused
	// Failed: the endpoint does not work. It is the endpoint's fault.
	Failed
	// Gone: the endpoint wants no events any more.
	Gone
)

var fateNames = [...]string{"delivered", "refused", "failed", "gone"}

// String is the name of a fate in metrics.
func (f Fate) String() string { return fateNames[f] }

// Fates are all fates.
func Fates() []Fate { return []Fate{Delivered, Refused, Failed, Gone} }

// Judge returns the meaning of an answer. A redirect is a failure: it is not followed, and the endpoint's URL has to be corrected.
func Judge(a Answer) Fate {
	switch s := a.Status; {
	case s >= 200 && s < 300:
		return Delivered
	case s == 410:
		return Gone
	case s == 408, s == 425, s == 429:
		return Failed
	case s >= 400 && s < 500:
		return Refused
	}
	return Failed
}

// RetryAfterMax bounds what an endpoint can ask for.
const RetryAfterMax = time.Hour

// refusalsInRow is how many letters may follow each other without a delivery. An endpoint that refuses more does not refuse events:
// its URL or its secret is wrong.
const refusalsInRow = 20
