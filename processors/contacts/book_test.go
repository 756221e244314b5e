package contacts_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/processors/contacts"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

const (
	phone = "16505551234"
	bsuid = "US.13491208655302741918"
)

func item(action, phone, user string, timestampMS, version int64) *split.ContactItem {
	raw := fmt.Sprintf("%s %s %s %d %d", action, phone, user, timestampMS, version)
	return &split.ContactItem{
		Raw: []byte(raw), Action: []byte(action), PhoneNumber: []byte(phone), UserID: []byte(user),
		TimestampMS: timestampMS, Version: version,
	}
}

func applied(t *testing.T, b *contacts.Book, it *split.ContactItem, want contacts.Verdict) []contacts.Effect {
	t.Helper()
	effects, verdict := b.Apply(nil, contacts.ChangeOf([]byte(number), it, it.Raw, 0, contacts.Arrival{}))
	if verdict != want {
		t.Fatalf("%s: %v, want %v", it.Raw, verdict, want)
	}
	return effects
}

func wrote(t *testing.T, effects []contacts.Effect, want string) {
	t.Helper()
	var got []string
	for _, e := range effects {
		got = append(got, e.Action.String()+" "+string(e.ID))
	}
	if s := strings.Join(got, ", "); s != want {
		t.Fatalf("wrote %q, want %q", s, want)
	}
}

// docs/webhooks.md, Contacts: `add` means added or edited; `remove` carries no names.
func TestAddAddsOrEditsAndRemoveLeavesATombstoneThatSaysWhatAndWhen(t *testing.T) {
	b := contacts.New()
	wrote(t, applied(t, b, item("add", phone, "", 1000, 0), contacts.Applied), "add "+phone)
	wrote(t, applied(t, b, item("add", phone, "", 2000, 0), contacts.Applied), "add "+phone)
	effects := applied(t, b, item("remove", phone, "", 3000, 7), contacts.Applied)
	wrote(t, effects, "remove "+phone)
	headers := map[string]string{}
	effects[0].AppendHeaders(nil, func(name string, value []byte) { headers[name] = string(value) })
	for name, want := range map[string]string{
		schemas.HeaderContactAction: "remove", schemas.HeaderContactPhone: phone,
		schemas.HeaderContactTimestamp: "3000", schemas.HeaderContactVersion: "7",
	} {
		if headers[name] != want {
			t.Errorf("header %s is %q, want %q", name, headers[name], want)
		}
	}
	wrote(t, applied(t, b, item("add", phone, "", 2500, 0), contacts.Stale), "")
}

// A removal of a contact that was never added is written too: after a restart an older add must not come in.
func TestRemoveOfAnUnknownContactIsRemembered(t *testing.T) {
	b := contacts.New()
	wrote(t, applied(t, b, item("remove", phone, "", 3000, 0), contacts.Applied), "remove "+phone)
	wrote(t, applied(t, b, item("add", phone, "", 2000, 0), contacts.Stale), "")
}

// docs/webhooks.md, Contacts: `metadata.version` is sometimes there.
func TestVersionDecidesAmongEqualTimestamps(t *testing.T) {
	b := contacts.New()
	applied(t, b, item("add", phone, "", 1000, 2), contacts.Applied)
	wrote(t, applied(t, b, item("remove", phone, "", 1000, 1), contacts.Stale), "")
	wrote(t, applied(t, b, item("remove", phone, "", 1000, 3), contacts.Applied), "remove "+phone)
	wrote(t, applied(t, b, item("add", phone, "", 999, 9), contacts.Stale), "")
}

// docs/webhooks.md, Delivery: duplicates are normal.
func TestSameItemAgainIsADuplicate(t *testing.T) {
	b := contacts.New()
	it := item("add", phone, bsuid, 1000, 0)
	applied(t, b, it, contacts.Applied)
	wrote(t, applied(t, b, it, contacts.Duplicate), "")
}

