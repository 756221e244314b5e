package ingress

import (
	"crypto/sha256"
	"crypto/subtle"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"github.com/coexstream/coexstream/internal/invalid"
)

// verifyTokenMin is the least number of characters of a verify token.
const verifyTokenMin = 16

// validateToken checks a verify token. The error does not contain it.
func validateToken(token Credential) error {
	if token != "" && utf8.RuneCountInString(string(token)) < verifyTokenMin {
		return invalid.Value("verify_token", invalid.Secret, "at least %d characters, or none", verifyTokenMin)
	}
	return nil
}

// tokenLimits bounds the checks of wrong verify tokens, for each client and for all. Known clients, which sent a right
// signature lately, have a limit of their own, so that others cannot keep a sender from verifying.
type tokenLimits struct {
	mu             sync.Mutex // one check at a time, so that parallel ones do not exceed the limit
	unknown, known *allowance
}

// Wrong tokens that are checked. For a client: ten at once, then one in ten seconds. For all: a hundred at once, then ten
// in a second.
const (
	wrongTokensPerSecondClient = 0.1
	wrongTokensPerSecond       = 10
	wrongTokensAtOnceClient    = 100 * time.Second
	wrongTokensAtOnce          = 10 * time.Second
)

func newTokenLimits() *tokenLimits {
	some := func() *allowance {
		return newAllowance(wrongTokensPerSecondClient, wrongTokensPerSecond, wrongTokensAtOnceClient, wrongTokensAtOnce)
	}
	return &tokenLimits{unknown: some(), known: some()}
}

// verify answers the GET that subscribes a webhook. It returns the challenge when the token is right.
func (s *Server) verify(ctx *fasthttp.RequestCtx, src *source) *refusal {
	args, known, v := ctx.QueryArgs(), src.credentials.Load(), &src.verification
	token, challenge := args.Peek(v.Token), args.Peek(v.Challenge)
	if !known.verifiable || len(token) == 0 || string(args.Peek(v.Mode)) != v.Subscribe || len(challenge) == 0 {
		return refuseVerify // the token is not checked
	}
	if r := s.checkToken(clientOfRequest(ctx), src, known, token); r != nil {
		return r
	}
	ctx.Response.Header.SetContentType("text/plain; charset=utf-8")
	// The challenge is text of the caller and must not be rendered as a page.
	ctx.Response.Header.Set("X-Content-Type-Options", "nosniff")
	ctx.Response.Header.Set("Cache-Control", "no-store")
	ctx.SetBody(challenge)
	return nil
}

// checkToken compares a token with the right one, unless too many were wrong.
func (s *Server) checkToken(client clientAddress, src *source, known *credentials, token []byte) *refusal {
	g := s.tokens
	g.mu.Lock()
	defer g.mu.Unlock()
	from := g.unknown
	if s.unverified.clients.has(client) {
		from = g.known
	}
	switch from.exhausted(client) {
	case limitClient:
		src.metrics.tokensLimitedClient.Inc()
		return refuseTokens
	case limitAll:
		src.metrics.tokensLimitedAll.Inc()
		return refuseTokens
	}
	sum := sha256.Sum256(token)
	if subtle.ConstantTimeCompare(sum[:], known.token[:]) == 1 {
		return nil
	}
	from.charge(client, 1)
	src.metrics.tokensWrong.Inc()
	return refuseVerify
}
