package rawtest

import (
	"bytes"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/ingress/raw"
)

// Numbered makes records of one sender, with values as CheckSequences reads them.
func Numbered(sender, from, n, bytes int) []*raw.Record {
	rs := make([]*raw.Record, 0, n)
	for i := range n {
		rs = append(rs, Record(fmt.Sprint(sender), fmt.Sprintf("%d/%d ", sender, from+i)+strings.Repeat("y", bytes)))
	}
	return rs
}

// numberedValue reads the value "publisher/number" of a record.
func numberedValue(t *testing.T, value []byte) (id, who string, n int) {
	t.Helper()
	first, _, _ := bytes.Cut(value, []byte(" "))
	who, number, ok := strings.Cut(string(first), "/")
	n, err := strconv.Atoi(number)
	if !ok || err != nil {
		t.Fatalf("%.60q is there, which nobody sent", value)
	}
	return string(first), who, n
}

// CheckKept checks the promise of a publisher about the values "publisher/number" in the log: all acknowledged values are
// there, and none of them is there for the first time behind a later value of its publisher.
//
// It ignores the positions of copies, and expired values. A request without an answer is sent again on another
// connection. The broker may handle the first request after the second, and after later ones: only the sequence numbers
// of an idempotent producer would prevent that. The processor handles such a copy as a webhook that was delivered twice.
// It does not change a body in segments (ADR 0013).
func CheckKept(t *testing.T, brokers []string, acknowledged map[string]bool) {
	t.Helper()
	log := valuesIn(t, brokers)
	checkNothingLost(t, log, acknowledged)
	for at, values := range log {
		checkFirsts(t, at, values, acknowledged)
	}
}

// CheckSequences is CheckKept for runs in which every request has an answer. All values in the log count, and the last
// copy of a value is before later values, too.
func CheckSequences(t *testing.T, brokers []string, acknowledged map[string]bool) {
	t.Helper()
	log := valuesIn(t, brokers)
	checkNothingLost(t, log, acknowledged)
	for at, values := range log {
		checkFirsts(t, at, values, nil)
		CheckLasts(t, at, values, nil)
	}
}

// valuesIn returns the values in the log, by partition.
func valuesIn(t *testing.T, brokers []string) map[string][][]byte {
	t.Helper()
	all := map[string][][]byte{}
	for topic, log := range Contents(t, brokers) {
		for i, records := range log {
			at := fmt.Sprintf("%s/%d", topic, i)
			for _, r := range records {
				all[at] = append(all[at], r.Value)
			}
		}
	}
	return all
}

func checkNothingLost(t *testing.T, log map[string][][]byte, acknowledged map[string]bool) {
	t.Helper()
	found, records, lost := map[string]bool{}, 0, 0
	for _, values := range log {
		records += len(values)
		for _, v := range values {
			id, _, _ := numberedValue(t, v)
			found[id] = true
		}
	}
	for id := range acknowledged {
		if !found[id] {
			lost++
			t.Logf("lost: %s", id)
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d acknowledged records are lost", lost, len(acknowledged))
	}
	t.Logf("%d records, %d duplicates", len(found), records-len(found))
}

// checkFirsts checks that the first copies of each publisher's values are in order. counting are the values to check; nil:
// all.
func checkFirsts(t *testing.T, where string, values [][]byte, counting map[string]bool) {
	t.Helper()
	checkRising(t, where+", for the first time", onceEach(t, slices.All(values), counting))
}

// CheckLasts is checkFirsts for the last copies.
func CheckLasts(t *testing.T, where string, values [][]byte, counting map[string]bool) {
	t.Helper()
	lasts := onceEach(t, slices.Backward(values), counting)
	slices.Reverse(lasts)
	checkRising(t, where+", for the last time", lasts)
}

// onceEach returns the first copy of each value that counts.
func onceEach(t *testing.T, values iter.Seq2[int, []byte], counting map[string]bool) [][]byte {
	t.Helper()
	seen := map[string]bool{}
	var once [][]byte
	for _, value := range values {
		if id, _, _ := numberedValue(t, value); !seen[id] && (counting == nil || counting[id]) {
			seen[id] = true
			once = append(once, value)
		}
	}
	return once
}

func checkRising(t *testing.T, where string, values [][]byte) {
	t.Helper()
	most := map[string]int{}
	for _, value := range values {
		id, who, n := numberedValue(t, value)
		if before, ok := most[who]; ok && n < before {
			t.Errorf("%s: %s came after %d", where, id, before)
		}
		most[who] = max(n, most[who])
	}
}
