-- Views for people. They use the rights and the row-level security of the reader (security_invoker).

-- +goose Up

CREATE VIEW contact_card WITH (security_invoker = true) AS
SELECT c.phone_number_id, c.id, c.chat, c.linked_id,
  COALESCE(NULLIF(c.full_name, ''), NULLIF(o.full_name, ''), NULLIF(c.profile_name, ''), NULLIF(o.profile_name, ''), NULLIF(c.username, ''), c.id) AS name,
  c.in_book OR COALESCE(o.in_book, false) AS in_book, c.profile_name, c.username, c.country_code
FROM contacts c LEFT JOIN contacts o ON o.phone_number_id = c.phone_number_id AND o.id = c.linked_id AND c.linked_id <> '';
COMMENT ON VIEW contact_card IS 'A person under one id, with the best name: address book, profile, user name, id.';
COMMENT ON COLUMN contact_card.phone_number_id IS 'Business number.';
COMMENT ON COLUMN contact_card.id IS 'Phone number in digits, or business-scoped user id.';
COMMENT ON COLUMN contact_card.chat IS 'The id in the spelling of the chats.';
COMMENT ON COLUMN contact_card.linked_id IS 'The other id of the same person. Empty: not known.';
COMMENT ON COLUMN contact_card.name IS 'The best name. Never empty.';
COMMENT ON COLUMN contact_card.in_book IS 'The address book of the business has the person.';
COMMENT ON COLUMN contact_card.profile_name IS 'Name in the profile of the person.';
COMMENT ON COLUMN contact_card.username IS 'User name in the profile of the person.';
COMMENT ON COLUMN contact_card.country_code IS 'Country in the profile of the person.';

CREATE VIEW conversation WITH (security_invoker = true) AS
SELECT m.phone_number_id, m.chat, m.wamid, m.sort_at AS at, m.direction, m.sender, m.wa_id, m.user_id,
  CASE WHEN m.kind = 'placeholder' AND a.type <> '' THEN a.type ELSE m.type END AS type,
  CASE WHEN r.what IS NOT NULL THEN '' WHEN e.what IS NOT NULL THEN e.text WHEN m.text = '' AND a.text IS NOT NULL THEN a.text ELSE m.text END AS text,
  e.what IS NOT NULL AS edited, r.what IS NOT NULL AS revoked, m.historical, m.standby,
  COALESCE(s.status, '') AS status, COALESCE(s.failed_event_id <> '', false) AS failed,
  COALESCE((SELECT jsonb_object_agg(x.sender, x.emoji) FROM reactions x WHERE x.phone_number_id = m.phone_number_id AND x.wamid = m.wamid AND x.emoji <> ''), '{}'::jsonb) AS reactions,
  COALESCE(a.original, m.original) AS original
FROM messages m
LEFT JOIN versions e ON e.phone_number_id = m.phone_number_id AND e.wamid = m.wamid AND e.what = 'edit'
LEFT JOIN versions r ON r.phone_number_id = m.phone_number_id AND r.wamid = m.wamid AND r.what = 'revoke'
LEFT JOIN versions a ON a.phone_number_id = m.phone_number_id AND a.wamid = m.wamid AND a.what = 'media'
LEFT JOIN receipts s ON s.phone_number_id = m.phone_number_id AND s.wamid = m.wamid AND s.participant = '';
COMMENT ON VIEW conversation IS 'Messages as they are shown now: edits, revokes, media, statuses and reactions are applied.';
COMMENT ON COLUMN conversation.phone_number_id IS 'Business number.';
COMMENT ON COLUMN conversation.chat IS 'Chat.';
COMMENT ON COLUMN conversation.wamid IS 'Message id.';
COMMENT ON COLUMN conversation.at IS 'Time of the message, or of its receipt where it has none.';
COMMENT ON COLUMN conversation.direction IS 'inbound: from the user. outbound: from the business.';
COMMENT ON COLUMN conversation.sender IS 'Sender as the webhook names it.';
COMMENT ON COLUMN conversation.wa_id IS 'Phone number of the user, in a group of the participant.';
COMMENT ON COLUMN conversation.user_id IS 'Business-scoped user id of the user.';
COMMENT ON COLUMN conversation.type IS 'Type of the message, of a placeholder with media the type of the asset.';
COMMENT ON COLUMN conversation.text IS 'Current text. Empty after a revoke.';
COMMENT ON COLUMN conversation.edited IS 'The message was edited.';
COMMENT ON COLUMN conversation.revoked IS 'The message was revoked.';
COMMENT ON COLUMN conversation.historical IS 'The content came with a history sync.';
COMMENT ON COLUMN conversation.standby IS 'The content came while another application answered.';
COMMENT ON COLUMN conversation.status IS 'The furthest status. Empty: none is known.';
COMMENT ON COLUMN conversation.failed IS 'A failure was reported.';
COMMENT ON COLUMN conversation.reactions IS 'Emoji by sender. The empty sender is the business.';
COMMENT ON COLUMN conversation.original IS 'The object of the webhook, byte for byte; of a placeholder that of its asset.';

