package partition_test

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// contactsAfter is the table after bodies that are delivered one after the other, and then again.
func contactsAfter(t *testing.T, restarts bool, bodies ...string) map[string]schemas.ContactState {
	t.Helper()
	p := newPartition(t)
	deliver := func(b string) {
		p.webhook(b)
		p.clock = p.clock.Add(time.Second)
		if restarts {
			p.restart()
		}
	}
	for _, b := range bodies {
		deliver(b)
	}
	table := p.table()
	for _, b := range bodies {
		deliver(b)
	}
	if again := p.table(); !maps.EqualFunc(again, table, func(a, b schemas.ContactState) bool { return string(a.Original) == string(b.Original) }) {
		t.Errorf("delivered again, the table is %v instead of %v", again, table)
	}
	// A replay into the same topics changes nothing either, nor does one into others.
	written := len(p.topics[schemas.TopicContacts])
	for i := range bodies {
		p.again("r", i, p.clock)
		p.commit()
	}
	p.endOfAgain("r", p.clock)
	if got := len(p.topics[schemas.TopicContacts]); got != written {
		t.Errorf("a replay wrote %d records", got-written)
	}
	return table
}

func TestLaterChangeOfOneSecondIsTheContact(t *testing.T) {
	for _, restarts := range []bool{false, true} {
		table := contactsAfter(t, restarts, body("contacts-one-second"))
		if len(table) != 1 || table[phone+"/"+user].FirstName != "Pablo" {
			t.Errorf("contacts-one-second: the table is %v", table)
		}
		if table := contactsAfter(t, restarts, body("contacts-without-timestamp")); len(table) != 1 || table[phone+"/"+user].FirstName != "Paula" {
			t.Errorf("contacts-without-timestamp: the table is %v", table)
		}
		table = contactsAfter(t, restarts, body("contacts-other-spelling"))
		if len(table) != 1 || table[phone+"/525555551234"].FirstName != "Carla" {
			t.Errorf("contacts-other-spelling: the table is %v", table)
		}
		// In webhooks of their own, in the order of receipt.
		item := func(action, name string) string {
			return envelope("smb_app_state_sync", value(`"state_sync":[{"type":"contact","contact":{"full_name":"`+name+`","phone_number":"`+user+`"},"action":"`+action+`","metadata":{"timestamp":"1739321024"}}]`))
		}
		for last := range 4 {
			var bodies []string
			for i := range 4 {
				bodies = append(bodies, item([]string{"add", "remove"}[(i+last)%2], fmt.Sprint("Name ", i)))
			}
			table := contactsAfter(t, restarts, bodies...)
			if _, there := table[phone+"/"+user]; there != ((3+last)%2 == 0) || len(table) > 0 && table[phone+"/"+user].FullName != "Name 3" {
				t.Errorf("after %v the table is %v", bodies, table)
			}
		}
	}
}

// The order of arrival is the order of the webhooks' receipt, for any order of processing.
func TestContactThatOvertookAnotherGivesWayToIt(t *testing.T) {
	p := newPartition(t)
	item := func(name string) string {
		return envelope("smb_app_state_sync", value(`"state_sync":[{"type":"contact","contact":{"full_name":"`+name+`","phone_number":"`+user+`"},"action":"add","metadata":{"timestamp":"1739321024"}}]`))
	}
	p.raw = []rawRecord{{[]byte(item("Old")), start}, {[]byte(item("New")), start.Add(time.Second)}, {[]byte(item("Newest")), start.Add(time.Second)}}
	for _, i := range []int{1, 0, 2} {
		p.feed(i)
		p.commit()
		p.restart()
	}
	if got := p.table()[phone+"/"+user].FullName; got != "Newest" {
		t.Errorf("the contact is %q", got)
	}
}

// A change that was rerouted has the place in the body that the ingress wrote.
func TestReroutedContactsKeepTheirPlaceInTheOrder(t *testing.T) {
	for _, names := range [][2]string{{"first", "second"}, {"second", "first"}} {
		p := newPartition(t)
		for i, label := range []string{"raw.live/3/17#0.1", "raw.live/3/17#0.0"} {
			name := names[1-i]
			p.raw = append(p.raw, rawRecord{[]byte(envelope("smb_app_state_sync", value(`"state_sync":[{"type":"contact","contact":{"full_name":"`+name+`","phone_number":"`+user+`"},"action":"add","metadata":{"timestamp":"1739321024"}}]`))), start})
			p.labels[i] = label
			p.feed(i)
			p.commit()
		}
		if got := p.table()[phone+"/"+user].FullName; got != names[1] {
			t.Errorf("the contact is %q, want %q", got, names[1])
		}
	}
}

func TestContactsTableIsRightWhateverTheOrder(t *testing.T) {
	item := func(action, name string, ts string) string {
		names := ""
		if name != "" {
			names = `"full_name":"` + name + `","first_name":"` + name + `",`
		}
		return envelope("smb_app_state_sync", value(`"state_sync":[{"type":"contact","contact":{`+names+`"phone_number":"`+user+`"},"action":"`+action+`","metadata":{"timestamp":`+ts+`}}]`))
	}
	bodies := []string{item("add", "Old", `"1739321000"`), item("remove", "", `1739321010`), item("add", "New", `"1739321020000"`)}
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 2, 0}, {2, 0, 1}} {
		p := newPartition(t)
		for _, i := range order {
			p.webhook(bodies[i])
			p.restart()
		}
		table := p.table()
		if c := table[phone+"/"+user]; len(table) != 1 || c.FullName != "New" || c.TimestampMS != 1739321020000 {
			t.Errorf("order %v: table is %+v", order, table)
		}
	}
	p := newPartition(t)
	p.webhook(bodies[1])
	p.webhook(bodies[0])
	if len(p.table()) != 0 {
		t.Error("an older add brought a removed contact back")
	}
	tomb := p.topics[schemas.TopicContacts][0]
	if tomb.value != nil || tomb.headers[schemas.HeaderContactAction] != "remove" || tomb.headers[schemas.HeaderContactTimestamp] != "1739321010000" {
		t.Errorf("tombstone says %v", tomb.headers)
	}
}
