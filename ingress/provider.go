package ingress

import (
	"strings"

	"github.com/coexstream/coexstream/schemas"
)

// provider has what the edge needs to know of a provider of webhooks. The scan of package route knows its envelope.
type provider struct {
	name      string // the value of Source.Provider
	signature signatureScheme
}

// providers are all providers. A new one needs a line here.
var providers = []provider{
	{schemas.ProviderMeta, signatureScheme{canonical: "X-Hub-Signature-256", lower: "x-hub-signature-256", prefix: "sha256="}},
	{schemas.Provider360Dialog, signatureScheme{canonical: "X-360dialog-Signature", lower: "x-360dialog-signature", prefix: "sha256=", optional: true}},
	{schemas.ProviderYCloud, signatureScheme{canonical: "Ycloud-Signature", lower: "ycloud-signature", stamped: true}},
}

// schemeOf returns the signature scheme of a provider. It returns false for an unknown provider.
func schemeOf(name string) (signatureScheme, bool) {
	for i := range providers {
		if providers[i].name == name {
			return providers[i].signature, true
		}
	}
	return signatureScheme{}, false
}

// providerNames lists the names of all providers.
func providerNames() string {
	var names []string
	for i := range providers {
		names = append(names, providers[i].name)
	}
	return strings.Join(names, ", ")
}
