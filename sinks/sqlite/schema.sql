-- The newest record of each topic and partition that was applied. `next` is the offset of the next one, `at` when it was written, in Unix milliseconds.
CREATE TABLE positions (
  topic TEXT NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL, at INTEGER NOT NULL, log BLOB NOT NULL,
  PRIMARY KEY (topic, partition)
) WITHOUT ROWID;

-- Records that could not be applied, as they were. `headers` is a JSON array of [name, value].
CREATE TABLE letters (
  topic TEXT NOT NULL, partition INTEGER NOT NULL, "offset" INTEGER NOT NULL, at INTEGER NOT NULL,
  reason TEXT NOT NULL, record_key BLOB, headers TEXT NOT NULL, value BLOB,
  PRIMARY KEY (topic, partition, "offset")
) WITHOUT ROWID;

-- WhatsApp Business Accounts. `event` is the name of the last account event.
CREATE TABLE businesses (
  waba_id TEXT PRIMARY KEY, event TEXT NOT NULL, event_order BLOB NOT NULL
) WITHOUT ROWID;

-- Business phone numbers. `event` is the name of the last account event that names the number.
CREATE TABLE numbers (
  phone_number_id TEXT PRIMARY KEY, waba_id TEXT NOT NULL, display_phone_number TEXT NOT NULL, event TEXT NOT NULL,
  waba_order BLOB NOT NULL, display_order BLOB NOT NULL, event_order BLOB NOT NULL
) WITHOUT ROWID;

-- Messages by the event that says best what they are about. `chat` is the thread in the spelling by which all spellings of a number are found.
-- `at` is the webhook's time in Unix seconds, 0 where it had none; `sort_at` is that, or the time of receipt. `original` is the vendor's object, verbatim.
CREATE TABLE messages (
  phone_number_id TEXT NOT NULL, wamid TEXT NOT NULL, event_id TEXT NOT NULL, kind TEXT NOT NULL, type TEXT NOT NULL,
  thread TEXT NOT NULL, chat TEXT NOT NULL, group_id TEXT NOT NULL, wa_id TEXT NOT NULL, user_id TEXT NOT NULL,
  direction TEXT NOT NULL, sender TEXT NOT NULL, recipient TEXT NOT NULL, at INTEGER NOT NULL, sort_at INTEGER NOT NULL,
  historical INTEGER NOT NULL, standby INTEGER NOT NULL, window INTEGER NOT NULL, text TEXT NOT NULL, original TEXT NOT NULL, content_order BLOB NOT NULL,
  PRIMARY KEY (phone_number_id, wamid)
);
CREATE INDEX messages_by_chat ON messages (phone_number_id, chat, sort_at, wamid);

-- The newest edit and revoke of a message, and the asset of a placeholder. The message may not be there yet. `person` is the user of the chat, in a group
-- the participant, in the spelling of `messages.chat`; of a file of an earlier version it can be empty. So in receipts, reactions and notes.
CREATE TABLE versions (
  phone_number_id TEXT NOT NULL, wamid TEXT NOT NULL, what TEXT NOT NULL, event_id TEXT NOT NULL, at INTEGER NOT NULL,
  type TEXT NOT NULL, text TEXT NOT NULL, original TEXT NOT NULL, version_order BLOB NOT NULL, person TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (phone_number_id, wamid, what)
);

-- The fate of messages. `participant` is empty but in groups. Messages that went through the API have no row in messages.
CREATE TABLE receipts (
  phone_number_id TEXT NOT NULL, wamid TEXT NOT NULL, participant TEXT NOT NULL, status TEXT NOT NULL,
  sent_at INTEGER NOT NULL, delivered_at INTEGER NOT NULL, read_at INTEGER NOT NULL, played_at INTEGER NOT NULL,
  failed_event_id TEXT NOT NULL, failed_at INTEGER NOT NULL, failed_type TEXT NOT NULL, failed_original TEXT NOT NULL, failed_order BLOB NOT NULL,
  person TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (phone_number_id, wamid, participant)
);

-- The newest reaction of a sender (empty: the business) to a message. An empty emoji: it was taken back.
CREATE TABLE reactions (
  phone_number_id TEXT NOT NULL, wamid TEXT NOT NULL, sender TEXT NOT NULL, event_id TEXT NOT NULL, at INTEGER NOT NULL,
  type TEXT NOT NULL, emoji TEXT NOT NULL, original TEXT NOT NULL, emoji_order BLOB NOT NULL, person TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (phone_number_id, wamid, sender)
);

