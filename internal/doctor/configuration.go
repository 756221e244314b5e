package doctor

import (
	"strings"
	"time"

	"github.com/coexstream/coexstream/internal/config"
)

// senderPatience is how long Meta and its partners wait for an answer.
const senderPatience = 5 * time.Second

const correct = "Correct the value; `coexstream config keys` explains every key."

func judgeConfig(f *Facts, fr *finder) {
	if f.Config == nil {
		for _, problem := range problemsOf(f.ConfigErr) {
			fr.add(Fail, "", correct, "%s", problem)
		}
		return
	}
	for _, problem := range problemsOf(f.ConfigErr) {
		fr.add(Fail, "", correct, "%s", problem)
	}
	for _, r := range limitRules {
		if found := r.found(f.Config); found != "" {
			fr.add(r.status, r.key, r.do, "%s", found)
		}
	}
	fr.fine("", "valid, and the limits fit together")
}

// problemsOf lists the problems that an error of the configuration has, one a line.
func problemsOf(err error) []string {
	var list []string
	for line := range strings.Lines(errText(err)) {
		if line = oneLine(line); line != "" && line != config.ErrInvalid.Error()+":" {
			list = append(list, line)
		}
	}
	return list
}

// limitRule is a pair of limits that are each valid and together are not wise.
type limitRule struct {
	key    string
	status Status
	do     string
	found  func(*config.Config) string
}

var limitRules = []limitRule{
	{"desk.url", Warn, "Use https (admin.tls), or run the command beside the desk.", func(c *config.Config) string {
		if config.PlainBeyondLoopback(c.Desk.URL) {
			return "http to another machine: the token of the client is sent in plain text"
		}
		return ""
	}},
	{"ingress.ack_timeout", Warn, "Set it below 5s.", func(c *config.Config) string {
		return less(senderPatience, c.Ingress.AckTimeout, true, "%[2]s: senders give up after %[1]s and come again, and never see the answer")
	}},
	{"shutdown_timeout", Warn, "Raise shutdown_timeout, and the orchestrator's grace period with it.", func(c *config.Config) string {
		return less(c.ShutdownTimeout, c.Ingress.DrainDelay+c.Ingress.AckTimeout, false, "%s: shorter than ingress.drain_delay and ingress.ack_timeout together (%s): a stop cuts off requests in flight")
	}},
	{"processor.rebalance_timeout", Warn, "Set it above processor.transaction_timeout.", func(c *config.Config) string {
		return less(c.Processor.RebalanceTimeout, c.Processor.TransactionTimeout, false, "%s: shorter than processor.transaction_timeout (%s): a member that finishes a long transaction is thrown out of the group")
	}},
	{"topics.raw.retention", Fail, "Raise topics.raw.retention, then `coexstream topics create --update`.", func(c *config.Config) string {
		return less(c.Topics.Raw.Retention, c.Processor.History.GapTimeout, true, "%s: not longer than processor.history.gap_timeout (%s): a history chunk that waits for an earlier one is deleted before it leaves")
	}},
	{"topics.rerouted.retention", Fail, "Raise topics.rerouted.retention, then `coexstream topics create --update`.", func(c *config.Config) string {
		return less(c.Topics.Rerouted.Retention, c.Processor.History.GapTimeout, true, "%s: not longer than processor.history.gap_timeout (%s): a history chunk that waits for an earlier one is deleted before it leaves")
	}},
	{"topics.raw.retention", Warn, "Raise topics.raw.retention, then `coexstream topics create --update`.", func(c *config.Config) string {
		return less(c.Topics.Raw.Retention, c.Processor.History.Ceiling, false, "%s: shorter than processor.history.ceiling (%s): a long history sync cannot be replayed from its beginning")
	}},
	{"processor.dedup_window", Warn, "Lower processor.dedup_window or raise topics.raw.retention.", func(c *config.Config) string {
		return less(c.Topics.Raw.Retention, c.Processor.DedupWindow, false, "%[2]s: longer than topics.raw.retention (%[1]s): it outlives what it would be rebuilt from")
	}},
	{"ingress.spool.age_max", Warn, "Keep ingress.spool.age_max at half of processor.dedup_window at most.", func(c *config.Config) string {
		if !c.Ingress.Spool.Enabled {
			return ""
		}
		return less(c.Processor.DedupWindow, 2*c.Ingress.Spool.AgeMax, false, "its double is %[2]s, longer than processor.dedup_window (%[1]s): webhooks that are handed over late, and were in Kafka already, may give their events twice")
	}},
	{"ingress.spool.after", Warn, "Lower ingress.spool.after.", func(c *config.Config) string {
		if !c.Ingress.Spool.Enabled {
			return ""
		}
		return less(c.Ingress.AckTimeout, 2*c.Ingress.Spool.After, false, "its double is %[2]s, longer than ingress.ack_timeout (%[1]s): the disk has too little time left")
	}},
	{"processor.media.hold", Warn, "Raise topics.raw.retention or lower processor.media.hold.", func(c *config.Config) string {
		return less(c.Topics.Raw.Retention, c.Processor.Media.Hold, true, "%[2]s: not shorter than topics.raw.retention (%[1]s)")
	}},
	{"processor.body_bytes_max", Fail, "Raise processor.body_bytes_max to at least ingress.decoded_bytes_max.", func(c *config.Config) string {
		if limit := max(c.Ingress.BodyBytesMax, c.Ingress.DecodedBytesMax); c.Processor.BodyBytesMax < limit {
			return bytesText(c.Processor.BodyBytesMax) + ": less than the ingress lets in (" + bytesText(limit) + "): such bodies go to dlq"
		}
		return ""
	}},
	{"kafka.min_insync_replicas", Warn, "Use 3 copies and kafka.min_insync_replicas 2.", func(c *config.Config) string {
		if c.Kafka.ReplicationFactor > 1 && c.Kafka.MinInsyncReplicas == 1 {
			return "1 of " + itoa(c.Kafka.ReplicationFactor) + " copies: a broker that is lost takes acknowledged webhooks with it"
		}
		if c.Kafka.ReplicationFactor > 1 && c.Kafka.MinInsyncReplicas == c.Kafka.ReplicationFactor {
			return itoa(c.Kafka.MinInsyncReplicas) + " of as many copies: writes stop as soon as one broker is away"
		}
		return ""
	}},
}

// less says something when a is less than b, or equal where that is too little as well.
func less(a, b time.Duration, orEqual bool, format string) string {
	if a < b || orEqual && a == b {
		return sprintf(format, config.FormatDuration(a), config.FormatDuration(b))
	}
	return ""
}
