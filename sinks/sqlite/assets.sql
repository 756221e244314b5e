-- Where the media asset of an event is stored, or why not. `event_id` is the ce_id of the event, as in messages and versions. `object` is the name of
-- the content in the bucket. Nobody vouches for `mime_type` and `filename`: a sender chose them. Times are Unix seconds, `at` is in milliseconds; 0: unknown.
CREATE TABLE assets (
  phone_number_id TEXT NOT NULL, event_id TEXT NOT NULL, waba_id TEXT NOT NULL, wamid TEXT NOT NULL, thread TEXT NOT NULL, person TEXT NOT NULL,
  media_id TEXT NOT NULL, type TEXT NOT NULL, mime_type TEXT NOT NULL, detected_type TEXT NOT NULL, filename TEXT NOT NULL, state TEXT NOT NULL,
  reason TEXT NOT NULL, detail TEXT NOT NULL, sha256 TEXT NOT NULL, bytes INTEGER NOT NULL, object TEXT NOT NULL, message_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL, at INTEGER NOT NULL, asset_order BLOB NOT NULL,
  PRIMARY KEY (phone_number_id, event_id)
);
CREATE INDEX assets_by_wamid ON assets (phone_number_id, wamid);
