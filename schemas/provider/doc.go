// Package provider describes the senders of webhooks: Meta, and partners with an envelope or a signature of their own.
//
// A provider is one value of type Provider, in a file of its own. It says
//
//   - how its webhooks are signed (Signature),
//   - how an endpoint is verified before the first webhook (Verification),
//   - which words mark a body with history, and which name a WABA, for the byte scan of the ingress (Words),
//   - how its envelope is recognised and read (Envelope).
//
// The ingress, the scan for lane and key, the cutting of bodies, the configuration and the generated sources of `up` read
// these values. No other package of the product names a partner. docs/adding-a-provider.md is the recipe for another one.
//
// An envelope belongs to no source: every source accepts every envelope, because partners pass Meta's on beside their own. The
// configured provider decides the signature and the verification only.
//
// The values are shared and must not be changed.
package provider
