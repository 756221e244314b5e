package schemas

// Headers of raw records, written by the ingress. Together with the value (the exact bytes of the
// request body) they suffice to verify the signature again.
const (
	HeaderSource          = "coex-source"           // name of the configured source
	HeaderProvider        = "coex-provider"         // name of the provider: see schemas/provider
	HeaderRequestID       = "coex-request-id"       // id of the HTTP request, in the answer's X-Request-Id too
	HeaderReceivedAt      = "coex-received-at"      // Unix milliseconds, decimal
	HeaderContentType     = "content-type"          // as received
	HeaderContentEncoding = "content-encoding"      // as received; absent for identity. The value is still encoded
	HeaderSignature       = "coex-signature"        // value of the signature header, as received
	HeaderSignatureHeader = "coex-signature-header" // name of the header that carried it, lower case
	HeaderSecretID        = "coex-secret-id"        // id of the secret that matched; absent when unsigned
	HeaderTraceParent     = "traceparent"
	HeaderTraceState      = "tracestate"
)

// Headers of what `coexstream replay` writes into raw.bulk: copies of raw records with all their headers, and
// an end marker without a value for each partition.
const (
	// HeaderReplay is the replay's id. Events that come of a replayed record have it, too, so that a consumer
	// with side effects can leave them out.
	HeaderReplay = "coex-replay"
	// HeaderReplayRole is absent on a record that stands in the partition of its key; RoleExtra where it is
	// repeated for a business of another partition; RoleMoved where it is repeated for the decline that it holds of a number whose
	// WABA became known later; RoleEnd on the marker after a partition's last record.
	HeaderReplayRole = "coex-replay-role"
	// HeaderReplayState is StateOwn where the replay goes into the topics from which it was read: it is
	// processed with a state of its own.
	HeaderReplayState = "coex-replay-state"
	// HeaderReplayHops counts how many replays a record has gone through.
	HeaderReplayHops = "coex-replay-hops"

	RoleExtra = "extra"
	RoleMoved = "moved"
	RoleEnd   = "end"
	StateOwn  = "own"
)

// Headers of internal records: of what a processor writes to `rerouted` beside parts of bodies, and of copies that a
// replay makes.
const (
	// HeaderWABA is the WABA of the number that the record is about, where the body names none.
	HeaderWABA = "coex-waba"
	// HeaderRerouted is absent on a part of a body. ReroutedNumber and ReroutedKnown mark notes without a value, for
	// the partition of a phone_number_id (the record's key). They name the number's WABA: the first one at the time
	// when a live webhook named it, the other one for the number's sync alone. ReroutedMoved marks the body of a
	// decline, or a record without one, for a number whose syncs were without a WABA before.
	HeaderRerouted = "coex-rerouted"

	ReroutedNumber = "number"
	ReroutedKnown  = "known"
	ReroutedMoved  = "moved"
)

// Headers of segments: a body that is longer than a record of the topic may be stands there as several records
// of one partition. Each has the headers of the body's record, and these. Package segment reads and writes them.
const (
	SegmentHeaderPrefix = "coex-segment-"
	// HeaderSegmentID is one for the segments of a body, and for nothing else.
	HeaderSegmentID    = "coex-segment-id"
	HeaderSegmentIndex = "coex-segment-index" // decimal, from 0
	HeaderSegmentCount = "coex-segment-count" // decimal
	// On the last segment alone, which stands for the body: its bytes, their CRC-32C in hex, and the offsets of
	// the other segments in the same partition, with commas between.
	HeaderSegmentBytes    = "coex-segment-bytes"
	HeaderSegmentChecksum = "coex-segment-checksum"
	HeaderSegmentOffsets  = "coex-segment-offsets"
)

// Headers of event records: CloudEvents 1.0, Kafka protocol binding, binary mode.
const (
	HeaderCESpecVersion = "ce_specversion"
	HeaderCEID          = "ce_id"
	HeaderCEType        = "ce_type"
	HeaderCESource      = "ce_source"
	HeaderCETime        = "ce_time"
	HeaderCESubject     = "ce_subject"
	HeaderOrigin        = "coex-origin" // topic/partition/offset of the raw record, then # and the path in it
	// Events have HeaderReceivedAt and HeaderSource of their raw record, too.
)

// CESpecVersion is the CloudEvents version of every event.
const CESpecVersion = "1.0"

