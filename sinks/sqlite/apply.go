package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/merge"
)

// Positions implements sinks.Target.
func (st *Store) Positions(ctx context.Context, partition int32) (map[schemas.Topic]sinks.Position, error) {
	st.turns.take(true)
	defer st.turns.give()
	rows, err := st.s.positions.QueryContext(ctx, partition)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	positions := map[schemas.Topic]sinks.Position{}
	for rows.Next() {
		var name string
		var p sinks.Position
		var at int64
		var log []byte
		if err := rows.Scan(&name, &p.Next, &at, &log); err != nil {
			return nil, err
		}
		topic, ok := schemas.ParseTopic(name)
		if !ok {
			continue // of a later version
		}
		p.At = time.UnixMilli(at)
		copy(p.Log[:], log)
		positions[topic] = p
	}
	return positions, rows.Err()
}

// Apply implements sinks.Target.
func (st *Store) Apply(ctx context.Context, b *sinks.Batch) error {
	if err := st.HasRoom(); err != nil {
		return err
	}
	return st.step(ctx, b.Live, func() error {
		if err := st.advance(ctx, b); err != nil {
			return err
		}
		w := writing{ctx: ctx, s: &st.s, chats: map[chat]int{}}
		w.letters(b.Letters)
		w.rows(b.Rows)
		w.threads()
		return w.err
	})
}

// advance moves the positions first, so that a zombie fails before it writes anything.
func (st *Store) advance(ctx context.Context, b *sinks.Batch) error {
	for _, a := range b.Advances {
		name, at, log := a.Topic.String(), a.To.At.UnixMilli(), a.To.Log[:]
		var done sql.Result
		var err error
		if a.From < 0 {
			done, err = st.s.begin.ExecContext(ctx, name, b.Partition, a.To.Next, at, log)
		} else {
			done, err = st.s.advance.ExecContext(ctx, a.To.Next, at, log, name, b.Partition, a.From)
		}
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n != 1 {
			return errors.Join(fmt.Errorf("%s/%d from %d: %w", name, b.Partition, a.From, sinks.ErrFenced), err)
		}
	}
	return nil
}

type chat struct{ number, name string }

// writing is one step. The first error ends it.
type writing struct {
	ctx   context.Context
	s     *statements
	chats map[chat]int // changed chats, and by how many messages
	err   error
}

// exec returns the number of written rows.
func (w *writing) exec(stmt *sql.Stmt, args ...any) int64 {
	if w.err != nil {
		return 0
	}
	done, err := stmt.ExecContext(w.ctx, args...)
	if err != nil {
		w.err = err
		return 0
	}
	n, err := done.RowsAffected()
	w.err = err
	return n
}

func (w *writing) letters(letters []sinks.Letter) {
	for i := range letters {
		l := &letters[i]
		headers := make([][2]string, 0, len(l.Headers))
		for _, h := range l.Headers {
			headers = append(headers, [2]string{h.Key, string(h.Value)})
		}
		text, err := json.Marshal(headers)
		if err != nil {
			w.err = err
			return
		}
		w.exec(w.s.letter, l.Topic.String(), l.Place.Partition, l.Place.Offset, l.At.UnixMilli(), l.Reason, l.Key, string(text), l.Value)
	}
}

