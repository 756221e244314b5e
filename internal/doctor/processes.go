package doctor

import (
	"strings"
	"time"
)

// waitingWarn is how long a business may wait for its turn.
const waitingWarn = 5 * time.Minute

// numbersWarn is half of the limit of a business.
const numbersWarn = 2048

// sourceNumbersWarn is half of the limit of a source in a partition.
const sourceNumbersWarn = 24576

// damagedBatch is the answer to a batch that readers wait for.
const damagedBatch = "With up: restart it, which moves the batch to quarantine. With Apache Kafka: let an intact replica lead (docs/operations.md, A batch of a log is damaged)."

func judgeProcesses(f *Facts, fr *finder) {
	for _, p := range f.Processes {
		switch {
		case p.Err != nil && !p.Asked:
			fr.add(Skip, p.URL, "", "nobody answers here; name other instances with --admin URL")
		case p.Err != nil:
			fr.add(Fail, p.URL, "Look whether the process runs, and at admin.listen.", "does not answer: %s", oneLine(p.Err.Error()))
		case p.Damaged > 0:
			fr.add(Fail, p.URL, damagedBatch, "%s: %s", numbered(p.Damaged, "batch of a log is damaged", "batches of logs are damaged"), p.Reason)
		case p.Blocked > 0:
			fr.add(Fail, p.URL, "Run the version that wrote the record, or set it aside (docs/operations.md, A record of the state cannot be read).", "%s not served: %s", numbered(p.Blocked, "partition is", "partitions are"), p.Reason)
		case !p.Ready && strings.Contains(p.Reason, "no commit makes progress"):
			fr.add(Fail, p.URL, "See docs/operations.md, A processor makes no progress.", "not ready: %s", p.Reason)
		case !p.Ready:
			fr.add(Fail, p.URL, "Look for the part that is named in docs/operations.md and in the log of the process.", "not ready: %s", p.Reason)
		case p.ConfigHash != "" && p.OwnHash != "" && p.ConfigHash != p.OwnHash:
			fr.add(Warn, p.URL, "Restart it, or run the doctor with the configuration of that process.", "ready, but runs with another configuration (%s) than this one (%s)", p.ConfigHash, p.OwnHash)
		case p.Largest > numbersWarn:
			fr.add(Warn, p.URL, "Look for what invents phone_number_ids: docs/operations.md, One business has very many numbers.", "ready, but the business %s (a hash of its WABA) has %d numbers; webhooks of numbers beyond 4096 go to dlq", p.Business, p.Largest)
		case p.OfSource > sourceNumbersWarn:
			fr.add(Warn, p.URL, "Look for what invents businesses: docs/operations.md, One source has very many numbers.", "ready, but the source %q has %d numbers in one partition; webhooks of numbers beyond 49152 go to dlq", p.Source, p.OfSource)
		case len(p.Trouble) > 0:
			fr.add(Warn, p.URL, "Webhooks are still taken. Look at the checks brokers, replicas, spool and sinks.", "ready, but %s", strings.Join(p.Trouble, "; "))
		case p.Waiting.Oldest > waitingWarn:
			fr.add(Warn, p.URL, "The log of the process names the business by a hash (business_sha256). See docs/operations.md, A business waits its turn.",
				"ready, but %d live webhooks of %d businesses that send more than their share wait for a turn, the oldest for %s", p.Waiting.Records, p.Waiting.Businesses, ageText(p.Waiting.Oldest))
		default:
			fr.add(OK, p.URL, "", "ready")
		}
	}
	if len(f.Processes) == 0 {
		fr.add(Skip, "admin.listen", "", "is empty; name instances with --admin URL")
	}
}