// Headers of dead letters, beside all headers of the record that failed.
const (
	HeaderDLQTopic     = "__dlq.errors.topic"
	HeaderDLQPartition = "__dlq.errors.partition"
	HeaderDLQOffset    = "__dlq.errors.offset"
	HeaderDLQReason    = "__dlq.errors.reason"  // a Reason
	HeaderDLQMessage   = "__dlq.errors.message" // for people; says nothing of the content
	HeaderDLQAttempts  = "__dlq.errors.attempts"
	HeaderDLQTime      = "__dlq.errors.time" // Unix milliseconds
	// HeaderDLQEvent is the ce_id of the one event that could not leave, where the rest of the record did.
	HeaderDLQEvent = "__dlq.errors.event"
	// HeaderDLQChanges lists the changes that could not be processed, where the others were: their numbers in
	// the body, from 0, with commas between. A hyphen behind the last one stands for all that follow it. It is absent where an
	// entry as a whole could not be.
	HeaderDLQChanges = "__dlq.errors.changes"
	// HeaderDLQPlaces lists the parts of the body that could not be processed, where the rest of their change was:
	// their paths, with commas between. A path with a hyphen behind it stands for all that follow in its array, too.
	HeaderDLQPlaces = "__dlq.errors.places"
	// HeaderDLQSegment says of which segment of which body a letter is, where the body cannot be put together:
	// id, and then index and count.
	HeaderDLQSegment = "__dlq.errors.segment"
	// HeaderDLQParked is "true" on a letter that came back DLQReturnsMax times: it is not requeued again unless
	// forced.
	HeaderDLQParked = "__dlq.errors.parked"
)

// Headers of letters that a webhook sink writes into `dlq`: events that an endpoint did not take, with their own headers and
// the HeaderDLQ ones. They are no dead letters: an event does not enter the raw log again.
const (
	HeaderWebhookEndpoint = "coex-webhook-endpoint" // name of the endpoint
	// HeaderWebhookResent is on a note without a value: partition/offset of a letter that was sent again.
	HeaderWebhookResent = "coex-webhook-resent"
)

// DLQReturnsMax is how many times a requeued letter comes back before it is parked.
const DLQReturnsMax = 3

// Headers of what `coexstream dlq requeue` writes.
const (
	// HeaderRequeue is on the raw record: partition/offset of the dead letter. The letter's own headers stay.
	HeaderRequeue = "coex-requeue"
	// HeaderRequeued is on a note in `dlq` itself, without a value: partition/offset of the letter that was
	// requeued.
	HeaderRequeued = "coex-requeued"
)

// Headers of contacts, also of tombstones, whose value is empty: the content of the change, and its time. The state of
// the address books is rebuilt from them.
const (
	HeaderContactAction    = "coex-contact-action"    // add, remove, merge
	HeaderContactTimestamp = "coex-contact-timestamp" // Unix milliseconds of the change
	HeaderContactVersion   = "coex-contact-version"   // metadata.version, 0 when absent
	HeaderContactDigest    = "coex-contact-digest"    // of the change, hex: equal ones of one time are one change
	// HeaderContactArrival decides among equal timestamps and versions: when and where the change stands in the raw
	// log, as receipt in Unix milliseconds, offset, entry, change and item, with slashes between.
	HeaderContactArrival = "coex-contact-arrival"
	// HeaderContactTied has the digests of older changes of that timestamp and version, with commas between: they are
	// not taken for new when they are delivered again.
	HeaderContactTied   = "coex-contact-tied"
	HeaderContactPhone  = "coex-contact-phone" // ids that the change names
	HeaderContactUserID = "coex-contact-user-id"
	HeaderContactLinked = "coex-contact-linked" // another id of the same contact, known from another change
)

// Event types (ce_type).
const (
	TypeHistory        = "com.coexstream.history.v1"
	TypeMedia          = "com.coexstream.media.v1"
	TypeContact        = "com.coexstream.contact.v1"
	TypeContactRemoved = "com.coexstream.contact.removed.v1"
	TypeEcho           = "com.coexstream.echo.v1"
	TypeMessage        = "com.coexstream.message.v1"
	TypeStatus         = "com.coexstream.status.v1"
	TypeHandover       = "com.coexstream.handover.v1"
	TypeError          = "com.coexstream.error.v1"
	TypeAccount        = "com.coexstream.account.v1"
	TypeSync           = "com.coexstream.sync.v1"
	TypeSyncRemoved    = "com.coexstream.sync.removed.v1"
	TypeOther          = "com.coexstream.other.v1"
	TypeAsset          = "com.coexstream.asset.v1"
)
