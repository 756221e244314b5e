package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// kind is a kind of fault.
type kind string

const (
	// kindKill is a kill -9; the process is started again when the fault ends.
	kindKill kind = "kill"
	// kindZombie is a SIGSTOP that outlasts the session timeout, and then a SIGCONT: the process comes back and
	// does not know that it was away.
	kindZombie kind = "zombie"
	// kindPause is a SIGSTOP that is shorter than the session timeout.
	kindPause kind = "pause"
	// kindReplace is a zombie whose place is taken meanwhile by a new process of the same name.
	kindReplace kind = "replace"
	// kindCut, kindStall, kindDeaf and kindDelay are faults of links. A link is between a client and one broker or all,
	// between two brokers, between a broker and all others, or between the sender of webhooks and the ingress.
	kindCut   kind = "cut"
	kindStall kind = "stall"
	kindDeaf  kind = "deaf"
	kindDelay kind = "delay"
	// kindStop is an orderly stop of a broker, which hands its partitions over.
	kindStop kind = "stop"
	// kindSlow stops and continues a broker in turns, many times a second.
	kindSlow kind = "slow"
	// kindFull fills the disk of the ingress while it is cut off from Kafka, so that it needs its spool.
	kindFull kind = "disk-full"
	// kindScale goes from two processors or sinks to one, to three, to one, and back to two.
	kindScale kind = "scale"
	// kindClock lets the clock of a process be wrong, forward or back, and then right again.
	kindClock kind = "clock"
	// kindMad is a business beside those of the simulation that floods the ingress with webhooks that are long and many.
	kindMad kind = "mad"
	// kindRotten cuts the ingress off from Kafka, kills it, and flips bytes in its spool before it starts again.
	kindRotten kind = "rotten"
	// kindFail lets the receiver of webhooks answer most requests with 5xx, or not at all. It is killed before and after.
	kindFail kind = "fail"
)

// fault is one entry of a plan.
type fault struct {
	at     time.Duration // since the beginning
	length time.Duration
	kind   kind
	target string        // a process: ingress, processor-1, sink-2, webhook-1, archive-2, broker-2, postgres, receiver, bucket; or both ends of a link: ingress~broker-2, broker-0<every-broker
	delay  time.Duration // of kindDelay
	jump   time.Duration // of kindClock; below 0: back
}

func (f fault) name() string {
	n := string(f.kind) + " " + f.target
	if f.delay > 0 {
		n += " by " + f.delay.String()
	}
	if f.jump != 0 {
		n += fmt.Sprintf(" by %+.1fs", f.jump.Seconds())
	}
	return n
}

func (f fault) String() string {
	return fmt.Sprintf("at %6.1fs for %5.1fs  %s", f.at.Seconds(), f.length.Seconds(), f.name())
}

const (
	ingressName                   = "ingress"
	senderName                    = "sender"
	everyBroker                   = "every-broker"
	tenantTarget                  = "tenant"
	spoolTarget                   = "spool"
	postgresName                  = "postgres"
	receiverName, bucketName      = "receiver", "bucket" // of the webhooks, and the S3 server
	webhookPrefix                 = "webhook-"
	processorsTarget, sinksTarget = "processors", "sinks"
	sessionTime                   = 6 * time.Second // the session timeout of processors and sinks, the shortest that Kafka allows by default
	settleTime                    = 5 * time.Second // between a broker's fault and the next one: replicas catch up
	planPauseMin                  = 500 * time.Millisecond
	// jumpMin and jumpMax bound the error of a clock. Two clocks that are wrong in opposite directions differ by a
	// minute. That is half of processor.history.phase_hold, the shortest wait for history; the other half is left to
	// delays. So no clock ends a wait while check expects it to last.
	jumpMin, jumpMax = time.Second, 30 * time.Second
)