// docs/webhooks.md, Echoes and messages: the phone number may be empty or absent. Never key on it alone.
func TestContactWithoutPhoneNumberIsKeyedByItsBSUID(t *testing.T) {
	b := contacts.New()
	wrote(t, applied(t, b, item("add", "", bsuid, 1000, 0), contacts.Applied), "add "+bsuid)
	wrote(t, applied(t, b, item("add", phone, bsuid, 2000, 0), contacts.Applied), "add "+phone+", merge "+bsuid)
	wrote(t, applied(t, b, item("remove", "", bsuid, 3000, 0), contacts.Applied), "remove "+bsuid+", merge "+phone)
}

// docs/webhooks.md, Echoes and messages: or the BSUID stand in `from`.
func TestBSUIDInPlaceOfThePhoneNumberIsABSUID(t *testing.T) {
	for _, id := range []string{"US.13491208655302741918", "US.ENT.11815799212886844830", "us.1"} {
		c := contacts.ChangeOf([]byte(number), item("add", id, "", 1000, 0), nil, 0, contacts.Arrival{})
		if len(c.Phone) != 0 || string(c.User) != id {
			t.Errorf("%s: phone %q, user %q", id, c.Phone, c.User)
		}
	}
	if c := contacts.ChangeOf([]byte(number), item("add", bsuid, bsuid, 1000, 0), nil, 0, contacts.Arrival{}); len(c.Phone) != 0 || string(c.User) != bsuid {
		t.Errorf("phone %q, user %q", c.Phone, c.User)
	}
	if c := contacts.ChangeOf([]byte(number), item("add", phone, bsuid, 1000, 0), nil, 0, contacts.Arrival{}); string(c.Phone) != phone || string(c.User) != bsuid {
		t.Errorf("phone %q, user %q", c.Phone, c.User)
	}
}

func TestItemThatNamesNobodyIsToldSo(t *testing.T) {
	wrote(t, applied(t, contacts.New(), item("add", "", "", 1000, 0), contacts.Nobody), "")
}

func TestNumbersDoNotShareContacts(t *testing.T) {
	b := contacts.New()
	for _, n := range []string{"1", "2"} {
		if _, verdict := b.Apply(nil, contacts.ChangeOf([]byte(n), item("add", phone, "", 1000, 0), nil, 0, contacts.Arrival{})); verdict != contacts.Applied {
			t.Fatalf("number %s: %v", n, verdict)
		}
	}
}

func TestRecordThatSaysTooLittleIsNotRestored(t *testing.T) {
	good := map[string]string{
		schemas.HeaderContactTimestamp: "1000", schemas.HeaderContactVersion: "0",
		schemas.HeaderContactDigest: "00000000000000ff", schemas.HeaderContactPhone: phone,
	}
	restore := func(key string, override map[string]string) error {
		return contacts.New().Restore([]byte(key), func(name string) []byte {
			if v, ok := override[name]; ok {
				return []byte(v)
			}
			return []byte(good[name])
		}, false)
	}
	for _, fine := range []map[string]string{nil, {schemas.HeaderContactArrival: "1739321024000/17/0/3/12", schemas.HeaderContactTied: "00000000000000ff,00000000000000fe"}} {
		if err := restore(number+"/"+phone, fine); err != nil {
			t.Fatal(err)
		}
	}
	for _, bad := range []struct {
		key, header, value string
	}{
		{key: phone}, {key: "/" + phone}, {key: number + "/"}, {key: number + "/16505550000"},
		{key: number + "/" + phone, header: schemas.HeaderContactTimestamp},
		{key: number + "/" + phone, header: schemas.HeaderContactVersion, value: "one"},
		{key: number + "/" + phone, header: schemas.HeaderContactDigest, value: "ff"},
		{key: number + "/" + phone, header: schemas.HeaderContactDigest, value: "00000000000000ff00"},
		{key: number + "/" + phone, header: schemas.HeaderContactPhone},
		{key: number + "/" + phone, header: schemas.HeaderContactArrival, value: "1/2/3/4"},
		{key: number + "/" + phone, header: schemas.HeaderContactArrival, value: "1/2/3/4/"},
		{key: number + "/" + phone, header: schemas.HeaderContactArrival, value: "1/2/3/4/5/6"},
		{key: number + "/" + phone, header: schemas.HeaderContactArrival, value: "now"},
		{key: number + "/" + phone, header: schemas.HeaderContactTied, value: "00000000000000ff,"},
		{key: number + "/" + phone, header: schemas.HeaderContactTied, value: "00000000000000ff 00000000000000fe"},
	} {
		if restore(bad.key, map[string]string{bad.header: bad.value}) == nil {
			t.Errorf("restored: %+v", bad)
		}
	}
}

