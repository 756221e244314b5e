package sinktest

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"github.com/coexstream/coexstream/sinks/merge"
)

// Content is what a target holds.
type Content struct {
	Rows         *merge.Rows
	Threads      map[Chat]Thread
	Letters      []merge.Place // with the topics' names in LetterTopics
	LetterTopics []string
	LetterValues [][]byte // of the records
}

// Chat names a thread.
type Chat struct{ Number, Chat string }

// Thread is a thread and how many messages it has.
type Thread struct {
	merge.Thread
	Messages int64
}

// Lines are what a reader sees of it, sorted. Verbatim text is there as its sum.
func (c *Content) Lines() (all []string) {
	r := c.Rows
	say := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	for _, m := range r.Messages {
		c := &m.Content
		say("message %s %s content %s %q %s %s window %d %s edit %s %q %s of %s revoke %s %s of %s media %s %s of %s receipt %s", m.Number, m.WAMID, c.EventID, c.Text, c.Type, c.Direction, c.Window, sum(c.Original),
			m.Edit.EventID, m.Edit.Text, sum(m.Edit.Original), m.Edit.Person, m.Revoke.EventID, sum(m.Revoke.Original), m.Revoke.Person, m.Media.EventID, sum(m.Media.Original), m.Media.Person, receipt(&m.Receipt))
	}
	for _, p := range r.Participants {
		say("participant %s %s %s receipt %s", p.Number, p.WAMID, p.ID, receipt(&p.Receipt))
	}
	for _, p := range r.Reactions {
		say("reaction %s %s by %s %q %s %s of %s", p.Number, p.WAMID, p.Sender, p.Emoji.Text, p.Emoji.EventID, sum(p.Emoji.Original), p.Emoji.Person)
	}
	for _, c := range r.Contacts {
		say("contact %s %s book %q %s removed %v profile %q link %s", c.Number, c.ID, c.Book.FullName, sum(c.Book.Original), c.Book.Removed, c.Profile.Name, c.Link.ID)
	}
	for _, n := range r.Numbers {
		say("number %s waba %s display %s event %s", n.ID, n.WABA.Text, n.Display.Text, n.Event.Text)
	}
	for _, b := range r.Businesses {
		say("business %s event %s", b.WABA, b.Event.Text)
	}
	for _, s := range r.Syncs {
		say("sync %s %d messages %d %s removed %v", s.Number, s.Window, s.Messages, sum(s.Value), s.Removed)
	}
	for _, a := range r.Assets {
		say("asset %s %s of %s in %s: %s %s %s %d %s %q %q %s until %d", a.Number, a.EventID, a.Person, a.Thread, a.State, a.Reason, a.SHA256, a.Bytes, a.Object, a.Filename, a.MIMEType,
			time.UnixMilli(a.At).UTC().Format(time.RFC3339Nano), a.ExpiresAt)
	}
	for _, n := range r.Notes {
		say("note %s %s %s of %s", n.ID, n.Kind, sum(n.Original), n.Person)
	}
	for chat, t := range c.Threads {
		say("thread %s %q messages %d last %s at %d unread %d since %d", chat.Number, chat.Chat, t.Messages, t.LastWAMID, t.LastAt, t.Unread, t.UnreadSince)
	}
	for i, at := range c.Letters {
		say("letter %s/%d@%d %s", c.LetterTopics[i], at.Partition, at.Offset, sum(string(c.LetterValues[i])))
	}
	slices.Sort(all)
	return all
}

func receipt(r *merge.Receipt) string {
	return fmt.Sprintf("%s %d/%d/%d/%d failed %s %s of %s", r.Status, r.SentAt, r.DeliveredAt, r.ReadAt, r.PlayedAt, r.Failed.EventID, sum(r.Failed.Original), r.Person)
}

// sum stands for a text byte for byte. Nothing stands for none.
func sum(text string) string {
	if text == "" {
		return "-"
	}
	s := sha256.Sum256([]byte(text))
	return fmt.Sprintf("%x", s[:6])
}

// Compare returns the first difference between the content and the expected one.
func Compare(got, want []string) error {
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got) || i < len(want) && got[i] > want[i]:
			return fmt.Errorf("missing: %s", want[i])
		case i >= len(want) || got[i] < want[i]:
			return fmt.Errorf("too much: %s", got[i])
		}
	}
	return nil
}
