package partition_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// keysOfState are the records of a kind that `state` has.
func (p *harness) keysOfState(kind string) (keys []string) {
	live := map[string]bool{}
	for _, r := range p.topics[schemas.TopicState] {
		if strings.HasPrefix(r.key, kind) {
			live[r.key] = r.value != nil
		}
	}
	for key, there := range live {
		if there {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// A change of a contact that came late, through another partition or behind a chunk of history, stays known after a restart:
// its next delivery undoes nothing.
func TestAContactThatCameLateIsKnownAfterRestarts(t *testing.T) {
	item := func(action, number, name, timestamp string) string {
		if name != "" {
			name = `"full_name":"` + name + `",`
		}
		if timestamp != "" {
			timestamp = `,"metadata":{"timestamp":"` + timestamp + `"}`
		}
		return envelope("smb_app_state_sync", value(`"state_sync":[{"type":"contact","contact":{`+name+`"phone_number":"`+number+`"},"action":"`+action+`"`+timestamp+`}]`))
	}
	const second, year2100 = "1739321024", "4102444800"
	const long, short = "5511955512345", "551155512345"
	for name, c := range map[string]struct {
		late, newer string
		want        string // full_name; empty: no row
	}{
		"an addition":           {item("add", user, "Old", second), item("add", user, "New", second), "New"},
		"removed since":         {item("add", user, "Old", second), item("remove", user, "", second), ""},
		"a removal":             {item("remove", user, "", second), item("add", user, "New", second), "New"},
		"without a timestamp":   {item("add", user, "Old", ""), item("add", user, "New", ""), "New"},
		"of the far future":     {item("add", user, "Old", year2100), item("add", user, "New", year2100), "New"},
		"in the other spelling": {item("add", long, "Old", second), item("remove", short, "", second), ""},
		"added in the other":    {item("remove", short, "", second), item("add", long, "New", second), "New"},
	} {
		for _, oneBatch := range []bool{false, true} {
			t.Run(fmt.Sprint(name, "/one batch=", oneBatch), func(t *testing.T) {
				p := newPartition(t)
				p.raw = []rawRecord{{[]byte(c.late), start}, {[]byte(c.newer), start.Add(time.Second)}}
				p.labels[0] = "raw.live/3/17#0.0"
				check := func(when string) {
					t.Helper()
					var names []string
					for _, row := range p.table() {
						names = append(names, row.FullName)
					}
					if got := strings.Join(names, ","); got != c.want {
						t.Fatalf("%s the table has %q, want %q", when, got, c.want)
					}
				}
				for _, i := range []int{1, 0} {
					p.feed(i)
					if !oneBatch {
						p.commit()
					}
				}
				p.commit()
				check("at first")
				for i, again := range []struct {
					body string
					d    time.Duration
				}{{c.late, 0}, {c.late, time.Minute}, {c.newer, time.Minute}, {c.late, 6 * 24 * time.Hour}} {
					p.restart()
					p.clock = start.Add(2 * time.Second).Add(again.d)
					p.webhook(again.body)
					check(fmt.Sprint("delivered again, ", i, ","))
				}
				p.tick(9 * 24 * time.Hour)
				p.commit()
				if keys := p.keysOfState("c|"); len(keys) != 0 {
					t.Errorf("after nine days state has %q", keys)
				}
			})
		}
	}
}
