package doctor

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// deadLettersFail is how many dead letters in the time looked at are no longer single bodies.
const deadLettersFail = 100

func judgeDeadLetters(f *Facts, fr *finder) {
	d := f.DeadLetters
	on := f.Config.Kafka.Prefix + "dlq"
	if f.Absent[on] {
		fr.add(Skip, on, "", "the topic is not there")
		return
	}
	if d.Count == 0 {
		fr.add(OK, on, "", "no dead letter in the last %s", ageText(d.Within))
		return
	}
	reasons := slices.SortedFunc(maps.Keys(d.Reasons), func(a, b string) int {
		return cmp.Or(cmp.Compare(d.Reasons[b], d.Reasons[a]), cmp.Compare(a, b))
	})
	for i, r := range reasons {
		reasons[i] = fmt.Sprintf("%s %d", r, d.Reasons[r])
	}
	count := itoa(d.Count)
	if d.More {
		count = "more than " + count
	}
	fr.add(or(d.Count >= deadLettersFail, Fail, Warn), on, "coexstream dlq list; docs/operations.md, Dead letters, says what to do for each reason.",
		"%s dead letters in the last %s: %s", count, ageText(d.Within), some(reasons))
}