-- People by each of their ids: a phone number or a business-scoped user id. `linked_id` is the other id of the same person.
-- Columns of the address book are empty where `in_book` is 0.
CREATE TABLE contacts (
  phone_number_id TEXT NOT NULL, id TEXT NOT NULL, chat TEXT NOT NULL, in_book INTEGER NOT NULL,
  full_name TEXT NOT NULL, first_name TEXT NOT NULL, book_username TEXT NOT NULL, phone_number TEXT NOT NULL, user_id TEXT NOT NULL,
  parent_user_id TEXT NOT NULL, changed_at INTEGER NOT NULL, original TEXT NOT NULL, removed INTEGER NOT NULL, book_order BLOB NOT NULL,
  profile_name TEXT NOT NULL, username TEXT NOT NULL, country_code TEXT NOT NULL, profile_order BLOB NOT NULL,
  linked_id TEXT NOT NULL, link_order BLOB NOT NULL,
  PRIMARY KEY (phone_number_id, id)
);
CREATE INDEX contacts_by_chat ON contacts (phone_number_id, chat);

-- History syncs, by the partition that tells of them. The row of window 0 says up to which record the syncs of a number were taken back there.
CREATE TABLE syncs (
  phone_number_id TEXT NOT NULL, window INTEGER NOT NULL, partition INTEGER NOT NULL, waba_id TEXT NOT NULL, state TEXT NOT NULL,
  end_reason TEXT NOT NULL, progress INTEGER NOT NULL, messages INTEGER NOT NULL, chunks_held INTEGER NOT NULL, opened_at INTEGER NOT NULL,
  last_chunk_at INTEGER NOT NULL, ended_at INTEGER NOT NULL, removed INTEGER NOT NULL, value TEXT NOT NULL, sync_order BLOB NOT NULL,
  PRIMARY KEY (phone_number_id, window, partition)
) WITHOUT ROWID;

-- Account events, errors, handovers, changes of unknown fields, messages without a wamid.
CREATE TABLE notes (
  event_id TEXT PRIMARY KEY, topic TEXT NOT NULL, kind TEXT NOT NULL, waba_id TEXT NOT NULL, phone_number_id TEXT NOT NULL,
  display_phone_number TEXT NOT NULL, thread TEXT NOT NULL, at INTEGER NOT NULL, text TEXT NOT NULL, original TEXT NOT NULL, note_order BLOB NOT NULL,
  person TEXT NOT NULL DEFAULT ''
);

-- Chats. `unread` counts live messages of the user behind the newest message that is the business's own or of the past, up to 1000.
CREATE TABLE threads (
  phone_number_id TEXT NOT NULL, chat TEXT NOT NULL, messages INTEGER NOT NULL, last_wamid TEXT NOT NULL, last_at INTEGER NOT NULL,
  unread INTEGER NOT NULL, unread_since INTEGER NOT NULL,
  PRIMARY KEY (phone_number_id, chat)
) WITHOUT ROWID;
CREATE INDEX threads_by_time ON threads (phone_number_id, last_at);

-- A person's name by chat: the address book wins over what the person calls itself.
CREATE VIEW contact_card AS
SELECT c.phone_number_id, c.id, c.chat, c.linked_id,
  COALESCE(NULLIF(c.full_name, ''), NULLIF(o.full_name, ''), NULLIF(c.profile_name, ''), NULLIF(o.profile_name, ''), NULLIF(c.username, ''), c.id) AS name,
  c.in_book OR COALESCE(o.in_book, 0) AS in_book, c.profile_name, c.username, c.country_code
FROM contacts c LEFT JOIN contacts o ON o.phone_number_id = c.phone_number_id AND o.id = c.linked_id AND c.linked_id <> '';

-- Chats: a reader orders by last_at. The newest message is joined from its tables, so that one page costs one page.
CREATE VIEW inbox AS
SELECT t.phone_number_id, t.chat, t.last_at, t.messages, t.unread, t.unread_since, m.direction AS last_direction,
  CASE WHEN r.what IS NOT NULL THEN '' WHEN e.what IS NOT NULL THEN e.text WHEN m.text = '' AND a.text IS NOT NULL THEN a.text ELSE m.text END AS last_text,
  CASE WHEN m.kind = 'placeholder' AND a.type <> '' THEN a.type ELSE m.type END AS last_type,
  COALESCE((SELECT c.name FROM contact_card c WHERE c.phone_number_id = t.phone_number_id AND c.chat = t.chat ORDER BY c.in_book DESC, c.id LIMIT 1), t.chat) AS name
FROM threads t
LEFT JOIN messages m ON m.phone_number_id = t.phone_number_id AND m.wamid = t.last_wamid
LEFT JOIN versions e ON e.phone_number_id = t.phone_number_id AND e.wamid = t.last_wamid AND e.what = 'edit'
LEFT JOIN versions r ON r.phone_number_id = t.phone_number_id AND r.wamid = t.last_wamid AND r.what = 'revoke'
LEFT JOIN versions a ON a.phone_number_id = t.phone_number_id AND a.wamid = t.last_wamid AND a.what = 'media';
