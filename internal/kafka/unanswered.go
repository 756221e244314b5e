package kafka

import (
	"context"
	"errors"
	"io"
	"net"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Passes reports whether an error of a broker ends by itself: of a transaction that is being ended, or of a new leader that
// does not know the end of its log yet.
func Passes(err error) bool {
	var ke *kerr.Error
	return errors.As(err, &ke) && (ke.Retriable || errors.Is(ke, kerr.UnstableOffsetCommit)) && !errors.Is(ke, kerr.UnknownTopicOrPartition)
}

// Unanswered reports whether a request has to be repeated: there was no answer, or there will be one. Brokers that do not know
// or allow a request never answer it.
func Unanswered(err error) bool {
	var network net.Error
	return Passes(err) || errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
