package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/coexstream/coexstream/internal/verify/truth"
)

// The faults that come between two brokers, and between the sender of webhooks and the ingress.

func TestFaultNetworkCutBetweenBrokers(t *testing.T) {
	outlives(t,
		fault{at: aSecond, length: 3 * aSecond, kind: kindCut, target: brokerName(0) + "~" + brokerName(1)},
		fault{at: 10 * aSecond, length: 12 * aSecond, kind: kindCut, target: brokerName(1) + "~" + brokerName(2)})
}

// ledScene is a scene in which a partition's leader gets into trouble.
type ledScene struct {
	*stage
	leader, fellow int32 // the leader, and one that follows
}

// ledTopic is the topic whose first partition it is about.
const ledTopic = "raw.live"

func newLedScene(t *testing.T) *ledScene {
	t.Helper()
	s := &ledScene{stage: scene(t)}
	p, err := s.asTold(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	s.leader, s.fellow = p.Leader, (p.Leader+1)%brokerCount
	return s
}

// outlivesSeeing plays the faults, in which what the follower tells has to come to be so.
func (s *ledScene) outlivesSeeing(t *testing.T, seen func(told kmsg.MetadataResponseTopicPartition) bool, faults ...fault) {
	t.Helper()
	came := make(chan error, 1)
	go func() {
		came <- until(t.Context(), 30*aSecond, func() bool {
			told, err := s.asTold(t.Context(), s.fellow)
			return err == nil && seen(told)
		})
	}()
	s.outlives(t, faults...)
	if err := <-came; err != nil {
		t.Errorf("broker %d, who led %s, did not come into the state that this is about: %v", s.leader, ledTopic, err)
	}
}

// TestFaultLeaderCutOff: a leader that clients still reach is cut off from the other brokers until they elect another
// one. It does not learn of that, and remains a leader whose records nobody else has.
func TestFaultLeaderCutOff(t *testing.T) {
	s := newLedScene(t)
	replacedUnknown := func(told kmsg.MetadataResponseTopicPartition) bool {
		if told.Leader == s.leader || told.Leader < 0 {
			return false
		}
		still, err := s.asTold(t.Context(), s.leader)
		return err == nil && still.Leader == s.leader
	}
	s.outlivesSeeing(t, replacedUnknown, fault{at: aSecond, length: 18 * aSecond, kind: kindCut, target: brokerName(int(s.leader)) + "~" + everyBroker})
}

// asTold is the partition, by what one broker tells the ingress.
func (s *ledScene) asTold(ctx context.Context, broker int32) (p kmsg.MetadataResponseTopicPartition, err error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(s.cluster.addrs(ingressName), ",")[broker]))
	if err != nil {
		return p, err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	topic := s.prefix + ledTopic
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{{Topic: kmsg.StringPtr(topic)}}
	answer, err := cl.SeedBrokers()[0].Request(ctx, req)
	if err != nil {
		return p, err
	}
	for _, t := range answer.(*kmsg.MetadataResponse).Topics {
		for _, p := range t.Partitions {
			if p.Partition == 0 {
				return p, nil
			}
		}
	}
	return p, fmt.Errorf("broker %d knows no first partition of %s", broker, topic)
}

// TestFaultNetworkCutOneWay: a leader that tells the controller that it is well, and that nobody can follow: it stays
// the leader, and may keep nothing that is to be acknowledged. Then a broker that follows nobody and is not known to
// be well, but could be followed.
func TestFaultNetworkCutOneWay(t *testing.T) {
	s := newLedScene(t)
	leadsAlone := func(told kmsg.MetadataResponseTopicPartition) bool {
		return told.Leader == s.leader && len(told.ISR) == 1
	}
	s.outlivesSeeing(t, leadsAlone,
		fault{at: aSecond, length: 18 * aSecond, kind: kindCut, target: brokerName(int(s.leader)) + "<" + everyBroker},
		fault{at: 28 * aSecond, length: 12 * aSecond, kind: kindCut, target: brokerName(int(s.fellow)) + ">" + everyBroker})
}

func TestFaultNetworkStallBetweenBrokers(t *testing.T) {
	outlives(t,
		fault{at: aSecond, length: 3 * aSecond, kind: kindStall, target: brokerName(0) + "~" + brokerName(2)},
		fault{at: 10 * aSecond, length: 14 * aSecond, kind: kindStall, target: brokerName(1) + "~" + everyBroker})
}

func TestFaultAnswersLostBetweenBrokers(t *testing.T) {
	outlives(t, fault{at: aSecond, length: 12 * aSecond, kind: kindDeaf, target: brokerName(2) + "~" + everyBroker})
}

func TestFaultSlowNetworkBetweenBrokers(t *testing.T) {
	outlives(t, fault{at: aSecond, length: 10 * aSecond, kind: kindDelay, target: brokerName(0) + "~" + everyBroker, delay: 200 * time.Millisecond})
}

const senderLink = senderName + "~" + ingressName

func TestFaultNetworkCutSenderIngress(t *testing.T) {
	outlives(t,
		fault{at: aSecond, length: aSecond, kind: kindCut, target: senderLink},
		fault{at: 4 * aSecond, length: 3 * aSecond, kind: kindCut, target: senderLink}).cameAgain(t)
}

// TestFaultNetworkStallSenderIngress: stalled webhooks reach the ingress long after their sender has stopped waiting,
// at the same time as the repeated ones.
func TestFaultNetworkStallSenderIngress(t *testing.T) {
	outlives(t, fault{at: aSecond, length: senderTimeout + 3*aSecond, kind: kindStall, target: senderLink}).cameAgain(t)
}

// TestFaultAnswersToSenderLost: the ingress has kept what the sender has to take for lost, and sends again.
func TestFaultAnswersToSenderLost(t *testing.T) {
	outlives(t,
		fault{at: aSecond, length: 2 * aSecond, kind: kindDeaf, target: senderLink},
		fault{at: 5 * aSecond, length: senderTimeout + 2*aSecond, kind: kindDeaf, target: senderLink}).cameAgain(t)
}

// TestFaultSenderAndClusterCutOff: the repeated webhooks of the sender are in the spool, or in flight to a former
// leader.
func TestFaultSenderAndClusterCutOff(t *testing.T) {
	outlives(t,
		fault{at: aSecond, length: 15 * aSecond, kind: kindCut, target: brokerName(1) + "~" + everyBroker},
		fault{at: 3 * aSecond, length: 3 * aSecond, kind: kindDeaf, target: senderLink},
		fault{at: 8 * aSecond, length: 4 * aSecond, kind: kindDeaf, target: senderLink}).cameAgain(t)
}

// cameAgain expects that some webhooks had to be sent again until they were answered: that the fault was one.
func (s *stage) cameAgain(t *testing.T) {
	t.Helper()
	f, err := os.Open(s.truthFile())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // read only
	again := 0
	err = truth.Read(f, func(_ int, l *truth.Line) error {
		if l.Sent != nil && l.Sent.Acked && l.Sent.Attempts > 1 {
			again++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if again == 0 {
		t.Error("no webhook had to be sent again")
	}
}
