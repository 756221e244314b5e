package kafkacluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Certificates are PEM files of a cluster with TLS.
type Certificates struct {
	CA         string // of brokers and clients
	ClientCert string
	ClientKey  string
	dir        string
}

func (c *Certificates) server(id int) string {
	return filepath.Join(c.dir, fmt.Sprintf("server-%d.pem", id))
}

// newCertificates makes an authority, and certificates of the brokers and of one client.
func newCertificates(dir string, brokers int, hosts []net.IP) (*Certificates, error) {
	c := &Certificates{
		CA: filepath.Join(dir, "ca.pem"), ClientCert: filepath.Join(dir, "client.pem"), ClientKey: filepath.Join(dir, "client-key.pem"), dir: dir,
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	ca := template("authority of a test cluster", 1)
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageDigitalSignature
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		return nil, err
	}
	caPEM := block("CERTIFICATE", caDER)
	if err := os.WriteFile(c.CA, caPEM, 0o600); err != nil {
		return nil, err
	}
	for i := range brokers + 1 {
		name := fmt.Sprintf("broker-%d", i)
		if i == brokers {
			name = "client"
		}
		cert := template(name, int64(i)+2)
		cert.IPAddresses = append([]net.IP{net.IPv4(127, 0, 0, 1)}, hosts...)
		cert.KeyUsage = x509.KeyUsageDigitalSignature
		cert.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		der, err := x509.CreateCertificate(rand.Reader, cert, ca, &key.PublicKey, caKey)
		if err != nil {
			return nil, err
		}
		keyDER, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, err
		}
		files := map[string][]byte{c.server(i): append(append(block("PRIVATE KEY", keyDER), block("CERTIFICATE", der)...), caPEM...)}
		if i == brokers {
			files = map[string][]byte{c.ClientCert: block("CERTIFICATE", der), c.ClientKey: block("PRIVATE KEY", keyDER)}
		}
		for path, content := range files {
			if err := os.WriteFile(path, content, 0o600); err != nil {
				return nil, err
			}
		}
	}
	return c, nil
}

func template(name string, serial int64) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
