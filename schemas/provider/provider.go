package provider

// Provider is a sender of webhooks.
type Provider struct {
	Name         string // in the configuration and in the header coex-provider
	Title        string // in texts
	Signature    Signature
	Verification Verification
	Words        Words
	Envelope     Envelope
	Sync         *SyncAPI // nil: the provider has no documented call for it
}

// all lists the providers. The first one is the default of the configuration.
var all = []*Provider{&meta, &dialog360, &ycloud}

// All returns the providers, Meta first.
func All() []*Provider { return append([]*Provider(nil), all...) }

// Default returns Meta.
func Default() *Provider { return all[0] }

// Named returns the provider of that name, or nil.
func Named(name string) *Provider {
	for _, p := range all {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// Names returns the names of the providers.
func Names() []string {
	names := make([]string, len(all))
	for i, p := range all {
		names[i] = p.Name
	}
	return names
}

// Verification names the query parameters of the GET request that verifies an endpoint. The answer is the challenge.
type Verification struct {
	Mode, Subscribe  string // a parameter, and its value in a verification
	Token, Challenge string
}

// hub is Meta's verification. Partners without a verification of their own accept the same one, so that an endpoint can be
// tested in one way.
var hub = Verification{Mode: "hub.mode", Subscribe: "subscribe", Token: "hub.verify_token", Challenge: "hub.challenge"}

// Words are what a scan of the bytes looks for, without reading JSON.
type Words struct {
	// History marks a body that carries history. Each value ends in "history", so that one search finds all.
	History []Word
	// WABA names a member, anywhere in a body, that holds the WABA id; empty where the envelope has a fixed place for it.
	WABA string
}

// Word is a member of an object with a string value.
type Word struct{ Member, Value string }