func processorName(i int) string { return fmt.Sprintf("processor-%d", i) }
func sinkName(i int) string      { return fmt.Sprintf("sink-%d", i) }
func webhookName(i int) string   { return fmt.Sprintf("%s%d", webhookPrefix, i) }
func archiveName(i int) string   { return fmt.Sprintf("archive-%d", i) }
func brokerName(i int) string    { return fmt.Sprintf("broker-%d", i) }
func isBroker(name string) bool  { return strings.HasPrefix(name, "broker-") }

// shape is a kind of fault as the plan draws it.
type shape struct {
	kind     kind
	weight   int
	min, max time.Duration
	targets  func(w plannedWorld) []string // none: the world has no such thing
}

// plannedWorld is what a plan is for.
type plannedWorld struct {
	brokers int
	disk    bool // the ingress' disk can be filled
	tables  bool // there are sinks, and a PostgreSQL
	targets bool // there are sinks with a receiver of webhooks and an S3 server
}

func (w plannedWorld) brokerNames() []string {
	var names []string
	for i := range w.brokers {
		names = append(names, brokerName(i))
	}
	return names
}

func (w plannedWorld) clientNames() []string {
	return []string{ingressName, processorName(1), processorName(2)}
}

// diskNames are the processes whose disk can be filled.
func (w plannedWorld) diskNames() []string {
	if !w.disk {
		return nil
	}
	return []string{ingressName}
}

func (w plannedWorld) processorNames() []string { return []string{processorName(1), processorName(2)} }

// withTables are targets that are there when there are tables.
func withTables(names ...string) func(plannedWorld) []string {
	return func(w plannedWorld) []string {
		if !w.tables {
			return nil
		}
		return names
	}
}

// withTargets are targets that are there when there are a receiver and an S3 server.
func withTargets(names ...string) func(plannedWorld) []string {
	return func(w plannedWorld) []string {
		if !w.targets {
			return nil
		}
		return names
	}
}

func webhookNames() []string { return numbered(webhookName) }
func archiveNames() []string { return numbered(archiveName) }

func numbered(name func(int) string) (names []string) {
	for i := range targetSinks {
		names = append(names, name(i+1))
	}
	return names
}

// targetLinkNames are the pairs of a webhook or archive sink and its target, one broker, or all brokers. The target is half of them.
func (w plannedWorld) targetLinkNames() []string {
	if !w.targets {
		return nil
	}
	var names []string
	for i := range targetSinks {
		for _, b := range append(w.brokerNames(), everyBroker) {
			hook, archive := webhookName(i+1), archiveName(i+1)
			names = append(names, hook+"~"+b, hook+"~"+receiverName, archive+"~"+b, archive+"~"+bucketName)
		}
	}
	return names
}

func sinkNames() []string { return []string{sinkName(1), sinkName(2)} }

// sinkLinkNames are the pairs of a sink and the database, one broker, or all brokers. The database is half of them.
func (w plannedWorld) sinkLinkNames() []string {
	if !w.tables {
		return nil
	}
	var names []string
	for _, c := range sinkNames() {
		for _, b := range append(w.brokerNames(), everyBroker) {
			names = append(names, c+"~"+b, c+"~"+postgresName)
		}
	}
	return names
}

// linkNames are the pairs of a client and one broker, and of a client and all of them.
func (w plannedWorld) linkNames() []string {
	var names []string
	for _, c := range w.clientNames() {
		for _, b := range append(w.brokerNames(), everyBroker) {
			names = append(names, c+"~"+b)
		}
	}
	return names
}

// brokerLinkNames are the pairs of two brokers, and of a broker and all others: that one is cut off from its
// cluster, and clients still reach it. With < the others do not reach it, and it reaches them: a leader that nobody
// follows, and that says to the controller that it is well. With > it is the other way round.
func (w plannedWorld) brokerLinkNames() []string {
	var names []string
	for i := range w.brokers {
		for j := range i {
			names = append(names, brokerName(j)+"~"+brokerName(i))
		}
		for _, way := range []string{"~", "<", ">"} {
			names = append(names, brokerName(i)+way+everyBroker)
		}
	}
	return names
}

