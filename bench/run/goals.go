package main

import (
	"fmt"
	"slices"

	"github.com/coexstream/coexstream/bench/compare"
)

// goals are the goals of the project: ratios of one run on two cores. The name of a goal has its variable conditions,
// such as the backlog: figures of two sizes are never compared.
func (o *options) goals() []compare.Goal {
	return []compare.Goal{
		{What: "ingress, 1 KB, of bare fasthttp", Match: "ingress", Metric: rateMetric.Key, Of: subjectName, To: bareName, Bound: compare.AtLeast, Want: 0.65},
		{What: "ingress, 1 KB, of net/http + franz-go", Match: "ingress", Metric: rateMetric.Key, Of: subjectName, To: franzGoName, Bound: compare.AtLeast, Want: 2},
		{What: "ingress, 1 KB, of the kafka-go Writer", Match: "ingress", Metric: rateMetric.Key, Of: subjectName, To: kafkaGoName, Bound: compare.AtLeast, Want: 10},
		{What: "server CPU a request, of bare fasthttp + HMAC", Match: "ingress", Metric: cpuMetric.Key, Of: subjectName, To: bareSignedName, Bound: compare.AtMost, Want: 1.5},
		{What: "ingress on a core of its own, 1 KB, of bare fasthttp", Match: "core", Metric: rateMetric.Key, Of: subjectName, To: bareName, Bound: compare.AtLeast, Want: 0.65},
		{What: "ingress on a core of its own, 1 KB, of net/http + franz-go", Match: "core", Metric: rateMetric.Key, Of: subjectName, To: franzGoName, Bound: compare.AtLeast, Want: 2},
		{What: "server CPU a request on a core of its own, of bare fasthttp + HMAC", Match: "core", Metric: cpuMetric.Key, Of: subjectName, To: bareSignedName, Bound: compare.AtMost, Want: 1.5},
		{What: "acknowledgement p99 at 4,000 req/s, of the broker's own", Match: "acknowledgement", Metric: p99Metric.Key, Of: subjectName, To: produceName, Bound: compare.AtMost, Want: 4},
		{What: "ingress, 1 MB, per core, of the same without publish", Match: "bulk", Metric: perCoreMetric.Key, Of: subjectName, To: unpublishedName, Bound: compare.AtLeast, Want: 0.8},
		{What: "ingress memory, 256 connections of 3 MB, of bytes in flight", Match: "memory", Metric: memoryMetric.Key, Of: subjectName, Bound: compare.AtMost, Want: 2},
		{What: "split, a core", Match: "split", Metric: splitRateMetric.Key, Of: subjectName, Bound: compare.AtLeast, Want: 500, Unit: "MB/s"},
		{What: "split, allocations a message", Match: "split", Metric: splitAllocsMetric.Key, Of: subjectName, Bound: compare.AtMost, Want: 0},
		{What: "split, of encoding/json", Match: "split", Metric: splitRateMetric.Key, Of: subjectName, To: encodingJSONName, Bound: compare.AtLeast, Want: 8},
		{What: "processor, raw history to ordered events", Match: "processor", Metric: messagesMetric.Key, Of: subjectName, Bound: compare.AtLeast, Want: 250_000, Unit: "messages/s"},
		{What: "processor, of the Kafka Streams topology", Match: "streams", Metric: messagesMetric.Key, Of: subjectName, To: streamsName, Bound: compare.AtLeast, Want: 3},
		{What: "processor memory, 10 million messages against 1 million", Match: "growth", Metric: rssMetric.Key, Of: manyName, To: fewName, Bound: compare.AtMost, Want: 1.1},
		{What: "an open window, text", Match: "window", Metric: windowMetric.Key, Of: textName, Bound: compare.AtMost, Want: 16, Unit: "bytes a message"},
		{What: "an open window, 8 % media placeholders, which are remembered beside it", Match: "window", Metric: windowMetric.Key, Of: mediaName, Bound: compare.AtMost, Want: 16, Unit: "bytes a message"},
		{What: "throughput, 10,000 businesses against 1,000", Match: "scale", Metric: messagesMetric.Key, Of: manyName, To: fewName, Bound: compare.AtLeast, Want: 0.9},
		{What: "two processors against one", Match: "team", Metric: messagesMetric.Key, Of: twoName, To: oneName, Bound: compare.AtLeast, Want: 1.8},
		// With cores enough, two that need as little as this for a message do 1.8 of what one does.
		{What: "two processors against one, CPU of a message", Match: "team", Metric: cpuMessageMetric.Key, Of: twoName, To: oneName, Bound: compare.AtMost, Want: 1.11},
		{What: "live echo end to end, idle, Apache Kafka, p50", Match: "endtoend", Metric: p50Metric.Key, Of: onKafkaName, Bound: compare.AtMost, Want: 30, Unit: "ms"},
		{What: "live echo end to end, idle, Apache Kafka, p99", Match: "endtoend", Metric: p99Metric.Key, Of: onKafkaName, Bound: compare.AtMost, Want: 150, Unit: "ms"},
		{What: fmt.Sprintf("live echo beside a backlog of %s, of idle, p99", size(o.backlogBytes)), Match: "isolation", Metric: p99Metric.Key, Of: backlogName, To: idleName, Bound: compare.AtMost, Want: 2},
		{What: "live echo beside another business's bodies of 10,000 messages, of idle, p99", Match: "tenant", Metric: p99Metric.Key, Of: longName, To: idleName, Bound: compare.AtMost, Want: 2},
		{What: "live echo beside another business's thousands of bodies a second, of idle, p99", Match: "tenant", Metric: p99Metric.Key, Of: manyBodies, To: idleName, Bound: compare.AtMost, Want: 2},
		{What: "live echo beside another business's bodies with 1,000 contacts, of idle, p99", Match: "tenant", Metric: p99Metric.Key, Of: crowdedName, To: idleName, Bound: compare.AtMost, Want: 2},
		{What: "PostgreSQL, all tables, of COPY into a bare table", Match: "postgres", Metric: messagesMetric.Key, Of: subjectName, To: copyName, Bound: compare.AtLeast, Want: 0.6},
		{What: "PostgreSQL, all tables, of an upsert each, 2,000 a transaction", Match: "postgres", Metric: messagesMetric.Key, Of: subjectName, To: rowsName, Bound: compare.AtLeast, Want: 8},
		{What: "PostgreSQL, all tables, of the same tables row by row, 2,000 a transaction", Match: "postgres", Metric: messagesMetric.Key, Of: subjectName, To: allName, Bound: compare.AtLeast, Want: 8},
		{What: "PostgreSQL, all tables, of Kafka Connect with Debezium's JDBC sink", Match: "postgres", Metric: messagesMetric.Key, Of: subjectName, To: connectName, Bound: compare.AtLeast, Want: 3},
		{What: fmt.Sprintf("live echo readable in PostgreSQL while %s messages are loaded, of idle, p99", count(o.importMessages)), Match: "tables", Metric: p99Metric.Key, Of: importName, To: idleName, Bound: compare.AtMost, Want: 4},
		{What: "restart with 1 million contacts and 1,000 open syncs", Match: "restart", Metric: readyMetric.Key, Of: subjectName, Bound: compare.AtMost, Want: 10, Unit: "s"},
	}
}

// size is a number of bytes as a name has it.
func size(bytes int64) string {
	if bytes >= 1000*megabyte {
		return fmt.Sprintf("%.3g GB", float64(bytes)/(1000*megabyte))
	}
	return fmt.Sprintf("%d MB", bytes/megabyte)
}

// goalsSelected are the goals of the matches that were asked for.
func (o *options) goalsSelected() []compare.Goal {
	if len(o.builds) > 0 {
		return nil // the matches between builds have none
	}
	return slices.DeleteFunc(o.goals(), func(g compare.Goal) bool { return g.Match != "" && !slices.Contains(o.selected(), g.Match) })
}