func TestKnownContactAllocatesNothing(t *testing.T) {
	b := contacts.New()
	c := contacts.ChangeOf([]byte(number), item("add", phone, bsuid, 1000, 0), nil, 0, contacts.Arrival{})
	effects, _ := b.Apply(make([]contacts.Effect, 0, 4), c)
	at := int64(1)
	if n := testing.AllocsPerRun(100, func() {
		at++
		c.Version.Arrival = contacts.ArrivalOf(at, at, 0, 0, 0)
		c.Version.TimestampMS++
		effects, _ = b.Apply(effects[:0], c)
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
	if len(effects) != 1 || effects[0].Action != contacts.Put {
		t.Fatalf("%+v", effects)
	}
}

// A million contacts fit in memory: at most 80 bytes for a contact with a phone number, 210 for one that
// has a BSUID beside it.
func TestContactCostsLittleMemory(t *testing.T) {
	const n = 500_000
	for _, test := range []struct {
		name     string
		user     bool
		bytesMax float64
	}{{"phone number", false, 80}, {"phone number and BSUID", true, 210}} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		b := contacts.New()
		var effects []contacts.Effect
		for i := range n {
			c := contacts.Change{Number: []byte(number), Phone: fmt.Appendf(nil, "1650%07d", i), Version: contacts.Version{TimestampMS: int64(i), Digest: 1}}
			if test.user {
				c.User = fmt.Appendf(nil, "US.1349120865530%07d", i)
			}
			effects, _ = b.Apply(effects[:0], c)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		per := float64(after.HeapAlloc-before.HeapAlloc) / n
		t.Logf("%s: %.0f bytes a contact; Bytes() says %.0f", test.name, per, float64(b.Bytes())/n)
		if per > test.bytesMax {
			t.Errorf("%s: %.0f bytes a contact, want at most %.0f", test.name, per, test.bytesMax)
		}
		if b.Len() == 0 {
			t.Fatal("empty")
		}
	}
}

func BenchmarkApply(b *testing.B) {
	for _, user := range []bool{false, true} {
		b.Run(fmt.Sprintf("linked=%v", user), func(b *testing.B) {
			const n = 200_000
			changes := make([]contacts.Change, n)
			for i := range changes {
				changes[i] = contacts.Change{Number: []byte(number), Phone: fmt.Appendf(nil, "1650%07d", i)}
				if user {
					changes[i].User = fmt.Appendf(nil, "US.1349120865530%07d", i)
				}
			}
			book := contacts.New()
			var effects []contacts.Effect
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				c := &changes[i%n]
				c.Version.TimestampMS++
				c.Version.Digest++
				effects, _ = book.Apply(effects[:0], *c)
			}
		})
	}
}

// heap is what lives.
func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// Bytes includes everything that the Book remembers: ids, links, changes of an id alone, changes that gave way, late
// ones.
func TestBytesAreThoseOfAllThatIsRemembered(t *testing.T) {
	const n = 20_000
	b := contacts.New()
	id := func(format string, i int) []byte { return fmt.Appendf(nil, format, i) }
	var effects []contacts.Effect
	version := func(ms int64, digest uint64, arrival int64) contacts.Version {
		return contacts.Version{TimestampMS: ms, Digest: digest, Arrival: contacts.ArrivalOf(ms, arrival, 0, 0, 0)}
	}
	apply := func(i int, user bool, v contacts.Version) {
		c := contacts.Change{Number: []byte(number), Phone: id("1650%07d", i), Version: v}
		if user {
			c.User = id("US.1349120865530%07d", i)
		}
		effects, _ = b.Apply(effects[:0], c)
	}
	for _, stage := range []struct {
		name        string
		change      func(i int)
		least, most float64 // Bytes for each byte of the heap
	}{
		{"ids", func(i int) { apply(i, false, version(1000, 1, 10)) }, 0.8, 1.2},
		{"links, and what was named alone", func(i int) { apply(i, true, version(2000, 2, 10)) }, 0.7, 1.3},
		{"what gave way", func(i int) {
			for digest := range uint64(4) {
				apply(i, true, version(2000, 3+digest, 11+int64(digest)))
			}
		}, 0.5, 1.3},
		{"late changes", func(i int) { apply(i, true, version(2000, 9, 5)) }, 0.3, 1.3},
	} {
		heapBefore, before := heap(), b.Bytes()
		for i := range n {
			stage.change(i)
		}
		b.TakeState(func(string, []byte) {})
		real, said := heap()-heapBefore, b.Bytes()-before
		t.Logf("%s: %d bytes each; Bytes says %d", stage.name, real/n, said/n)
		if ratio := float64(said) / float64(real); ratio < stage.least || ratio > stage.most {
			t.Errorf("%s: %d bytes each, and Bytes says %d", stage.name, real/n, said/n)
		}
	}
	runtime.KeepAlive(effects)
}

// A header that says nothing is not there.
func TestARecordHasTheHeadersThatSayAnything(t *testing.T) {
	always := []string{schemas.HeaderContactAction, schemas.HeaderContactTimestamp, schemas.HeaderContactVersion, schemas.HeaderContactDigest}
	b := contacts.New()
	for _, test := range []struct {
		phone, user string
		at          int64
		arrival     contacts.Arrival
		more        []string
	}{
		{phone, "", 1000, contacts.Arrival{}, []string{schemas.HeaderContactPhone}},
		{"", bsuid, 1000, contacts.Arrival{}, []string{schemas.HeaderContactUserID}},
		{phone, bsuid, 2000, contacts.ArrivalOf(1, 1, 0, 0, 0), []string{schemas.HeaderContactArrival, schemas.HeaderContactPhone, schemas.HeaderContactUserID}},
		{phone, "", 2000, contacts.ArrivalOf(2, 2, 0, 0, 0), []string{schemas.HeaderContactArrival, schemas.HeaderContactTied, schemas.HeaderContactPhone, schemas.HeaderContactLinked}},
	} {
		it := item("add", test.phone, test.user, test.at, 0)
		effects, verdict := b.Apply(nil, contacts.ChangeOf([]byte(number), it, it.Raw, 0, test.arrival))
		if verdict != contacts.Applied {
			t.Fatalf("%+v: %v", test, verdict)
		}
		var names []string
		effects[0].AppendHeaders(nil, func(name string, value []byte) {
			if names = append(names, name); len(value) == 0 {
				t.Errorf("%s is empty", name)
			}
		})
		if want := append(slices.Clone(always), test.more...); !slices.Equal(names, want) {
			t.Errorf("%s %s: headers %q, want %q", test.phone, test.user, names, want)
		}
	}
}

// An id is remembered as one contact with 64 others. The next ones stay apart.
func TestSoManyIDsAreOneContactAsAreRemembered(t *testing.T) {
	b := contacts.New()
	user := func(i int) string { return fmt.Sprintf("US.%d", i) }
	for i := 1; i <= 65; i++ {
		applied(t, b, item("add", phone, user(i), int64(i)*10, 0), contacts.Applied)
	}
	applied(t, b, item("add", "", user(64), 10_000, 0), contacts.Applied)
	applied(t, b, item("add", "", user(65), 10_001, 0), contacts.Applied)
	wrote(t, applied(t, b, item("add", phone, "", 20_000, 0), contacts.Applied), "add "+phone+", merge "+user(64))
}
