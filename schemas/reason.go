package schemas

// Reason is the machine-readable code of a dead letter. The set is open: it may grow.
type Reason string

// Why a record, or a part of one, went to `dlq`.
const (
	ReasonJSONInvalid     Reason = "json_invalid"       // not JSON as RFC 8259 and RFC 7493 have it
	ReasonJSONDuplicate   Reason = "json_duplicate_key" // an object has a name twice
	ReasonJSONUTF8        Reason = "json_utf8"          // invalid UTF-8 or a lone surrogate
	ReasonJSONTrailing    Reason = "json_trailing"      // something after the value
	ReasonJSONTooDeep     Reason = "json_too_deep"      // nested deeper than the limit
	ReasonTooManyItems    Reason = "too_many_items"     // more messages, threads, contacts and changes than the limit
	ReasonBodyEmpty       Reason = "body_empty"
	ReasonBodyTooLong     Reason = "body_too_long"              // longer than the limit, after decoding
	ReasonEncoding        Reason = "content_encoding"           // the content coding cannot be undone
	ReasonEnvelopeUnknown Reason = "envelope_unknown"           // JSON, but no envelope that we know
	ReasonObjectUnknown   Reason = "object_unknown"             // `object` is not whatsapp_business_account
	ReasonShape           Reason = "shape"                      // a property that routing needs has the wrong kind
	ReasonNoBusiness      Reason = "no_business"                // neither a WABA id nor a phone_number_id
	ReasonNoNumber        Reason = "no_number"                  // no phone_number_id, in a change that is about one number
	ReasonEmpty           Reason = "empty"                      // an envelope without a change in it
	ReasonSegments        Reason = "segments"                   // a body in segments that cannot be put together; the letter is its last segment
	ReasonEventTooLong    Reason = "event_too_long"             // an event would be longer than processor.event_bytes_max
	ReasonIDTooLong       Reason = "id_too_long"                // an id is longer than 256 bytes
	ReasonOutputTooLarge  Reason = "output_too_large"           // the events would have more than 8 times the body's bytes
	ReasonTooManyNumbers  Reason = "too_many_numbers"           // the business has more numbers than the limit
	ReasonSourceNumbers   Reason = "too_many_numbers_of_source" // the source has more than its share of a partition
	ReasonBodyFailed      Reason = "body_failed"                // processing the body failed, or ended the processor, twice
	ReasonSyncRequest     Reason = "sync_request"               // a record of the desk that is no request for a sync
)

// Reasons are all of them.
func Reasons() []Reason {
	return []Reason{
		ReasonJSONInvalid, ReasonJSONDuplicate, ReasonJSONUTF8, ReasonJSONTrailing, ReasonJSONTooDeep, ReasonTooManyItems,
		ReasonBodyEmpty, ReasonBodyTooLong, ReasonEncoding, ReasonEnvelopeUnknown, ReasonObjectUnknown, ReasonShape,
		ReasonNoBusiness, ReasonNoNumber, ReasonEmpty, ReasonSegments, ReasonEventTooLong,
		ReasonIDTooLong, ReasonOutputTooLarge, ReasonTooManyNumbers, ReasonSourceNumbers, ReasonBodyFailed, ReasonSyncRequest,
	}
}
