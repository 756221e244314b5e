package postgres

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/merge"
)

// part is the rows of one table.
type part struct {
	table  *table
	rows   int
	encode func(e encoder, i int)
	chats  func() *chats // of messages, if all are new
}

// partOf sorts the rows by their keys, so that transactions lock them in one order.
func partOf[T any](t *table, rows []T, compare func(a, b T) int, encode func(encoder, T)) part {
	slices.SortFunc(rows, compare)
	return part{table: t, rows: len(rows), encode: func(e encoder, i int) { encode(e, rows[i]) }, chats: func() *chats { return nil }}
}

func byKey(a, b merge.MessageKey) int {
	return cmp.Or(strings.Compare(a.Number, b.Number), strings.Compare(a.WAMID, b.WAMID))
}

type version struct {
	key  merge.MessageKey
	what string
	*merge.Version
}

type receipt struct {
	key         merge.MessageKey
	participant string
	*merge.Receipt
}

// partsOf are the rows of a batch, by table, in the order of tables. An empty one is left out.
func partsOf(b *sinks.Batch) []part {
	r := b.Rows
	var contents []*merge.Message
	var changes []version
	var fates []receipt
	for _, m := range r.Messages {
		if m.Visible() {
			contents = append(contents, m)
		}
		for _, v := range [...]version{{m.MessageKey, "edit", &m.Edit}, {m.MessageKey, "revoke", &m.Revoke}, {m.MessageKey, "media", &m.Media}} {
			if v.Order != "" {
				changes = append(changes, v)
			}
		}
		if m.Receipt != (merge.Receipt{}) {
			fates = append(fates, receipt{m.MessageKey, "", &m.Receipt})
		}
	}
	for _, p := range r.Participants {
		fates = append(fates, receipt{p.MessageKey, p.ID, &p.Receipt})
	}
	mine := partOf(messages, contents, func(a, b *merge.Message) int { return byKey(a.MessageKey, b.MessageKey) }, encodeMessage)
	mine.chats = func() *chats { return chatsOf(contents) }
	var parts []part
	for _, p := range []part{
		mine,
		partOf(versions, changes, func(a, b version) int { return cmp.Or(byKey(a.key, b.key), strings.Compare(a.what, b.what)) }, encodeVersion),
		partOf(receipts, fates, func(a, b receipt) int {
			return cmp.Or(byKey(a.key, b.key), strings.Compare(a.participant, b.participant))
		}, encodeReceipt),
		partOf(reactions, list(r.Reactions), func(a, b *merge.Reaction) int {
			return cmp.Or(byKey(a.MessageKey, b.MessageKey), strings.Compare(a.Sender, b.Sender))
		}, encodeReaction),
		partOf(contacts, list(r.Contacts), func(a, b *merge.Contact) int {
			return cmp.Or(strings.Compare(a.Number, b.Number), strings.Compare(a.ID, b.ID))
		}, encodeContact),
		partOf(numbers, list(r.Numbers), func(a, b *merge.Number) int { return strings.Compare(a.ID, b.ID) }, encodeNumber),
		partOf(businesses, list(r.Businesses), func(a, b *merge.Business) int { return strings.Compare(a.WABA, b.WABA) }, encodeBusiness),
		partOf(syncs, list(r.Syncs), func(a, b *merge.Sync) int {
			return cmp.Or(strings.Compare(a.Number, b.Number), cmp.Compare(a.Window, b.Window), cmp.Compare(a.Partition, b.Partition))
		}, encodeSync),
		partOf(notes, list(r.Notes), func(a, b *merge.Note) int { return strings.Compare(a.ID, b.ID) }, encodeNote),
		partOf(assets, list(r.Assets), func(a, b *merge.Asset) int {
			return cmp.Or(strings.Compare(a.Number, b.Number), strings.Compare(a.EventID, b.EventID))
		}, encodeAsset),
		partOf(letters, slices.Clone(b.Letters), func(a, b sinks.Letter) int {
			return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Place.Partition, b.Place.Partition), cmp.Compare(a.Place.Offset, b.Place.Offset))
		}, encodeLetter),
	} {
		if p.rows > 0 {
			parts = append(parts, p)
		}
	}
	return parts
}

func list[K comparable, T any](rows map[K]*T) []*T {
	all := make([]*T, 0, len(rows))
	for _, row := range rows {
		all = append(all, row)
	}
	return all
}

func texts(e encoder, all ...string) {
	for _, s := range all {
		e.text(s)
	}
}

// The functions below encode the columns of a table, in its order.

