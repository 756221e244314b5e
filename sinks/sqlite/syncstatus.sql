-- History syncs that were not taken back, with the requests of the desk. Times are Unix seconds; 0: there is none. The view is made
-- again in a file of a version that lacks a column.
CREATE VIEW sync_status AS
SELECT s.phone_number_id, n.display_phone_number, s.window, s.state, s.end_reason, s.progress, s.messages, s.chunks_held, s.opened_at, s.last_chunk_at, s.ended_at, s.value,
  COALESCE(json_extract(s.value, '$.status'), '') AS status,
  COALESCE(unixepoch(json_extract(s.value, '$.onboarded_at')), 0) AS onboarded_at,
  COALESCE(unixepoch(json_extract(s.value, '$.requested_at')), 0) AS requested_at,
  COALESCE(unixepoch(json_extract(s.value, '$.request_deadline_at')), 0) AS request_deadline_at,
  COALESCE((SELECT json_extract(r.value, '$.requested_by') FROM json_each(s.value, '$.requests') r WHERE json_extract(r.value, '$.sync_type') = 'history'), '') AS requested_by,
  CAST(COALESCE(json_extract(s.value, '$.error[0].code'),
    (SELECT json_extract(r.value, '$.error.code') FROM json_each(s.value, '$.requests') r WHERE json_extract(r.value, '$.sync_type') = 'history' AND json_extract(r.value, '$.state') = 'refused'), 0) AS INTEGER) AS error_code
FROM syncs s LEFT JOIN numbers n ON n.phone_number_id = s.phone_number_id
WHERE s.window > 0 AND NOT EXISTS (SELECT 1 FROM syncs x WHERE x.phone_number_id = s.phone_number_id AND x.window = 0 AND x.partition = s.partition AND x.sync_order > s.sync_order);
