package world

import (
	"encoding/base64"
	"strconv"

	"github.com/coexstream/coexstream/internal/verify/truth"
)

// number is a business phone number. Its messages, chats and contacts are functions of their index.
type number struct {
	index    int
	business int
	waba     string
	id       string
	display  string

	dialog   bool   // comes through 360dialog's partner URL
	ycloud   bool   // comes through YCloud
	decoy    string // another WABA that the webhooks of a YCloud number name first; empty: none
	declined bool

	threads int // chats
	block   int // messages in a row of one chat
	spans   [3]int
	fresh   int // messages written between the first and the second onboarding

	// Ways of writing, the same in all of a number's webhooks.
	fromMe, to, lowerStatus, numericTime, contexts bool
	noName                                         bool // the history does not say the number
	country                                        country

	contacts int
	live     int // live items planned so far: the next one's index
}

const (
	wabaDigits  = 100_000_000_000_000 // 15 digits
	day         = 24 * 3600
	mediaMaxAge = 13 * day // the documents say 14 days: a day of distance keeps the outcome certain
)

// Kinds of wamids: each has its own space of indices.
const (
	idPast = iota
	idLive
	idForeign // of messages that were sent through the Cloud API, which only statuses speak of
	idCrowd   // of the messages of one body, crowdMax for each
)

// Places of dice.
const (
	atNumber = iota
	atThread
	atBlock
	atMessage
	atCopy
	atMedia
	atLive
	atContact
	atBody
	atPlan
	atOther
)

func wabaID(seed uint64, business int) string {
	return strconv.FormatUint(wabaDigits+mix(seed)%800_000_000*1_000_000+uint64(business), 10)
}

func portfolioID(seed uint64, business int) string {
	return strconv.FormatUint(wabaDigits+mix(seed+2)%800_000_000*1_000_000+uint64(business), 10)
}

func phoneNumberID(seed uint64, index int) string {
	return strconv.FormatUint(wabaDigits+mix(seed+1)%800_000_000*1_000_000+uint64(index), 10)
}

// user is the business-scoped user id of the n-th person.
func (w *World) user(n *number, person int) string {
	k := mix(mix(w.cfg.Seed^0x75736572) + uint64(n.index)<<32 + uint64(person))
	country := [...]string{"US.", "BR.", "DE.", "IN.ENT."}[person%4]
	return country + strconv.FormatUint(k%9_000_000_000_000_000+1_000_000_000_000_000, 10)
}

// thread is the chat of a past message: blocks of consecutive messages belong to one chat.
func (w *World) thread(n *number, message int) int {
	d := roll(w.cfg.Seed, atBlock, uint64(n.index), uint64(message/n.block))
	return d.n(n.threads)
}

// byUser reports whether a chat is known by its business-scoped user id only.
func (w *World) byUser(n *number, thread int) bool {
	d := roll(w.cfg.Seed, atThread, uint64(n.index), uint64(thread))
	return d.chance(w.cfg.Users)
}

// chat is who is on the other side of a chat.
func (w *World) chat(n *number, thread int) truth.Person {
	if w.byUser(n, thread) {
		return truth.Person{User: w.user(n, thread)}
	}
	return truth.Person{Phone: w.phone(n, thread)}
}

// wamid is the id of a message: unique within the world, and of the real ones' form.
func (w *World) wamid(n *number, kind, index int) string {
	return w.wamidOf(n, kind, index, n.display)
}

// twin is the second wamid of a message: with another id in it, and the same token.
func (w *World) twin(n *number, kind, index, thread int) string {
	return w.wamidOf(n, kind, index, w.user(n, thread))
}

func (w *World) wamidOf(n *number, kind, index int, whose string) string {
	u := mix(mix(w.cfg.Seed) ^ (uint64(n.index)<<40 | uint64(kind)<<36 | uint64(index)))
	var raw [64]byte
	b := append(raw[:0], 0x1c, 0x18, byte(len(whose)))
	b = append(b, whose...)
	b = append(b, 0x15, 0x02, 0x00, 0x11, 0x18, 0x12)
	const digits = "0123456789ABCDEF"
	for i := range 16 {
		b = append(b, digits[u>>(4*i)&15])
	}
	b = append(b, '3', 'F', 0)
	out := make([]byte, 0, 6+base64.StdEncoding.EncodedLen(len(b)))
	out = append(out, "wamid."...)
	return string(base64.StdEncoding.AppendEncode(out, b))
}

// messages is the number of past messages in the first onboarding.
func (n *number) messages() int { return n.spans[0] + n.spans[1] + n.spans[2] }

// age is the age of a past message in seconds at the world's start; younger messages have lower phases.
func (w *World) age(n *number, message int) int64 {
	from, to, at, of := int64(0), int64(day), message, n.spans[0]
	switch {
	case message >= n.messages():
		at, of = message-n.messages(), max(n.fresh, 1)
		to = 600
	case message >= n.spans[0]+n.spans[1]:
		from, to, at, of = 90*day, 180*day, message-n.spans[0]-n.spans[1], n.spans[2]
	case message >= n.spans[0]:
		from, to, at, of = day, 90*day, message-n.spans[0], n.spans[1]
	}
	return from + (to-from-1)*int64(at)/int64(of) + 1
}

func (w *World) timestamp(n *number, message int) int64 {
	return w.cfg.Start.Unix() - w.age(n, message)
}
