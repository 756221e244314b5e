package world

import (
	"strconv"
	"strings"

	"github.com/coexstream/coexstream/internal/verify/truth"
)

// accountEvent is an account_update event.
type accountEvent struct {
	name      string
	portfolio bool // entry.id is the business portfolio, the WABA stands in waba_info
}

const (
	accountAdded = iota
	accountRemoved
	accountOffboarded
	accountReconnected
)

var accountEvents = [...]accountEvent{
	accountAdded:       {"PARTNER_ADDED", true},
	accountRemoved:     {"PARTNER_REMOVED", false},
	accountOffboarded:  {"ACCOUNT_OFFBOARDED", false},
	accountReconnected: {"ACCOUNT_RECONNECTED", false},
}

// The form of an account event, in bits.
const (
	accountAsField   = 1 << iota // a field of its own, without the event in the value
	accountLowerCase             // the event in lower case
	accountRespelt               // the number in another spelling
	accountAgain                 // sent again in other words
)

func (w *World) appendAccount(dst []byte, n *number, c *change, at int64, tell *truth.Part) []byte {
	e := &accountEvents[c.a]
	a := truth.Account{Event: e.name, Time: at}
	if e.portfolio {
		a.EntryID = portfolioID(w.cfg.Seed, n.business)
		dst = appendField(append(dst, `"waba_info":{`...), "waba_id", n.waba)
		dst = appendField(append(dst, ','), "owner_business_id", a.EntryID)
		dst = append(dst, '}')
	} else {
		a.Phone = n.display
		if c.b&accountRespelt != 0 {
			a.Phone = "+" + n.country.other(n.display)
		}
		dst = appendField(dst, "phone_number", a.Phone)
	}
	if c.b&accountAgain != 0 {
		dst = append(dst, `,"comment":"amid the sync"`...)
	}
	if tell != nil {
		*tell = truth.Part{Kind: truth.KindAccount, Number: n.index, Account: &a}
	}
	switch {
	case c.b&accountAsField != 0:
		return dst
	case c.b&accountLowerCase != 0:
		return appendField(append(dst, ','), "event", strings.ToLower(e.name))
	}
	return appendField(append(dst, ','), "event", e.name)
}

var otherFields = [...]string{"smb_calendar_v9", "message_template_status_update", "phone_number_quality_update", "flows", "x"}

// appendOther appends the value of an unknown field.
func (w *World) appendOther(dst []byte, n *number, c *change, tell *truth.Part) []byte {
	if tell != nil {
		*tell = truth.Part{Kind: truth.KindOther, Number: n.index, Other: &truth.Other{Field: w.field(c)}}
	}
	dst = append(dst, `"event":"SOMETHING","reason":null,"nested":[{"n":1.0e2},[],{}],"serial":"`...)
	dst = strconv.AppendInt(dst, int64(n.index), 10)
	dst = strconv.AppendInt(append(dst, '-'), int64(c.a), 10)
	return append(dst, '"')
}
