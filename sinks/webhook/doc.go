// Package webhook sends the events of the topics to HTTP endpoints. Kafka is the queue: there is no other store.
//
// Each endpoint has a consumer group of its own. Its committed offsets say what the endpoint has, together with their metadata: the acknowledged
// offsets behind the first one that is not (package queue). So an endpoint that is slow, away or disabled delays no other one, and it
// gets its events when it works again, within the retention of the topics.
//
// A courier delivers to one endpoint. It
//
//  1. reads the partitions that its group gives to the process, as far as the window of the queue has room (reader);
//  2. sends what the queue says, while the breaker, the rate and the membership in the group allow it (dispatch);
//  3. commits acknowledgements; a request keeps its slot until then (commit);
//  4. writes letters into `dlq` for what the endpoint refuses, before it counts as acknowledged (keepLetters).
//
// An event is sent at least once: after a kill, at most as many requests as the endpoint's limit in flight are repeated, with
// the ids that they had. Replayed events are never sent.
//
// A connection is made to public addresses, and to networks that the endpoint names. Redirects are not followed, proxies are not used.
package webhook