func (plannedWorld) senderLinkNames() []string { return []string{senderName + "~" + ingressName} }

func shapes() []shape {
	return []shape{
		{kindKill, 4, 200 * time.Millisecond, 3 * time.Second, plannedWorld.clientNames},
		{kindKill, 2, time.Second, 8 * time.Second, plannedWorld.brokerNames},
		{kindZombie, 4, sessionTime + 2*time.Second, 2 * sessionTime, plannedWorld.processorNames},
		{kindZombie, 1, 10 * time.Second, 15 * time.Second, plannedWorld.brokerNames},
		{kindPause, 2, 300 * time.Millisecond, sessionTime / 2, plannedWorld.clientNames},
		{kindPause, 1, 300 * time.Millisecond, 4 * time.Second, plannedWorld.brokerNames},
		{kindReplace, 2, 2 * time.Second, sessionTime + 3*time.Second, plannedWorld.processorNames},
		{kindCut, 2, 200 * time.Millisecond, 10 * time.Second, plannedWorld.linkNames},
		{kindStall, 2, 500 * time.Millisecond, 12 * time.Second, plannedWorld.linkNames},
		{kindDeaf, 3, 500 * time.Millisecond, 8 * time.Second, plannedWorld.linkNames},
		{kindDelay, 2, 3 * time.Second, 12 * time.Second, plannedWorld.linkNames},
		{kindCut, 3, time.Second, 15 * time.Second, plannedWorld.brokerLinkNames},
		{kindStall, 2, time.Second, 15 * time.Second, plannedWorld.brokerLinkNames},
		{kindDeaf, 1, time.Second, 12 * time.Second, plannedWorld.brokerLinkNames},
		{kindDelay, 1, 3 * time.Second, 10 * time.Second, plannedWorld.brokerLinkNames},
		{kindCut, 1, 200 * time.Millisecond, 4 * time.Second, plannedWorld.senderLinkNames},
		{kindStall, 2, 500 * time.Millisecond, 10 * time.Second, plannedWorld.senderLinkNames},
		{kindDeaf, 2, 200 * time.Millisecond, 4 * time.Second, plannedWorld.senderLinkNames},
		{kindDelay, 1, 2 * time.Second, 8 * time.Second, plannedWorld.senderLinkNames},
		{kindStop, 1, time.Second, 5 * time.Second, plannedWorld.brokerNames},
		{kindSlow, 2, 4 * time.Second, 10 * time.Second, plannedWorld.brokerNames},
		{kindFull, 1, 3 * time.Second, 8 * time.Second, plannedWorld.diskNames},
		{kindScale, 2, 12 * time.Second, 20 * time.Second, func(plannedWorld) []string { return []string{processorsTarget} }},
		{kindMad, 2, 3 * time.Second, 8 * time.Second, func(plannedWorld) []string { return []string{tenantTarget} }},
		{kindRotten, 1, 3 * time.Second, 8 * time.Second, func(plannedWorld) []string { return []string{spoolTarget} }},
		{kindClock, 3, 2 * time.Second, 12 * time.Second, plannedWorld.clientNames},
		{kindKill, 3, 200 * time.Millisecond, 3 * time.Second, withTables(sinkNames()...)},
		{kindZombie, 3, sessionTime + 2*time.Second, 2 * sessionTime, withTables(sinkNames()...)},
		{kindPause, 1, 300 * time.Millisecond, sessionTime / 2, withTables(sinkNames()...)},
		{kindScale, 1, 12 * time.Second, 20 * time.Second, withTables(sinksTarget)},
		{kindKill, 2, 200 * time.Millisecond, 4 * time.Second, withTables(postgresName)},
		{kindStop, 2, time.Second, 8 * time.Second, withTables(postgresName)},
		{kindCut, 1, 200 * time.Millisecond, 6 * time.Second, plannedWorld.sinkLinkNames},
		{kindStall, 1, 500 * time.Millisecond, 12 * time.Second, plannedWorld.sinkLinkNames},
		{kindDeaf, 2, 500 * time.Millisecond, 8 * time.Second, plannedWorld.sinkLinkNames},
		{kindDelay, 1, 3 * time.Second, 10 * time.Second, plannedWorld.sinkLinkNames},
		{kindKill, 3, 200 * time.Millisecond, 3 * time.Second, withTargets(append(webhookNames(), archiveNames()...)...)},
		{kindZombie, 3, sessionTime + 2*time.Second, 2 * sessionTime, withTargets(append(webhookNames(), archiveNames()...)...)},
		{kindPause, 1, 300 * time.Millisecond, sessionTime / 2, withTargets(append(webhookNames(), archiveNames()...)...)},
		{kindKill, 2, 200 * time.Millisecond, 4 * time.Second, withTargets(receiverName, bucketName)},
		{kindZombie, 1, 4 * time.Second, 12 * time.Second, withTargets(receiverName, bucketName)},
		{kindPause, 1, 300 * time.Millisecond, 3 * time.Second, withTargets(receiverName, bucketName)},
		{kindFail, 2, 2 * time.Second, 8 * time.Second, withTargets(receiverName)},
		{kindCut, 1, 200 * time.Millisecond, 6 * time.Second, plannedWorld.targetLinkNames},
		{kindStall, 1, 500 * time.Millisecond, 12 * time.Second, plannedWorld.targetLinkNames},
		{kindDeaf, 2, 500 * time.Millisecond, 8 * time.Second, plannedWorld.targetLinkNames},
		{kindDelay, 1, 3 * time.Second, 10 * time.Second, plannedWorld.targetLinkNames},
	}
}

