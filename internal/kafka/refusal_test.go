package kafka

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
)

func TestARefusalNamesTheKeysToLookAt(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string // empty: left as it is
	}{
		{kerr.SaslAuthenticationFailed, "kafka.sasl.password"},
		{fmt.Errorf("%w: %s", kafkago.SASLAuthenticationFailed, "for a reason"), "kafka.sasl.password"},
		{kerr.UnsupportedSaslMechanism, "kafka.sasl.mechanism"},
		{kafkago.UnsupportedSASLMechanism, "kafka.sasl.mechanism"},
		{&net.OpError{Op: "dial", Err: x509.UnknownAuthorityError{}}, "kafka.tls.ca_file"},
		{errors.New("remote error: tls: certificate required"), "kafka.tls.cert_file"},
		{fmt.Errorf("read: %w", io.EOF), "kafka.tls.enabled"},
		{kerr.NotLeaderForPartition, ""},
		{&net.OpError{Op: "dial", Err: errors.New("connection refused")}, ""},
	} {
		got := Explain(c.err)
		if !errors.Is(got, c.err) || !strings.Contains(got.Error(), c.want) || c.want == "" && got != c.err { //nolint:errorlint // the same error is meant
			t.Errorf("%v: %v, want %q", c.err, got, c.want)
		}
	}
	if Explain(nil) != nil {
		t.Error("nil is explained")
	}
}