func (w *writing) rows(r *merge.Rows) {
	for _, m := range r.Messages {
		w.message(m)
	}
	for _, p := range r.Participants {
		w.receipt(p.MessageKey, p.ID, &p.Receipt)
	}
	for _, x := range r.Reactions {
		e := &x.Emoji
		w.exec(w.s.reaction, x.Number, x.WAMID, x.Sender, e.EventID, e.At, e.Type, e.Text, e.Original, blob(e.Order), e.Person)
	}
	for _, c := range r.Contacts {
		w.contact(c)
	}
	for _, n := range r.Numbers {
		w.number(n)
	}
	for _, b := range r.Businesses {
		w.business(b)
	}
	for _, s := range r.Syncs {
		w.exec(w.s.sync, s.Number, s.Window, s.Partition, s.WABA, s.State, s.EndReason, s.Progress, s.Messages, s.Held, s.OpenedAt, s.LastAt, s.EndedAt, s.Removed, s.Value, blob(s.Order))
	}
	for _, a := range r.Assets {
		w.exec(w.s.asset, a.Number, a.EventID, a.WABA, a.WAMID, a.Thread, a.Person, a.MediaID, a.Type, a.MIMEType, a.Detected, a.Filename, a.State, a.Reason, a.Detail, a.SHA256,
			a.Bytes, a.Object, a.MessageAt, a.ExpiresAt, a.At, blob(a.Order))
	}
	for _, n := range r.Notes {
		w.exec(w.s.note, n.ID, n.Topic, n.Kind, n.WABA, n.Number, n.Display, n.Thread, n.At, n.Text, n.Original, blob(n.Order), n.Person)
	}
}

func (w *writing) message(m *merge.Message) {
	if m.Visible() {
		w.content(m)
	}
	for what, v := range map[string]*merge.Version{"edit": &m.Edit, "revoke": &m.Revoke, "media": &m.Media} {
		if v.Order != "" {
			w.exec(w.s.version, m.Number, m.WAMID, what, v.EventID, v.At, v.Type, v.Text, v.Original, blob(v.Order), v.Person)
		}
	}
	if m.Receipt != (merge.Receipt{}) {
		w.receipt(m.MessageKey, "", &m.Receipt)
	}
}

// content writes the content of a message, and notes which chats change.
func (w *writing) content(m *merge.Message) {
	c := &m.Content
	values := []any{
		c.EventID, c.Kind, c.Type, c.Thread, c.Chat, c.Group, c.WaID, c.UserID, c.Direction, c.From, c.To, c.At, c.SortAt,
		c.Historical, c.Standby, c.Window, c.Text, c.Original, blob(c.Order),
	}
	if w.exec(w.s.messageInsert, append([]any{m.Number, m.WAMID}, values...)...) == 1 {
		w.chats[chat{m.Number, c.Chat}]++
		return
	}
	if w.err != nil {
		return
	}
	var was string
	var order []byte
	if w.err = w.s.messageRead.QueryRowContext(w.ctx, m.Number, m.WAMID).Scan(&was, &order); w.err != nil || c.Order <= merge.Order(order) {
		return
	}
	w.exec(w.s.messageUpdate, append(values, m.Number, m.WAMID)...)
	w.chats[chat{m.Number, was}]--
	w.chats[chat{m.Number, c.Chat}]++
}

func (w *writing) receipt(key merge.MessageKey, participant string, r *merge.Receipt) {
	values := func(r *merge.Receipt) []any {
		f := &r.Failed
		return []any{r.Status, r.SentAt, r.DeliveredAt, r.ReadAt, r.PlayedAt, f.EventID, f.At, f.Type, f.Original, blob(f.Order), r.Person}
	}
	var was merge.Receipt
	w.join(&w.s.receipt, []any{key.Number, key.WAMID, participant}, values(r), func(row *sql.Row) ([]any, error) {
		f := &was.Failed
		err := row.Scan(&was.Status, &was.SentAt, &was.DeliveredAt, &was.ReadAt, &was.PlayedAt, &f.EventID, &f.At, &f.Type, &f.Original, (*orderOf)(&f.Order), &was.Person)
		before := merge.Message{Receipt: was}
		if err != nil || !before.Join(&merge.Message{Receipt: *r}) {
			return nil, err
		}
		return values(&before.Receipt), nil
	})
}

