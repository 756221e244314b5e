-- Fills versions.person and reactions.person where the message is known. Rows are locked in the order of their keys, as sinks do that write meanwhile.
-- Of rows without their message, an erasure looks into the content.

-- +goose Up

UPDATE versions v SET person = f.chat
FROM (
  SELECT o.phone_number_id, o.wamid, o.what, m.chat FROM versions o JOIN messages m ON m.phone_number_id = o.phone_number_id AND m.wamid = o.wamid
  WHERE o.person = '' AND m.group_id = '' AND m.chat <> '' ORDER BY o.phone_number_id, o.wamid, o.what FOR UPDATE OF o
) f
WHERE v.phone_number_id = f.phone_number_id AND v.wamid = f.wamid AND v.what = f.what;

UPDATE reactions r SET person = f.chat
FROM (
  SELECT o.phone_number_id, o.wamid, o.sender, m.chat FROM reactions o JOIN messages m ON m.phone_number_id = o.phone_number_id AND m.wamid = o.wamid
  WHERE o.person = '' AND m.group_id = '' AND m.chat <> '' ORDER BY o.phone_number_id, o.wamid, o.sender FOR UPDATE OF o
) f
WHERE r.phone_number_id = f.phone_number_id AND r.wamid = f.wamid AND r.sender = f.sender;

-- +goose Down

UPDATE versions SET person = '' WHERE person <> '';
UPDATE reactions SET person = '' WHERE person <> '';
