package postgres

import (
	"fmt"
	"strings"

	"github.com/coexstream/coexstream/sinks/merge"
)

// putMessages is put for messages. It counts the messages of each chat, and returns the chats that changed. A row that changed tells its former
// chat; one that is new has none. The rows of the chats stay locked, so that another transaction works out a chat only after this one has
// ended, and sees its messages.
func putMessages(staged bool) string {
	return fmt.Sprintf(`WITH put AS (%s RETURNING t.phone_number_id, t.chat, t.former_chat),
moves AS (
  SELECT phone_number_id, chat, 1 AS n FROM put
  UNION ALL
  SELECT phone_number_id, former_chat, -1 FROM put WHERE former_chat IS NOT NULL
)
INSERT INTO threads AS t (phone_number_id, chat, messages, last_wamid, last_at, unread)
SELECT phone_number_id, chat, sum(n), '', 'epoch', 0 FROM moves WHERE chat <> '' GROUP BY phone_number_id, chat ORDER BY phone_number_id, chat
ON CONFLICT (phone_number_id, chat) DO UPDATE SET messages = t.messages + excluded.messages
RETURNING t.phone_number_id, t.chat`, messages.put(staged))
}

// walkChats computes the newest message of chats and their unread messages, as merge.Thread does.
var walkChats = strings.ReplaceAll(fmt.Sprintf(`UPDATE threads t
SET last_wamid = w.wamid, last_at = w.sort_at, unread = w.unread, unread_since = w.since
FROM (
  SELECT c.phone_number_id, c.chat, l.wamid, l.sort_at, COALESCE(u.unread, 0) AS unread, u.since
  FROM unnest($1::text[], $2::text[]) AS c (phone_number_id, chat)
  CROSS JOIN LATERAL (
    SELECT m.wamid, m.sort_at, SEEN AS seen FROM messages m
    WHERE m.phone_number_id = c.phone_number_id AND m.chat = c.chat ORDER BY m.sort_at DESC, m.wamid DESC LIMIT 1
  ) l
  LEFT JOIN LATERAL (
    SELECT count(*) AS unread, min(s.sort_at) AS since
    FROM (
      SELECT n.sort_at, bool_or(n.seen) OVER (ORDER BY n.sort_at DESC, n.wamid DESC ROWS UNBOUNDED PRECEDING) AS seen
      FROM (
        SELECT m.sort_at, m.wamid, SEEN AS seen FROM messages m
        WHERE NOT l.seen AND m.phone_number_id = c.phone_number_id AND m.chat = c.chat ORDER BY m.sort_at DESC, m.wamid DESC LIMIT %d
      ) n
    ) s WHERE NOT s.seen
  ) u ON true
) w
WHERE t.phone_number_id = w.phone_number_id AND t.chat = w.chat
  AND (t.last_wamid, t.last_at, t.unread, t.unread_since) IS DISTINCT FROM (w.wamid, w.sort_at, w.unread, w.since)`, merge.UnreadMax),
	"SEEN", "(m.historical OR m.direction <> 'inbound')")

// emptyChats removes chats whose messages went to another one.
const emptyChats = `DELETE FROM threads t USING unnest($1::text[], $2::text[]) AS c (phone_number_id, chat)
WHERE t.phone_number_id = c.phone_number_id AND t.chat = c.chat AND t.messages <= 0`
