package split

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/internal/testing/cost"
	"github.com/coexstream/coexstream/schemas"
)

func TestBodyLongerThanTheLimitIsRefused(t *testing.T) {
	body := samples["echoes"]
	if _, err := NewScanner(Limits{BodyBytesMax: len(body)}).Scan([]byte(body)); err != nil {
		t.Errorf("a body as long as the limit: %v", err)
	}
	if e := mustRefuse(t, Limits{BodyBytesMax: len(body) - 1}, body); e.Reason != schemas.ReasonBodyTooLong {
		t.Errorf("refused with %v", e)
	}
}

func TestNestingDeeperThanTheLimitIsRefused(t *testing.T) {
	nested := func(depth int) string { // the outer object is the first level
		return `{"object":"whatsapp_business_account","entry":[],"x":` + strings.Repeat("[", depth-1) + strings.Repeat("]", depth-1) + `}`
	}
	for _, limit := range []int{0, 7, 128, depthCeiling} {
		max := limit
		if max == 0 {
			max = DefaultDepthMax
		}
		s := NewScanner(Limits{DepthMax: limit})
		if _, err := s.Scan([]byte(nested(max))); err != nil {
			t.Errorf("limit %d: %d levels: %v", limit, max, err)
		}
		if e := mustRefuse(t, Limits{DepthMax: limit}, nested(max+1)); e.Reason != schemas.ReasonJSONTooDeep {
			t.Errorf("limit %d: %d levels refused with %v", limit, max+1, e)
		}
	}
	// A part that is too deep is left out; the rest stays, up to jsontext's limit.
	deep := func(depth int) string { // a message is the eighth level
		return inMeta(`{"messages":[{"id":"deep","x":` + strings.Repeat("[", depth-8) + strings.Repeat("]", depth-8) + `},{"id":"flat"}]}`)
	}
	for _, depth := range []int{13, DefaultDepthMax + 1, depthCeiling} {
		b, err := NewScanner(Limits{DepthMax: min(depth-1, DefaultDepthMax)}).Scan([]byte(deep(depth)))
		if err != nil {
			t.Fatalf("%d levels: %v", depth, err)
		}
		if c := b.Changes[0]; c.Odd.Reason != schemas.ReasonJSONTooDeep || c.Cut != 1 || len(c.Messages) != 1 || string(c.Messages[0].ID) != "flat" {
			t.Errorf("%d levels: %d are left out, the first for %q; left are %d messages", depth, c.Cut, c.Odd.Reason, len(c.Messages))
		}
	}
	if e := mustRefuse(t, Limits{}, deep(depthCeiling+1)); e.Reason != schemas.ReasonJSONTooDeep {
		t.Errorf("refused with %v", e)
	}
	for _, depth := range []int{depthCeiling, depthCeiling + 1} { // jsontext's limit is ours
		_, err := parseTree([]byte(nested(depth)))
		if (err == nil) != (depth <= depthCeiling) {
			t.Errorf("jsontext says %v to %d levels", err, depth)
		}
	}
}

