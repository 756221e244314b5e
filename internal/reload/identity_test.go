package reload

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/internal/testing/certtest"
)

func identity(t *testing.T, dir string, ca *certtest.Authority, p certtest.Pair) *Identity {
	t.Helper()
	i := &Identity{Section: "ingress.tls", AuthorityKey: "client_ca_file", AuthorityFile: certtest.Write(t, dir, "ca", ca.PEM)}
	i.CertFile, i.KeyFile = certtest.WritePair(t, dir, "server", p)
	return i
}

// handshake is what both sides of a connection see.
func handshake(t *testing.T, server, client *tls.Config) (s, c tls.ConnectionState, err error) {
	t.Helper()
	left, right := net.Pipe()
	defer left.Close()
	defer right.Close()
	sc, cc := tls.Server(left, server), tls.Client(right, client)
	failed := make(chan error, 1)
	go func() {
		err := sc.HandshakeContext(t.Context())
		if err != nil {
			_ = left.Close()
		}
		failed <- err
	}()
	err = cc.HandshakeContext(t.Context())
	if err != nil {
		_ = right.Close()
	} else {
		go func() { _, _ = io.Copy(io.Discard, cc) }() // the server's refusal comes after a client's part is done
	}
	if serverErr := <-failed; serverErr != nil {
		err = serverErr
	}
	return sc.ConnectionState(), cc.ConnectionState(), err
}

func TestNewHandshakesUseTheNewCertificateAndAuthorities(t *testing.T) {
	dir := t.TempDir()
	ca, other := certtest.NewAuthority(t, "one"), certtest.NewAuthority(t, "other")
	first, second := ca.Issue(t, "first"), ca.Issue(t, "second")
	i := identity(t, dir, ca, first)
	w, err := NewWatcher(prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Add(i.Set(w)); err != nil {
		t.Fatal(err)
	}
	server := i.Server(tls.VersionTLS12)
	client := func(signer *certtest.Authority) *tls.Config {
		own := signer.Issue(t, "client").TLS(t)
		// Sent for any authorities in the server's request.
		give := func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own, nil }
		return &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost", GetClientCertificate: give, NextProtos: []string{"h2", "http/1.1"}}
	}
	s, c, err := handshake(t, server, client(ca))
	if err != nil || c.PeerCertificates[0].Subject.CommonName != "first" || len(s.VerifiedChains) == 0 || c.NegotiatedProtocol != "http/1.1" {
		t.Fatalf("%v, %q, %d chains, %q", err, c.PeerCertificates[0].Subject.CommonName, len(s.VerifiedChains), c.NegotiatedProtocol)
	}
	if _, _, err := handshake(t, server, client(other)); err == nil {
		t.Error("a client of an authority that is not trusted got in")
	}

	certtest.WritePair(t, dir, "server", second)
	certtest.Write(t, dir, "ca", other.PEM)
	for w.Look() {
	}
	if _, c, err = handshake(t, server, client(other)); err != nil || c.PeerCertificates[0].Subject.CommonName != "second" {
		t.Errorf("after the change: %v, %q", err, c.PeerCertificates[0].Subject.CommonName)
	}
	if _, _, err := handshake(t, server, client(ca)); err == nil {
		t.Error("a client of the former authority got in")
	}
	if _, _, err := handshake(t, server, &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost", MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 got in")
	}
	if s, _, err := handshake(t, server, &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost"}); err != nil || len(s.VerifiedChains) != 0 {
		t.Errorf("a client without a certificate: %v", err)
	}
}

func TestCertificateAndKeyThatDoNotBelongTogetherChangeNothing(t *testing.T) {
	dir := t.TempDir()
	ca := certtest.NewAuthority(t, "one")
	i := identity(t, dir, ca, ca.Issue(t, "first"))
	reg := prometheus.NewRegistry()
	w, err := NewWatcher(reg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Add(i.Set(w)); err != nil {
		t.Fatal(err)
	}
	was := i.Certificate.Get()
	next := ca.Issue(t, "second")
	certtest.Write(t, dir, "server.crt", next.Cert)
	certtest.Write(t, dir, "ca", []byte("no certificate"))
	for w.Look() {
	}
	if i.Certificate.Get() != was {
		t.Error("half an identity is in force")
	}
	certtest.Write(t, dir, "server.key", next.Key)
	for w.Look() {
	}
	if i.Certificate.Get() != was {
		t.Error("an identity is in force although its authorities are broken")
	}
	certtest.Write(t, dir, "ca", ca.PEM)
	for w.Look() {
	}
	if i.Certificate.Get() == was {
		t.Error("the former identity is still in force")
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "coexstream_certificate_not_after_seconds" {
			if got := f.GetMetric()[0].GetGauge().GetValue(); got != float64(next.NotAfter.Unix()) {
				t.Errorf("expiry %v, want %v", got, next.NotAfter.Unix())
			}
			return
		}
	}
	t.Error("no metric tells the expiry")
}

func TestBrokenIdentityIsAnErrorThatNamesItsKeys(t *testing.T) {
	dir := t.TempDir()
	ca := certtest.NewAuthority(t, "one")
	for want, change := range map[string]func(*Identity){
		"ingress.tls.cert_file":      func(i *Identity) { i.KeyFile = certtest.Write(t, dir, "other.key", ca.Issue(t, "x").Key) },
		"ingress.tls.client_ca_file": func(i *Identity) { i.AuthorityFile = i.KeyFile },
		"ingress.tls.key_file":       func(i *Identity) { i.KeyFile = dir },
	} {
		i := identity(t, dir, ca, ca.Issue(t, "first"))
		change(i)
		if err := Load(i.Set(nil)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "BEGIN") {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
