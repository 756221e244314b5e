-- Tables of the events. Every statement names its tables without a schema: the connection's search_path has one only.
-- A later migration may add tables, columns with a default, indexes and views. It never changes or removes what an older program uses.

-- +goose Up

CREATE TABLE positions (
  topic text COLLATE "C" NOT NULL,
  partition integer NOT NULL,
  next bigint NOT NULL,
  at timestamptz NOT NULL,
  log bytea NOT NULL,
  PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);
COMMENT ON TABLE positions IS 'Where the sink reads on, by topic and partition. Written in the transaction of the rows. Do not change.';
COMMENT ON COLUMN positions.topic IS 'Topic without its prefix.';
COMMENT ON COLUMN positions.partition IS 'Partition of the topic.';
COMMENT ON COLUMN positions.next IS 'Offset of the next record.';
COMMENT ON COLUMN positions.at IS 'When the position was written, by the clock of the sink.';
COMMENT ON COLUMN positions.log IS 'Id of the topic in Kafka. A topic that was created again has another one.';

CREATE TABLE letters (
  topic text COLLATE "C" NOT NULL,
  partition integer NOT NULL,
  record_offset bigint NOT NULL,
  at timestamptz NOT NULL,
  reason text NOT NULL,
  record_key bytea,
  headers text NOT NULL,
  value bytea,
  PRIMARY KEY (topic, partition, record_offset)
);
COMMENT ON TABLE letters IS 'Records that could not be applied, with the reason. The sink continued behind them.';
COMMENT ON COLUMN letters.topic IS 'Topic without its prefix.';
COMMENT ON COLUMN letters.partition IS 'Partition of the record.';
COMMENT ON COLUMN letters.record_offset IS 'Offset of the record.';
COMMENT ON COLUMN letters.at IS 'When the record was set aside.';
COMMENT ON COLUMN letters.reason IS 'Why the record could not be applied. Contains nothing of the record.';
COMMENT ON COLUMN letters.record_key IS 'Key of the record, as it was.';
COMMENT ON COLUMN letters.headers IS 'Headers of the record: a JSON array of [name, value].';
COMMENT ON COLUMN letters.value IS 'Value of the record, as it was.';

