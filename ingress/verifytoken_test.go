package ingress

import (
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coexstream/coexstream/ingress/rawtest"
)

// verification makes a GET verification with a token.
func verification(token string) string {
	return "GET /meta?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=" + url.QueryEscape(token) + " HTTP/1.1\r\nHost: x\r\n\r\n"
}

func TestGuessesOfAVerifyTokenAreBoundedForAnAddressAndOthersVerify(t *testing.T) {
	s := start(t, testConfig(), &rawtest.Memory{})
	guesser := dialFrom(t, 2, s.addr)
	wrong, limited := 0, 0
	for i := range 100 {
		guesser.send(verification(fmt.Sprintf("guess-number-%06d", i)))
		switch a := guesser.answer(); a.code {
		case 403:
			wrong++
		case 429:
			limited++
			checkRefusal(t, a, "verification")
		default:
			t.Fatalf("%d %s", a.code, a.body)
		}
	}
	if wrong < 5 || wrong > 15 || limited != 100-wrong {
		t.Errorf("%d guesses were looked at, %d were not", wrong, limited)
	}
	// At the limit the right token is not recognised any more, on other connections neither.
	another := dialFrom(t, 2, s.addr)
	another.send(verification(testToken))
	if a := another.answer(); a.code != 429 {
		t.Errorf("the right token after too many wrong ones: %d", a.code)
	}
	other := dialFrom(t, 3, s.addr)
	other.send(verification(testToken))
	if a := other.answer(); a.code != 200 || a.body != "1158201444" {
		t.Errorf("another address: %d %s", a.code, a.body)
	}
	for reason, want := range map[string]int{"wrong": wrong, "client": limited + 1, "all": 0} {
		if n := rawtest.Counter(t, s.reg, "coexstream_ingress_verifications_refused_total", "source", "meta", "reason", reason); n != float64(want) {
			t.Errorf("%s is counted %v times, want %d", reason, n, want)
		}
	}
	// Webhooks of the same address are accepted.
	another.send(signed(message))
	if a := another.answer(); a.code != 200 {
		t.Errorf("a webhook: %d", a.code)
	}
}

func TestGuessesFromManyAddressesAreBoundedAndASenderStillVerifies(t *testing.T) {
	s := start(t, testConfig(), &rawtest.Memory{})
	sender := dialFrom(t, 200, s.addr)
	sender.send(signed(message))
	if a := sender.answer(); a.code != 200 {
		t.Fatal(a.code)
	}
	began := time.Now()
	var mu sync.Mutex
	wrong := 0
	var all sync.WaitGroup
	for i := range 40 {
		c := dialFrom(t, byte(2+i), s.addr)
		all.Go(func() {
			for range 9 {
				c.send(verification("sixteen-characters"))
				if a := c.answer(); a.code == 403 {
					mu.Lock()
					wrong++
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	if most := 100 + int(10*time.Since(began).Seconds()) + 2; wrong > most {
		t.Errorf("%d guesses were looked at, want at most %d", wrong, most)
	}
	// The token is checked for a known address, for any requests of unknown clients.
	c := dialFrom(t, 200, s.addr)
	c.send(verification(testToken))
	if a := c.answer(); a.code != 200 {
		t.Errorf("the sender: %d %s", a.code, a.body)
	}
	if n := rawtest.Counter(t, s.reg, "coexstream_ingress_verifications_refused_total", "source", "meta", "reason", "all"); n == 0 {
		t.Error("none is counted as over the limit of all")
	}
}

// Probes of load balancers and malformed verifications do not count as wrong tokens.
func TestRequestsWithoutATokenAreNoGuesses(t *testing.T) {
	s := start(t, testConfig(), &rawtest.Memory{})
	c := dialFrom(t, 2, s.addr)
	for _, target := range []string{
		"/meta", "/meta?hub.mode=subscribe&hub.challenge=1", "/meta?hub.mode=subscribe&hub.challenge=1&hub.verify_token=",
		"/meta?hub.mode=unsubscribe&hub.challenge=1&hub.verify_token=guess", "/meta?hub.mode=subscribe&hub.verify_token=" + testToken,
		"/open?hub.mode=subscribe&hub.challenge=1&hub.verify_token=guess",
	} {
		for range 20 {
			c.send("GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n")
			if a := c.answer(); a.code != 403 {
				t.Fatalf("%s: %d", target, a.code)
			}
		}
	}
	c.send(verification(testToken))
	if a := c.answer(); a.code != 200 {
		t.Errorf("then the right one: %d", a.code)
	}
}

func TestVerifyTokensHaveALeastLength(t *testing.T) {
	for token, valid := range map[Credential]bool{
		"": true, "brief": false, "fifteen-of-them": false, "sixteen-of-these": true, "ééééééééééééééé": false, "éééééééééééééééé": true,
	} {
		cfg := testConfig()
		cfg.Sources[0].VerifyToken = token
		err := cfg.Validate()
		if (err == nil) != valid {
			t.Errorf("%d bytes: %v", len(token), err)
		}
		if err != nil && (strings.Contains(err.Error(), string(token)) || !strings.Contains(err.Error(), "ingress.sources[0].verify_token")) {
			t.Errorf("the error is %q", err)
		}
	}
}
