package media

import (
	"fmt"
	"testing"
	"time"
)

// Parts that no asset continues go first, then the oldest. Those that downloads write to stay, and do not count.
func TestPartsThatNobodyNeedsMakeRoomFirst(t *testing.T) {
	at := func(seconds int64) time.Time { return time.Unix(seconds, 0) }
	all := []part{{"running", 900, at(1)}, {"old", 30, at(2)}, {"new", 30, at(5)}, {"orphan", 30, at(9)}, {"older orphan", 30, at(8)}}
	uses := map[string]usage{"running": written, "old": waiting, "new": waiting}
	for bytesMax, want := range map[int64]string{120: "", 119: "older orphan ", 60: "older orphan orphan ", 59: "older orphan orphan old ", 0: "older orphan orphan old new "} {
		got := ""
		for _, p := range surplus(all, bytesMax, func(name string) usage { return uses[name] }) {
			got += fmt.Sprint(p.name, " ")
		}
		if got != want {
			t.Errorf("with %d bytes: %q, want %q", bytesMax, got, want)
		}
	}
}