CREATE VIEW inbox WITH (security_invoker = true) AS
SELECT t.phone_number_id, t.chat, t.last_at, t.messages, t.unread, t.unread_since, m.direction AS last_direction,
  CASE WHEN r.what IS NOT NULL THEN '' WHEN e.what IS NOT NULL THEN e.text WHEN m.text = '' AND a.text IS NOT NULL THEN a.text ELSE m.text END AS last_text,
  CASE WHEN m.kind = 'placeholder' AND a.type <> '' THEN a.type ELSE m.type END AS last_type,
  COALESCE((SELECT c.name FROM contact_card c WHERE c.phone_number_id = t.phone_number_id AND c.chat = t.chat ORDER BY c.in_book DESC, c.id LIMIT 1), t.chat) AS name
FROM threads t
LEFT JOIN messages m ON m.phone_number_id = t.phone_number_id AND m.wamid = t.last_wamid
LEFT JOIN versions e ON e.phone_number_id = t.phone_number_id AND e.wamid = t.last_wamid AND e.what = 'edit'
LEFT JOIN versions r ON r.phone_number_id = t.phone_number_id AND r.wamid = t.last_wamid AND r.what = 'revoke'
LEFT JOIN versions a ON a.phone_number_id = t.phone_number_id AND a.wamid = t.last_wamid AND a.what = 'media';
COMMENT ON VIEW inbox IS 'Chats with their newest message. Order by last_at DESC.';
COMMENT ON COLUMN inbox.phone_number_id IS 'Business number.';
COMMENT ON COLUMN inbox.chat IS 'Chat.';
COMMENT ON COLUMN inbox.last_at IS 'Time of the newest message.';
COMMENT ON COLUMN inbox.messages IS 'Messages of the chat.';
COMMENT ON COLUMN inbox.unread IS 'Live messages of the user behind the newest message of the business or of the history. At most 1000.';
COMMENT ON COLUMN inbox.unread_since IS 'Time of the oldest unread message. NULL: none is unread.';
COMMENT ON COLUMN inbox.last_direction IS 'Direction of the newest message.';
COMMENT ON COLUMN inbox.last_text IS 'Current text of the newest message.';
COMMENT ON COLUMN inbox.last_type IS 'Type of the newest message.';
COMMENT ON COLUMN inbox.name IS 'The best name of the person, or the chat.';

CREATE VIEW sync_status WITH (security_invoker = true) AS
SELECT s.phone_number_id, n.display_phone_number, s.sync_window, s.state, s.end_reason, s.progress, s.messages, s.chunks_held,
  s.opened_at, s.last_chunk_at, s.ended_at, s.value
FROM syncs s LEFT JOIN numbers n ON n.phone_number_id = s.phone_number_id
WHERE s.sync_window > 0
  AND NOT EXISTS (SELECT 1 FROM syncs x WHERE x.phone_number_id = s.phone_number_id AND x.sync_window = 0 AND x.partition = s.partition AND x.sync_order > s.sync_order);
COMMENT ON VIEW sync_status IS 'History syncs of the numbers, without those that were taken back.';
COMMENT ON COLUMN sync_status.phone_number_id IS 'Business number.';
COMMENT ON COLUMN sync_status.display_phone_number IS 'The number in digits.';
COMMENT ON COLUMN sync_status.sync_window IS 'Onboarding, counted from 1.';
COMMENT ON COLUMN sync_status.state IS 'State of the sync.';
COMMENT ON COLUMN sync_status.end_reason IS 'Why the sync ended. Empty: it did not.';
COMMENT ON COLUMN sync_status.progress IS 'Progress in percent, as the webhooks report it.';
COMMENT ON COLUMN sync_status.messages IS 'Messages that were emitted.';
COMMENT ON COLUMN sync_status.chunks_held IS 'Chunks that wait for an earlier one.';
COMMENT ON COLUMN sync_status.opened_at IS 'When the first chunk was received.';
COMMENT ON COLUMN sync_status.last_chunk_at IS 'When the last chunk was received.';
COMMENT ON COLUMN sync_status.ended_at IS 'When the sync ended. NULL: it did not.';
COMMENT ON COLUMN sync_status.value IS 'The event as JSON: phases, gaps, errors.';

-- +goose Down

DROP VIEW sync_status, inbox, conversation, contact_card;
