// Package world invents businesses that are onboarded to coexistence, and their webhooks. A World is a function of its
// Config. The same seed and start give the same bodies, byte for byte, except for the times that a body takes from the
// moment at which it is first sent.
//
// The plan is small (some tens of bytes for a webhook). A body is made when it is sent, and made
// again when it is sent again. With the body, Render returns its truth: its content.
//
// A business is played as a script: steps that follow each other, each a bag of webhooks without an
// order. Steps are where the real world has an order, too: an offboarding follows the sync it ends.
//
// The package knows nothing of the code under test but the contract in schemas.
package world
