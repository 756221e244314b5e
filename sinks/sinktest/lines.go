package sinktest

import (
	"fmt"
	"slices"

	"github.com/coexstream/coexstream/sinks/merge"
)

// Content is what a target holds.
type Content struct {
	Rows         *merge.Rows
	Threads      map[Chat]Thread
	Letters      []merge.Place // with the topics' names in LetterTopics
	LetterTopics []string
}

// Chat names a thread.
type Chat struct{ Number, Chat string }

// Thread is a thread and how many messages it has.
type Thread struct {
	merge.Thread
	Messages int64
}

// Lines are what a reader sees of it, sorted.
func (c *Content) Lines() (all []string) {
	r := c.Rows
	say := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	for _, m := range r.Messages {
		say("message %s %s content %s %q edit %s %q revoke %s media %s receipt %s", m.Number, m.WAMID, m.Content.EventID, m.Content.Text, m.Edit.EventID, m.Edit.Text, m.Revoke.EventID, m.Media.EventID, receipt(&m.Receipt))
	}
	for _, p := range r.Participants {
		say("participant %s %s %s receipt %s", p.Number, p.WAMID, p.ID, receipt(&p.Receipt))
	}
	for _, p := range r.Reactions {
		say("reaction %s %s by %s %q %s", p.Number, p.WAMID, p.Sender, p.Emoji.Text, p.Emoji.EventID)
	}
	for _, c := range r.Contacts {
		say("contact %s %s book %q removed %v profile %q link %s", c.Number, c.ID, c.Book.FullName, c.Book.Removed, c.Profile.Name, c.Link.ID)
	}
	for _, n := range r.Numbers {
		say("number %s waba %s display %s event %s", n.ID, n.WABA.Text, n.Display.Text, n.Event.Text)
	}
	for _, b := range r.Businesses {
		say("business %s event %s", b.WABA, b.Event.Text)
	}
	for _, s := range r.Syncs {
		say("sync %s %d messages %d removed %v", s.Number, s.Window, s.Messages, s.Removed)
	}
	for _, n := range r.Notes {
		say("note %s %s", n.ID, n.Kind)
	}
	for chat, t := range c.Threads {
		say("thread %s %q messages %d last %s at %d unread %d since %d", chat.Number, chat.Chat, t.Messages, t.LastWAMID, t.LastAt, t.Unread, t.UnreadSince)
	}
	for i, at := range c.Letters {
		say("letter %s/%d@%d", c.LetterTopics[i], at.Partition, at.Offset)
	}
	slices.Sort(all)
	return all
}

func receipt(r *merge.Receipt) string {
	return fmt.Sprintf("%s %d/%d/%d/%d failed %s", r.Status, r.SentAt, r.DeliveredAt, r.ReadAt, r.PlayedAt, r.Failed.EventID)
}

// Compare tells the first difference between what is there and what has to be.
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
