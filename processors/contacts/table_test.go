package contacts_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/coexstream/coexstream/internal/testing/seed"
	"github.com/coexstream/coexstream/processors/contacts"
	"github.com/coexstream/coexstream/processors/identity"
)

const number = "106540352242922"

// table is what a consumer of the compacted topic has: for each key the change whose content is its row.
type table map[string]uint64

// ideal is the table by the rules of the package comment, from all changes at once and naively.
func ideal(changes []contacts.Change) table {
	t := table{}
	for _, c := range changes {
		if c.Remove || slices.ContainsFunc(changes, func(d contacts.Change) bool {
			if d.Version.Compare(c.Version) <= 0 {
				return false
			}
			if same(c.Phone, d.Phone) || same(c.User, d.User) {
				return true
			}
			return alone(c) && alone(d) && slices.ContainsFunc(changes, func(l contacts.Change) bool {
				return !alone(l) && names(l, c.ID()) && names(l, d.ID())
			})
		}) {
			continue
		}
		t[string(c.ID())] = c.Version.Digest
	}
	return t
}

func same(a, b []byte) bool {
	return len(a) > 0 && (bytes.Equal(a, b) || identity.SamePhone(a, b))
}
func alone(c contacts.Change) bool            { return len(c.Phone) == 0 || len(c.User) == 0 }
func names(c contacts.Change, id []byte) bool { return same(c.Phone, id) || same(c.User, id) }
func (t table) without(o table) (missing table) {
	missing = table{}
	for k, v := range t {
		if w, ok := o[k]; !ok || w != v {
			missing[k] = v
		}
	}
	return missing
}

// topic is the compacted `contacts` topic: the newest record of each key, and the table that a consumer
// has who applied them all.
type topic struct {
	rows    table
	records map[string]record
	state   map[string][]byte // what the rows do not tell
}

type record struct {
	headers   map[string][]byte
	tombstone bool
}

func newTopic() *topic {
	return &topic{rows: table{}, records: map[string]record{}, state: map[string][]byte{}}
}

// apply feeds a change to the book and writes the resulting records to the topic.
func (tp *topic) apply(t *testing.T, b *contacts.Book, c contacts.Change) contacts.Verdict {
	t.Helper()
	effects, verdict := b.Apply(nil, c)
	for i, e := range effects {
		r := record{headers: map[string][]byte{}, tombstone: e.Tombstone()}
		e.AppendHeaders(nil, func(name string, value []byte) { r.headers[name] = value })
		tp.records[string(e.ID)] = r
		if e.Action != contacts.Put {
			delete(tp.rows, string(e.ID))
			continue
		}
		if i != 0 || !bytes.Equal(e.ID, c.ID()) || e.Version != c.Version || verdict != contacts.Applied {
			t.Fatalf("%v: %+v of %+v: only the change itself has content to write", verdict, e, c)
		}
		tp.rows[string(e.ID)] = c.Version.Digest
	}
	b.TakeState(func(key string, value []byte) {
		if value == nil {
			delete(tp.state, key)
		} else {
			tp.state[key] = value
		}
	})
	return verdict
}

