package probe

import (
	"strings"
	"testing"

	"github.com/coexstream/coexstream/internal/doctor"
	"github.com/coexstream/coexstream/internal/testing/certtest"
)

func TestCertificateThatIsNotOfItsKeyIsTold(t *testing.T) {
	dir, authority := t.TempDir(), certtest.NewAuthority(t, "authority")
	cert, key := certtest.WritePair(t, dir, "right", authority.Issue(t, "localhost"))
	_, other := certtest.WritePair(t, dir, "other", authority.Issue(t, "localhost"))
	none := certtest.Write(t, dir, "none.pem", []byte("no certificate"))
	p := &prober{facts: &doctor.Facts{}, Options: Options{Certificates: []CertificateFile{
		{"right", cert, key}, {"authority", cert, ""}, {"other", cert, other}, {"none", none, ""}, {"absent", dir + "/absent", ""},
	}}}
	if err := p.certificates(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, says := range []string{"", "", "private key does not match", "no certificate in PEM", "no such file"} {
		c := p.facts.Certificates[i]
		if says == "" && (c.Err != nil || !c.NotAfter.After(c.NotBefore) || c.NotBefore.IsZero()) {
			t.Errorf("%+v", c)
		}
		if says != "" && (c.Err == nil || !strings.Contains(c.Err.Error(), says)) {
			t.Errorf("%s: %v, want %q", c.Key, c.Err, says)
		}
	}
}
