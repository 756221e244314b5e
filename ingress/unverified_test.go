package ingress

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coexstream/coexstream/ingress/rawtest"
	"github.com/coexstream/coexstream/ingress/route"
	"github.com/coexstream/coexstream/schemas"
)

// encoded makes a webhook with a content coding and the given signature.
func encoded(path, coding, signature string, wire []byte) string {
	if signature != "" {
		signature = "X-Hub-Signature-256: sha256=" + signature + "\r\n"
	}
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\n%sContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n%s", path, signature, coding, len(wire), wire)
}

// unverifiedMost returns the bytes that may be decoded for wrong signatures since a time: the burst, the rate, and the last body.
func unverifiedMost(since time.Time, longest int) float64 {
	return unverifiedBytesPerSecond*(1+time.Since(since).Seconds()) + float64(longest)
}

func TestBodiesThatNobodySignedAreDecodedWithinABudgetAndTrueOnesTaken(t *testing.T) {
	for coding, encode := range encoders(t) {
		t.Run(coding, func(t *testing.T) {
			m := &rawtest.Memory{}
			cfg := testConfig()
			cfg.AckTimeout = 15 * time.Second // a busy machine refuses nothing for want of time
			s := start(t, cfg, m)
			// Within the ratio: some bytes that do not shrink, and very many that do.
			large := make([]byte, 6<<20)
			rng := rand.New(rand.NewPCG(1, 2))
			for i := range 60 << 10 {
				large[i] = byte(rng.Uint32())
			}
			wire := bytes.Clone(encode(large))
			plain := historyBody(200 << 10)
			true_ := bytes.Clone(encode(plain))

			// Its address is known, by a message.
			sender := dialFrom(t, 100, s.addr)
			sender.send(signed(message))
			if a := sender.answer(); a.code != 200 {
				t.Fatal(a.code)
			}
			began := time.Now()
			var mu sync.Mutex
			codes := map[int]int{}
			var all sync.WaitGroup
			const unknown, each = 12, 4
			for i := range unknown {
				c := dialFrom(t, byte(2+i), s.addr)
				all.Go(func() {
					for range each {
						c.send(encoded("/meta", coding, strings.Repeat("0", 64), wire))
						a := c.answer()
						mu.Lock()
						codes[a.code]++
						mu.Unlock()
						if a.code == 503 && a.header.Get("Retry-After") == "" {
							t.Error("503 without Retry-After")
						}
					}
				})
			}
			all.Wait()
			unverified := rawtest.Counter(t, s.reg, "coexstream_ingress_unverified_decoded_bytes_total")
			if former := rawtest.Counter(t, s.reg, "coexstream_ingress_decoded_in_vain_bytes_total"); former < unverified {
				t.Errorf("the former name has %v, want %v", former, unverified)
			}
			if most := unverifiedMost(began, s.cfg.DecodedBytesMax+len(wire)); unverified > most || unverified == 0 {
				t.Errorf("%v bytes were decoded for wrong signatures, want at most %v", unverified, most)
			}
			few := 1 + int(unverifiedMost(began, 0))/len(large)
			if codes[401] == 0 || codes[503] == 0 || codes[401]+codes[503] != unknown*each || codes[401] > few {
				t.Errorf("answers %v, want 401 of those few that were decoded, and 503", codes)
			}
			refused := rawtest.Counter(t, s.reg, "coexstream_ingress_undecoded_total", "limit", "client") + rawtest.Counter(t, s.reg, "coexstream_ingress_undecoded_total", "limit", "all")
			// On a busy machine some wait for their turn until their time is up: they are refused for that.
			if refused == 0 || refused > float64(codes[503]) {
				t.Errorf("%v are counted as refused, want at most %d", refused, codes[503])
			}
			// Real senders meanwhile: signed over the wire bytes, from any address; signed over the decoded bytes, from a known
			// address and on a verified connection.
			stranger := dialFrom(t, 2, s.addr)
			for from, signature := range map[*conversation]string{
				stranger:                 sign(testSecret, true_),
				dialFrom(t, 100, s.addr): sign(testSecret, plain),
				sender:                   sign(testSecret, plain),
			} {
				from.send(encoded("/meta", coding, signature, true_))
				if a := from.answer(); a.code != 200 {
					t.Errorf("a true one from %s: %d %s", from.LocalAddr(), a.code, a.body)
				}
			}
			// The connection is verified now.
			stranger.send(encoded("/meta", coding, sign(testSecret, plain), true_))
			if a := stranger.answer(); a.code != 200 {
				t.Errorf("the second one of a connection: %d %s", a.code, a.body)
			}
			for _, r := range m.Records()[1:] {
				verifyAgain(t, &r, map[string]string{"new": testSecret})
				if topic, waba := route.LaneAndKey(plain); r.Topic != topic || !bytes.Equal(r.Key, waba) {
					t.Errorf("%s, key %q", r.Topic, r.Key)
				}
			}
			if n := s.budget.reserved(); n != 0 {
				t.Errorf("%d bytes are still reserved", n)
			}
		})
	}
}

