package webhook_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/testing/certtest"
	"github.com/coexstream/coexstream/sinks/webhook"
)

func TestAddressesThatAreNotPublicAreNotReached(t *testing.T) {
	t.Parallel()
	var connections atomic.Int32
	port := ""
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
		if err != nil {
			continue // a machine without IPv6
		}
		t.Cleanup(func() { _ = l.Close() })
		_, port, _ = net.SplitHostPort(l.Addr().String())
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				connections.Add(1)
				_ = c.Close()
			}
		}()
	}
	hosts := []string{
		"127.0.0.1", "127.1.2.3", "localhost", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "[::127.0.0.1]", // this machine
		"10.0.0.1", "10.255.255.254", "172.16.0.1", "172.31.255.254", "192.168.0.1", "192.168.1.1", "[fd00::1]", "[fc00::1]", // private
		"169.254.169.254", "169.254.170.2", "[fe80::1]", "[fd00:ec2::254]", "[::ffff:169.254.169.254]", // link-local, metadata
		"100.64.0.1", "100.100.100.200", "192.0.0.192", "198.18.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1", // shared, benchmarks, documentation
		"[64:ff9b:1::a9fe:a9fe]", "[64:ff9b::a9fe:a9fe]", "[2001::1]", "[fec0::1]", "[::ffff:0:127.0.0.1]", "[fe80::a9fe:a9fe]", // translated, tunnels
		"224.0.0.1", "240.0.0.1", "255.255.255.255", "[ff02::1]", "[64:ff9b::7f00:1]", "[2001:db8::1]", "[2002:7f00:1::]", // multicast, reserved, translated
	}
	if len(hosts) < 30 {
		t.Fatal("fewer than 30 addresses")
	}
	for _, host := range hosts {
		e := endpoints(t, fmt.Sprintf("url: 'http://%s:%s/'\ninsecure_http: true\ntimeout: 2s", host, port))[0]
		p := webhook.Ping(t.Context(), e, "test", time.Now)
		if p.OK || p.Answer.Status != 0 || p.Answer.Why != webhook.ErrAddress.Error() {
			t.Errorf("%s: %+v", host, p)
		}
	}
	// Other spellings of an address: the resolver of the system may know them or not.
	for _, host := range []string{"2130706433", "0x7f000001", "0x7f.0.0.1", "017700000001", "0177.0.0.1", "127.1", "127.0.1", "0", "0x0", "127.0.0.1.", "LOCALHOST.", "2852039166", "0xa9fea9fe"} {
		e := endpoints(t, fmt.Sprintf("url: 'http://%s:%s/'\ninsecure_http: true\ntimeout: 2s", host, port))[0]
		if p := webhook.Ping(t.Context(), e, "test", time.Now); p.OK || p.Answer.Status != 0 {
			t.Errorf("%s: %+v", host, p)
		}
	}
	if n := connections.Load(); n > 0 {
		t.Errorf("%d connections", n)
	}
}

// nameServer answers each question for an IPv4 address with the next one of a list. The last one stays.
func nameServer(t *testing.T, addresses ...[4]byte) (address string) {
	t.Helper()
	c, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	go func() {
		b := make([]byte, 512)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			end := bytes.IndexByte(b[12:n], 0) + 12 + 5 // of the question: a name, a type, a class
			if end < 17 || end > n {
				continue
			}
			question, answers := b[12:end], byte(0)
			var answer []byte
			if question[len(question)-3] == 1 { // type A
				answers = 1
				answer = append([]byte{0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4}, addresses[0][:]...)
				if len(addresses) > 1 {
					addresses = addresses[1:]
				}
			}
			head := []byte{b[0], b[1], 0x85, 0x80, 0, 1, 0, answers, 0, 0, 0, 0}
			_, _ = c.WriteTo(slices.Concat(head, question, answer), from)
		}
	}()
	return c.LocalAddr().String()
}

// A name that answers with an allowed address first, and with another one then. It is not parallel: it replaces the resolver of the process.
func TestANameThatChangesItsAddressDoesNotReachIt(t *testing.T) {
	var reached atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer s.Close()
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	dns := nameServer(t, [4]byte{127, 0, 0, 1}, [4]byte{127, 0, 0, 2}, [4]byte{169, 254, 169, 254}, [4]byte{10, 0, 0, 1})
	was := net.DefaultResolver
	defer func() { net.DefaultResolver = was }()
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", dns)
	}}
	e := endpoints(t, "url: 'http://rebound.example.com:"+port+"/'\ninsecure_http: true\nallow: [127.0.0.1/32]\ntimeout: 5s")[0]
	if p := webhook.Ping(t.Context(), e, "test", time.Now); !p.OK || reached.Load() != 1 {
		t.Fatalf("%+v", p)
	}
	for range 3 {
		if p := webhook.Ping(t.Context(), e, "test", time.Now); p.OK || p.Answer.Why != webhook.ErrAddress.Error() {
			t.Errorf("%+v", p)
		}
	}
	if reached.Load() != 1 {
		t.Errorf("reached %d times", reached.Load())
	}
}