// locks are what a fault needs for itself. Faults of different things overlap; two brokers are never away at
// a time, for then nothing is promised but that nothing is lost.
func (f fault) locks() []string {
	switch f.kind {
	case kindScale:
		if f.target == sinksTarget {
			return sinkNames()
		}
		return []string{processorName(1), processorName(2)}
	case kindFull:
		return []string{ingressName}
	case kindRotten:
		return []string{ingressName, senderName} // its webhooks are to be in the spool
	}
	if isBroker(f.target) { // alone, or cut off from others
		return []string{"brokers"}
	}
	client, _, _ := strings.Cut(f.target, "~")
	return []string{client}
}

// plan is a function of its arguments: the faults in the order of their beginning, all over by length.
func plan(seed uint64, length time.Duration, w plannedWorld) []fault {
	rng := rand.New(rand.NewPCG(seed, 0xc4a05))
	var table []shape
	for _, s := range shapes() {
		if len(s.targets(w)) == 0 {
			continue
		}
		for range s.weight {
			table = append(table, s)
		}
	}
	busyUntil := map[string]time.Duration{}
	var faults []fault
	for at := 3 * time.Second; at < length; at += planPauseMin + draw(rng, 4*time.Second) {
		s := table[rng.IntN(len(table))]
		targets := s.targets(w)
		f := fault{at: at, kind: s.kind, target: targets[rng.IntN(len(targets))], length: s.min + draw(rng, s.max-s.min)}
		f.length = f.length.Round(10 * time.Millisecond)
		if f.kind == kindDelay {
			f.delay = (5*time.Millisecond + draw(rng, 600*time.Millisecond)).Round(time.Millisecond)
		}
		if f.kind == kindClock {
			f.jump = (jumpMin + draw(rng, jumpMax-jumpMin)).Round(100 * time.Millisecond)
			if rng.IntN(2) == 0 {
				f.jump = -f.jump
			}
		}
		free := f.at+f.length <= length
		for _, lock := range f.locks() {
			free = free && busyUntil[lock] <= at
		}
		if !free {
			continue
		}
		for _, lock := range f.locks() {
			busyUntil[lock] = at + f.length + time.Second
			if lock == "brokers" {
				busyUntil[lock] += settleTime
			}
		}
		faults = append(faults, f)
	}
	return faults
}

// draw is a duration below most.
func draw(rng *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(rng.Int64N(int64(most)))
}
