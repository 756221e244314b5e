-- Messages as they are shown now, with the asset of the newest edit, of a media event, or of the content.
CREATE VIEW conversation AS
SELECT m.phone_number_id, m.chat, m.wamid, m.sort_at AS at, m.direction, m.sender, m.wa_id, m.user_id,
  CASE WHEN m.kind = 'placeholder' AND a.type <> '' THEN a.type ELSE m.type END AS type,
  CASE WHEN r.what IS NOT NULL THEN '' WHEN e.what IS NOT NULL THEN e.text WHEN m.text = '' AND a.text IS NOT NULL THEN a.text ELSE m.text END AS text,
  e.what IS NOT NULL AS edited, r.what IS NOT NULL AS revoked, m.historical, m.standby,
  COALESCE(s.status, '') AS status, COALESCE(s.failed_at > 0 OR s.failed_event_id <> '', 0) AS failed,
  (SELECT json_group_object(x.sender, x.emoji) FROM reactions x WHERE x.phone_number_id = m.phone_number_id AND x.wamid = m.wamid AND x.emoji <> '') AS reactions,
  COALESCE(a.original, m.original) AS original,
  COALESCE(f.state, '') AS asset_state, COALESCE(f.reason, '') AS asset_reason, COALESCE(f.object, '') AS asset_object, COALESCE(f.mime_type, '') AS asset_mime_type,
  COALESCE(f.detected_type, '') AS asset_detected_type, COALESCE(f.filename, '') AS asset_filename, f.bytes AS asset_bytes, COALESCE(f.sha256, '') AS asset_sha256
FROM messages m
LEFT JOIN versions e ON e.phone_number_id = m.phone_number_id AND e.wamid = m.wamid AND e.what = 'edit'
LEFT JOIN versions r ON r.phone_number_id = m.phone_number_id AND r.wamid = m.wamid AND r.what = 'revoke'
LEFT JOIN versions a ON a.phone_number_id = m.phone_number_id AND a.wamid = m.wamid AND a.what = 'media'
LEFT JOIN receipts s ON s.phone_number_id = m.phone_number_id AND s.wamid = m.wamid AND s.participant = ''
LEFT JOIN assets f ON r.what IS NULL AND f.phone_number_id = m.phone_number_id AND f.event_id = (
  SELECT x.event_id FROM assets x WHERE x.phone_number_id = m.phone_number_id AND x.event_id IN (e.event_id, a.event_id, m.event_id)
  ORDER BY CASE x.event_id WHEN e.event_id THEN 1 WHEN a.event_id THEN 2 ELSE 3 END LIMIT 1);
