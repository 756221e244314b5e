// Package ingress is the HTTP edge: it takes webhooks of any number of configured sources, verifies
// their signatures, and answers 200 once Kafka has acknowledged the bytes that were signed, or the disk spool has them.
//
// Promises:
//   - 200 means durable. Every body that got a 200 is in raw.live or raw.bulk, or on the disk on its way
//     there, byte for byte as it was signed, with the headers that are needed to verify its signature again
//     (schemas/headers.go). That is the body as received, or, where the signature matches only that, the body
//     without its content coding.
//   - Anything else means: send it again. A body may be in the log although its sender got a 503 (the
//     acknowledgement came late, or was lost); the processor removes such duplicates.
//   - Bodies of one business are written in the order in which they were taken in, as long as they are
//     sent one after the other. A retry never overtakes.
//   - Every limit is an answer, and memory is bounded: a body is read only after its bytes were reserved.
//     The exception: a connection over the limit of connections is closed without an answer with TLS, where the
//     answer would cost a handshake, and when more than a few (crowdSlots) are being answered already.
//   - No answer and no log line holds a secret or anything of a body.
//
// It does not parse bodies (package route), and takes any bytes whose signature is right: what they mean is for
// the processor to say.
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
// HEAD on a source's path is answered as GET, without the body. With `Expect: 100-continue`, whatever
// the headers alone decide (404, 413, 415, 401 for a missing signature) is answered before the body.
//
// # Strangers
//
// A connection is a sender's while its last webhook had the right signature, else a stranger's (openConns.verify). Strangers make room
// first, for connections (crowd) and for bodies (receiving.go), and what is spent on them is bounded (unproven, guesses).
// What fasthttp takes and others read differently is refused (framing.go).
//
// # Parts
//
// Server takes requests and hands records to a raw.Durable. Package route chooses lane and key. Package publish is the
// Durable that writes to Kafka. Package handover is the Durable that keeps on the disk (package spool) what Kafka does
// not take in time.
package ingress
