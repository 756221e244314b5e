package processors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// fenced reports whether a session may have ended because another process uses the same processor.instance_id. The
// group accepts only the newest member of a name, and the transaction coordinator only the newest producer.
func fenced(err error) bool {
	for _, e := range []error{kerr.FencedInstanceID, kerr.ProducerFenced, kerr.InvalidProducerEpoch, kerr.InvalidTxnState} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// standByEvery is the interval at which standBy describes the group.
const standByEvery = time.Second

// standBy waits while another process is the group's member with this processor's instance id. If this one joined
// again, the two would fence each other in turn. So the last process that joined stays. The group forgets a dead member
// after the session timeout, and then this processor takes its place.
func (p *Processor) standBy(ctx context.Context) error {
	if p.cfg.InstanceID == "" {
		return nil
	}
	cl, err := kgo.NewClient(p.clientOptions()...)
	if err != nil {
		return fmt.Errorf("%w: kafka client: %w", errMisconfigured, err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	for said := false; ; {
		other, err := p.otherMember(ctx, adm)
		switch {
		case err != nil:
			p.log.Debug("cannot list the members of the group", "error", err)
		case !other:
			return nil
		case !said:
			said = true
			none := func(int32) bool { return false }
			p.metrics.lags.forget(none)
			p.health.serves(none)
			p.notReady(fmt.Sprintf("another process has processor.instance_id %q; each process needs its own", p.cfg.InstanceID))
			p.log.Warn("another process with the same processor.instance_id took over; standing by until it is gone", "instance_id", p.cfg.InstanceID)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(standByEvery):
		}
	}
}

// otherMember reports whether the group has a member with this instance id that is not this processor.
func (p *Processor) otherMember(ctx context.Context, adm *kadm.Client) (bool, error) {
	askCtx, cancel := context.WithTimeout(ctx, p.cfg.SessionTimeout)
	defer cancel()
	groups, err := adm.DescribeGroups(askCtx, p.cfg.GroupID)
	if err == nil {
		err = groups.Error()
	}
	if err != nil {
		return false, fmt.Errorf("describe group %s: %w", p.cfg.GroupID, err)
	}
	for _, m := range groups[p.cfg.GroupID].Members {
		if m.InstanceID != nil && *m.InstanceID == p.cfg.InstanceID && m.MemberID != p.memberID {
			return true, nil
		}
	}
	return false, nil
}
