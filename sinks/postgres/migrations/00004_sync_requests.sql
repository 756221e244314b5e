-- Requests of the desk for syncs. The columns have defaults, because sinks of the version before write beside this one.

-- +goose Up

ALTER TABLE syncs
  ADD COLUMN status text NOT NULL DEFAULT '',
  ADD COLUMN onboarded_at timestamptz,
  ADD COLUMN requested_at timestamptz,
  ADD COLUMN request_deadline_at timestamptz,
  ADD COLUMN requested_by text NOT NULL DEFAULT '',
  ADD COLUMN error_code bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN syncs.status IS 'Status of the sync that the desk requested. Empty: it requested none.';
COMMENT ON COLUMN syncs.onboarded_at IS 'When the number was onboarded. NULL: not known.';
COMMENT ON COLUMN syncs.requested_at IS 'When the vendor accepted the request for the history. NULL: it did not.';
COMMENT ON COLUMN syncs.request_deadline_at IS 'Until when a sync can be requested. NULL: not known.';
COMMENT ON COLUMN syncs.requested_by IS 'Who requested the history. Empty: nobody.';
COMMENT ON COLUMN syncs.error_code IS 'Code of a refused history, of the webhook or of the request. 0: none.';

CREATE OR REPLACE VIEW sync_status WITH (security_invoker = true) AS
SELECT s.phone_number_id, n.display_phone_number, s.sync_window, s.state, s.end_reason, s.progress, s.messages, s.chunks_held,
  s.opened_at, s.last_chunk_at, s.ended_at, s.value, s.status, s.onboarded_at, s.requested_at, s.request_deadline_at, s.requested_by, s.error_code
FROM syncs s LEFT JOIN numbers n ON n.phone_number_id = s.phone_number_id
WHERE s.sync_window > 0
  AND NOT EXISTS (SELECT 1 FROM syncs x WHERE x.phone_number_id = s.phone_number_id AND x.sync_window = 0 AND x.partition = s.partition AND x.sync_order > s.sync_order);
COMMENT ON COLUMN sync_status.status IS 'Status of the sync that the desk requested. Empty: it requested none.';
COMMENT ON COLUMN sync_status.onboarded_at IS 'When the number was onboarded. NULL: not known.';
COMMENT ON COLUMN sync_status.requested_at IS 'When the vendor accepted the request for the history. NULL: it did not.';
COMMENT ON COLUMN sync_status.request_deadline_at IS 'Until when a sync can be requested. NULL: not known.';
COMMENT ON COLUMN sync_status.requested_by IS 'Who requested the history. Empty: nobody.';
COMMENT ON COLUMN sync_status.error_code IS 'Code of a refused history, of the webhook or of the request. 0: none.';

-- +goose Down

DROP VIEW sync_status;
CREATE VIEW sync_status WITH (security_invoker = true) AS
SELECT s.phone_number_id, n.display_phone_number, s.sync_window, s.state, s.end_reason, s.progress, s.messages, s.chunks_held,
  s.opened_at, s.last_chunk_at, s.ended_at, s.value
FROM syncs s LEFT JOIN numbers n ON n.phone_number_id = s.phone_number_id
WHERE s.sync_window > 0
  AND NOT EXISTS (SELECT 1 FROM syncs x WHERE x.phone_number_id = s.phone_number_id AND x.sync_window = 0 AND x.partition = s.partition AND x.sync_order > s.sync_order);
ALTER TABLE syncs DROP COLUMN status, DROP COLUMN onboarded_at, DROP COLUMN requested_at, DROP COLUMN request_deadline_at,
  DROP COLUMN requested_by, DROP COLUMN error_code;
