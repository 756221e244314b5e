package app

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/coexstream/coexstream/schemas/syncrequest"
)

var modelledNumberIn = regexp.MustCompile(`"(72\d{11,})"[^§]*?"(82\d{11,})"`)

// request adds requests of the desk for numbers of the log, some seconds away from all webhooks. It returns how many.
func (l *modelledLog) request() (n int) {
	var more []posted
	near := func(at time.Time) bool {
		return slices.ContainsFunc(slices.Concat(l.posts, more), func(p posted) bool { return p.at.Sub(at).Abs() < 3*modelledLag })
	}
	for _, post := range l.posts {
		ids := modelledNumberIn.FindStringSubmatch(post.body)
		if ids == nil || l.rng.IntN(6) > 0 {
			continue
		}
		at := post.at.Add(time.Duration(l.rng.IntN(7200)-3600) * time.Second)
		onboardedAt := int64(0)
		if l.rng.IntN(2) == 0 {
			onboardedAt = at.Add(-time.Duration(l.rng.IntN(20)) * time.Hour).UnixMilli()
		}
		states := []syncrequest.State{syncrequest.Intended, syncrequest.Accepted, syncrequest.Refused, syncrequest.Unknown, syncrequest.NotSent}
		for i, state := range []syncrequest.State{syncrequest.Intended, states[l.rng.IntN(len(states))]} {
			for at = at.Add(time.Duration(i*13) * time.Second); near(at); {
				at = at.Add(modelledLag)
			}
			r := syncrequest.Record{
				WABAID: ids[1], PhoneNumberID: ids[2], SyncType: []syncrequest.SyncType{syncrequest.History, syncrequest.Contacts}[l.rng.IntN(4)/3], State: state,
				Attempt: fmt.Sprint(n / 2), At: at.UnixMilli() - int64(l.rng.IntN(500)), OnboardedAt: onboardedAt, RequestedBy: "cli", Provider: "meta",
			}
			if state == syncrequest.Refused {
				r.Error = &syncrequest.Failure{Code: []int64{syncrequest.CodeRequested, syncrequest.CodeTooLate, 190}[l.rng.IntN(3)]}
			}
			more = append(more, posted{string(r.Append(nil)), at})
			n++
		}
	}
	l.posts = append(l.posts, more...)
	slices.SortStableFunc(l.posts, func(a, b posted) int { return cmp.Compare(a.at.UnixMilli(), b.at.UnixMilli()) })
	return n
}
