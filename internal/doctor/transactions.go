package doctor

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// abortGrace is how long after its timeout a coordinator may take to abort a transaction: it looks every 10
// seconds.
const abortGrace = 30 * time.Second

func judgeTransactions(f *Facts, fr *finder) {
	t := &f.Transactions
	if t.CoordinatorErr != nil {
		fr.add(Fail, "transactional id "+t.CoordinatorID, "Look at the partitions of __transaction_state (check replicas): without a coordinator processors cannot commit.", "no transaction coordinator: %s", oneLine(t.CoordinatorErr.Error()))
	}
	holders := map[string]*Transaction{} // by topic/partition
	old := map[string]bool{}
	for i := range t.Open {
		x := &t.Open[i]
		for topic, ps := range x.Topics {
			for _, p := range ps {
				holders[fmt.Sprintf("%s/%d", topic, p)] = x
			}
		}
		age := f.Now.Sub(x.Started)
		found := sprintf("%s for %s (its timeout is %s)", x.State, ageText(age), ageText(x.Timeout))
		on := "transactional id " + x.ID
		switch {
		case age > x.Timeout+abortGrace:
			old[x.ID] = true
			fr.add(Fail, on, "Look at the coordinator's log; abort it with Kafka's kafka-transactions.sh --bootstrap-server ... abort.", "%s: the coordinator should have ended it; readers wait", found)
		case age > x.Timeout/2 && age > time.Second:
			old[x.ID] = true
			fr.add(Warn, on, "Look at the processor of that name: it is slow, paused or gone. The brokers abort the transaction at its timeout.", "%s", found)
		}
	}
	// Records behind a transaction in progress are no finding.
	hanging := map[string][]string{}
	for _, b := range t.Blocked {
		at := fmt.Sprintf("%s/%d", b.Topic, b.Partition)
		held := fmt.Sprintf("%s (%s)", at, counted(int(b.End-b.Stable), "offset"))
		x := holders[at]
		switch {
		case x != nil && old[x.ID]:
			hanging[x.ID] = append(hanging[x.ID], held)
		case x == nil && len(b.Unknown) > 0:
			hanging[""] = append(hanging[""], fmt.Sprintf("%s, producer id %s", held, strings.Trim(fmt.Sprint(b.Unknown), "[]")))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(hanging)) {
		if id == "" {
			fr.add(Fail, some(hanging[id]), "Find it with Kafka's kafka-transactions.sh find-hanging, and abort it with its topic, partition and start offset.", "a transaction that no coordinator knows holds read_committed consumers back")
			continue
		}
		fr.add(Warn, some(hanging[id]), "See above.", "read_committed consumers wait for %s", id)
	}
	fr.fine("", "a coordinator answers; %s open, none for long", numbered(len(t.Open), "transaction is", "transactions are"))
}
