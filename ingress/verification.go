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

// guesses bounds how many wrong verify tokens are looked at: of an address, of strangers, and of addresses from which webhooks with
// the right signature came lately, so that strangers cannot keep a sender from verifying.
type guesses struct {
	mu                 sync.Mutex // one at a time: all that come at once would else be looked at
	strangers, friends *allowance
}

// Wrong tokens: ten at once and then one in ten seconds of a client, a hundred at once and then ten in a second of all.
const (
	guessesPerSecondClient = 0.1
	guessesPerSecond       = 10
	guessesAtOnceClient    = 100 * time.Second
	guessesAtOnce          = 10 * time.Second
)

func newGuesses() *guesses {
	some := func() *allowance {
		return newAllowance(guessesPerSecondClient, guessesPerSecond, guessesAtOnceClient, guessesAtOnce)
	}
	return &guesses{strangers: some(), friends: some()}
}

// verify answers the GET with which a webhook is subscribed: the challenge, if the token is right.
func (s *Server) verify(ctx *fasthttp.RequestCtx, src *source) *refusal {
	args, known, v := ctx.QueryArgs(), src.credentials.Load(), &src.verification
	token, challenge := args.Peek(v.Token), args.Peek(v.Challenge)
	if !known.verifiable || len(token) == 0 || string(args.Peek(v.Mode)) != v.Subscribe || len(challenge) == 0 {
		return refuseVerify // whatever the token is: nothing was guessed
	}
	if r := s.guess(clientOfRequest(ctx), src, known, token); r != nil {
		return r
	}
	ctx.Response.Header.SetContentType("text/plain; charset=utf-8")
	// The challenge is the caller's own text: nobody may take it for a page.
	ctx.Response.Header.Set("X-Content-Type-Options", "nosniff")
	ctx.Response.Header.Set("Cache-Control", "no-store")
	ctx.SetBody(challenge)
	return nil
}

// guess compares a token with the right one, unless too many were wrong.
func (s *Server) guess(client clientAddress, src *source, known *credentials, token []byte) *refusal {
	g := s.guesses
	g.mu.Lock()
	defer g.mu.Unlock()
	from := g.strangers
	if s.unproven.known.has(client) {
		from = g.friends
	}
	switch from.exhausted(client) {
	case limitClient:
		src.metrics.guessesClient.Inc()
		return refuseGuesses
	case limitAll:
		src.metrics.guessesAll.Inc()
		return refuseGuesses
	}
	sum := sha256.Sum256(token)
	if subtle.ConstantTimeCompare(sum[:], known.token[:]) == 1 {
		return nil
	}
	from.charge(client, 1)
	src.metrics.guessesWrong.Inc()
	return refuseVerify
}