// restored is a book rebuilt from the topic, its keys in any order.
func (tp *topic) restored(t *testing.T, r *rand.Rand) *contacts.Book {
	t.Helper()
	b := contacts.New()
	keys := slices.Sorted(maps.Keys(tp.records))
	r.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	for key, value := range tp.state {
		if err := b.RestoreLate(key, value); err != nil {
			t.Fatal(err)
		}
	}
	for _, k := range keys {
		rec := tp.records[k]
		if err := b.Restore([]byte(number+"/"+k), func(name string) []byte { return rec.headers[name] }, rec.tombstone); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// changes draws changes over few ids, times and versions, so that they collide. Where stable, every BSUID
// has one phone number and the other way round.
func changes(r *rand.Rand, n int, stable bool) []contacts.Change {
	list := make([]contacts.Change, n)
	arrivals := r.Perm(n)
	times, numbers := 1+r.Int64N(4), 1+r.Int64N(2) // of one time are few or all,
	if n > 16 {
		times, numbers = 4, 2 // but no more than are remembered
	}
	for i := range list {
		phone := r.IntN(2)
		user := r.IntN(2)
		if stable {
			user = phone
		}
		c := contacts.Change{
			Number: []byte(number), Remove: r.IntN(4) == 0,
			Version: contacts.Version{
				TimestampMS: 1739321024000 + 1000*r.Int64N(times), Number: r.Int64N(numbers), Digest: uint64(i+1) * 0x9e3779b97f4a7c15,
				Arrival: contacts.ArrivalOf(1739321030000, int64(100+arrivals[i]), 0, 0, 0),
			},
		}
		kind := r.IntN(3)
		if kind != 1 {
			c.Phone = fmt.Appendf(nil, "1650555000%d", phone)
			if phone == 1 {
				c.Phone = []byte([...]string{"5511987654321", "551187654321"}[r.IntN(2)])
			}
		}
		if kind != 0 {
			c.User = fmt.Appendf(nil, "US.1349120865530274191%d", user)
		}
		list[i] = c
	}
	return list
}

func describe(changes []contacts.Change) string {
	var b bytes.Buffer
	for _, c := range changes {
		fmt.Fprintf(&b, "\n  phone=%s user=%s remove=%v %+v", c.Phone, c.User, c.Remove, c.Version)
	}
	return b.String()
}

func permutations(n int, yield func([]int)) {
	p := make([]int, n)
	for i := range p {
		p[i] = i
	}
	var rec func(int)
	rec = func(k int) {
		if k == n {
			yield(p)
			return
		}
		for i := k; i < n; i++ {
			p[k], p[i] = p[i], p[k]
			rec(k + 1)
			p[k], p[i] = p[i], p[k]
		}
	}
	rec(0)
}

// The compacted topic is the right table at any time, for any order of arrival. docs/webhooks.md, Contacts: one large
// webhook usually, several unordered ones for big accounts.
func TestTableIsRightAfterEveryChangeInEveryOrder(t *testing.T) {
	r := seed.Rand(t)
	for range 60 {
		list := changes(r, 1+r.IntN(6), r.IntN(2) == 0)
		permutations(len(list), func(order []int) {
			b, tp := contacts.New(), newTopic()
			var arrived []contacts.Change
			for _, i := range order {
				arrived = append(arrived, list[i])
				verdict := tp.apply(t, b, list[i])
				if want := ideal(arrived); !maps.Equal(tp.rows, want) {
					t.Fatalf("%v, table %v, want %v, after%s", verdict, tp.rows, want, describe(arrived))
				}
			}
		})
	}
}

func TestLongRunsKeepTheTableRight(t *testing.T) {
	r := seed.Rand(t)
	for range 400 {
		list := changes(r, 40, r.IntN(2) == 0)
		b, tp := contacts.New(), newTopic()
		for i, c := range list {
			tp.apply(t, b, c)
			if again := list[r.IntN(i+1)]; r.IntN(3) == 0 { // docs/webhooks.md, Delivery: duplicates are normal
				again.Version.Arrival = contacts.ArrivalOf(1739321040000, int64(i), 0, 0, 0) // later than all
				if effects, verdict := b.Apply(nil, again); len(effects) != 0 || verdict == contacts.Applied {
					t.Fatalf("%v with %+v of a change that was seen before: %+v", verdict, effects, again)
				}
			}
			if want := ideal(list[:i+1]); !maps.Equal(tp.rows, want) {
				t.Fatalf("table %v, want %v, after%s", tp.rows, want, describe(list[:i+1]))
			}
		}
	}
}

// A contact that is known by its phone number and by its BSUID has one row.
func TestLinkedContactHasOneRow(t *testing.T) {
	r := seed.Rand(t)
	for range 500 {
		list := changes(r, 1+r.IntN(8), true)
		b, tp := contacts.New(), newTopic()
		linked := map[string]string{}
		for _, c := range list {
			tp.apply(t, b, c)
			if !alone(c) {
				linked[string(c.Phone)] = string(c.User)
			}
			for phone, user := range linked {
				_, p := tp.rows[phone]
				_, u := tp.rows[user]
				if p && u {
					t.Fatalf("rows under %s and %s after%s", phone, user, describe(list))
				}
			}
		}
	}
}

// docs/ARCHITECTURE.md, principle 3: the partition of an output topic serves as the changelog of the state it mirrors.
func TestRestoredFromTheTopicTheTableStaysRight(t *testing.T) {
	r := seed.Rand(t)
	for range 1500 {
		list := changes(r, 12, true)
		b, tp := contacts.New(), newTopic()
		for i, c := range list {
			tp.apply(t, b, c)
			if r.IntN(3) == 0 {
				b = tp.restored(t, r)
			}
			if want := ideal(list[:i+1]); !maps.Equal(tp.rows, want) {
				t.Fatalf("table %v, want %v, after%s", tp.rows, want, describe(list[:i+1]))
			}
		}
	}
}

// After a restart, the former ids of others are unknown. This can leave a row too many, never one too few.
func TestRestartNeverLosesARow(t *testing.T) {
	r := seed.Rand(t)
	for range 1500 {
		list := changes(r, 12, false)
		b, tp := contacts.New(), newTopic()
		for i, c := range list {
			tp.apply(t, b, c)
			if r.IntN(3) == 0 {
				b = tp.restored(t, r)
			}
			if missing := ideal(list[:i+1]).without(tp.rows); len(missing) != 0 {
				t.Fatalf("table %v lacks %v after%s", tp.rows, missing, describe(list[:i+1]))
			}
		}
	}
}

// A repetition after restarts, of a change that shares its time with others, never undoes a later change. This holds
// for changes in order and for late ones, which another partition forwarded.
func TestRedeliveriesAfterRestartsUndoNothing(t *testing.T) {
	r := seed.Rand(t)
	for range 3000 {
		list := changes(r, 12, true)
		if r.IntN(2) == 0 {
			slices.SortFunc(list, func(c, d contacts.Change) int { return c.Version.Arrival.Compare(d.Version.Arrival) })
		}
		b, tp := contacts.New(), newTopic()
		for i, c := range list {
			tp.apply(t, b, c)
			if r.IntN(2) == 0 {
				b = tp.restored(t, r)
			}
			again := list[r.IntN(i+1)]
			again.Version.Arrival = contacts.ArrivalOf(1739321030000, int64(1000+i), 0, 0, 0)
			tp.apply(t, b, again)
			if want := ideal(list[:i+1]); !maps.Equal(tp.rows, want) {
				t.Fatalf("table %v, want %v, after%s\nand again%s", tp.rows, want, describe(list[:i+1]), describe([]contacts.Change{again}))
			}
		}
	}
}
