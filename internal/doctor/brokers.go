package doctor

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

func judgeBrokers(f *Facts, fr *finder) {
	for _, b := range f.Bootstrap {
		if b.Err != nil {
			fr.add(or(f.reached(), Warn, Fail), b.Address, remedy(b.Err), "no answer: %s", oneLine(b.Err.Error()))
		}
	}
	controller := false
	var names, versions []string
	for _, b := range f.Brokers {
		on := fmt.Sprintf("broker %d at %s", b.ID, b.Address)
		switch {
		case b.Err != nil:
			fr.add(Fail, on, remedy(b.Err)+" The cluster told this address (advertised.listeners); it must be one that this machine can reach.", "no answer: %s", oneLine(b.Err.Error()))
		case len(b.Missing) > 0:
			fr.add(Fail, on, "Use Apache Kafka 2.5 or newer, or a service that speaks its protocol as far.", "version %s lacks %s", b.Version, strings.Join(b.Missing, ", "))
		}
		controller = controller || b.Controller
		names = append(names, strconv.Itoa(int(b.ID)))
		if len(versions) == 0 || versions[len(versions)-1] != b.Version {
			versions = append(versions, b.Version)
		}
	}
	if len(f.Brokers) == 0 {
		return
	}
	if !controller {
		fr.add(Fail, "controller", "Look at the controllers' logs: topics and leaders cannot change.", "the cluster has none")
	}
	fr.fine("brokers "+some(names), "all answer and accept the credentials; %s", versionsText(versions))
}

// versionsText leaves out guesses: brokers report the versions of requests, and not their own.
func versionsText(versions []string) string {
	versions = slices.DeleteFunc(slices.Clone(versions), func(v string) bool { return strings.Contains(v, " ") })
	if len(versions) == 0 {
		return "they have the requests that are needed"
	}
	return "Kafka " + strings.Join(versions, ", ")
}

// remedy returns the remedy for an error of a connection.
func remedy(err error) string {
	text := strings.ToLower(err.Error())
	for _, r := range []struct{ has, do string }{
		{"no such host", "Correct the name in kafka.brokers, or the DNS."},
		{"refused", "Start the broker, or correct the port in kafka.brokers."},
		{"sasl", "Correct kafka.sasl.*: mechanism, user and password, as the broker has them."},
		{"certificate", "Correct kafka.tls.*: the authority, the server's name, or this client's certificate."},
		{"tls", "Correct kafka.tls.enabled: one side speaks TLS and the other does not."},
		{"eof", "Correct kafka.tls.enabled and kafka.sasl.mechanism: the broker closed the connection at once."},
		{"deadline", "Look at firewalls and security groups between here and there."},
		{"timeout", "Look at firewalls and security groups between here and there."},
	} {
		if strings.Contains(text, r.has) {
			return r.do
		}
	}
	return "Look whether the broker runs, and at kafka.tls.* and kafka.sasl.*."
}

// judgeCluster compares the brokers' limits with the configuration.
func judgeCluster(f *Facts, fr *finder) {
	c := f.Config
	setting := func(name string, unit time.Duration) (time.Duration, bool) {
		n, err := strconv.ParseInt(f.Settings[name], 10, 64)
		if n > int64(math.MaxInt64/unit) { // a common spelling of no limit
			return math.MaxInt64, err == nil
		}
		return time.Duration(n) * unit, err == nil
	}
	ms := func(name string) (time.Duration, bool) { return setting(name, time.Millisecond) }
	if limit, ok := ms("transaction.max.timeout.ms"); ok && c.Processor.TransactionTimeout > limit {
		fr.add(Fail, "transaction.max.timeout.ms", "Lower processor.transaction_timeout or raise the brokers' limit.", "%s: less than processor.transaction_timeout (%s): processors cannot start", ageText(limit), ageText(c.Processor.TransactionTimeout))
	}
	if least, ok := ms("group.min.session.timeout.ms"); ok && c.Processor.SessionTimeout < least {
		fr.add(Fail, "group.min.session.timeout.ms", "Raise processor.session_timeout.", "%s: more than processor.session_timeout (%s): the group refuses processors", ageText(least), ageText(c.Processor.SessionTimeout))
	}
	if most, ok := ms("group.max.session.timeout.ms"); ok && c.Processor.SessionTimeout > most {
		fr.add(Fail, "group.max.session.timeout.ms", "Lower processor.session_timeout.", "%s: less than processor.session_timeout (%s): the group refuses processors", ageText(most), ageText(c.Processor.SessionTimeout))
	}
	if n, err := strconv.ParseInt(f.Settings["socket.request.max.bytes"], 10, 64); err == nil && n < c.Topics.MaxMessageBytes {
		fr.add(Fail, "socket.request.max.bytes", "Raise it on the brokers above topics.max_message_bytes.", "%s: less than topics.max_message_bytes (%s): brokers hang up on large webhooks", bytesText(n), bytesText(c.Topics.MaxMessageBytes))
	}
	if kept, ok := setting("offsets.retention.minutes", time.Minute); ok && kept < c.Topics.Raw.Retention {
		fr.add(Warn, "offsets.retention.minutes", "Raise it on the brokers to topics.raw.retention at least.",
			"%s: shorter than topics.raw.retention (%s): if all processors are away for longer, they begin at the oldest raw record. Events older than processor.dedup_window are then produced again", ageText(kept), ageText(c.Topics.Raw.Retention))
	}
	if f.Settings["unclean.leader.election.enable"] == "true" {
		fr.add(Warn, "unclean.leader.election.enable", "Set it to false: nothing that was answered with 200 may be lost.", "true: a broker that was behind may become leader, and acknowledged webhooks are gone")
	}
	if len(f.Settings) == 0 {
		fr.add(Skip, "", "", "the cluster does not show its configuration to this user")
	}
	fr.fine("", "%s the configuration", numbered(len(f.Settings), "limit fits", "limits fit"))
}
