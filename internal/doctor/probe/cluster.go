package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/coexstream/coexstream/internal/doctor"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
)

// reach connects to each address of the configuration, and to each broker in the cluster's metadata.
func (p *prober) reach(ctx context.Context) {
	var wg sync.WaitGroup
	p.facts.Bootstrap = make([]doctor.Bootstrap, len(p.Conn.Brokers))
	for i, address := range p.Conn.Brokers {
		wg.Go(func() { p.facts.Bootstrap[i] = p.bootstrap(ctx, address) })
	}
	wg.Wait()
	if !slices.ContainsFunc(p.facts.Bootstrap, func(b doctor.Bootstrap) bool { return b.Err == nil }) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, p.Conn.RequestTimeout)
	defer cancel()
	md, err := p.adm.BrokerMetadata(ctx)
	if err != nil {
		p.failed("brokers", fmt.Errorf("metadata: %w", err))
		return
	}
	versions, err := p.adm.ApiVersions(ctx)
	if err != nil {
		p.failed("brokers", fmt.Errorf("api versions: %w", err))
		return
	}
	for _, b := range md.Brokers {
		v := versions[b.NodeID]
		fact := doctor.Broker{
			ID: b.NodeID, Address: net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port))),
			Controller: b.NodeID == md.Controller, Err: v.Err,
		}
		if v.Err == nil {
			fact.Version, fact.Missing = v.VersionGuess(), missing(&v)
		}
		p.facts.Brokers = append(p.facts.Brokers, fact)
	}
	listed, err := p.adm.ListTopics(ctx)
	if err != nil {
		p.failed("topics", fmt.Errorf("list topics: %w", err))
	}
	for _, s := range p.Layout.Specs() {
		if d, ok := listed[s.Name]; ok && d.Err == nil {
			p.topics = append(p.topics, s.Name)
		} else {
			p.facts.Absent[s.Name] = true
		}
	}
}

// bootstrap connects to one address alone. It tries the steps of a connection one by one first, because their errors
// say more than that of a client that tries again.
func (p *prober) bootstrap(ctx context.Context, address string) doctor.Bootstrap {
	fact := doctor.Bootstrap{Address: address}
	started := time.Now()
	defer func() { fact.Took = time.Since(started) }()
	conn, err := (&net.Dialer{Timeout: p.Conn.DialTimeout}).DialContext(ctx, "tcp", address)
	if err != nil {
		fact.Err = err
		return fact
	}
	_ = conn.Close()
	alone := p.Conn
	alone.Brokers = []string{address}
	cl, err := kgo.NewClient(append(alone.Franz(), kgo.RequestRetries(0))...)
	if err != nil {
		fact.Err = err
		return fact
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, p.Conn.RequestTimeout)
	defer cancel()
	fact.Err = cl.Ping(ctx)
	return fact
}

// needs are the requests without which the pipeline does not work, in the versions that brought what it
// relies on.
var needs = []struct {
	key  kmsg.Key
	max  int16
	what string
}{
	{kmsg.InitProducerID, 1, "idempotent producers"},
	{kmsg.AddPartitionsToTxn, 0, "transactions"},
	{kmsg.OffsetFetch, 7, "stable offsets (KIP-447)"},
	{kmsg.TxnOffsetCommit, 3, "fencing by group (KIP-447)"},
}

func missing(v *kadm.BrokerApiVersions) (lacks []string) {
	for _, n := range needs {
		if most, ok := v.KeyMaxVersion(n.key.Int16()); !ok || most < n.max {
			lacks = append(lacks, n.what)
		}
	}
	return lacks
}

// judged are the brokers' settings that doctor looks at.
var judged = []string{
	"transaction.max.timeout.ms", "group.min.session.timeout.ms", "group.max.session.timeout.ms",
	"socket.request.max.bytes", "offsets.retention.minutes", "unclean.leader.election.enable",
}

