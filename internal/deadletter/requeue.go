package deadletter

import (
	"fmt"
	"strconv"

	"github.com/coexstream/coexstream/schemas"
)

// Refusal is why a letter is not requeued; "" when it is.
func (l *Letter) Refusal(force bool) string {
	switch {
	case force:
		return ""
	case l.State == Requeued:
		return "it was requeued already"
	case l.State == Parked:
		return fmt.Sprintf("it is parked: it came back %d times", l.Attempts()-1)
	}
	return ""
}

// Requeue is the raw record that tries a letter again: its bytes, its key, and all its headers, those that say why
// it failed too, so that another failure counts on. It goes into the raw topic from which it came, in the partition
// in which the letter stands, where its state is.
func (l *Letter) Requeue() (schemas.Topic, []Header) {
	topic, ok := schemas.ParseTopic(l.Topic())
	if !ok || !topic.Raw() {
		topic = schemas.TopicRawBulk // of a part that was rerouted by an older version
	}
	hs := make([]Header, 0, len(l.Headers)+2)
	origin := false
	for _, h := range l.Headers {
		switch h.Key {
		case schemas.HeaderRequeue, schemas.HeaderDLQParked,
			// The headers of a replay end here: this record is no copy of one.
			schemas.HeaderReplay, schemas.HeaderReplayRole, schemas.HeaderReplayState, schemas.HeaderReplayHops:
			continue
		case schemas.HeaderOrigin:
			origin = true
		}
		hs = append(hs, h)
	}
	if !origin {
		place := l.Topic() + "/" + l.Record.Header(schemas.HeaderDLQPartition) + "/" + l.Record.Header(schemas.HeaderDLQOffset)
		hs = append(hs, Header{schemas.HeaderOrigin, []byte(place)})
	}
	return topic, append(hs, Header{schemas.HeaderRequeue, []byte(l.id())})
}

// id identifies a requeue for the processor, which drops a second copy. A forced requeue has another id.
func (l *Letter) id() string {
	if l.Times == 0 {
		return l.Place.String()
	}
	return fmt.Sprintf("%s#%d", l.Place, l.Times+1)
}

// Note is the record in `dlq` that marks a letter as requeued.
func (l *Letter) Note() []Header {
	return []Header{{schemas.HeaderRequeued, []byte(l.Place.String())}}
}

// Without reports whether a letter has no copy of its body: that is in the raw log, at Origin.
func (l *Letter) Without() bool {
	return len(l.Value) == 0 && l.Reason() != string(schemas.ReasonBodyEmpty)
}

// Origin is where the record of a letter stands in the raw log.
func (l *Letter) Origin() (topic schemas.Topic, partition int32, offset int64, err error) {
	topic, ok := schemas.ParseTopic(l.Topic())
	p, err := strconv.ParseInt(l.Record.Header(schemas.HeaderDLQPartition), 10, 32)
	o, err2 := strconv.ParseInt(l.Record.Header(schemas.HeaderDLQOffset), 10, 64)
	if !ok || err != nil || err2 != nil {
		return 0, 0, 0, fmt.Errorf("letter %s does not name its place in the raw log", l.Place)
	}
	return topic, int32(p), o, nil
}