func (w *writing) contact(c *merge.Contact) {
	values := func(c *merge.Contact) []any {
		b, p, l := &c.Book, &c.Profile, &c.Link
		return []any{
			c.Chat, b.Order != "" && !b.Removed, b.FullName, b.FirstName, b.Username, b.Phone, b.UserID, b.ParentUserID, b.At, b.Original, b.Removed, blob(b.Order),
			p.Name, p.Username, p.Country, blob(p.Order), l.ID, blob(l.Order),
		}
	}
	was := merge.Contact{ContactKey: c.ContactKey}
	w.join(&w.s.contact, []any{c.Number, c.ID}, values(c), func(row *sql.Row) ([]any, error) {
		b, p, l := &was.Book, &was.Profile, &was.Link
		var inBook bool
		err := row.Scan(&was.Chat, &inBook, &b.FullName, &b.FirstName, &b.Username, &b.Phone, &b.UserID, &b.ParentUserID, &b.At, &b.Original, &b.Removed, (*orderOf)(&b.Order),
			&p.Name, &p.Username, &p.Country, (*orderOf)(&p.Order), &l.ID, (*orderOf)(&l.Order))
		if err != nil || !was.Join(c) {
			return nil, err
		}
		return values(&was), nil
	})
}

func (w *writing) number(n *merge.Number) {
	values := func(n *merge.Number) []any {
		return []any{n.WABA.Text, n.Display.Text, n.Event.Text, blob(n.WABA.Order), blob(n.Display.Order), blob(n.Event.Order)}
	}
	was := merge.Number{ID: n.ID}
	w.join(&w.s.number, []any{n.ID}, values(n), func(row *sql.Row) ([]any, error) {
		err := row.Scan(&was.WABA.Text, &was.Display.Text, &was.Event.Text, (*orderOf)(&was.WABA.Order), (*orderOf)(&was.Display.Order), (*orderOf)(&was.Event.Order))
		if err != nil || !was.Join(n) {
			return nil, err
		}
		return values(&was), nil
	})
}

func (w *writing) business(b *merge.Business) {
	values := func(b *merge.Business) []any { return []any{b.Event.Text, blob(b.Event.Order)} }
	was := merge.Business{WABA: b.WABA}
	w.join(&w.s.business, []any{b.WABA}, values(b), func(row *sql.Row) ([]any, error) {
		err := row.Scan(&was.Event.Text, (*orderOf)(&was.Event.Order))
		if err != nil || !was.Join(b) {
			return nil, err
		}
		return values(&was), nil
	})
}

// join inserts a row. If one exists, merged reads it and returns the new values; nil: nothing changed.
func (w *writing) join(s *joined, key, values []any, merged func(*sql.Row) ([]any, error)) {
	if w.exec(s.insert, append(append([]any{}, key...), values...)...) == 1 || w.err != nil {
		return
	}
	values, err := merged(s.read.QueryRowContext(w.ctx, key...))
	if err != nil {
		w.err = err
		return
	}
	if values != nil {
		w.exec(s.update, append(values, key...)...)
	}
}

// threads computes the chats that changed.
func (w *writing) threads() {
	for c, more := range w.chats {
		if c.name == "" || w.err != nil {
			continue
		}
		var t merge.Thread
		if t, w.err = w.thread(c); w.err != nil {
			return
		}
		if t.LastWAMID == "" {
			w.exec(w.s.threadGone, c.number, c.name)
			continue
		}
		w.exec(w.s.thread, c.number, c.name, more, t.LastWAMID, t.LastAt, t.Unread, t.UnreadSince)
	}
}

func (w *writing) thread(c chat) (t merge.Thread, err error) {
	rows, err := w.s.walk.QueryContext(w.ctx, c.number, c.name)
	if err != nil {
		return t, err
	}
	defer func() { _ = rows.Close() }()
	for more := true; more && rows.Next(); {
		var wamid, direction string
		var historical bool
		var sortAt int64
		if err := rows.Scan(&wamid, &direction, &historical, &sortAt); err != nil {
			return t, err
		}
		more = t.Walk(wamid, direction, historical, sortAt)
	}
	return t, rows.Err()
}

// orderOf reads an order from a column of bytes.
type orderOf merge.Order

// Scan implements sql.Scanner.
func (o *orderOf) Scan(v any) error {
	b, ok := v.([]byte)
	if !ok && v != nil {
		return fmt.Errorf("an order that is %T", v)
	}
	*o = orderOf(b)
	return nil
}

func blob(o merge.Order) []byte { return append([]byte{}, o...) }
