package postgres_test

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks/merge"
	"github.com/coexstream/coexstream/sinks/sinktest"
)

// connected is a connection of a reader, which sees the schema.
func connected(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(t.Context()) })
	if _, err := conn.Exec(t.Context(), "SET search_path = "+schema); err != nil {
		t.Fatal(err)
	}
	return conn
}

// unix is a time as Unix seconds, 0 for NULL.
func unix(column string) string { return "COALESCE(extract(epoch FROM " + column + "), 0)::bigint" }

// contentOf reads all tables.
func contentOf(t testing.TB, url string) *sinktest.Content {
	t.Helper()
	conn := connected(t, url)
	c := &sinktest.Content{Rows: merge.NewRows(), Threads: map[sinktest.Chat]sinktest.Thread{}}
	each := func(query string, into []any, row func()) {
		rows, err := conn.Query(t.Context(), query)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		if _, err := pgx.ForEachRow(rows, into, func() error { row(); return nil }); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	message := func(key merge.MessageKey) *merge.Message {
		if c.Rows.Messages[key] == nil {
			c.Rows.Messages[key] = &merge.Message{MessageKey: key}
		}
		return c.Rows.Messages[key]
	}
	var key merge.MessageKey
	var content merge.Content
	each("SELECT phone_number_id, wamid, event_id, text, type, direction, sync_window, original FROM messages", []any{&key.Number, &key.WAMID, &content.EventID, &content.Text, &content.Type, &content.Direction, &content.Window, &content.Original}, func() {
		message(key).Content = content
	})
	var what string
	var v merge.Version
	each("SELECT phone_number_id, wamid, what, event_id, text, original, person FROM versions", []any{&key.Number, &key.WAMID, &what, &v.EventID, &v.Text, &v.Original, &v.Person}, func() {
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
	var p merge.Participant
	each("SELECT phone_number_id, wamid, participant, status, "+unix("sent_at")+", "+unix("delivered_at")+", "+unix("read_at")+", "+unix("played_at")+", failed_event_id, failed_original, person FROM receipts",
		[]any{&p.Number, &p.WAMID, &p.ID, &p.Receipt.Status, &p.Receipt.SentAt, &p.Receipt.DeliveredAt, &p.Receipt.ReadAt, &p.Receipt.PlayedAt, &p.Receipt.Failed.EventID, &p.Receipt.Failed.Original, &p.Receipt.Person}, func() {
			if p.ID == "" {
				message(p.MessageKey).Receipt = p.Receipt
				return
			}
			one := p
			c.Rows.Participants[p.ParticipantKey] = &one
		})
	var reaction merge.Reaction
	each("SELECT phone_number_id, wamid, sender, emoji, event_id, original, person FROM reactions", []any{&reaction.Number, &reaction.WAMID, &reaction.Sender, &reaction.Emoji.Text, &reaction.Emoji.EventID, &reaction.Emoji.Original, &reaction.Emoji.Person}, func() {
		one := reaction
		c.Rows.Reactions[one.ReactionKey] = &one
	})
	var contact merge.Contact
	each("SELECT phone_number_id, id, full_name, original, removed, profile_name, linked_id FROM contacts",
		[]any{&contact.Number, &contact.ID, &contact.Book.FullName, &contact.Book.Original, &contact.Book.Removed, &contact.Profile.Name, &contact.Link.ID}, func() {
			one := contact
			c.Rows.Contacts[one.ContactKey] = &one
		})
	var number merge.Number
	each("SELECT phone_number_id, waba_id, display_phone_number, event FROM numbers", []any{&number.ID, &number.WABA.Text, &number.Display.Text, &number.Event.Text}, func() {
		one := number
		c.Rows.Numbers[one.ID] = &one
	})
	var business merge.Business
	each("SELECT waba_id, event FROM businesses", []any{&business.WABA, &business.Event.Text}, func() {
		one := business
		c.Rows.Businesses[one.WABA] = &one
	})
	var sync merge.Sync
	each("SELECT phone_number_id, sync_window, partition, messages, value, removed FROM syncs", []any{&sync.Number, &sync.Window, &sync.Partition, &sync.Messages, &sync.Value, &sync.Removed}, func() {
		one := sync
		c.Rows.Syncs[one.SyncKey] = &one
	})
	var note merge.Note
	each("SELECT event_id, kind, original, person FROM notes", []any{&note.ID, &note.Kind, &note.Original, &note.Person}, func() {
		one := note
		c.Rows.Notes[one.ID] = &one
	})
	var asset merge.Asset
	each("SELECT phone_number_id, event_id, person, thread, state, reason, sha256, bytes, object, filename, mime_type, (extract(epoch FROM at) * 1000)::bigint, "+unix("expires_at")+" FROM assets",
		[]any{&asset.Number, &asset.EventID, &asset.Person, &asset.Thread, &asset.State, &asset.Reason, &asset.SHA256, &asset.Bytes, &asset.Object, &asset.Filename, &asset.MIMEType, &asset.At, &asset.ExpiresAt}, func() {
			one := asset
			c.Rows.Assets[one.AssetKey] = &one
		})
	var chat sinktest.Chat
	var th sinktest.Thread
	each("SELECT phone_number_id, chat, messages, last_wamid, "+unix("last_at")+", unread, "+unix("unread_since")+" FROM threads",
		[]any{&chat.Number, &chat.Chat, &th.Messages, &th.LastWAMID, &th.LastAt, &th.Unread, &th.UnreadSince}, func() { c.Threads[chat] = th })
	var topic string
	var at merge.Place
	var value []byte
	each("SELECT topic, partition, record_offset, value FROM letters", []any{&topic, &at.Partition, &at.Offset, &value}, func() {
		if _, ok := schemas.ParseTopic(topic); !ok {
			t.Fatalf("a letter of topic %q", topic)
		}
		c.Letters, c.LetterTopics = append(c.Letters, at), append(c.LetterTopics, topic)
		c.LetterValues = append(c.LetterValues, slices.Clone(value))
	})
	return c
}
