package world

import (
	"strconv"
	"strings"

	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/schemas"
)

// oddPart stands in an array in place of a message, a status or a contact, and is none.
type oddPart struct {
	text   string
	reason schemas.Reason
}

var oddParts = [...]oddPart{
	{"{\"from\":\"16505550100\",\"id\":\"wamid.ODD\",\"type\":\"text\",\"text\":{\"body\":\"cut \xf0\x9f\x91\"}}", schemas.ReasonJSONUTF8},
	{`{"from":"16505550100","id":"wamid.ODD","id":"wamid.ODDER","type":"text"}`, schemas.ReasonJSONDuplicate},
	{`{"id":"wamid.ODD","type":"x","x":{"a":1,"b":[],"\u0061":2}}`, schemas.ReasonJSONDuplicate},
	{`{"id":"wamid.ODD","type":"x","x":` + nested + `}`, schemas.ReasonJSONTooDeep},
	{`null`, schemas.ReasonShape},
	{`["wamid.ODD"]`, schemas.ReasonShape},
	{`"wamid.ODD"`, schemas.ReasonShape},
	{"{\"contact\":{\"full_name\":\"\xed\xa0\xbd\"},\"action\":\"add\"}", schemas.ReasonJSONUTF8},
}

// nested is deeper than anybody has to read.
var nested = strings.Repeat("[", 400) + strings.Repeat("]", 400)

// oddChanges are changes of which nothing can be used, as far as the number.
var oddChanges = [...]string{
	`{"field":"history","value":{"history":"x","metadata":{"phone_number_id":"`,
	`{"field":"messages","value":{"messages":{"id":"wamid.ODD"},"metadata":{"phone_number_id":"`,
	`{"field":"smb_app_state_sync","value":{"state_sync":true,"metadata":{"phone_number_id":"`,
}

// oddOf is the part of a number that odd drew when the world was planned; nil for 0.
func oddOf(k int8) *oddPart {
	if k == 0 {
		return nil
	}
	return &oddParts[int(k-1)%len(oddParts)]
}

// odd draws one of the parts, with a chance of p; 0: none.
func (d *dice) odd(p float64) int8 {
	if d.chance(p) {
		return int8(1 + d.n(len(oddParts)))
	}
	return 0
}

// append appends the part and notes its place within its change.
func (o *oddPart) append(dst []byte, place string, index int, tell *truth.Part) []byte {
	if tell != nil {
		if len(tell.Reasons) == 0 {
			tell.Reasons = []string{string(o.reason)}
		}
		tell.Places = append(tell.Places, place+strconv.Itoa(index))
	}
	return append(dst, o.text...)
}

// placed says where in its body a change stands, in front of the places within it.
func placed(tell *truth.Part, entry, change int) {
	if tell == nil {
		return
	}
	path := strconv.Itoa(entry) + "." + strconv.Itoa(change)
	for i, place := range tell.Places {
		if place == "" {
			tell.Places[i] = path
		} else {
			tell.Places[i] = path + "." + place
		}
	}
}
