package publish

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// errorClass is the meaning of a failed attempt to produce a batch. classify makes it, and the queue of the batch acts
// on it.
type errorClass struct {
	kind produceErrorKind
	// final: another attempt cannot succeed.
	final bool
	// maybeWritten: the records may have been written.
	maybeWritten bool
	// tooLarge: a smaller batch may succeed.
	tooLarge bool
	// recordAtFault: one record of the batch may be the reason.
	recordAtFault bool
	// retryNow: the next attempt needs no pause, because it uses another connection.
	retryNow bool
}

// produceErrorKind is the value of a metric label.
type produceErrorKind uint8

const (
	produceErrorLeader   produceErrorKind = iota // the leader has moved or is not known
	produceErrorTimeout                          // no answer of the broker, or of its replicas, in time
	produceErrorCut                              // the connection was closed or could not be opened
	produceErrorReplicas                         // not enough replicas are in sync
	produceErrorTooLarge
	produceErrorAuth
	produceErrorRejected // the broker refuses the batch for another reason
	produceErrorOther    // a temporary failure of the broker
	produceErrorKinds
)

func (k produceErrorKind) String() string {
	return [...]string{"leader", "timeout", "cut", "replicas", "too_large", "auth", "rejected", "other"}[k]
}

// classify returns the meaning of the error of a produce attempt.
func classify(err error) errorClass {
	var code kafka.Error
	if errors.As(err, &code) {
		switch code {
		case kafka.NotLeaderForPartition, kafka.LeaderNotAvailable, kafka.UnknownTopicOrPartition,
			kafka.FencedLeaderEpoch, kafka.UnknownLeaderEpoch, kafka.UnknownTopicID, kafka.InconsistentTopicID,
			kafka.BrokerNotAvailable, kafka.ReplicaNotAvailable:
			return errorClass{kind: produceErrorLeader}
		case kafka.RequestTimedOut:
			return errorClass{kind: produceErrorTimeout, maybeWritten: true}
		case kafka.NotEnoughReplicas:
			return errorClass{kind: produceErrorReplicas}
		case kafka.NotEnoughReplicasAfterAppend:
			return errorClass{kind: produceErrorReplicas, maybeWritten: true}
		case kafka.MessageSizeTooLarge, kafka.RecordListTooLarge, kafka.InvalidMessageSize:
			return errorClass{kind: produceErrorTooLarge, final: true, tooLarge: true}
		case kafka.TopicAuthorizationFailed, kafka.ClusterAuthorizationFailed, kafka.SASLAuthenticationFailed,
			kafka.UnsupportedSASLMechanism, kafka.IllegalSASLState, kafka.SecurityDisabled:
			return errorClass{kind: produceErrorAuth, final: true}
		case kafka.InvalidTopic, kafka.InvalidRequiredAcks, kafka.UnsupportedForMessageFormat,
			kafka.UnsupportedCompressionType, kafka.PolicyViolation, kafka.UnsupportedVersion, kafka.InvalidRequest:
			return errorClass{kind: produceErrorRejected, final: true}
		case kafka.InvalidRecord, kafka.InvalidTimestamp:
			return errorClass{kind: produceErrorRejected, final: true, recordAtFault: true}
		default:
			return errorClass{kind: produceErrorOther, maybeWritten: true}
		}
	}

	if errors.Is(err, errAllExpired) {
		return errorClass{kind: produceErrorTimeout, retryNow: true}
	}

	// The client did not send it: its metadata name no leader.
	if errors.Is(err, protocol.ErrNoTopic) || errors.Is(err, protocol.ErrNoPartition) || errors.Is(err, protocol.ErrNoLeader) {
		return errorClass{kind: produceErrorLeader}
	}

	var notTLS tls.RecordHeaderError
	var badCert *tls.CertificateVerificationError
	var unknownAuthority x509.UnknownAuthorityError
	if errors.As(err, &notTLS) || errors.As(err, &badCert) || errors.As(err, &unknownAuthority) {
		return errorClass{kind: produceErrorAuth, final: true}
	}

	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return errorClass{kind: produceErrorCut}
	}
	var timeout net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.As(err, &timeout) && timeout.Timeout() {
		return errorClass{kind: produceErrorTimeout, maybeWritten: true, retryNow: true}
	}
	// EOF, a reset, a closed connection: the broker has stopped, or has closed an idle connection.
	return errorClass{kind: produceErrorCut, maybeWritten: true, retryNow: true}
}