// Bodies that are signed over their decoded form are not limited.
func TestBodiesSignedOverTheirDecodedFormAreNeverLimited(t *testing.T) {
	m := &rawtest.Memory{}
	cfg := testConfig()
	cfg.AckTimeout = 15 * time.Second // a busy machine refuses nothing for want of time
	s := start(t, cfg, m)
	plain := historyBody(3 << 20)
	wire := gz(t, plain)
	const n = 24 // 72 MB
	var all sync.WaitGroup
	for i := range n {
		c := dialFrom(t, byte(2+i%6), s.addr)
		all.Go(func() {
			c.send(encoded("/meta", "gzip", sign(testSecret, plain), wire))
			if a := c.answer(); a.code != 200 {
				t.Errorf("%d %s", a.code, a.body)
			}
		})
	}
	all.Wait()
	for _, r := range m.Records() {
		if told, ok := rawtest.Header(&r, schemas.HeaderContentEncoding); ok || !bytes.Equal(r.Value, plain) {
			t.Errorf("%d bytes with the coding %q", len(r.Value), told)
		}
	}
	if got := len(m.Records()); got != n {
		t.Errorf("%d records", got)
	}
	if v := rawtest.Counter(t, s.reg, "coexstream_ingress_unverified_decoded_bytes_total"); v != 0 {
		t.Errorf("%v bytes are counted as decoded in vain", v)
	}
}

// Where no signature is required, broken codings and bombs have a limit of their own, apart from that of signed bodies.
func TestBrokenCodingsWithoutASignatureAreBounded(t *testing.T) {
	s := start(t, testConfig(), &rawtest.Memory{})
	bomb := gz(t, make([]byte, 64<<20))
	began := time.Now()
	codes := map[int]int{}
	c := dialFrom(t, 2, s.addr)
	for range 30 {
		c.send(encoded("/number", "gzip", "", bomb))
		codes[c.answer().code]++
	}
	if unverified, most := rawtest.Counter(t, s.reg, "coexstream_ingress_unverified_decoded_bytes_total"), unverifiedMost(began, s.cfg.DecodedBytesMax); unverified > most {
		t.Errorf("%v bytes were decoded for wrong signatures, want at most %v", unverified, most)
	}
	if codes[413] == 0 || codes[503] == 0 || codes[413]+codes[503] != 30 {
		t.Errorf("answers %v", codes)
	}
	other := dialFrom(t, 3, s.addr)
	plain := historyBody(100 << 10)
	other.send(encoded("/meta", "gzip", sign(testSecret, plain), gz(t, plain)))
	if a := other.answer(); a.code != 200 {
		t.Errorf("a signed one: %d %s", a.code, a.body)
	}
}