// settings asks one broker, because a cluster shares these settings.
func (p *prober) settings(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.Conn.RequestTimeout)
	defer cancel()
	p.facts.Settings = map[string]string{}
	for _, b := range p.facts.Brokers {
		if b.Err != nil {
			continue
		}
		described, err := p.adm.DescribeBrokerConfigs(ctx, b.ID)
		if err != nil {
			if auth := (*kadm.AuthError)(nil); errors.As(err, &auth) {
				return nil // managed services often hide it; the check is skipped
			}
			return fmt.Errorf("describe configuration of broker %d: %w", b.ID, err)
		}
		for _, r := range described {
			for _, c := range r.Configs {
				if slices.Contains(judged, c.Key) {
					p.facts.Settings[c.Key] = c.MaybeValue()
				}
			}
		}
		return nil
	}
	return nil
}

func (p *prober) verify(ctx context.Context) error {
	admin, err := kafka.NewAdmin(p.Conn)
	if err != nil {
		return err
	}
	defer admin.Close()
	diffs, err := admin.Verify(ctx, p.Layout)
	if err != nil {
		return err
	}
	p.facts.Topics = doctor.Topics{Compared: len(p.Layout.Specs()), Desk: p.Layout.Desk().Name}
	for _, d := range diffs {
		p.facts.Topics.Differences = append(p.facts.Topics.Differences, doctor.Difference(d))
	}
	return nil
}

// ofTheCluster are Kafka's own topics, without which nothing is committed.
var ofTheCluster = []string{"__consumer_offsets", "__transaction_state"}

func (p *prober) partitions(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.Conn.RequestTimeout)
	defer cancel()
	names := append(slices.Clone(p.topics), ofTheCluster...)
	md, err := p.adm.Metadata(ctx, names...)
	if err != nil {
		return fmt.Errorf("metadata: %w", err)
	}
	var there []string
	for name, t := range md.Topics {
		if t.Err == nil {
			there = append(there, name)
		}
	}
	least := p.leastInSync(ctx, there)
	p.facts.Partitions = nil
	for _, t := range md.Topics.Sorted() {
		if t.Err != nil {
			continue
		}
		for _, d := range t.Partitions.Sorted() {
			p.facts.Partitions = append(p.facts.Partitions, doctor.Partition{
				Topic: t.Topic, ID: d.Partition, Leader: d.Leader, Replicas: len(d.Replicas), InSync: len(d.ISR),
				MinInSync: least[t.Topic], Internal: slices.Contains(ofTheCluster, t.Topic),
			})
		}
	}
	return nil
}

// leastInSync returns min.insync.replicas by topic, as far as the cluster reports it.
func (p *prober) leastInSync(ctx context.Context, topics []string) map[string]int {
	least := map[string]int{}
	if len(topics) == 0 {
		return least
	}
	described, err := p.adm.DescribeTopicConfigs(ctx, topics...)
	if err != nil {
		return least
	}
	for _, r := range described {
		for _, c := range r.Configs {
			if n, err := strconv.Atoi(c.MaybeValue()); err == nil && c.Key == "min.insync.replicas" {
				least[r.Name] = n
			}
		}
	}
	return least
}

func (p *prober) group(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.Conn.RequestTimeout)
	defer cancel()
	name := p.Config.Processor.GroupID
	described, err := p.adm.DescribeGroups(ctx, name)
	if err == nil {
		err = described[name].Err
	}
	if errors.Is(err, kerr.GroupIDNotFound) { // it never had a member
		p.facts.Group.State = "Dead"
		return nil
	}
	if err != nil {
		return fmt.Errorf("describe group %s: %w", name, err)
	}
	g := described[name]
	p.facts.Group = doctor.Group{State: g.State}
	for _, m := range g.Members {
		fact := doctor.Member{Name: m.MemberID, Host: m.ClientHost}
		if m.InstanceID != nil {
			fact.Name = *m.InstanceID
		}
		if a, ok := m.Assigned.AsConsumer(); ok {
			for _, t := range a.Topics {
				if t.Topic == p.topic(schemas.TopicRawLive) {
					fact.Partitions = len(t.Partitions)
				}
			}
		}
		p.facts.Group.Members = append(p.facts.Group.Members, fact)
	}
	return nil
}