func TestMoreItemsThanTheLimitAreRefused(t *testing.T) {
	for name, value := range map[string]string{
		"messages": `{"messages":[%s]}`, "echoes": `{"message_echoes":[%s]}`, "statuses": `{"statuses":[%s]}`,
		"contacts": `{"state_sync":[%s]}`, "chunks": `{"history":[%s]}`,
		"threads": `{"history":[{"threads":[%s]}]}`, "messages of a thread": `{"history":[{"threads":[{"messages":[%s]}]}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			around := strings.Count(value, "{") // the change itself, and the items around these ones
			body := func(n int) string {
				return inMeta(fmt.Sprintf(value, strings.TrimSuffix(strings.Repeat("{},", n), ",")))
			}
			lim := Limits{ItemsMax: 20}
			if _, err := NewScanner(lim).Scan([]byte(body(20 - around))); err != nil {
				t.Error(err)
			}
			if e := mustRefuse(t, lim, body(21-around)); e.Reason != schemas.ReasonTooManyItems {
				t.Errorf("refused with %v", e)
			}
		})
	}
	for _, name := range []string{"ycloud inbound", "360dialog history", "history declined"} {
		if e := mustRefuse(t, Limits{ItemsMax: 1}, samples[name]); e.Reason != schemas.ReasonTooManyItems {
			t.Errorf("%s refused with %v", name, e)
		}
	}
}

func TestLimitsOutOfRangeAreNamed(t *testing.T) {
	for _, good := range []Limits{{}, {BodyBytesMax: 1, DepthMax: 1, ItemsMax: 1}, {BodyBytesMax: math.MaxInt32, DepthMax: 10_000}} {
		if err := good.Validate(); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
	for key, bad := range map[string]Limits{
		"BodyBytesMax: -1 is not": {BodyBytesMax: -1}, "DepthMax: 10001 is not": {DepthMax: 10_001}, "DepthMax: -2 is not": {DepthMax: -2}, "ItemsMax: -3 is not": {ItemsMax: -3},
	} {
		err := bad.Validate()
		if err == nil || !strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), "allowed") {
			t.Errorf("%+v: %v, want %q and what is allowed", bad, err, key)
		}
	}
}

// hostile bodies are as expensive to scan as their size allows. Each has its n-th part of the items.
func hostile(nth int) map[string][]byte {
	build := func(head, part, tail string, n int) []byte {
		n /= nth
		return []byte(head + strings.TrimSuffix(strings.Repeat(part, n), ",") + tail)
	}
	names := func(format string, n int) []byte {
		var b bytes.Buffer
		b.WriteByte('{')
		for i := range n / nth {
			fmt.Fprintf(&b, format+",", i)
		}
		b.WriteString(`"object":"whatsapp_business_account","entry":[]}`)
		return b.Bytes()
	}
	ok, end := `{"object":"whatsapp_business_account","entry":[],"x":`, `}`
	var deep bytes.Buffer // objects within objects, each with more names than are compared one by one
	for i := range 100 {
		deep.WriteByte('{')
		for k := range 300 / nth {
			fmt.Fprintf(&deep, `"n%d":%d,`, k, i)
		}
		deep.WriteString(`"deeper":`)
	}
	return map[string][]byte{
		"a million names in one object":            names(`"%d":0`, 1_000_000),
		"names with a long common beginning":       names(`"a_long_common_beginning_of_all_the_names_%08d":0`, 60_000),
		"names that are all escapes":               names(`"\u0061\u0061%d":0`, 150_000),
		"a string of 3 MB":                         build(ok+`"`, "x", `"`+end, 3<<20),
		"3 MB of escapes":                          build(ok+`"`, `\ud83d\ude0a`, `"`+end, 3<<20/12),
		"3 MB of UTF-8":                            build(ok+`"`, "日", `"`+end, 1<<20),
		"empty arrays":                             build(ok+`[`, `[],`, `]`+end, 1<<20),
		"empty objects":                            build(ok+`[`, `{},`, `]`+end, 1<<20),
		"a long number":                            build(ok, "9", end, 3<<20),
		"white space":                              build(ok, " ", `1`+end, 3<<20),
		"objects within objects with many names":   append(append([]byte(ok), deep.String()+`0`...), strings.Repeat("}", 101)...),
		"a name of 3 MB":                           build(`{"object":"whatsapp_business_account","entry":[],"`, "n", `":0}`, 3<<20),
		"16 names of 200 KB with the same content": sameLength(16, 200<<10/nth),
	}
}

// sameLength is an object whose long names differ in their last byte alone.
func sameLength(n, size int) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i := range n {
		fmt.Fprintf(&b, `"%s%c":0,`, strings.Repeat("n", size), 'a'+i)
	}
	b.WriteString(`"object":"whatsapp_business_account","entry":[]}`)
	return b.Bytes()
}

// None of them is quadratic.
func TestHostileBodiesCostLittleMoreThanTheirSize(t *testing.T) {
	parts := hostile(8)
	for name, whole := range hostile(1) {
		t.Run(name, func(t *testing.T) {
			cost.Linear(t, len(whole), func(n int) func() {
				body := whole
				if n < len(whole) {
					body = parts[name]
				}
				return func() {
					if b, err := NewScanner(Limits{}).Scan(body); err != nil || len(b.Changes) != 0 {
						t.Fatalf("%d bytes: %v", len(body), err)
					}
				}
			})
		})
	}
}

func TestADuplicateAmongAMillionNamesIsFound(t *testing.T) {
	body := hostile(1)["a million names in one object"]
	body = append(body[:len(body)-1], `,"123456":1}`...)
	if e := mustRefuse(t, Limits{}, string(body)); e.Reason != schemas.ReasonJSONDuplicate {
		t.Errorf("refused with %v", e)
	}
}

// TestDuplicateIsFoundWhereverItStands in objects around the size at which names are sorted.
func TestDuplicateIsFoundWhereverItStands(t *testing.T) {
	for n := 2; n <= 2*pairwiseMax+2; n++ {
		for i := range n {
			for j := i + 1; j < n; j++ {
				var b strings.Builder
				for k := range n {
					of := k
					if k == j {
						of = i
					}
					fmt.Fprintf(&b, `"name_that_is_long_%d":0,`, of)
				}
				body := inMeta(`{"x":{` + strings.TrimSuffix(b.String(), ",") + `}}`)
				if c := mustScan(t, body).Changes[0]; !c.Refused || c.Odd.Reason != schemas.ReasonJSONDuplicate {
					t.Fatalf("%d names, %d as %d: %+v", n, j, i, c.Odd)
				}
			}
		}
	}
}

func TestNamesThatDifferByLittleAreDifferent(t *testing.T) {
	for _, names := range []string{
		`"a","a\u0000","A","á"`, `"12345678","1234567","123456789","12345678\u0000","12345678\u0000\u0000"`,
		`"same_head_x","same_head_y","same_head_","same_hea"`, `"","\u0000","\u0000\u0000"`,
	} {
		for _, more := range []int{0, 2 * pairwiseMax} {
			var b strings.Builder
			b.WriteString(strings.ReplaceAll(names, `,`, `:0,`) + `:0`)
			for i := range more {
				fmt.Fprintf(&b, `,"other_%d":0`, i)
			}
			mustScan(t, inMeta(`{"x":{`+b.String()+`}}`))
		}
	}
}

// A long body is processed in parts, and each part bounds it again: what the first one left out stays out, and nothing else.
func TestABodyIsBoundedOnce(t *testing.T) {
	value := func(messages string) string {
		return `{"field":"messages","value":{"metadata":{"phone_number_id":"1"},"messages":[` + messages + `]}}`
	}
	const message = `{"id":"1"}`
	body := `{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[` + value(message+strings.Repeat(","+message, 4999)) + strings.Repeat(","+value(message), 3) + `]}]}`
	b, err := NewScanner(Limits{}).Scan([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	bounds := Bounds{EventBytesMax: 1 << 20, HeaderBytes: 100}
	b.Bound(bounds)
	rest, left, places := b.Rest, len(b.Changes[0].Messages), len(b.Places)
	if left == 0 || left == 5000 || rest == len(b.Changes) {
		t.Fatalf("%d messages and %d changes are within the bounds", left, rest)
	}
	for range 3 {
		b.Bound(bounds)
	}
	if b.Rest != rest || len(b.Changes[0].Messages) != left || len(b.Places) != places {
		t.Errorf("bounded again, %d changes, %d messages, %d places; want %d, %d, %d", b.Rest, len(b.Changes[0].Messages), len(b.Places), rest, left, places)
	}
}
