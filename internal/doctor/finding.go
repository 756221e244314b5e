// Package doctor judges a deployment: from facts that were gathered elsewhere (package probe) to findings,
// each with a remedy. It is pure: no requests, no clock, no changes. So every judgement is
// tested as a table of values.
//
// A finding never holds a secret, a token or the content of a message. It may name a phone_number_id.
package doctor

import (
	"fmt"
	"slices"
	"strings"
)

// Status is the verdict of a finding.
type Status uint8

// The verdicts, from good to bad. Skip is no verdict: something could not be looked at, and Found says why.
const (
	OK Status = iota
	Skip
	Warn // works today; look at it in the next days
	Fail // webhooks or events are lost, late or refused, or will be soon
)

var statusNames = [...]string{"ok", "skip", "warn", "fail"}

// String is the verdict in lower case.
func (s Status) String() string { return statusNames[s] }

// MarshalText is String.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Finding is one line of a report.
type Finding struct {
	Check  string `json:"check"`
	Status Status `json:"status"`
	Tried  string `json:"tried"`        // the examined objects
	On     string `json:"on"`           // a key, a file, a broker, a topic, a partition, a number
	Found  string `json:"found"`        //
	Do     string `json:"do,omitempty"` // of a warning or a failure
}

// Check is one thing that the doctor looks at.
type Check struct {
	Name  string
	What  string // short description
	Tries string // for Finding.Tried
	Kafka bool   // needs a broker that answers
	judge func(*Facts, *finder)
}

// Checks lists all checks, in the order of a report: dependencies first.
func Checks() []Check {
	return []Check{
		{"config", "the configuration is valid and its limits fit together", "read file, environment and flags", false, judgeConfig},
		{"secrets", "secrets are there, strong, and not readable by everybody", "looked at sources and at the modes of files", false, judgeSecrets},
		{"certificates", "certificates are readable and do not expire soon", "read the files", false, judgeCertificates},
		{"disk", "folders of this machine are writable and have room", "asked the file system", false, judgeDisks},
		{"spool", "the disk spool is empty, has room and is not damaged", "looked into its folders, and at the metrics of processes", false, judgeSpools},
		{"broker", "the embedded broker's data is whole", "read the files and the quarantine in its data folder", false, judgeBrokerData},
		{"processes", "processes are ready and run this configuration", "GET /readyz and /metrics", false, judgeProcesses},
		{"brokers", "brokers can be reached and accept the credentials", "connected to each address and asked for API versions", false, judgeBrokers},
		{"cluster", "the cluster's own limits fit", "described the brokers' configuration", true, judgeCluster},
		{"topics", "topics are as the configuration has them", "compared topics with the layout", true, judgeTopics},
		{"replicas", "partitions have a leader and enough replicas in sync", "metadata of all topics", true, judgeReplicas},
		{"group", "processors share all partitions", "described the consumer group", true, judgeGroup},
		{"lag", "raw records are processed in time", "compared committed offsets with starts, ends and ids of the inputs, and read the oldest record that waits", true, judgeLag},
		{"state", "the processors' state is there", "compared the ends of state with its ends at the last commits", true, judgeState},
		{"reading", "all partitions can be read", "read the first and the last batch of every partition", true, judgeReading},
		{"transactions", "no transaction holds readers back", "asked for the transaction coordinator, described transactions, compared last stable offsets with high watermarks", true, judgeTransactions},
		{"dlq", "nothing goes to dlq", "read the headers of recent dead letters", true, judgeDeadLetters},
		{"syncs", "history syncs are whole", "read syncs", true, judgeSyncs},
		{"sinks", "sinks follow the topics", "looked at the metrics of processes", false, judgeSinks},
		{"clock", "clocks agree", "compared this machine's clock with processes, newest records and open transactions", false, judgeClocks},
	}
}

// Names are the names of all checks.
func Names() []string {
	var names []string
	for _, c := range Checks() {
		names = append(names, c.Name)
	}
	return names
}

// Judge turns facts into the findings of the checks named, in the order of Checks. Facts that are missing
// give a Skip.
func Judge(f *Facts, names []string) Report {
	var r Report
	for _, c := range Checks() {
		if !slices.Contains(names, c.Name) {
			continue
		}
		fr := &finder{check: c}
		switch why := f.missing(&c); {
		case why != "":
			fr.add(Skip, "", "", "%s", why)
		case f.Failed[c.Name] != nil:
			fr.add(Fail, "", remedyOf(f.Failed[c.Name]), "%s", oneLine(f.Failed[c.Name].Error()))
		default:
			c.judge(f, fr)
		}
		r.Findings = append(r.Findings, fr.findings...)
	}
	for _, fd := range r.Findings {
		r.Counts.count(fd.Status)
	}
	return r
}

// remedyOf returns the remedy for facts that could not be gathered.
func remedyOf(err error) string {
	if strings.Contains(strings.ToUpper(err.Error()), "AUTHORIZATION") {
		return "Give this user the rights DESCRIBE, DESCRIBE_CONFIGS and READ on the cluster, its topics, groups and transactional ids."
	}
	return "Look at the checks brokers and replicas, and run the doctor again."
}

// missing says why a check cannot be judged, or nothing.
func (f *Facts) missing(c *Check) string {
	if f.Config == nil && c.Name != "config" {
		return "the configuration is not valid"
	}
	if c.Kafka && !f.reached() {
		return "no broker answers"
	}
	return ""
}

// Report is the outcome.
type Report struct {
	Findings []Finding `json:"findings"`
	Counts   Counts    `json:"counts"`
}

// Counts are the findings by verdict.
type Counts struct {
	OK   int `json:"ok"`
	Skip int `json:"skip"`
	Warn int `json:"warn"`
	Fail int `json:"fail"`
}

func (c *Counts) count(s Status) {
	switch s {
	case OK:
		c.OK++
	case Skip:
		c.Skip++
	case Warn:
		c.Warn++
	case Fail:
		c.Fail++
	}
}

// finder collects the findings of one check.
type finder struct {
	check    Check
	findings []Finding
}

func (fr *finder) add(s Status, on, do, found string, args ...any) {
	fr.findings = append(fr.findings, Finding{
		Check: fr.check.Name, Status: s, Tried: fr.check.Tries, On: on, Found: fmt.Sprintf(found, args...), Do: do,
	})
}

// fine adds an OK when nothing else was found.
func (fr *finder) fine(on, found string, args ...any) {
	for _, fd := range fr.findings {
		if fd.Status != Skip {
			return
		}
	}
	fr.add(OK, on, "", found, args...)
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// some names the first few of a list, and how many there are beside them.
func some(list []string) string {
	const most = 5
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
}
