package doctor

import (
	"fmt"
	"strconv"
	"strings"
)

func judgeTopics(f *Facts, fr *finder) {
	var missing []string
	for _, d := range f.Topics.Differences {
		if desk := f.Topics.Desk; desk != "" && d.Topic == desk && judgeDesk(d, fr) {
			continue
		}
		switch d.What {
		case "topic":
			missing = append(missing, d.Topic)
		case "partitions":
			fr.add(Fail, d.Topic, "Set kafka.partitions to the number of the topics; if topics differ from each other, move to another kafka.prefix (docs/operations.md, Partitions).",
				"%s partitions, the configuration says %s: events of one business would come from two partitions", d.Have, d.Want)
		case "replication_factor":
			fr.add(Warn, d.Topic, "Reassign replicas with the cluster's tools, or correct kafka.replication_factor.", "%s copies, want %s", d.Have, d.Want)
		case "cleanup.policy":
			fr.add(Fail, d.Topic, "coexstream topics create --update", "cleanup.policy is %s, want %s: the topic loses records that are needed, or grows without limit", d.Have, d.Want)
		case "max.message.bytes":
			fr.add(or(tooSmall(f, d), Fail, Warn), d.Topic, "coexstream topics create --update", "max.message.bytes is %s, want %s", d.Have, d.Want)
		default:
			fr.add(Warn, d.Topic, "coexstream topics create --update, or correct the configuration", "%s is %s, want %s", d.What, d.Have, d.Want)
		}
	}
	if len(missing) > 0 {
		fr.add(Fail, some(missing), "coexstream topics create", "%d of %s missing", len(missing), numbered(f.Topics.Compared, "topic is", "topics are"))
	}
	fr.fine("prefix "+f.Config.Kafka.Prefix, "%s as the configuration has them", numbered(f.Topics.Compared, "topic is", "topics are"))
}

// judgeDesk judges the differences with which the log of the desk forgets former requests, or has no order.
func judgeDesk(d Difference, fr *finder) bool {
	switch d.What {
	case "partitions":
		fr.add(Fail, d.Topic, "Delete the topic if nothing was requested yet: the desk creates it again.", "%s partitions, want 1: the entries of the desk have no order", d.Have)
	case "cleanup.policy", "retention.ms", "retention.bytes":
		fr.add(Fail, d.Topic, "coexstream topics create --update", "%s is %s, want %s: the desk forgets former requests, and may repeat them", d.What, d.Have, d.Want)
	default:
		return false
	}
	return true
}

// tooSmall reports whether a raw topic cannot take a body of the size that the ingress lets in.
func tooSmall(f *Facts, d Difference) bool {
	n, err := strconv.ParseInt(d.Have, 10, 64)
	return err == nil && n < f.Config.Ingress.BodyBytesMax && strings.HasPrefix(d.Topic, f.Config.Kafka.Prefix+"raw.")
}

// or is one verdict where something holds, and another one where it does not.
func or(is bool, then, otherwise Status) Status {
	if is {
		return then
	}
	return otherwise
}

func judgeReplicas(f *Facts, fr *finder) {
	var offline, away, refused, under, single []string
	brokers, silent := len(f.Brokers), map[int32]bool{}
	for _, b := range f.Brokers {
		silent[b.ID] = b.Err != nil
	}
	for _, p := range f.Partitions {
		name := fmt.Sprintf("%s/%d", p.Topic, p.ID)
		switch {
		case p.Leader < 0:
			offline = append(offline, name)
		case silent[p.Leader]: // the metadata is old: no controller answers
			away = append(away, fmt.Sprintf("%s (broker %d)", name, p.Leader))
		case p.InSync < p.MinInSync:
			refused = append(refused, fmt.Sprintf("%s (%d in sync, min.insync.replicas %d)", name, p.InSync, p.MinInSync))
		case p.InSync < p.Replicas:
			under = append(under, fmt.Sprintf("%s (%d of %d)", name, p.InSync, p.Replicas))
		case p.Internal && p.Replicas == 1 && brokers > 1:
			single = append(single, name)
		}
	}
	if len(offline) > 0 {
		fr.add(Fail, some(offline), "Bring the brokers back that hold them.", "%s no leader: nothing is written or read", numbered(len(offline), "partition has", "partitions have"))
	}
	if len(away) > 0 {
		fr.add(Fail, some(away), "See the check brokers; when the cluster elects no other leaders in a minute, too few controllers are left.", "%s led by a broker that does not answer", numbered(len(away), "partition is", "partitions are"))
	}
	if len(refused) > 0 {
		fr.add(Fail, some(refused), "Bring the missing brokers back; look at their disks and logs.", "%s: writes are refused", numbered(len(refused), "partition has fewer replicas in sync than it needs", "partitions have fewer replicas in sync than they need"))
	}
	if len(under) > 0 {
		fr.add(Warn, some(under), "Bring the missing brokers back; with one more gone, writes stop.", "%s under-replicated", numbered(len(under), "partition is", "partitions are"))
	}
	if len(single) > 0 {
		fr.add(Warn, some(single), "Reassign replicas of the cluster's own topics (offsets.topic.replication.factor, transaction.state.log.replication.factor).", "%s of the cluster's own topics, each with one copy: offsets and transactions go with that broker", counted(len(single), "partition"))
	}
	fr.fine("", "%s a leader and all replicas in sync", numbered(len(f.Partitions), "partition has", "partitions have"))
}
