package contacts_test

import (
	"fmt"
	"maps"
	"testing"

	"github.com/coexstream/coexstream/internal/testing/seed"
	"github.com/coexstream/coexstream/processors/contacts"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// book is a book and its topic, fed with items in the order of their arrival.
type book struct {
	t    *testing.T
	book *contacts.Book
	tp   *topic
	at   int64

	times map[*split.ContactItem]int64 // of the entries
}

func newBook(t *testing.T) *book {
	return &book{t: t, book: contacts.New(), tp: newTopic(), at: 1000, times: map[*split.ContactItem]int64{}}
}

// body delivers items in one webhook.
func (b *book) body(entryTime int64, items ...*split.ContactItem) (verdicts []contacts.Verdict) {
	b.t.Helper()
	b.at++
	for i, it := range items {
		b.times[it] = entryTime
		verdicts = append(verdicts, b.tp.apply(b.t, b.book, contacts.ChangeOf([]byte(number), it, it.Raw, entryTime, contacts.ArrivalOf(b.at, b.at, 0, 0, i))))
	}
	return verdicts
}

func (b *book) restart() { b.book = b.tp.restored(b.t, seed.Rand(b.t)) }

func (b *book) wants(want ...*split.ContactItem) {
	b.t.Helper()
	rows := table{}
	for _, it := range want {
		c := contacts.ChangeOf([]byte(number), it, it.Raw, b.times[it], contacts.Arrival{})
		rows[string(c.ID())] = c.Version.Digest
	}
	if !maps.Equal(b.tp.rows, rows) {
		b.t.Fatalf("the table is %v, want %v", b.tp.rows, rows)
	}
}

// docs/webhooks.md, Contacts: timestamps are of whole seconds, so that several changes are of one.
func TestLaterItemOfOneSecondWins(t *testing.T) {
	add, remove := item("add", phone, "", 1000, 0), item("remove", phone, "", 1000, 0)
	for _, restart := range []bool{false, true} {
		inArray, inLog := newBook(t), newBook(t)
		inArray.body(0, remove, add)
		inLog.body(0, remove)
		if restart {
			inLog.restart()
		}
		inLog.body(0, add)
		for _, b := range []*book{inArray, inLog} {
			b.wants(add)
			if restart {
				b.restart()
			}
			b.body(0, remove) // delivered again
			b.wants(add)
		}
		b := newBook(t)
		b.body(0, add, remove)
		b.wants()
		b.body(0, add, remove)
		b.wants()
	}
}

func TestItemsWithoutATimestampCountInTheOrderOfArrival(t *testing.T) {
	b := newBook(t)
	first, second := item("add", phone, "", 0, 0), item("add", phone, bsuid, 0, 0)
	b.body(7, first)
	b.body(8, second)
	b.wants(second)
	if v := b.body(7, first); v[0] != contacts.Duplicate {
		t.Fatalf("delivered again: %v", v)
	}
	b.times[first] = 0
	b.wants(second)
	// The same words of another time are another change.
	b.body(9, first)
	b.wants(first)

	// Without any time nothing tells a second remove from the first one, delivered again. A repetition undoes nothing.
	b = newBook(t)
	remove := item("remove", phone, "", 0, 0)
	b.body(0, remove)
	b.body(0, first)
	if v := b.body(0, remove); v[0] != contacts.Duplicate {
		t.Fatalf("a second remove without a time: %v", v)
	}
	b.wants(first)
}

func TestTimestampBeatsArrival(t *testing.T) {
	b := newBook(t)
	late := item("add", phone, "", 2000, 0)
	b.body(0, late)
	b.body(0, item("remove", phone, "", 1000, 0))
	b.body(0, item("remove", phone, "", 0, 0))
	b.wants(late)
}

// If a sender writes one contact three times in one array, the last one counts.
func TestLastItemOfAnArrayWinsThoughItsWordsAreThoseOfAnEarlierOne(t *testing.T) {
	add, remove := item("add", phone, "", 1000, 0), item("remove", phone, "", 1000, 0)
	pair, alone := item("add", phone, bsuid, 1000, 0), item("remove", phone, "", 1000, 1)
	b := newBook(t)
	b.body(0, add, remove, add)
	b.wants(add)
	b.restart()
	b.body(0, add, remove, add)
	b.wants(add)
	b = newBook(t)
	b.body(0, pair, item("remove", phone, "", 1000, 0), pair)
	b.wants(pair)
	b.body(0, alone)
	b.wants()
}

// A repetition is a duplicate after a restart, too, as long as it is one of the last 16 of its second that gave way.
func TestRedeliveryDoesNotUndoALaterItemOfItsSecond(t *testing.T) {
	b := newBook(t)
	var items []*split.ContactItem
	for i := range 40 {
		action := "add"
		if i%3 == 2 {
			action = "remove"
		}
		it := item(action, phone, "", 1000, 0)
		it.Raw = fmt.Appendf(nil, "%s %d", it.Raw, i)
		items = append(items, it)
		b.body(0, it)
		b.restart()
		for _, again := range items[max(0, i-16):] {
			if v := b.body(0, again); v[0] != contacts.Duplicate {
				t.Fatalf("%s, delivered again after %s: %v", again.Raw, it.Raw, v)
			}
		}
	}
	b.wants(items[len(items)-1])
}

// Records that were written before the header of arrival existed are restored, and give way to later ones.
func TestContactWithoutAnArrivalIsTheOldestOfItsSecond(t *testing.T) {
	b := newBook(t)
	old := item("remove", phone, "", 1000, 0)
	b.body(0, old)
	for _, r := range b.tp.records {
		delete(r.headers, schemas.HeaderContactArrival)
	}
	b.restart()
	add := item("add", phone, "", 1000, 0)
	b.body(0, add)
	b.wants(add)
	b.body(0, old)
	b.wants(add)
}

// The two spellings of a mobile number of Brazil, Mexico or Argentina are one contact.
func TestOtherSpellingOfANumberIsTheSameContact(t *testing.T) {
	for long, short := range map[string]string{"5511987654321": "551187654321", "5215512345678": "525512345678", "5491112345678": "541112345678"} {
		for _, spellings := range [][2]string{{long, short}, {short, long}} {
			one, two := spellings[0], spellings[1]
			for _, restart := range []bool{false, true} {
				step := func(b *book, items ...*split.ContactItem) {
					b.body(0, items...)
					if restart {
						b.restart()
					}
				}
				b := newBook(t)
				step(b, item("add", one, "", 1000, 0))
				step(b, item("remove", two, "", 2000, 0))
				b.wants() // a removal in the other spelling removes
				step(b, item("add", one, "", 1500, 0))
				b.wants() // and an older addition does not come in again

				b = newBook(t)
				first, second := item("add", one, "", 1000, 0), item("add", "+"+two, bsuid, 2000, 0)
				step(b, first)
				step(b, second)
				b.wants(second) // one row, under the newest spelling
				step(b, item("add", one, "", 1800, 0))
				b.wants(second)
				third := item("add", one, bsuid, 3000, 0)
				step(b, third)
				b.wants(third)
				step(b, item("remove", "", bsuid, 4000, 0))
				b.wants() // by its BSUID
			}
		}
	}
}

func TestContactIDsAreDigits(t *testing.T) {
	b := newBook(t)
	b.body(0, item("add", "+1 (650) 555-1234", "", 1000, 0))
	second := item("add", "16505551234", "", 2000, 0)
	b.body(0, second)
	b.wants(second)
}

func TestArrivalsAreInTheOrderOfTheRawLog(t *testing.T) {
	const ms, offset = 1739321024000, 1 << 41
	list := []contacts.Arrival{
		{}, contacts.ArrivalOf(1, 0, 0, 0, 0), contacts.ArrivalOf(ms, 5, 9, 9, 9), contacts.ArrivalOf(ms, offset, 0, 0, 0),
		contacts.ArrivalOf(ms, offset, 0, 0, 1), contacts.ArrivalOf(ms, offset, 0, 0, 200_000), contacts.ArrivalOf(ms, offset, 0, 1, 0),
		contacts.ArrivalOf(ms, offset, 0, split.ChangesMax-2, 0), contacts.ArrivalOf(ms, offset, 0, split.ChangesMax-1, 0),
		contacts.ArrivalOf(ms, offset, 1, 0, 0), contacts.ArrivalOf(ms, offset, 1000, 1000, 0),
		contacts.ArrivalOf(ms, offset, split.ChangesMax-2, 0, 0), contacts.ArrivalOf(ms, offset, split.ChangesMax-1, 0, 0), contacts.ArrivalOf(ms, offset+1, 0, 0, 0),
		contacts.ArrivalOf(ms+1, 0, 0, 0, 0), contacts.ArrivalOf(1<<50, 1<<50, 1<<20, 1<<20, 1<<40),
	}
	for i := range list {
		for j := range list {
			if got, want := list[i].Compare(list[j]), i-j; (got < 0) != (want < 0) || (got > 0) != (want > 0) {
				t.Errorf("%d and %d: %d", i, j, got)
			}
		}
	}
}

func TestChangesThatGaveWayAreForgottenWithTheirTime(t *testing.T) {
	want := newBook(t)
	want.body(0, item("add", phone, "", 2000, 0))
	b := newBook(t)
	b.body(0, item("add", phone, "", 1000, 0))
	b.body(0, item("remove", phone, "", 1000, 0))
	if b.book.Bytes() <= want.book.Bytes() {
		t.Fatal("a change that gave way costs nothing")
	}
	b.body(0, item("add", phone, "", 2000, 0))
	if got, want := b.book.Bytes(), want.book.Bytes(); got != want {
		t.Errorf("%d bytes after a change of another time, want %d", got, want)
	}
}
