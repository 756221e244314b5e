package doctor

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// deadLettersFail is the number of dead letters from which they are a failure: no longer single bodies.
const deadLettersFail = 100

func judgeDeadLetters(f *Facts, fr *finder) {
	d := f.DeadLetters
	on := f.Config.Kafka.Prefix + "dlq"
	if f.Absent[on] {
		fr.add(Skip, on, "", "the topic is not there")
		return
	}
	open, within := d.Open+d.Parked, "in the last "+ageText(d.Within)
	if d.Stopped > 0 {
		within = fmt.Sprintf("among the first %d records of the last %s", d.Stopped, ageText(d.Within))
	}
	if open == 0 {
		fr.add(OK, on, "", "no open dead letter %s", within)
		return
	}
	reasons := slices.SortedFunc(maps.Keys(d.Reasons), func(a, b string) int {
		return cmp.Or(cmp.Compare(d.Reasons[b], d.Reasons[a]), cmp.Compare(a, b))
	})
	for i, r := range reasons {
		reasons[i] = fmt.Sprintf("%s %d", r, d.Reasons[r])
	}
	count := counted(d.Open, "open dead letter")
	if d.Parked > 0 {
		count += " and " + itoa(d.Parked) + " parked"
	}
	fr.add(or(open >= deadLettersFail, Fail, Warn), on, "coexstream dlq list; docs/operations.md, Dead letters, says what to do for each reason.",
		"%s %s: %s", count, within, some(reasons))
}
