package reload

import (
	"crypto/tls"
	"fmt"
)

// Identity is a certificate, its key and the authorities that are trusted, as files. The names are those
// of the configuration keys without their last parts.
type Identity struct {
	Section           string // such as ingress.tls: the set's name
	CertFile, KeyFile string // empty: none
	AuthorityKey      string // such as client_ca_file
	AuthorityFile     string // empty: none
	Certificate       Certificate
	Authorities       Authorities
}

// Set returns the files of the identity. Without a watcher (nil) there is no metric of the expiry.
func (i *Identity) Set(w *Watcher) Set {
	s := Set{Name: i.Section}
	if i.CertFile != "" {
		s.Files = append(s.Files, File{i.Section + ".cert_file", i.CertFile}, File{i.Section + ".key_file", i.KeyFile})
	}
	if i.AuthorityFile != "" {
		s.Files = append(s.Files, File{i.Section + "." + i.AuthorityKey, i.AuthorityFile})
	}
	s.Load = func(contents [][]byte) error { return i.load(w, contents) }
	return s
}

// load takes all or nothing.
func (i *Identity) load(w *Watcher, contents [][]byte) error {
	var certificate Certificate
	var authorities Authorities
	if i.CertFile != "" {
		if err := certificate.Set(contents[0], contents[1]); err != nil {
			return fmt.Errorf("%s.cert_file %s and key_file %s: %w", i.Section, i.CertFile, i.KeyFile, err)
		}
		contents = contents[2:]
	}
	if i.AuthorityFile != "" {
		if err := authorities.Set(contents[0]); err != nil {
			return fmt.Errorf("%s.%s %s: %w", i.Section, i.AuthorityKey, i.AuthorityFile, err)
		}
	}
	if i.CertFile != "" && w != nil {
		at, err := certificate.NotAfter()
		if err != nil {
			return err
		}
		w.Expires(i.Section, at)
	}
	i.Certificate.pair.Store(certificate.pair.Load())
	i.Authorities.pool.Store(authorities.pool.Load())
	return nil
}

// Server returns the configuration of a listener: HTTP/1.1 over TLS 1.2 or later, with Go's default ciphers. With
// authorities, client certificates are requested, and verified if they are sent. The handler decides who needs one.
func (i *Identity) Server(minVersion uint16) *tls.Config {
	base := &tls.Config{MinVersion: minVersion, NextProtos: []string{"http/1.1"}, GetCertificate: i.Certificate.Server}
	if i.AuthorityFile == "" {
		return base
	}
	// A ticket would carry a client certificate over a change of the authorities.
	base.SessionTicketsDisabled = true
	outer := base.Clone()
	outer.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		c := base.Clone()
		c.ClientAuth, c.ClientCAs = tls.VerifyClientCertIfGiven, i.Authorities.Get()
		return c, nil
	}
	return outer
}

// Client is the configuration of a new connection to a server: to be asked for each one. Without
// authorities the system's are trusted.
func (i *Identity) Client(serverName string) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: serverName, RootCAs: i.Authorities.Get()}
	if pair := i.Certificate.Get(); pair != nil {
		c.Certificates = []tls.Certificate{*pair}
	}
	return c
}
