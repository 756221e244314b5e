package route

import (
	"bytes"

	"github.com/coexstream/coexstream/schemas"
)

// LaneAndKey returns the raw topic of a body and the WABA id that the body probably belongs to.
//
// The lane is raw.bulk when the body seems to carry a history change: a `history` array anywhere, `history` as the
// value of `field`, or another of the providers' words for it (provider.Words).
//
// The WABA id is the first of these that occurs:
//   - value.waba_info.waba_id near the start of the body (PARTNER_* events, whose entry.id is a portfolio)
//   - the id of the first entry (Meta)
//   - the id in a wrapped value (provider.Wrapped; not the id of the envelope)
//   - the first member that a provider names so (provider.Words)
//
// waba is a slice of body, and empty when no id was found. A body of several businesses gets the id of one of them.
// Escaped member names are not recognised.
func LaneAndKey(body []byte) (topic schemas.Topic, waba []byte) {
	topic = schemas.TopicRawLive
	if carriesHistory(body) {
		topic = schemas.TopicRawBulk
	}
	if waba = portfolioWABA(body); len(waba) == 0 {
		waba = envelopeWABA(bytes.TrimPrefix(body, byteOrderMark))
	}
	for i := 0; len(waba) == 0 && i < len(wabaNames); i++ {
		waba = idUnder(body[:min(len(body), accountBytesMax)], wabaNames[i])
	}
	return topic, waba
}

// byteOrderMark may precede a body.
var byteOrderMark = []byte("\ufeff")
