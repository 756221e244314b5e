// Package ingress is the HTTP edge. It receives webhooks of the configured sources, verifies their signatures, hands them
// to a raw.Durable, and answers 200 once they are durable.
//
// Promises:
//   - 200 means durable. A body with a 200 is in raw.live or raw.bulk, or on the disk and will be handed over. It has
//     exactly the bytes that were signed, and the headers to verify the signature again (schemas/headers.go). These are
//     the bytes as received or, where the signature matches only those, the bytes without the content coding.
//   - Any other answer means: send it again. The body may be in the log although the sender got a 503, because the
//     acknowledgement was late or lost. The processor drops such duplicates.
//   - Bodies of one business keep their order, as long as they are sent one after the other. A retry never overtakes.
//   - Every limit has an answer, and memory is bounded: bytes are reserved before a body is read. Exception: a connection
//     over the limit of connections is closed without an answer when it speaks TLS, where an answer would cost a
//     handshake, and when refusalSlots others are being answered.
//   - Answers and log lines contain no secret and nothing of a body.
//
// The package does not parse bodies. It accepts any bytes whose signature is right; the processor interprets them.
//
// # Answers
//
// A 200 to a POST has the body `{}`. An error is one line, `{"error":"…","detail":"…"}`, whose error is
// a stable code. Every answer has X-Request-Id, which is in the record too.
//
//	200                a POST that is durable; a GET with the right token (hub.challenge, text/plain)
//	400 encoding       the content coding cannot be undone, HTTP is broken, or the body ended early
//	401 signature      missing where required, malformed, or by none of the source's secrets
//	403 verification   a GET or HEAD that is no verification or has the wrong token
//	403 certificate    the client certificate that the source asks for is missing or another's
//	404 path           no source has this path
//	405 method         neither GET, HEAD nor POST; with Allow
//	408 timeout        the request did not arrive within the read timeout
//	413 body           longer than the limit, on the wire or decoded, or decoding beyond the ratio
//	415 content type   neither JSON nor absent, and no signature to check; or a content coding that is not known
//	417 expectation    an Expect header other than 100-continue
//	429 source         the source has as many requests in flight as it may, or has used up its rate; with
//	                   Retry-After
//	429 verification   too many wrong verify tokens; with Retry-After
//	431 header         longer than the limit
//	503                not durable: neither Kafka nor the disk takes it, a limit is reached, or the request was slow and
//	                   had to make room; with Retry-After
//	505 http           neither HTTP/1.0 nor 1.1
//
// HEAD on the path of a source is answered like GET, without the body. With `Expect: 100-continue` the answers that need
// only the headers (404, 413, 415, 401 for a missing signature) are given before the body.
//
// # Unverified connections
//
// A connection is verified while its last webhook had a right signature (openConns.noteSignature). Unverified connections
// are evicted first, when connections (connGroup) or room for bodies (receiving.go) are scarce. Decoding for them
// (unverifiedDecoding) and wrong verify tokens (tokenLimits) are bounded. ADR 0027 calls their clients strangers.
//
// Requests that fasthttp accepts and other implementations read differently are refused (framing.go).
//
// # Parts
//
// Server takes requests and hands records to a raw.Durable. Package route chooses lane and key. Package publish is the
// Durable that writes to Kafka. Package handover is the Durable that keeps on the disk (package spool) what Kafka does
// not take in time.
package ingress