// local is a test server that an endpoint may reach.
const local = "\nallow: [127.0.0.0/8, '::1/128']\ninsecure_http: true\ntimeout: 5s"

func TestRedirectsAreNotFollowedAndTheAddressIsCheckedForEachEndpoint(t *testing.T) {
	t.Parallel()
	var reached atomic.Int32
	inner := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer inner.Close()
	outer := httptest.NewServer(http.RedirectHandler(inner.URL, http.StatusTemporaryRedirect))
	defer outer.Close()
	p := webhook.Ping(t.Context(), endpoints(t, "url: "+outer.URL+local)[0], "test", time.Now)
	if p.OK || p.Answer.Status != 307 || reached.Load() > 0 {
		t.Errorf("%+v, reached %d times", p, reached.Load())
	}
	p = webhook.Ping(t.Context(), endpoints(t, "url: "+inner.URL+local)[0], "test", time.Now)
	if !p.OK || reached.Load() != 1 {
		t.Errorf("%+v", p)
	}
	p = webhook.Ping(t.Context(), endpoints(t, "url: "+inner.URL+"\ninsecure_http: true\nallow: [10.0.0.0/8]")[0], "test", time.Now)
	if p.OK || reached.Load() != 1 {
		t.Errorf("another network is allowed: %+v", p)
	}
}

func TestAnEndpointIsAuthenticatedByItsAuthorityAndAuthenticatesTheSender(t *testing.T) {
	t.Parallel()
	ca, other := certtest.NewAuthority(t, "ca"), certtest.NewAuthority(t, "other")
	server, client := ca.Issue(t, "server"), ca.Issue(t, "client")
	pair, err := tls.X509KeyPair(server.Cert, server.Key)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) != 1 || r.TLS.PeerCertificates[0].Subject.CommonName != "client" {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool()}
	s.StartTLS()
	defer s.Close()
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	load := func(authority []byte, withClient bool) *webhook.Endpoint {
		text := "endpoints:\n  - {name: a, url: '" + strings.Replace(s.URL, "127.0.0.1", "localhost", 1) + "', allow: [127.0.0.0/8, '::1/128'], secrets: [{id: a, value_file: " + write("secret", []byte(someSecret+"\n")) +
			"}], tls: {ca_file: " + write("ca", authority)
		if withClient {
			text += ", cert_file: " + write("crt", client.Cert) + ", key_file: " + write("key", client.Key)
		}
		es, err := webhook.Parse([]byte(text + "}}\n"))
		if err != nil {
			t.Fatal(err)
		}
		var contents [][]byte
		for _, f := range es.Files() {
			b, err := os.ReadFile(f.Path)
			if err != nil {
				t.Fatal(err)
			}
			contents = append(contents, b)
		}
		if err := es.Load(contents); err != nil {
			t.Fatal(err)
		}
		return es[0]
	}
	for name, c := range map[string]struct {
		e  *webhook.Endpoint
		ok bool
	}{"authority and certificate": {load(ca.PEM, true), true}, "no certificate": {load(ca.PEM, false), false}, "another authority": {load(other.PEM, true), false}} {
		if p := webhook.Ping(t.Context(), c.e, "test", time.Now); p.OK != c.ok {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

func TestPingVerifiesAsMetaDoes(t *testing.T) {
	t.Parallel()
	answer := ""
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if r.Method != http.MethodGet || q.Get("hub.mode") != "subscribe" || q.Get("hub.verify_token") != "the token" || q.Get("x") != "1" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		if answer == "" {
			answer = q.Get("hub.challenge")
		}
		_, _ = fmt.Fprint(w, answer)
	}))
	defer s.Close()
	e := endpoints(t, "format: meta\nverify_token: the token\nurl: "+s.URL+"/?x=1"+local)[0]
	if p := webhook.Ping(t.Context(), e, "test", time.Now); !p.OK {
		t.Errorf("%+v", p)
	}
	if p := webhook.Ping(t.Context(), e, "test", time.Now); p.OK || !strings.Contains(p.Answer.Why, "challenge") {
		t.Errorf("the former challenge: %+v", p)
	}
}
