-- Fills versions.person and reactions.person where the message is known. Each batch is a transaction of its own, so that sinks that write meanwhile
-- wait for a moment at most. Rows are locked in the order of their keys, as sinks do. What was done before a failure stays done.
-- Of rows without their message, an erasure looks into the content.

-- +goose NO TRANSACTION
-- +goose Up

-- +goose StatementBegin
DO $$
DECLARE
  number text := '';
  id text := '';
  third text := '';
BEGIN
  LOOP
    WITH batch AS (
      SELECT phone_number_id, wamid, what FROM versions WHERE (phone_number_id, wamid, what) > (number, id, third)
      ORDER BY phone_number_id, wamid, what LIMIT 2000
    ), known AS (
      SELECT o.phone_number_id, o.wamid, o.what, m.chat
      FROM batch b JOIN versions o USING (phone_number_id, wamid, what) JOIN messages m ON m.phone_number_id = o.phone_number_id AND m.wamid = o.wamid
      WHERE o.person = '' AND m.group_id = '' AND m.chat <> '' ORDER BY o.phone_number_id, o.wamid, o.what FOR UPDATE OF o
    ), filled AS (
      UPDATE versions v SET person = k.chat FROM known k
      WHERE v.phone_number_id = k.phone_number_id AND v.wamid = k.wamid AND v.what = k.what
    )
    SELECT b.phone_number_id, b.wamid, b.what INTO number, id, third FROM batch b ORDER BY 1 DESC, 2 DESC, 3 DESC LIMIT 1;
    EXIT WHEN NOT FOUND;
    COMMIT;
  END LOOP;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
DO $$
DECLARE
  number text := '';
  id text := '';
  third text := '';
BEGIN
  LOOP
    WITH batch AS (
      SELECT phone_number_id, wamid, sender FROM reactions WHERE (phone_number_id, wamid, sender) > (number, id, third)
      ORDER BY phone_number_id, wamid, sender LIMIT 2000
    ), known AS (
      SELECT o.phone_number_id, o.wamid, o.sender, m.chat
      FROM batch b JOIN reactions o USING (phone_number_id, wamid, sender) JOIN messages m ON m.phone_number_id = o.phone_number_id AND m.wamid = o.wamid
      WHERE o.person = '' AND m.group_id = '' AND m.chat <> '' ORDER BY o.phone_number_id, o.wamid, o.sender FOR UPDATE OF o
    ), filled AS (
      UPDATE reactions r SET person = k.chat FROM known k
      WHERE r.phone_number_id = k.phone_number_id AND r.wamid = k.wamid AND r.sender = k.sender
    )
    SELECT b.phone_number_id, b.wamid, b.sender INTO number, id, third FROM batch b ORDER BY 1 DESC, 2 DESC, 3 DESC LIMIT 1;
    EXIT WHEN NOT FOUND;
    COMMIT;
  END LOOP;
END $$;
-- +goose StatementEnd

-- +goose Down

UPDATE versions SET person = '' WHERE person <> '';
UPDATE reactions SET person = '' WHERE person <> '';
