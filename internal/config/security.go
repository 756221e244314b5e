package config

import (
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/coexstream/coexstream/internal/listen"
)

// checkSecurity looks at what keeps others out.
func (c *Config) checkSecurity(fail func(key, format string, args ...any)) {
	c.checkAdmin(fail)
	c.checkEmbedded(fail)
	t := c.Ingress.TLS
	checkPair("ingress.tls", t.CertFile, t.KeyFile, t.ClientCAFile, fail)
	for i, s := range c.Ingress.Sources {
		if s.ClientCN != "" && t.ClientCAFile == "" {
			fail("ingress.sources["+strconv.Itoa(i)+"].client_cn", "%q is not allowed without ingress.tls.client_ca_file: nobody could be known by it", s.ClientCN)
		}
	}
	c.checkFlags(fail)
}

// tokenBytesMin is the shortest admin token: guessing must not pay.
const tokenBytesMin = 16

func (c *Config) checkAdmin(fail func(key, format string, args ...any)) {
	a := c.Admin
	checkPair("admin.tls", a.TLS.CertFile, a.TLS.KeyFile, a.TLS.ClientCAFile, fail)
	if a.Token != "" && (len(a.Token) < tokenBytesMin || strings.ContainsFunc(a.Token, func(r rune) bool { return r <= ' ' || r > '~' })) {
		fail("admin.token", "the value is not allowed; allowed: at least %d printable ASCII characters without spaces", tokenBytesMin)
	}
	if c.unread["admin.token"] {
		return // what else is wrong depends on it
	}
	if a.TokenFile != "" && a.Token == "" {
		fail("admin.token_file", "%q is empty; allowed: a file that holds admin.token", a.TokenFile)
	}
	if a.Listen != "" && !listen.Loopback(a.Listen) && a.Token == "" && a.TLS.ClientCAFile == "" {
		fail("admin.listen", "%q is not allowed without admin.token (or admin.token_file) or admin.tls.client_ca_file; allowed: with one of them, or an address on loopback such as 127.0.0.1:9090", a.Listen)
	}
}

func checkPair(section, cert, key, clientCA string, fail func(key, format string, args ...any)) {
	if (cert == "") != (key == "") {
		fail(section+".cert_file", "%s.cert_file and %s.key_file are set together or not at all", section, section)
	}
	if clientCA != "" && cert == "" {
		fail(section+".client_ca_file", "%q is not allowed without %s.cert_file and %s.key_file: client certificates need TLS", clientCA, section, section)
	}
}

// checkEmbedded looks at where the embedded broker listens.
func (c *Config) checkEmbedded(fail func(key, format string, args ...any)) {
	e := c.Embedded
	if host, _, err := net.SplitHostPort(e.Listen); err == nil && e.Advertise == "" {
		if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.Unmap().IsUnspecified() {
			fail("embedded.listen", "%q is not allowed without embedded.advertise, the address that clients are told; allowed: with it, or the address of one interface", e.Listen)
		}
	}
	if e.Advertise != "" && !hostAndPort(e.Advertise) {
		fail("embedded.advertise", "%q is not allowed; allowed: host:port", e.Advertise)
	}
}

// checkFlags refuses secrets on the command line, which every user of the machine can read.
func (c *Config) checkFlags(fail func(key, format string, args ...any)) {
	const why = "is a secret and was given by a flag, where every user of this machine can read it; allowed: %s_file, %s or the configuration file"
	for _, k := range Keys() {
		if !k.Secret || c.origins[k.Name] != flagOrigin {
			continue
		}
		if k.Kind != Sources {
			fail(k.Name, why, k.Name, k.Env())
			continue
		}
		for i, s := range c.Ingress.Sources {
			at := k.Name + "[" + strconv.Itoa(i) + "]"
			if s.VerifyToken != "" && s.VerifyTokenFile == "" {
				fail(at+".verify_token", why, at+".verify_token", k.Env())
			}
			for j, secret := range s.Secrets {
				if secret.ValueFile == "" {
					fail(at+".secrets["+strconv.Itoa(j)+"].value", why, at+".secrets["+strconv.Itoa(j)+"].value", k.Env())
				}
			}
		}
	}
}

// quoted is what an error of the YAML library quotes of a file: it may be a secret.
var quoted = regexp.MustCompile("`[^`]*`|(anchor) '[^']*'")

// unquoted is an error of the YAML library without what it quotes.
type unquoted struct{ err error }

func (e unquoted) Error() string { return quoted.ReplaceAllString(e.err.Error(), "$1 …") }

// WithoutQuotes is an error of the YAML library that shows nothing of what was read.
func WithoutQuotes(err error) error {
	if err == nil {
		return nil
	}
	return unquoted{err}
}
