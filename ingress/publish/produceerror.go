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

// verdict is what a failed produce attempt means. It is made once, by judge, and acted on once, by
// the queue whose batch it was.
type verdict struct {
	kind produceErrorKind
	// final: another attempt cannot do better.
	final bool
	// unknown: the records may have been written.
	unknown bool
	// tooLarge: a smaller batch may do better.
	tooLarge bool
	// company: another record of the batch may be the reason.
	company bool
	// atOnce: the next attempt need not wait, it will take another connection.
	atOnce bool
}

// produceErrorKind is the label of a produce error, a closed set.
type produceErrorKind uint8

const (
	produceErrorLeader   produceErrorKind = iota // the leader moved, or is not known (yet)
	produceErrorTimeout                          // no answer in time, or the replicas gave none
	produceErrorCut                              // the connection was cut or could not be made
	produceErrorReplicas                         // not enough replicas in sync
	produceErrorTooLarge
	produceErrorAuth
	produceErrorRejected // the broker refuses the batch for another reason
	produceErrorOther    // a broker's trouble that may pass
	produceErrorKinds
)

func (k produceErrorKind) String() string {
	return [...]string{"leader", "timeout", "cut", "replicas", "too_large", "auth", "rejected", "other"}[k]
}

func judge(err error) verdict {
	var code kafka.Error
	if errors.As(err, &code) {
		switch code {
		case kafka.NotLeaderForPartition, kafka.LeaderNotAvailable, kafka.UnknownTopicOrPartition,
			kafka.FencedLeaderEpoch, kafka.UnknownLeaderEpoch, kafka.UnknownTopicID, kafka.InconsistentTopicID,
			kafka.BrokerNotAvailable, kafka.ReplicaNotAvailable:
			return verdict{kind: produceErrorLeader}
		case kafka.RequestTimedOut:
			return verdict{kind: produceErrorTimeout, unknown: true}
		case kafka.NotEnoughReplicas:
			return verdict{kind: produceErrorReplicas}
		case kafka.NotEnoughReplicasAfterAppend:
			return verdict{kind: produceErrorReplicas, unknown: true}
		case kafka.MessageSizeTooLarge, kafka.RecordListTooLarge, kafka.InvalidMessageSize:
			return verdict{kind: produceErrorTooLarge, final: true, tooLarge: true}
		case kafka.TopicAuthorizationFailed, kafka.ClusterAuthorizationFailed, kafka.SASLAuthenticationFailed,
			kafka.UnsupportedSASLMechanism, kafka.IllegalSASLState, kafka.SecurityDisabled:
			return verdict{kind: produceErrorAuth, final: true}
		case kafka.InvalidTopic, kafka.InvalidRequiredAcks, kafka.UnsupportedForMessageFormat,
			kafka.UnsupportedCompressionType, kafka.PolicyViolation, kafka.UnsupportedVersion, kafka.InvalidRequest:
			return verdict{kind: produceErrorRejected, final: true}
		case kafka.InvalidRecord, kafka.InvalidTimestamp:
			return verdict{kind: produceErrorRejected, final: true, company: true}
		default:
			return verdict{kind: produceErrorOther, unknown: true}
		}
	}

	if errors.Is(err, errNobodyWaits) {
		return verdict{kind: produceErrorTimeout, atOnce: true}
	}

	// The client could not even send it: the metadata it has do not name a leader.
	if errors.Is(err, protocol.ErrNoTopic) || errors.Is(err, protocol.ErrNoPartition) || errors.Is(err, protocol.ErrNoLeader) {
		return verdict{kind: produceErrorLeader}
	}

	var notTLS tls.RecordHeaderError
	var badCert *tls.CertificateVerificationError
	var unknownAuthority x509.UnknownAuthorityError
	if errors.As(err, &notTLS) || errors.As(err, &badCert) || errors.As(err, &unknownAuthority) {
		return verdict{kind: produceErrorAuth, final: true}
	}

	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return verdict{kind: produceErrorCut}
	}
	var timeout net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.As(err, &timeout) && timeout.Timeout() {
		return verdict{kind: produceErrorTimeout, unknown: true, atOnce: true}
	}
	// EOF, a reset, a closed connection: the broker went, or had closed a connection that was idle.
	return verdict{kind: produceErrorCut, unknown: true, atOnce: true}
}