func encodeMessage(e encoder, m *merge.Message) {
	c := &m.Content
	texts(e, m.Number, m.WAMID, c.EventID, c.Kind, c.Type, c.Thread, c.Chat, c.Group, c.WaID, c.UserID, c.Direction, c.From, c.To)
	second(e, c.At)
	sortSecond(e, c.SortAt)
	e.flag(c.Historical)
	e.flag(c.Standby)
	e.number(int64(c.Window))
	texts(e, c.Text, c.Original)
	e.order(c.Order)
}

func encodeVersion(e encoder, v version) {
	texts(e, v.key.Number, v.key.WAMID, v.what, v.EventID)
	second(e, v.At)
	texts(e, v.Type, v.Text, v.Original)
	e.order(v.Order)
	e.text(v.Person)
}

func encodeReceipt(e encoder, r receipt) {
	texts(e, r.key.Number, r.key.WAMID, r.participant, r.Status)
	for _, at := range [...]int64{r.SentAt, r.DeliveredAt, r.ReadAt, r.PlayedAt} {
		second(e, at)
	}
	f := &r.Failed
	e.text(f.EventID)
	second(e, f.At)
	texts(e, f.Type, f.Original)
	e.order(r.StatusOrder())
	e.order(f.Order)
	e.text(r.Person)
}

func encodeReaction(e encoder, r *merge.Reaction) {
	v := &r.Emoji
	texts(e, r.Number, r.WAMID, r.Sender, v.EventID)
	second(e, v.At)
	texts(e, v.Type, v.Text, v.Original)
	e.order(v.Order)
	e.text(v.Person)
}

func encodeContact(e encoder, c *merge.Contact) {
	b, p, l := &c.Book, &c.Profile, &c.Link
	texts(e, c.Number, c.ID, c.Chat)
	e.flag(b.Order != "" && !b.Removed)
	texts(e, b.FullName, b.FirstName, b.Username, b.Phone, b.UserID, b.ParentUserID)
	millisecond(e, b.At)
	e.text(b.Original)
	e.flag(b.Removed)
	e.order(b.Order)
	texts(e, p.Name, p.Username, p.Country)
	e.order(p.Order)
	e.text(l.ID)
	e.order(l.Order)
}

func encodeNumber(e encoder, n *merge.Number) {
	texts(e, n.ID, n.WABA.Text, n.Display.Text, n.Event.Text)
	e.order(n.WABA.Order)
	e.order(n.Display.Order)
	e.order(n.Event.Order)
}

func encodeBusiness(e encoder, b *merge.Business) {
	texts(e, b.WABA, b.Event.Text)
	e.order(b.Event.Order)
}

func encodeSync(e encoder, s *merge.Sync) {
	e.text(s.Number)
	e.number(int64(s.Window))
	e.number(int64(s.Partition))
	texts(e, s.WABA, s.State, s.EndReason)
	e.number(int64(s.Progress))
	e.number(s.Messages)
	e.number(s.Held)
	second(e, s.OpenedAt)
	second(e, s.LastAt)
	second(e, s.EndedAt)
	e.flag(s.Removed)
	e.text(s.Value)
	e.order(s.Order)
	e.text(s.Status)
	second(e, s.OnboardedAt)
	second(e, s.RequestedAt)
	second(e, s.RequestDeadlineAt)
	e.text(s.RequestedBy)
	e.number(s.ErrorCode)
}

func encodeNote(e encoder, n *merge.Note) {
	texts(e, n.ID, n.Topic, n.Kind, n.WABA, n.Number, n.Display, n.Thread)
	second(e, n.At)
	texts(e, n.Text, n.Original)
	e.order(n.Order)
	e.text(n.Person)
}

func encodeAsset(e encoder, a *merge.Asset) {
	texts(e, a.Number, a.EventID, a.WABA, a.WAMID, a.Thread, a.Person, a.MediaID, a.Type, a.MIMEType, a.Detected, a.Filename, a.State, a.Reason, a.Detail, a.SHA256)
	e.number(a.Bytes)
	e.text(a.Object)
	second(e, a.MessageAt)
	second(e, a.ExpiresAt)
	e.micros(max(0, min(a.At, secondMax*1000))*1e3, false)
	e.order(a.Order)
}

func encodeLetter(e encoder, l sinks.Letter) {
	headers := make([][2]string, 0, len(l.Headers))
	for _, h := range l.Headers {
		headers = append(headers, [2]string{h.Key, string(h.Value)})
	}
	text, _ := json.Marshal(headers) // texts always can be
	e.text(l.Topic.String())
	e.number(int64(l.Place.Partition))
	e.number(l.Place.Offset)
	millisecond(e, l.At.UnixMilli())
	e.text(l.Reason)
	e.bytes(l.Key)
	e.text(string(text))
	e.bytes(l.Value)
}
