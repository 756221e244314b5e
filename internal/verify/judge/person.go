package judge

import (
	"cmp"
	"fmt"

	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/schemas"
)

// contact is an event's contact.
type contact struct {
	WaID         string `json:"wa_id"`
	UserID       string `json:"user_id"`
	ParentUserID string `json:"parent_user_id"`
	Username     string `json:"username"`
	CountryCode  string `json:"country_code"`
	ProfileName  string `json:"profile_name"`
}

// people interns persons: a chat has thousands of messages.
type people struct {
	index map[truth.Person]uint32
	list  []truth.Person
}

func (p *people) init() {
	p.index, p.list = map[truth.Person]uint32{{}: 0}, []truth.Person{{}}
}

func (p *people) of(v truth.Person) uint32 {
	if i, ok := p.index[v]; ok {
		return i
	}
	i := uint32(len(p.list))
	p.list = append(p.list, v)
	p.index[v] = i
	return i
}

// threadOf is the chat with a person: the group, else the number in digits, else the user id.
func threadOf(p *truth.Person) string {
	return cmp.Or(p.Group, digitsOf(p.Thread), digitsOf(p.Phone), p.User, p.Parent)
}

// contactOf is what an event has to say of a person.
func contactOf(p *truth.Person) contact {
	return contact{digitsOf(p.Phone), p.User, p.Parent, p.Username, p.Country, p.Name}
}

// person compares who is on the other side: all of it, and no more.
func (d *differences) person(e *event, want *truth.Person) {
	got := cmp.Or(e.Contact, &contact{})
	if w := contactOf(want); *got != w {
		*d = append(*d, fmt.Sprintf("contact is %+v instead of %+v", *got, w))
	}
	d.text("group_id", e.GroupID, want.Group)
	switch {
	case want.Profiles.IsZero():
		if len(e.Profiles) > 0 {
			*d = append(*d, "profiles are there, and nobody told of any")
		}
	default:
		d.digest("profiles", truth.Sum(e.Profiles), want.Profiles)
	}
}

// direction compares with the truth's letter.
func (d *differences) direction(got string, want byte) {
	switch want {
	case truth.In[0]:
		d.text("direction", got, schemas.DirectionInbound)
	case truth.Out[0]:
		d.text("direction", got, schemas.DirectionOutbound)
	case truth.Unknown[0]:
		d.text("direction", got, schemas.DirectionUnknown)
	case truth.OutOrUnknown[0]:
		if got != schemas.DirectionUnknown {
			d.text("direction", got, schemas.DirectionOutbound)
		}
	}
}
