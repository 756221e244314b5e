package reload

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// Certificate is a certificate chain with its key, the newest that could be loaded.
type Certificate struct {
	pair atomic.Pointer[tls.Certificate]
}

// Set takes a chain and a key in PEM.
func (c *Certificate) Set(chain, key []byte) error {
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return fmt.Errorf("load a certificate and its key: %w", err)
	}
	c.pair.Store(&pair)
	return nil
}

// Get is the certificate in force; nil when none was set.
func (c *Certificate) Get() *tls.Certificate { return c.pair.Load() }

// Server is for tls.Config.GetCertificate.
func (c *Certificate) Server(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if pair := c.pair.Load(); pair != nil {
		return pair, nil
	}
	return nil, errors.New("no certificate is loaded")
}

// NotAfter is when the first certificate of the chain expires.
func (c *Certificate) NotAfter() (time.Time, error) {
	var first time.Time
	for _, der := range c.pair.Load().Certificate {
		parsed, err := x509.ParseCertificate(der)
		if err != nil {
			return first, fmt.Errorf("read a certificate's expiry: %w", err)
		}
		if first.IsZero() || parsed.NotAfter.Before(first) {
			first = parsed.NotAfter
		}
	}
	return first, nil
}

// Authorities are the certificates of authorities, the newest that could be loaded.
type Authorities struct{ pool atomic.Pointer[x509.CertPool] }

// Set takes certificates in PEM.
func (a *Authorities) Set(certificates []byte) error {
	pool, n := x509.NewCertPool(), 0
	for rest := certificates; ; n++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return fmt.Errorf("load authorities: PEM block %d is a %s, want only CERTIFICATE", n+1, block.Type)
		}
		parsed, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return fmt.Errorf("load authorities: certificate %d: %w", n+1, err)
		}
		pool.AddCert(parsed)
	}
	if n == 0 {
		return errors.New("load authorities: there is no certificate in PEM")
	}
	a.pool.Store(pool)
	return nil
}

// Get are the authorities in force; nil when none were set.
func (a *Authorities) Get() *x509.CertPool { return a.pool.Load() }
