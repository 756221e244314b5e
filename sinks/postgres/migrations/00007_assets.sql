-- Outcomes of media assets, and the views with them. The table is new and the views get columns at their end: sinks of the version before write
-- beside this one, and readers of a view wait for the moment of its replacement only.

-- +goose Up

CREATE TABLE assets (
  phone_number_id text COLLATE "C" NOT NULL,
  event_id text COLLATE "C" NOT NULL,
  waba_id text COLLATE "C" NOT NULL,
  wamid text COLLATE "C" NOT NULL,
  thread text NOT NULL,
  person text COLLATE "C" NOT NULL,
  media_id text NOT NULL,
  type text NOT NULL,
  mime_type text NOT NULL,
  detected_type text NOT NULL,
  filename text NOT NULL,
  state text NOT NULL,
  reason text NOT NULL,
  detail text NOT NULL,
  sha256 text COLLATE "C" NOT NULL,
  bytes bigint NOT NULL,
  object text COLLATE "C" NOT NULL,
  message_at timestamptz,
  expires_at timestamptz,
  at timestamptz NOT NULL,
  asset_order bytea NOT NULL,
  PRIMARY KEY (phone_number_id, event_id)
);
CREATE INDEX assets_by_wamid ON assets (phone_number_id, wamid);
CREATE INDEX assets_by_object ON assets (object);
COMMENT ON TABLE assets IS 'Where the media asset of an event is stored, or why not. The media sink reports it. One row per event that names an asset.';
COMMENT ON COLUMN assets.phone_number_id IS 'Business number.';
COMMENT ON COLUMN assets.event_id IS 'Id of the event that names the asset (ce_id). Joins with messages.event_id and versions.event_id.';
COMMENT ON COLUMN assets.waba_id IS 'Account of the number. Empty: not known.';
COMMENT ON COLUMN assets.wamid IS 'Message id of the event. Empty: it has none.';
COMMENT ON COLUMN assets.thread IS 'Conversation as the event names it.';
COMMENT ON COLUMN assets.person IS 'User of the chat, in a group the participant, in the spelling of messages.chat. Empty: not known.';
COMMENT ON COLUMN assets.media_id IS 'Id of the asset at the provider.';
COMMENT ON COLUMN assets.type IS 'Type of the message: image, video, audio, document, sticker.';
COMMENT ON COLUMN assets.mime_type IS 'Type that the webhook or the provider declared. Do not believe it. Empty: none.';
COMMENT ON COLUMN assets.detected_type IS 'Type that the first bytes of the content look like. Empty: not known.';
COMMENT ON COLUMN assets.filename IS 'Name of the file as the sender gave it, without control characters. Do not use it as a path. Empty: none.';
COMMENT ON COLUMN assets.state IS 'stored: the content is in the bucket. missing: it is not.';
COMMENT ON COLUMN assets.reason IS 'Why the asset is missing: expired, refused, denied, hash_differs, too_large, type_not_allowed, unsupported, or another one. Empty: it is stored.';
COMMENT ON COLUMN assets.detail IS 'The reason in words.';
COMMENT ON COLUMN assets.sha256 IS 'SHA-256 of the content in hexadecimal digits; of a missing asset the announced one. Empty: not known.';
COMMENT ON COLUMN assets.bytes IS 'Size of the content. 0: empty, or not known.';
COMMENT ON COLUMN assets.object IS 'Name of the content in the bucket. Empty: it is not there. Several rows can have the same one.';
COMMENT ON COLUMN assets.message_at IS 'Time of the message. NULL: not known.';
COMMENT ON COLUMN assets.expires_at IS 'Until when the provider has the asset.';
COMMENT ON COLUMN assets.at IS 'When the outcome was known.';
COMMENT ON COLUMN assets.asset_order IS 'Decides which value is newer. Do not change.';

CREATE OR REPLACE VIEW conversation WITH (security_invoker = true) AS
SELECT m.phone_number_id, m.chat, m.wamid, m.sort_at AS at, m.direction, m.sender, m.wa_id, m.user_id,
  CASE WHEN m.kind = 'placeholder' AND a.type <> '' THEN a.type ELSE m.type END AS type,
  CASE WHEN r.what IS NOT NULL THEN '' WHEN e.what IS NOT NULL THEN e.text WHEN m.text = '' AND a.text IS NOT NULL THEN a.text ELSE m.text END AS text,
  e.what IS NOT NULL AS edited, r.what IS NOT NULL AS revoked, m.historical, m.standby,
  COALESCE(s.status, '') AS status, COALESCE(s.failed_event_id <> '', false) AS failed,
  COALESCE((SELECT jsonb_object_agg(x.sender, x.emoji) FROM reactions x WHERE x.phone_number_id = m.phone_number_id AND x.wamid = m.wamid AND x.emoji <> ''), '{}'::jsonb) AS reactions,
  COALESCE(a.original, m.original) AS original,
  COALESCE(f.state, '') AS asset_state, COALESCE(f.reason, '') AS asset_reason, COALESCE(f.object, '') AS asset_object, COALESCE(f.mime_type, '') AS asset_mime_type,
  COALESCE(f.detected_type, '') AS asset_detected_type, COALESCE(f.filename, '') AS asset_filename, f.bytes AS asset_bytes, COALESCE(f.sha256, '') AS asset_sha256
FROM messages m
LEFT JOIN versions e ON e.phone_number_id = m.phone_number_id AND e.wamid = m.wamid AND e.what = 'edit'
LEFT JOIN versions r ON r.phone_number_id = m.phone_number_id AND r.wamid = m.wamid AND r.what = 'revoke'
LEFT JOIN versions a ON a.phone_number_id = m.phone_number_id AND a.wamid = m.wamid AND a.what = 'media'
LEFT JOIN receipts s ON s.phone_number_id = m.phone_number_id AND s.wamid = m.wamid AND s.participant = ''
LEFT JOIN LATERAL (
  SELECT x.state, x.reason, x.object, x.mime_type, x.detected_type, x.filename, x.bytes, x.sha256 FROM assets x
  WHERE x.phone_number_id = m.phone_number_id AND x.event_id IN (e.event_id, a.event_id, m.event_id) AND r.what IS NULL
  ORDER BY CASE x.event_id WHEN e.event_id THEN 1 WHEN a.event_id THEN 2 ELSE 3 END LIMIT 1
) f ON true;
COMMENT ON COLUMN conversation.asset_state IS 'stored: the content of the asset is in the bucket. missing: it is not. Empty: the message has no asset, or no outcome is known yet.';
COMMENT ON COLUMN conversation.asset_reason IS 'Why the asset is missing.';
COMMENT ON COLUMN conversation.asset_object IS 'Name of the content in the bucket.';
COMMENT ON COLUMN conversation.asset_mime_type IS 'Declared type of the asset. Do not believe it.';
COMMENT ON COLUMN conversation.asset_detected_type IS 'Type that the content looks like.';
COMMENT ON COLUMN conversation.asset_filename IS 'Name of the file as the sender gave it. Do not use it as a path.';
COMMENT ON COLUMN conversation.asset_bytes IS 'Size of the content. NULL: there is no outcome.';
COMMENT ON COLUMN conversation.asset_sha256 IS 'SHA-256 of the content in hexadecimal digits.';

-- +goose Down

DROP VIEW conversation;
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
DROP TABLE assets;
