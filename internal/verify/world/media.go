package world

import (
	"strconv"

	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/schemas"
)

// Shapes of the asset that follows a placeholder.
const (
	shapeMessages = iota // field history, value.messages[]
	shapeEchoes          // field history, value.message_echoes[]
	shapeEchoed          // field smb_message_echoes
)

// follow is one webhook with the assets of placeholders.
type follow struct {
	number   int32
	window   int32
	shape    uint8
	messages []int32
}

const (
	followsMax = 500 // of one number and window
	earlyMax   = 20  // of these, sent among the chunks: they may come before their placeholder
)

// follows plans the assets of the placeholders among the messages from to to.
func (w *World) follows(n *number, window int32, from, to int) []follow {
	var fs []follow
	d := roll(w.cfg.Seed, atPlan, uint64(n.index), uint64(window), 7)
	open := [3]int{-1, -1, -1}
	count := 0
	for m := from; m < to && count < followsMax; m++ {
		if !w.placeholder(n, m) || w.age(n, m) > mediaMaxAge || !d.chance(w.cfg.MediaFollow) {
			continue
		}
		count++
		shape := shapeMessages
		if w.outbound(n, m) {
			shape = shapeEchoes - d.n(2)
			if w.age(n, m) > 3600 && m < n.messages() && d.chance(w.cfg.MediaEchoed) {
				shape = shapeEchoed
			}
		}
		if open[shape] < 0 || d.chance(0.5) {
			open[shape] = len(fs)
			fs = append(fs, follow{number: int32(n.index), window: window, shape: uint8(shape)})
		}
		f := &fs[open[shape]]
		f.messages = append(f.messages, int32(m))
	}
	return fs
}

// appendFollow appends the property of the value that holds the assets.
func (w *World) appendFollow(dst []byte, f *follow, tell *truth.Part) []byte {
	n := &w.numbers[f.number]
	name := `"messages":[`
	if f.shape != shapeMessages {
		name = `"message_echoes":[`
	}
	dst = append(dst, name...)
	if tell != nil {
		*tell = truth.Part{Kind: truth.KindMedia, Number: n.index, Window: f.window, Echoed: f.shape == shapeEchoed}
	}
	for i, m := range f.messages {
		if i > 0 {
			dst = append(dst, ',')
		}
		d := roll(w.cfg.Seed, atMedia, uint64(n.index), uint64(m), 1)
		thread := w.thread(n, int(m))
		it := truth.Item{WAMID: w.wamid(n, idPast, int(m)), Rank: schemas.RankConcrete, Person: i, Timestamp: w.timestamp(n, int(m)), Direction: truth.Out}
		chat := w.chat(n, thread)
		other := roll(w.cfg.Seed, atMedia, uint64(n.index), uint64(m), 2)
		if other.chance(w.cfg.Twins) {
			it.Twin, it.WAMID = it.WAMID, w.twin(n, idPast, int(m), thread)
		}
		start := len(dst)
		dst = append(dst, '{')
		// In Meta's own sample neither the sender nor the time is the placeholder's.
		if f.shape == shapeMessages {
			it.Direction = truth.In
			dst = appendField(dst, "from", chat.Phone+chat.User)
			if d.chance(0.5) {
				it.Timestamp -= int64(d.n(day))
			}
		} else {
			dst = appendField(dst, "from", n.display)
			dst = appendField(append(dst, ','), "to", chat.Phone+chat.User)
		}
		dst = appendField(append(dst, ','), "id", it.WAMID)
		dst = appendTime(append(dst, ','), it.Timestamp, n.numericTime)
		it.Type = [...]string{"image", "video", "audio", "document", "sticker"}[d.n(5)]
		dst = appendField(append(dst, ','), "type", it.Type)
		dst = append(append(append(dst, ',', '"'), it.Type...), `":{"mime_type":"application\/octet-stream","sha256":"3f9d94d399fa61c1","id":"`...)
		dst = strconv.AppendInt(dst, 24230790000000000+int64(d.n(1_000_000_000)), 10)
		dst = append(dst, '"', '}', '}')
		if tell != nil {
			it.Digest = truth.Sum(dst[start:])
			tell.People = append(tell.People, chat)
			tell.Items = append(tell.Items, it)
		}
	}
	return append(dst, ']')
}
