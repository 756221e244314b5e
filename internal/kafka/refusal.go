package kafka

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"strings"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Explain adds the keys to check to an error of TLS, authentication or authorisation. Other errors and nil stay as they
// are.
func Explain(err error) error {
	if look := lookAt(err); look != "" {
		return fmt.Errorf("%w (%s)", err, look)
	}
	return err
}

// lookAt returns the keys to check for an error of either client library; empty: unknown.
func lookAt(err error) string {
	var notTLS tls.RecordHeaderError
	var badCert *tls.CertificateVerificationError
	var unknownAuthority x509.UnknownAuthorityError
	var franzCode *kerr.Error
	var code kafkago.Error
	switch {
	case err == nil:
	case errors.Is(err, kerr.SaslAuthenticationFailed), errors.Is(err, kafkago.SASLAuthenticationFailed):
		return "the brokers refuse the user or the password: look at kafka.sasl.username and kafka.sasl.password"
	case errors.Is(err, kerr.UnsupportedSaslMechanism), errors.Is(err, kafkago.UnsupportedSASLMechanism),
		errors.Is(err, kerr.IllegalSaslState), errors.Is(err, kafkago.IllegalSASLState):
		return "the brokers want another way to authenticate: look at kafka.sasl.mechanism"
	case errors.As(err, &badCert), errors.As(err, &unknownAuthority):
		return "the broker's certificate is not trusted: look at kafka.tls.ca_file and kafka.tls.server_name"
	case errors.As(err, &notTLS):
		return "the broker speaks no TLS on this port: look at kafka.brokers and kafka.tls.enabled"
	case errors.As(err, &franzCode), errors.As(err, &code):
		// The broker answered, so the client is authorised.
	case strings.Contains(err.Error(), "remote error: tls:"):
		// The alert of the other side has no type of its own.
		return "the broker refuses the client's certificate, or there is none: look at kafka.tls.cert_file and kafka.tls.key_file"
	case strings.Contains(err.Error(), "plaintext connection speaking to a tls endpoint"):
		return "the broker wants TLS on this port: look at kafka.tls.enabled"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the broker closed the connection: if it always does, look at kafka.brokers, kafka.tls.enabled and kafka.sasl.mechanism"
	}
	return ""
}
