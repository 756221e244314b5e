package sqlite_test

import (
	"database/sql"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks/merge"
	"github.com/coexstream/coexstream/sinks/sinktest"
)

// contentOf reads all tables, with a connection of its own.
func contentOf(t testing.TB, file string) *sinktest.Content {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=query_only(1)&_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	c := &sinktest.Content{Rows: merge.NewRows(), Threads: map[sinktest.Chat]sinktest.Thread{}}
	each := func(query string, row func(scan func(...any))) {
		rows, err := db.Query(query)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		defer rows.Close()
		for rows.Next() {
			row(func(into ...any) {
				if err := rows.Scan(into...); err != nil {
					t.Fatalf("%s: %v", query, err)
				}
			})
		}
		if err := rows.Err(); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	message := func(key merge.MessageKey) *merge.Message {
		if c.Rows.Messages[key] == nil {
			c.Rows.Messages[key] = &merge.Message{MessageKey: key}
		}
		return c.Rows.Messages[key]
	}
	each("SELECT phone_number_id, wamid, event_id, text, type, direction, window, original FROM messages", func(scan func(...any)) {
		var key merge.MessageKey
		var content merge.Content
		scan(&key.Number, &key.WAMID, &content.EventID, &content.Text, &content.Type, &content.Direction, &content.Window, &content.Original)
		message(key).Content = content
	})
	each("SELECT phone_number_id, wamid, what, event_id, text, original, person FROM versions", func(scan func(...any)) {
		var key merge.MessageKey
		var what string
		var v merge.Version
		scan(&key.Number, &key.WAMID, &what, &v.EventID, &v.Text, &v.Original, &v.Person)
		switch m := message(key); what {
		case "edit":
			m.Edit = v
		case "revoke":
			m.Revoke = v
		case "media":
			m.Media = v
		default:
			t.Fatalf("a version that is %q", what)
		}
	})
	each("SELECT phone_number_id, wamid, participant, status, sent_at, delivered_at, read_at, played_at, failed_event_id, failed_original, person FROM receipts", func(scan func(...any)) {
		var key merge.ParticipantKey
		var r merge.Receipt
		scan(&key.Number, &key.WAMID, &key.ID, &r.Status, &r.SentAt, &r.DeliveredAt, &r.ReadAt, &r.PlayedAt, &r.Failed.EventID, &r.Failed.Original, &r.Person)
		if key.ID == "" {
			message(key.MessageKey).Receipt = r
			return
		}
		c.Rows.Participants[key] = &merge.Participant{ParticipantKey: key, Receipt: r}
	})
	each("SELECT phone_number_id, wamid, sender, emoji, event_id, original, person FROM reactions", func(scan func(...any)) {
		var r merge.Reaction
		scan(&r.Number, &r.WAMID, &r.Sender, &r.Emoji.Text, &r.Emoji.EventID, &r.Emoji.Original, &r.Emoji.Person)
		c.Rows.Reactions[r.ReactionKey] = &r
	})
	each("SELECT phone_number_id, id, full_name, original, removed, profile_name, linked_id FROM contacts", func(scan func(...any)) {
		var r merge.Contact
		scan(&r.Number, &r.ID, &r.Book.FullName, &r.Book.Original, &r.Book.Removed, &r.Profile.Name, &r.Link.ID)
		c.Rows.Contacts[r.ContactKey] = &r
	})
	each("SELECT phone_number_id, waba_id, display_phone_number, event FROM numbers", func(scan func(...any)) {
		var r merge.Number
		scan(&r.ID, &r.WABA.Text, &r.Display.Text, &r.Event.Text)
		c.Rows.Numbers[r.ID] = &r
	})
	each("SELECT waba_id, event FROM businesses", func(scan func(...any)) {
		var r merge.Business
		scan(&r.WABA, &r.Event.Text)
		c.Rows.Businesses[r.WABA] = &r
	})
	each("SELECT phone_number_id, window, partition, messages, value, removed FROM syncs", func(scan func(...any)) {
		var r merge.Sync
		scan(&r.Number, &r.Window, &r.Partition, &r.Messages, &r.Value, &r.Removed)
		c.Rows.Syncs[r.SyncKey] = &r
	})
	each("SELECT phone_number_id, event_id, person, thread, state, reason, sha256, bytes, object, filename, mime_type, at, expires_at FROM assets", func(scan func(...any)) {
		var a merge.Asset
		scan(&a.Number, &a.EventID, &a.Person, &a.Thread, &a.State, &a.Reason, &a.SHA256, &a.Bytes, &a.Object, &a.Filename, &a.MIMEType, &a.At, &a.ExpiresAt)
		c.Rows.Assets[a.AssetKey] = &a
	})
	each("SELECT event_id, kind, original, person FROM notes", func(scan func(...any)) {
		var r merge.Note
		scan(&r.ID, &r.Kind, &r.Original, &r.Person)
		c.Rows.Notes[r.ID] = &r
	})
	each("SELECT phone_number_id, chat, messages, last_wamid, last_at, unread, unread_since FROM threads", func(scan func(...any)) {
		var chat sinktest.Chat
		var th sinktest.Thread
		scan(&chat.Number, &chat.Chat, &th.Messages, &th.LastWAMID, &th.LastAt, &th.Unread, &th.UnreadSince)
		c.Threads[chat] = th
	})
	each(`SELECT topic, partition, "offset", value FROM letters`, func(scan func(...any)) {
		var topic string
		var at merge.Place
		var value []byte
		scan(&topic, &at.Partition, &at.Offset, &value)
		if _, ok := schemas.ParseTopic(topic); !ok {
			t.Fatalf("a letter of topic %q", topic)
		}
		c.Letters, c.LetterTopics = append(c.Letters, at), append(c.LetterTopics, topic)
		c.LetterValues = append(c.LetterValues, value)
	})
	return c
}
