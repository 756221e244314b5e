package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"github.com/coexstream/coexstream/internal/doctor"
)

// CertificateFile is a file of certificates, the key that names it, and the file of the private key, if there
// is to be one.
type CertificateFile struct{ Key, Path, KeyPath string }

func (p *prober) certificates(context.Context) error {
	for _, f := range p.Certificates {
		fact := doctor.Certificate{Key: f.Key, Path: f.Path}
		fact.Err = readCertificates(&fact)
		if fact.Err == nil && f.KeyPath != "" {
			_, fact.Err = tls.LoadX509KeyPair(f.Path, f.KeyPath)
		}
		p.facts.Certificates = append(p.facts.Certificates, fact)
	}
	return nil
}

// readCertificates fills in when all certificates of the file are valid.
func readCertificates(fact *doctor.Certificate) error {
	rest, err := os.ReadFile(fact.Path)
	if err != nil {
		return err
	}
	found := false
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return fmt.Errorf("read a certificate: %w", err)
		}
		if !found || c.NotAfter.Before(fact.NotAfter) {
			fact.NotAfter = c.NotAfter
		}
		if c.NotBefore.After(fact.NotBefore) {
			fact.NotBefore = c.NotBefore
		}
		found = true
	}
	if !found {
		return errors.New("holds no certificate in PEM")
	}
	return nil
}