CREATE TABLE businesses (
  waba_id text COLLATE "C" PRIMARY KEY,
  event text NOT NULL,
  event_order bytea NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE businesses IS 'WhatsApp Business Accounts.';
COMMENT ON COLUMN businesses.waba_id IS 'WhatsApp Business Account id.';
COMMENT ON COLUMN businesses.event IS 'Name of the last account event. Empty: none was received.';
COMMENT ON COLUMN businesses.event_order IS 'Decides which value is newer. Do not change.';

CREATE TABLE numbers (
  phone_number_id text COLLATE "C" PRIMARY KEY,
  waba_id text COLLATE "C" NOT NULL,
  display_phone_number text NOT NULL,
  event text NOT NULL,
  waba_order bytea NOT NULL,
  display_order bytea NOT NULL,
  event_order bytea NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE numbers IS 'Phone numbers of the businesses.';
COMMENT ON COLUMN numbers.phone_number_id IS 'Id of the business number. All tables refer to a number by it.';
COMMENT ON COLUMN numbers.waba_id IS 'Account of the number. Empty: not known yet.';
COMMENT ON COLUMN numbers.display_phone_number IS 'The number in digits. Empty: not known yet.';
COMMENT ON COLUMN numbers.event IS 'Name of the last account event that names the number. Empty: none was received.';
COMMENT ON COLUMN numbers.waba_order IS 'Decides which value is newer. Do not change.';
COMMENT ON COLUMN numbers.display_order IS 'Decides which value is newer. Do not change.';
COMMENT ON COLUMN numbers.event_order IS 'Decides which value is newer. Do not change.';

CREATE TABLE messages (
  phone_number_id text COLLATE "C" NOT NULL,
  wamid text COLLATE "C" NOT NULL,
  event_id text COLLATE "C" NOT NULL,
  kind text NOT NULL,
  type text NOT NULL,
  thread text NOT NULL,
  chat text COLLATE "C" NOT NULL,
  group_id text NOT NULL,
  wa_id text COLLATE "C" NOT NULL,
  user_id text COLLATE "C" NOT NULL,
  direction text COLLATE "C" NOT NULL,
  sender text NOT NULL,
  recipient text NOT NULL,
  at timestamptz,
  sort_at timestamptz NOT NULL,
  historical boolean NOT NULL,
  standby boolean NOT NULL,
  sync_window bigint NOT NULL,
  text text NOT NULL,
  original text NOT NULL,
  content_order bytea NOT NULL,
  former_chat text COLLATE "C",
  PRIMARY KEY (phone_number_id, wamid)
);
CREATE INDEX messages_by_chat ON messages (phone_number_id, chat, sort_at);
COMMENT ON TABLE messages IS 'One row per message, with its best content. Edits, revokes and media are in versions, statuses in receipts.';
COMMENT ON COLUMN messages.phone_number_id IS 'Business number.';
COMMENT ON COLUMN messages.wamid IS 'Message id of WhatsApp.';
COMMENT ON COLUMN messages.event_id IS 'Id of the event that gave the content (ce_id).';
COMMENT ON COLUMN messages.kind IS 'message, placeholder, system, or a kind that is not known.';
COMMENT ON COLUMN messages.type IS 'Type of the message: text, image, and so on.';
COMMENT ON COLUMN messages.thread IS 'Conversation as the event names it: phone number, business-scoped user id, or group.';
COMMENT ON COLUMN messages.chat IS 'The thread in one spelling. Joins with threads and contacts.';
COMMENT ON COLUMN messages.group_id IS 'Group. Empty: no group.';
COMMENT ON COLUMN messages.wa_id IS 'Phone number of the user, in a group of the participant. Empty: not known.';
COMMENT ON COLUMN messages.user_id IS 'Business-scoped user id of the user. Empty: not known.';
COMMENT ON COLUMN messages.direction IS 'inbound: from the user. outbound: from the business.';
COMMENT ON COLUMN messages.sender IS 'Sender as the webhook names it.';
COMMENT ON COLUMN messages.recipient IS 'Recipient as the webhook names it.';
COMMENT ON COLUMN messages.at IS 'Time of the message. NULL: the webhook had none.';
COMMENT ON COLUMN messages.sort_at IS 'Time of the message, or of its receipt where it has none.';
COMMENT ON COLUMN messages.historical IS 'The content came with a history sync.';
COMMENT ON COLUMN messages.standby IS 'The content came while another application answered.';
COMMENT ON COLUMN messages.sync_window IS 'Onboarding of a historical message, counted from 1. 0: a live message.';
COMMENT ON COLUMN messages.text IS 'What a person reads of the message, without U+0000 and other control characters.';
COMMENT ON COLUMN messages.original IS 'The object of the webhook, byte for byte. It is JSON, and may hold what jsonb refuses.';
COMMENT ON COLUMN messages.content_order IS 'Decides which value is newer. Do not change.';
COMMENT ON COLUMN messages.former_chat IS 'Chat before the last change of the content, for the counts of the chats. NULL: the content never changed.';

CREATE TABLE versions (
  phone_number_id text COLLATE "C" NOT NULL,
  wamid text COLLATE "C" NOT NULL,
  what text COLLATE "C" NOT NULL,
  event_id text COLLATE "C" NOT NULL,
  at timestamptz,
  type text NOT NULL,
  text text NOT NULL,
  original text NOT NULL,
  version_order bytea NOT NULL,
  PRIMARY KEY (phone_number_id, wamid, what)
);
COMMENT ON TABLE versions IS 'The newest edit and revoke of a message, and the asset of a placeholder. The message may arrive later.';
COMMENT ON COLUMN versions.phone_number_id IS 'Business number.';
COMMENT ON COLUMN versions.wamid IS 'Message id of the message that is changed.';
COMMENT ON COLUMN versions.what IS 'edit, revoke or media.';
COMMENT ON COLUMN versions.event_id IS 'Id of the event (ce_id).';
COMMENT ON COLUMN versions.at IS 'Time of the change. NULL: the webhook had none.';
COMMENT ON COLUMN versions.type IS 'Type of the change, of media the type of the asset.';
COMMENT ON COLUMN versions.text IS 'New text, without control characters.';
COMMENT ON COLUMN versions.original IS 'The object of the webhook, byte for byte.';
COMMENT ON COLUMN versions.version_order IS 'Decides which value is newer. Do not change.';

CREATE TABLE receipts (
  phone_number_id text COLLATE "C" NOT NULL,
  wamid text COLLATE "C" NOT NULL,
  participant text COLLATE "C" NOT NULL,
  status text NOT NULL,
  sent_at timestamptz,
  delivered_at timestamptz,
  read_at timestamptz,
  played_at timestamptz,
  failed_event_id text COLLATE "C" NOT NULL,
  failed_at timestamptz,
  failed_type text NOT NULL,
  failed_original text NOT NULL,
  status_order bytea NOT NULL,
  failed_order bytea NOT NULL,
  PRIMARY KEY (phone_number_id, wamid, participant)
) WITH (fillfactor = 85);
COMMENT ON TABLE receipts IS 'Status and times of a message. A message that was sent through the API has no other row.';
COMMENT ON COLUMN receipts.phone_number_id IS 'Business number.';
COMMENT ON COLUMN receipts.wamid IS 'Message id.';
COMMENT ON COLUMN receipts.participant IS 'Participant of a group. Empty: the message as a whole.';
COMMENT ON COLUMN receipts.status IS 'The furthest status: pending, sent, delivered, read, played, or another one.';
COMMENT ON COLUMN receipts.sent_at IS 'Earliest time of this status. NULL: not known.';
COMMENT ON COLUMN receipts.delivered_at IS 'Earliest time of this status. NULL: not known.';
COMMENT ON COLUMN receipts.read_at IS 'Earliest time of this status. NULL: not known.';
COMMENT ON COLUMN receipts.played_at IS 'Earliest time of this status. NULL: not known.';
COMMENT ON COLUMN receipts.failed_event_id IS 'Id of the event that reports a failure. Empty: none did.';
COMMENT ON COLUMN receipts.failed_at IS 'Time of the failure. NULL: not known.';
COMMENT ON COLUMN receipts.failed_type IS 'failed or error.';
COMMENT ON COLUMN receipts.failed_original IS 'The status of the webhook with its errors, byte for byte.';
COMMENT ON COLUMN receipts.status_order IS 'Decides which status is further. Do not change.';
COMMENT ON COLUMN receipts.failed_order IS 'Decides which value is newer. Do not change.';

CREATE TABLE reactions (
  phone_number_id text COLLATE "C" NOT NULL,
  wamid text COLLATE "C" NOT NULL,
  sender text COLLATE "C" NOT NULL,
  event_id text COLLATE "C" NOT NULL,
  at timestamptz,
  type text NOT NULL,
  emoji text NOT NULL,
  original text NOT NULL,
  emoji_order bytea NOT NULL,
  PRIMARY KEY (phone_number_id, wamid, sender)
);
COMMENT ON TABLE reactions IS 'The newest reaction of each sender to a message.';
COMMENT ON COLUMN reactions.phone_number_id IS 'Business number.';
COMMENT ON COLUMN reactions.wamid IS 'Message id of the message that is reacted to.';
COMMENT ON COLUMN reactions.sender IS 'Phone number or business-scoped user id. Empty: the business.';
COMMENT ON COLUMN reactions.event_id IS 'Id of the event (ce_id).';
COMMENT ON COLUMN reactions.at IS 'Time of the reaction. NULL: the webhook had none.';
COMMENT ON COLUMN reactions.type IS 'Type of the message that has the reaction.';
COMMENT ON COLUMN reactions.emoji IS 'The emoji. Empty: the reaction was removed.';
COMMENT ON COLUMN reactions.original IS 'The object of the webhook, byte for byte.';
COMMENT ON COLUMN reactions.emoji_order IS 'Decides which value is newer. Do not change.';

CREATE TABLE contacts (
  phone_number_id text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  chat text COLLATE "C" NOT NULL,
  in_book boolean NOT NULL,
  full_name text NOT NULL,
  first_name text NOT NULL,
  book_username text NOT NULL,
  phone_number text NOT NULL,
  user_id text NOT NULL,
  parent_user_id text NOT NULL,
  changed_at timestamptz,
  original text NOT NULL,
  removed boolean NOT NULL,
  book_order bytea NOT NULL,
  profile_name text NOT NULL,
  username text NOT NULL,
  country_code text NOT NULL,
  profile_order bytea NOT NULL,
  linked_id text COLLATE "C" NOT NULL,
  link_order bytea NOT NULL,
  PRIMARY KEY (phone_number_id, id)
) WITH (fillfactor = 80);
CREATE INDEX contacts_by_chat ON contacts (phone_number_id, chat);
COMMENT ON TABLE contacts IS 'People, one row for each id of a person. A person can have a phone number and a business-scoped user id.';
COMMENT ON COLUMN contacts.phone_number_id IS 'Business number. The same person has other rows at other numbers.';
COMMENT ON COLUMN contacts.id IS 'Phone number in digits, or business-scoped user id.';
COMMENT ON COLUMN contacts.chat IS 'The id in the spelling of messages.chat and threads.chat.';
COMMENT ON COLUMN contacts.in_book IS 'The address book of the business has the person.';
COMMENT ON COLUMN contacts.full_name IS 'Full name in the address book.';
COMMENT ON COLUMN contacts.first_name IS 'First name in the address book.';
COMMENT ON COLUMN contacts.book_username IS 'User name in the address book.';
COMMENT ON COLUMN contacts.phone_number IS 'Phone number in the address book.';
COMMENT ON COLUMN contacts.user_id IS 'Business-scoped user id in the address book.';
COMMENT ON COLUMN contacts.parent_user_id IS 'Business-scoped user id of the parent business in the address book.';
COMMENT ON COLUMN contacts.changed_at IS 'Time of the last change in the address book. NULL: none was received.';
COMMENT ON COLUMN contacts.original IS 'The entry of the address book as in the webhook, byte for byte.';
COMMENT ON COLUMN contacts.removed IS 'The person was removed from the address book.';
COMMENT ON COLUMN contacts.book_order IS 'Decides which value is newer. Do not change.';
COMMENT ON COLUMN contacts.profile_name IS 'Name in the profile of the person.';
COMMENT ON COLUMN contacts.username IS 'User name in the profile of the person.';
COMMENT ON COLUMN contacts.country_code IS 'Country in the profile of the person.';
COMMENT ON COLUMN contacts.profile_order IS 'Decides which value is newer. Do not change.';
COMMENT ON COLUMN contacts.linked_id IS 'The other id of the same person at this number. Empty: not known.';
COMMENT ON COLUMN contacts.link_order IS 'Decides which value is newer. Do not change.';

CREATE TABLE syncs (
  phone_number_id text COLLATE "C" NOT NULL,
  sync_window bigint NOT NULL,
  partition integer NOT NULL,
  waba_id text COLLATE "C" NOT NULL,
  state text NOT NULL,
  end_reason text NOT NULL,
  progress bigint NOT NULL,
  messages bigint NOT NULL,
  chunks_held bigint NOT NULL,
  opened_at timestamptz,
  last_chunk_at timestamptz,
  ended_at timestamptz,
  removed boolean NOT NULL,
  value text NOT NULL,
  sync_order bytea NOT NULL,
  PRIMARY KEY (phone_number_id, sync_window, partition)
) WITH (fillfactor = 50);
COMMENT ON TABLE syncs IS 'History syncs. Read the view sync_status: this table has rows that were taken back.';
COMMENT ON COLUMN syncs.phone_number_id IS 'Business number.';
COMMENT ON COLUMN syncs.sync_window IS 'Onboarding, counted from 1. The row 0 says which syncs of the number were taken back.';
COMMENT ON COLUMN syncs.partition IS 'Partition whose events describe the sync.';
COMMENT ON COLUMN syncs.waba_id IS 'Account of the number.';
COMMENT ON COLUMN syncs.state IS 'State of the sync.';
COMMENT ON COLUMN syncs.end_reason IS 'Why the sync ended. Empty: it did not.';
COMMENT ON COLUMN syncs.progress IS 'Progress in percent, as the webhooks report it.';
COMMENT ON COLUMN syncs.messages IS 'Messages that were emitted.';
COMMENT ON COLUMN syncs.chunks_held IS 'Chunks that wait for an earlier one.';
COMMENT ON COLUMN syncs.opened_at IS 'When the first chunk was received.';
COMMENT ON COLUMN syncs.last_chunk_at IS 'When the last chunk was received.';
COMMENT ON COLUMN syncs.ended_at IS 'When the sync ended. NULL: it did not.';
COMMENT ON COLUMN syncs.removed IS 'True in the row of window 0.';
COMMENT ON COLUMN syncs.value IS 'The event as JSON: phases, gaps, errors.';
COMMENT ON COLUMN syncs.sync_order IS 'Decides which value is newer. Do not change.';

CREATE TABLE notes (
  event_id text COLLATE "C" PRIMARY KEY,
  topic text COLLATE "C" NOT NULL,
  kind text NOT NULL,
  waba_id text COLLATE "C" NOT NULL,
  phone_number_id text COLLATE "C" NOT NULL,
  display_phone_number text NOT NULL,
  thread text NOT NULL,
  at timestamptz,
  text text NOT NULL,
  original text NOT NULL,
  note_order bytea NOT NULL
);
COMMENT ON TABLE notes IS 'Account events, errors, handovers, changes of unknown fields, messages without a message id.';
COMMENT ON COLUMN notes.event_id IS 'Id of the event (ce_id).';
COMMENT ON COLUMN notes.topic IS 'Topic without its prefix.';
COMMENT ON COLUMN notes.kind IS 'Kind of the message event, name of the account event, or name of the field.';
COMMENT ON COLUMN notes.waba_id IS 'Account. Empty: none is named.';
COMMENT ON COLUMN notes.phone_number_id IS 'Business number. Empty: none is named.';
COMMENT ON COLUMN notes.display_phone_number IS 'Phone number that an account event names.';
COMMENT ON COLUMN notes.thread IS 'Conversation. Empty: none is named.';
COMMENT ON COLUMN notes.at IS 'Time of the event, or of its receipt.';
COMMENT ON COLUMN notes.text IS 'What a person reads of it, without control characters.';
COMMENT ON COLUMN notes.original IS 'The object of the webhook, byte for byte.';
COMMENT ON COLUMN notes.note_order IS 'Decides which value is newer. Do not change.';

CREATE TABLE threads (
  phone_number_id text COLLATE "C" NOT NULL,
  chat text COLLATE "C" NOT NULL,
  messages bigint NOT NULL,
  last_wamid text COLLATE "C" NOT NULL,
  last_at timestamptz NOT NULL,
  unread bigint NOT NULL,
  unread_since timestamptz,
  PRIMARY KEY (phone_number_id, chat)
) WITH (fillfactor = 80);
CREATE INDEX threads_by_time ON threads (phone_number_id, last_at);
COMMENT ON TABLE threads IS 'Chats: how many messages, which one is the newest, how many are unread.';
COMMENT ON COLUMN threads.phone_number_id IS 'Business number.';
COMMENT ON COLUMN threads.chat IS 'Chat, as in messages.chat.';
COMMENT ON COLUMN threads.messages IS 'Messages of the chat.';
COMMENT ON COLUMN threads.last_wamid IS 'The newest message.';
COMMENT ON COLUMN threads.last_at IS 'Time of the newest message.';
COMMENT ON COLUMN threads.unread IS 'Live messages of the user behind the newest message of the business or of the history. At most 1000.';
COMMENT ON COLUMN threads.unread_since IS 'Time of the oldest unread message. NULL: none is unread.';

-- +goose Down

DROP TABLE threads, notes, syncs, contacts, reactions, receipts, versions, messages, numbers, businesses, letters, positions;
