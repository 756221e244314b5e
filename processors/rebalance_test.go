package processors_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/coexstream/coexstream/schemas"
)

// TestARebalanceBetweenTransactionsAbortsNone: a rebalance between two transactions rebuilds the state once. Otherwise
// the client would abort the next transaction, and the cores would be rebuilt again.
func TestARebalanceBetweenTransactionsAbortsNone(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	first := c.start(c.config("a"))
	n := 0
	everywhere := func() {
		for i := range 4 * partitions {
			n++
			c.put(schemas.TopicRawLive, strconv.Itoa(i), echo(strconv.Itoa(i), fmt.Sprintf("e%d", n)))
		}
		c.read(schemas.TopicEchoes, atLeast(n))
	}
	everywhere()
	for i := range 2 {
		other := c.start(c.config(fmt.Sprintf("b%d", i)))
		eventually(t, "both have partitions", func() bool {
			return first.value(t, "partitions") > 0 && other.value(t, "partitions") > 0 && first.value(t, "partitions")+other.value(t, "partitions") == partitions
		})
		everywhere()
		if aborted := other.value(t, "transactions_total", "aborted"); aborted > 0 {
			t.Errorf("%v transactions of the one that came were aborted", aborted)
		}
		other.stop()
		eventually(t, "the first one has all partitions", func() bool { return first.value(t, "partitions") == partitions })
		everywhere()
	}
	if n := first.value(t, "rebalances_total"); n < 2 {
		t.Errorf("%v rebalances were counted", n)
	}
	if aborted := first.value(t, "transactions_total", "aborted"); aborted > 0 {
		t.Errorf("%v transactions of the one that stayed were aborted", aborted)
	}
}
