package provider_test

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/fixtures"
	"github.com/coexstream/coexstream/schemas/provider"
)

func TestEveryProviderIsWhole(t *testing.T) {
	headers := map[string]bool{}
	for i, name := range provider.Names() {
		p := provider.All()[i]
		switch v := p.Verification; {
		case p.Name != name || provider.Named(name) != p || strings.ToLower(name) != name || p.Title == "":
			t.Errorf("%q is named %q and called %q", name, p.Name, p.Title)
		case p.Signature.Header == "" || headers[strings.ToLower(p.Signature.Header)]:
			t.Errorf("%s: signature header %q is missing, or another provider's", name, p.Signature.Header)
		case (p.Signature.Time == "") != (p.Signature.Digits == ""):
			t.Errorf("%s: a header has both parameters or none: %+v", name, p.Signature)
		case v.Mode == "" || v.Subscribe == "" || v.Token == "" || v.Challenge == "":
			t.Errorf("%s: verification %+v", name, v)
		case len(p.Words.History) == 0:
			t.Errorf("%s: no word marks its history: it would delay live messages", name)
		case p.Envelope.Wrapped != nil && p.Envelope.Native != nil:
			t.Errorf("%s: two envelopes", name)
		}
		headers[strings.ToLower(p.Signature.Header)] = true
		for _, w := range p.Words.History {
			if !strings.HasSuffix(w.Value, "history") {
				t.Errorf("%s: %q does not end in history, which the scan of the ingress searches for", name, w.Value)
			}
		}
	}
	if provider.Default().Name != "meta" || provider.Named("another") != nil {
		t.Errorf("default is %s", provider.Default().Name)
	}
}

// A body is read before its provider is known. So one name has one meaning.
func TestProvidersGiveOneNameOneMeaning(t *testing.T) {
	known := map[string]any{}
	add := func(owner, table, name string, means any) {
		if was, ok := known[table+" "+name]; ok && was != means {
			t.Errorf("%s: %s %q means %v, and %v elsewhere", owner, table, name, means, was)
		}
		known[table+" "+name] = means
	}
	subjects, sent := map[string]bool{}, 0
	for _, p := range provider.All() {
		if w := p.Envelope.Wrapped; w != nil {
			add(p.Name, "root", w.Field, "field")
			add(p.Name, "root", w.Value, "value "+w.WABA)
		}
		n := p.Envelope.Native
		if n == nil {
			continue
		}
		if n.Prefix == "" || n.Version == "" || n.Object == "" || n.Root[n.Version] != provider.Skipped {
			t.Errorf("%s: an event has to be recognised by the prefix of its types and by a member without another meaning", p.Name)
		}
		for name, means := range n.Root {
			add(p.Name, "root", name, means)
		}
		add(p.Name, "root", n.Inbound, "inbound")
		for _, name := range n.Sent {
			add(p.Name, "root", name, "sent")
		}
		sent += len(n.Sent)
		for name, means := range n.Message {
			add(p.Name, "message", name, means)
		}
		for name, means := range n.Subject {
			add(p.Name, "subject", name, means)
		}
		for name, means := range n.Types {
			add(p.Name, "type", name, means)
			if !strings.HasPrefix(name, n.Prefix) {
				t.Errorf("%s: type %q without the prefix", p.Name, name)
			}
			hasObject := means.As == provider.Contacts || means.As == provider.Account
			if means.As == provider.Unknown || hasObject != (means.Object != "") || means.Object != "" && !strings.HasPrefix(means.Object, n.Object) {
				t.Errorf("%s: type %q means %+v", p.Name, name, means)
			}
			if means.Object != "" {
				subjects[means.Object] = true
				add(p.Name, "object", means.Object, means.As == provider.Contacts)
			}
		}
	}
	if sent > 2 {
		t.Errorf("%d members hold a message of the business; raise sentMax in processors/split", sent)
	}
	if len(subjects) > 4 {
		t.Errorf("%d members hold contacts or account events; raise subjectsMax in processors/split", len(subjects))
	}
}

// The recipe asks for a schema of the envelope, and for golden webhooks of each type of event.
func TestEveryEnvelopeHasASchemaAndGoldenWebhooks(t *testing.T) {
	for _, p := range provider.All() {
		schema := "webhook." + p.Name
		if own := p.Envelope.Wrapped != nil || p.Envelope.Native != nil || p == provider.Default(); own && !slices.Contains(schemas.JSONSchemaNames(), schema) {
			t.Errorf("there is no schema %s", schema)
		}
		var bodies strings.Builder
		for _, f := range fixtures.All() {
			if f.Provider == p.Name {
				bodies.Write(f.Body)
			}
		}
		if bodies.Len() == 0 {
			t.Errorf("%s has no golden webhook in schemas/fixtures", p.Name)
		}
		if p.Envelope.Native == nil {
			continue
		}
		for kind := range p.Envelope.Native.Types {
			if !strings.Contains(bodies.String(), `"`+kind+`"`) {
				t.Errorf("%s: %s has no golden webhook", p.Name, kind)
			}
		}
	}
}

func TestSignatureHeaderIsReadAsItsProviderWritesIt(t *testing.T) {
	digits := strings.Repeat("0a", sha256.Size)
	for _, c := range []struct{ of, value, time string }{
		{"meta", "sha256=" + digits, ""},
		{"360dialog", "sha256=" + digits, ""},
		{"360dialog", digits, ""},
		{"ycloud", "t=1654084800,s=" + digits, "1654084800"},
		{"ycloud", "s=" + digits + ", t=1654084800", "1654084800"},
	} {
		var mac [sha256.Size]byte
		signature := provider.Named(c.of).Signature
		time, ok := signature.Decode(&mac, []byte(c.value))
		if !ok || string(time) != c.time || hex.EncodeToString(mac[:]) != digits {
			t.Errorf("%s: %q gives time %q and %x", c.of, c.value, time, mac)
		}
		if (time == nil) != (c.time == "") {
			t.Errorf("%s: %q: a body without a time in front is signed alone", c.of, c.value)
		}
	}
	for _, c := range []struct{ of, value string }{
		{"meta", digits}, {"meta", "sha256=" + digits + "0a"}, {"meta", "sha256=" + digits[1:] + "g"}, {"meta", ""},
		{"360dialog", "sha1=" + digits}, {"ycloud", digits}, {"ycloud", "t=1,t=1,s=" + digits}, {"ycloud", "t=x,s=" + digits},
	} {
		var mac [sha256.Size]byte
		signature := provider.Named(c.of).Signature
		if _, ok := signature.Decode(&mac, []byte(c.value)); ok {
			t.Errorf("%s: %q was accepted", c.of, c.value)
		}
	}
}
