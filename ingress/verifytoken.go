package ingress

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/valyala/fasthttp"
)

// VerifyTokenMin is how many characters a verify token has at least.
const VerifyTokenMin = 16

// validateToken says what is wrong with a verify token. It tells nothing of it.
func validateToken(token Credential) error {
	if token != "" && utf8.RuneCountInString(string(token)) < VerifyTokenMin {
		return fmt.Errorf("verify_token is too short: want at least %d characters, or none", VerifyTokenMin)
	}
	return nil
}

// tokenLimits bounds how many wrong verify tokens are looked at: of an address, of strangers, and of addresses from which webhooks with
// the right signature came lately, so that strangers cannot keep a sender from verifying.
type tokenLimits struct {
	mu             sync.Mutex // one at a time: all that come at once would else be looked at
	unknown, known *allowance
}

// Wrong tokens: ten at once and then one in ten seconds of a client, a hundred at once and then ten in a second of all.
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

// verify answers the GET with which a webhook is subscribed: the challenge, if the token is right.
func (s *Server) verify(ctx *fasthttp.RequestCtx, src *source) *refusal {
	args, known := ctx.QueryArgs(), src.credentials.Load()
	token, challenge := args.Peek("hub.verify_token"), args.Peek("hub.challenge")
	if !known.verifiable || len(token) == 0 || string(args.Peek("hub.mode")) != "subscribe" || len(challenge) == 0 {
		return refuseVerify // whatever the token is: nothing was guessed
	}
	if r := s.checkToken(clientOfRequest(ctx), src, known, token); r != nil {
		return r
	}
	ctx.Response.Header.SetContentType("text/plain; charset=utf-8")
	// The challenge is the caller's own text: nobody may take it for a page.
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
