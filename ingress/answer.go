package ingress

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/coexstream/coexstream/internal/contentcoding"
)

// refusal is the reason for which a request is refused, and its answer.
type refusal struct {
	code   int
	kind   string // the stable `error` of the body
	detail string // for people; never a secret or a part of a body
}

// kindEncoding is the error of everything about content codings.
const kindEncoding = "content_encoding"

// The refusals that do not depend on the request.
var (
	refusePath          = &refusal{404, "path", "no source has this path"}
	refuseMethod        = &refusal{405, "method", "only GET, HEAD and POST"}
	refuseVerify        = &refusal{403, "verification", "hub.mode is not subscribe, hub.challenge is missing, or hub.verify_token is wrong"}
	refuseTokens        = &refusal{429, "verification", "too many wrong values of hub.verify_token"}
	refuseExpect        = &refusal{417, "expectation", "only 100-continue"}
	refuseType          = &refusal{415, "content_type", "only application/json and application/*+json"}
	refuseUnsigned      = &refusal{401, "signature", "the signature header is missing"}
	refuseMalformed     = &refusal{401, "signature", "the signature header is malformed, or there are several"}
	refuseMismatch      = &refusal{401, "signature", "the signature does not match"}
	refuseIncomplete    = &refusal{400, "body", "the body ended early or is framed wrongly"}
	refuseTimeout       = &refusal{408, "timeout", "the request did not arrive in time"}
	refuseHTTP          = &refusal{400, "http", "the request could not be parsed"}
	refuseFraming       = &refusal{400, "http", "both Content-Length and Transfer-Encoding"}
	refuseCoding        = &refusal{400, "http", "only chunked as Transfer-Encoding"}
	refuseLine          = &refusal{400, "http", "a header is folded, has a blank in its name, or ends without CR LF"}
	refuseVersion       = &refusal{505, "http", "the HTTP version is neither 1.0 nor 1.1"}
	refuseHeader        = &refusal{431, "header", "the request line and headers are too long"}
	refuseRate          = &refusal{429, "source_rate", "the source sends more than it may"}
	refuseNoCertificate = &refusal{403, "client_certificate", "the source needs a client certificate"}
	refuseCertificate   = &refusal{403, "client_certificate", "the client certificate is not the sender's that the source needs"}
	refuseSourceBusy    = &refusal{429, "source_busy", "too many requests of this source in flight"}
	refuseBytes         = &refusal{503, "busy", "too many bytes in flight"}
	refuseConnections   = &refusal{503, "connections", "too many connections"}
	refuseEvicted       = &refusal{503, "evicted", "the request came so slowly that it had to make room for others"}
	refuseUndecoded     = &refusal{503, "busy", "too many encoded bodies whose signature is wrong; sign the bytes as they are sent, or come again"}
	refuseClosed        = &refusal{503, "closing", "shutting down"}
	refuseLog           = &refusal{503, "unavailable", "the log is not available"}
	refuseUnknown       = &refusal{503, "unacknowledged", "the log did not acknowledge in time"}
	refuseRejected      = &refusal{503, "rejected", "the log rejects the record"}
)

// line is the body of an error.
func (r *refusal) line() []byte {
	b, err := json.Marshal(struct {
		Error  string `json:"error"`
		Detail string `json:"detail"`
	}{r.kind, r.detail})
	if err != nil {
		return []byte(`{"error":"internal","detail":""}` + "\n") // two strings always marshal
	}
	return append(b, '\n')
}

// retriable reports whether the answer has Retry-After.
func (r *refusal) retriable() bool { return r.code == 429 || r.code == 503 }

var (
	okBody   = []byte("{}\n")
	jsonType = []byte("application/json")

	headerRequestID  = []byte("X-Request-Id")
	headerRetryAfter = []byte("Retry-After")
)

// answers writes responses.
type answers struct {
	retryAfter []byte // seconds
	// lines are the prepared bodies of the refusals above.
	lines map[*refusal][]byte
}

func newAnswers(retryAfter time.Duration) *answers {
	a := &answers{
		retryAfter: strconv.AppendInt(nil, int64((retryAfter+time.Second-1)/time.Second), 10),
		lines:      map[*refusal][]byte{},
	}
	for _, r := range []*refusal{
		refusePath, refuseMethod, refuseVerify, refuseTokens, refuseExpect, refuseType, refuseUnsigned, refuseMalformed,
		refuseMismatch, refuseIncomplete, refuseTimeout, refuseHTTP, refuseFraming, refuseCoding, refuseLine, refuseVersion, refuseHeader, refuseSourceBusy, refuseBytes, refuseUndecoded, refuseConnections, refuseEvicted,
		refuseClosed, refuseLog, refuseUnknown, refuseRejected, refuseRate, refuseNoCertificate, refuseCertificate,
	} {
		a.add(r)
	}
	return a
}

// add prepares the body of a refusal.
func (a *answers) add(r *refusal) { a.lines[r] = r.line() }

// ok answers that the body is durable.
func (a *answers) ok(res *fasthttp.Response) {
	res.SetStatusCode(fasthttp.StatusOK)
	res.Header.SetContentTypeBytes(jsonType)
	res.SetBodyRaw(okBody)
}

// refuse answers with a refusal. src may be nil.
func (a *answers) refuse(res *fasthttp.Response, src *source, r *refusal) {
	res.SetStatusCode(r.code)
	res.Header.SetContentTypeBytes(jsonType)
	if r.retriable() {
		res.Header.SetCanonical(headerRetryAfter, a.retryAfter)
	}
	switch r.code {
	case fasthttp.StatusMethodNotAllowed:
		res.Header.Set("Allow", "GET, HEAD, POST")
	case fasthttp.StatusUnauthorized:
		if src != nil {
			// RFC 9110 wants a challenge with every 401; the scheme is the header's name.
			res.Header.Set("Www-Authenticate", src.signatureHeader)
		}
	case fasthttp.StatusUnsupportedMediaType:
		if r.kind == kindEncoding {
			res.Header.Set("Accept-Encoding", contentcoding.Supported)
		}
	}
	line, ok := a.lines[r]
	if !ok {
		line = r.line()
	}
	res.SetBodyRaw(line)
}
