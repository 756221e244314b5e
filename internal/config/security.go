package config

import (
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/coexstream/coexstream/internal/invalid"
	"github.com/coexstream/coexstream/internal/listen"
)

// checkSecurity checks the keys that limit access.
func (c *Config) checkSecurity(fail func(error)) {
	c.checkAdmin(fail)
	c.checkEmbedded(fail)
	t := c.Ingress.TLS
	checkPair("ingress.tls", t.CertFile, t.KeyFile, t.ClientCAFile, fail)
	for i, s := range c.Ingress.Sources {
		if s.ClientCN != "" && t.ClientCAFile == "" {
			fail(invalid.Value("ingress.sources["+strconv.Itoa(i)+"].client_cn", s.ClientCN, "empty, or any with ingress.tls.client_ca_file, which verifies it"))
		}
	}
	c.checkFlags(fail)
}

// tokenBytesMin is the shortest admin token: guessing must not pay.
const tokenBytesMin = 16

func (c *Config) checkAdmin(fail func(error)) {
	a := c.Admin
	checkPair("admin.tls", a.TLS.CertFile, a.TLS.KeyFile, a.TLS.ClientCAFile, fail)
	if a.Token != "" && (len(a.Token) < tokenBytesMin || strings.ContainsFunc(a.Token, func(r rune) bool { return r <= ' ' || r > '~' })) {
		fail(invalid.Value("admin.token", invalid.Secret, "at least %d printable ASCII characters without spaces", tokenBytesMin))
	}
	if c.unread["admin.token"] {
		return // the other checks depend on it
	}
	if a.TokenFile != "" && a.Token == "" {
		fail(invalid.Value("admin.token_file", a.TokenFile, "a file with admin.token (this one is empty)"))
	}
	if a.Listen != "" && !listen.Loopback(a.Listen) && a.Token == "" && a.TLS.ClientCAFile == "" {
		fail(invalid.Value("admin.listen", a.Listen,
			"an address on loopback such as 127.0.0.1:9090, or any with admin.token (or admin.token_file) or admin.tls.client_ca_file"))
	}
}

func checkPair(section, cert, key, clientCA string, fail func(error)) {
	if (cert == "") != (key == "") {
		set, missing, file := ".cert_file", ".key_file", cert
		if cert == "" {
			set, missing, file = missing, set, key
		}
		fail(invalid.Value(section+set, file, "empty, or a file with %s%s", section, missing))
	}
	if clientCA != "" && cert == "" {
		fail(invalid.Value(section+".client_ca_file", clientCA, "empty, or a file with %s.cert_file and %s.key_file: client certificates need TLS", section, section))
	}
}

// checkEmbedded checks the addresses of the embedded broker.
func (c *Config) checkEmbedded(fail func(error)) {
	e := c.Embedded
	if host, _, err := net.SplitHostPort(e.Listen); err == nil && e.Advertise == "" {
		if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.Unmap().IsUnspecified() {
			fail(invalid.Value("embedded.listen", e.Listen, "the address of one interface, or any with embedded.advertise, the address for clients"))
		}
	}
	if e.Advertise != "" && !hostAndPort(e.Advertise) {
		fail(invalid.Value("embedded.advertise", e.Advertise, "host:port"))
	}
}

// checkFlags refuses secrets on the command line, which every user of the machine can read.
func (c *Config) checkFlags(fail func(error)) {
	refuse := func(key, env string) {
		fail(invalid.From(key, invalid.Secret, flagOrigin, "%s_file, %s or the configuration file; every user of this machine can read flags", key, env))
	}
	for _, k := range Keys() {
		if !k.Secret || c.origins[k.Name] != flagOrigin {
			continue
		}
		if k.Kind != Sources {
			refuse(k.Name, k.Env())
			continue
		}
		for i, s := range c.Ingress.Sources {
			at := k.Name + "[" + strconv.Itoa(i) + "]"
			if s.VerifyToken != "" && s.VerifyTokenFile == "" {
				refuse(at+".verify_token", k.Env())
			}
			for j, secret := range s.Secrets {
				if secret.ValueFile == "" {
					refuse(at+".secrets["+strconv.Itoa(j)+"].value", k.Env())
				}
			}
		}
	}
}

// quoted matches quotes of a file in an error of the YAML library. They may contain a secret.
var quoted = regexp.MustCompile("`[^`]*`|(anchor) '[^']*'")

// unquoted is an error of the YAML library without its quotes.
type unquoted struct{ err error }

func (e unquoted) Error() string { return quoted.ReplaceAllString(e.err.Error(), "$1 …") }

// WithoutQuotes returns an error of the YAML library without its quotes of the file.
func WithoutQuotes(err error) error {
	if err == nil {
		return nil
	}
	return unquoted{err}
}
