package split

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/schemas"
)

// inMeta wraps a value of the field history into Meta's envelope.
func inMeta(value string) string {
	return `{"object":"whatsapp_business_account","entry":[{"id":"W","changes":[{"field":"history","value":` + value + `}]}]}`
}

func TestRefusalNamesItsReasonAndPlace(t *testing.T) {
	const at = "§" // marks the offset in the body
	for _, c := range []struct {
		name   string
		reason schemas.Reason
		body   string
	}{
		{"nothing", schemas.ReasonBodyEmpty, at},
		{"white space only", schemas.ReasonBodyEmpty, " \r\n\t" + at},
		{"no quotes", schemas.ReasonJSONInvalid, `{` + at + `a:1}`},
		{"single quotes", schemas.ReasonJSONInvalid, `{` + at + `'a':1}`},
		{"comment", schemas.ReasonJSONInvalid, `{` + at + `/* c */}`},
		{"trailing comma in object", schemas.ReasonJSONInvalid, `{"a":1,` + at + `}`},
		{"trailing comma in array", schemas.ReasonJSONInvalid, `{"a":[1,` + at + `]}`},
		{"missing comma", schemas.ReasonJSONInvalid, `{"a":1 ` + at + `"b":2}`},
		{"missing comma in array", schemas.ReasonJSONInvalid, `{"a":[1 ` + at + `2]}`},
		{"missing colon", schemas.ReasonJSONInvalid, `{"a" ` + at + `1}`},
		{"wrong bracket", schemas.ReasonJSONInvalid, `{"a":[1` + at + `}`},
		{"no end", schemas.ReasonJSONInvalid, `{"a":[1` + at},
		{"no end of string", schemas.ReasonJSONInvalid, `{"a":"x` + at},
		{"only a comma", schemas.ReasonJSONInvalid, `{` + at + `,}`},
		{"literal in capitals", schemas.ReasonJSONInvalid, `{"a":` + at + `True}`},
		{"cut literal", schemas.ReasonJSONInvalid, `{"a":` + at + `tru}`},
		{"not a number", schemas.ReasonJSONInvalid, `{"a":` + at + `NaN}`},
		{"leading zero", schemas.ReasonJSONInvalid, `{"a":0` + at + `1}`},
		{"plus", schemas.ReasonJSONInvalid, `{"a":` + at + `+1}`},
		{"minus alone", schemas.ReasonJSONInvalid, `{"a":-` + at + `}`},
		{"no digit after the point", schemas.ReasonJSONInvalid, `{"a":1.` + at + `}`},
		{"no digit before the point", schemas.ReasonJSONInvalid, `{"a":` + at + `.5}`},
		{"no exponent", schemas.ReasonJSONInvalid, `{"a":1e+` + at + `}`},
		{"hexadecimal number", schemas.ReasonJSONInvalid, `{"a":0` + at + `x10}`},
		{"control character", schemas.ReasonJSONInvalid, "{\"a\":\"x" + at + "\n\"}"},
		{"unknown escape", schemas.ReasonJSONInvalid, `{"a":"x` + at + `\x"}`},
		{"cut escape", schemas.ReasonJSONInvalid, `{"a":"x` + at + `\u12G4"}`},
		{"invalid UTF-8", schemas.ReasonJSONUTF8, "{\"a\":\"é" + at + "\xff\"}"},
		{"overlong UTF-8", schemas.ReasonJSONUTF8, "{\"a\":\"" + at + "\xc0\xaf\"}"},
		{"surrogate in UTF-8", schemas.ReasonJSONUTF8, "{\"a\":\"" + at + "\xed\xa0\x80\"}"},
		{"cut UTF-8", schemas.ReasonJSONUTF8, "{\"a\":\"" + at + "\xe2\x82\"}"},
		{"invalid UTF-8 in a name", schemas.ReasonJSONUTF8, "{\"" + at + "\xff\":1}"},
		{"byte order mark alone", schemas.ReasonBodyEmpty, "\ufeff " + at},
		{"byte order mark inside", schemas.ReasonJSONInvalid, "{" + at + "\ufeff}"},
		{"second byte order mark", schemas.ReasonJSONInvalid, "\ufeff" + at + "\ufeff{}"},
		{"second value", schemas.ReasonJSONTrailing, `{"a":1} ` + at + `{}`},
		{"trailing bracket", schemas.ReasonJSONTrailing, `{"a":1}` + at + `}`},
		{"trailing zero byte", schemas.ReasonJSONTrailing, `{"a":1}` + at + "\x00"},
		{"same name twice", schemas.ReasonJSONDuplicate, `{"id":1,"b":2,"id` + at + `":3}`},
		{"same name twice, long", schemas.ReasonJSONDuplicate, `{"phone_number_id":1,"phone_number_ix":2,"phone_number_id` + at + `":3}`},
		{"same name twice, escaped", schemas.ReasonJSONDuplicate, `{"id":1,"\u0069d` + at + `":3}`},
		{"same name twice, both escaped", schemas.ReasonJSONDuplicate, `{"\u0069d":1,"i\u0064` + at + `":3}`},
		{"same name twice, empty", schemas.ReasonJSONDuplicate, `{"":1,"` + at + `":3}`},
		{"same name twice, deep in what is skipped", schemas.ReasonJSONDuplicate, `{"x":[{"y":{"a":1,"a` + at + `":1}}]}`},
		{"an array", schemas.ReasonEnvelopeUnknown, at + `[{"object":"whatsapp_business_account"}]`},
		{"a string", schemas.ReasonEnvelopeUnknown, ` ` + at + `"whatsapp_business_account"`},
		{"an empty object", schemas.ReasonEnvelopeUnknown, at + `{}`},
		{"another object", schemas.ReasonEnvelopeUnknown, at + `{"messaging_product":"whatsapp","request_id":"x"}`},
		{"messages of nobody", schemas.ReasonEnvelopeUnknown, at + `{"messages":[]}`},
		{"data without event", schemas.ReasonEnvelopeUnknown, at + `{"id":"1","data":{"id":"W"}}`},
		{"another product", schemas.ReasonObjectUnknown, at + `{"object":"instagram","entry":[]}`},
		{"object of another kind", schemas.ReasonObjectUnknown, at + `{"object":["whatsapp_business_account"],"entry":[]}`},
		{"entries without an object", schemas.ReasonObjectUnknown, at + `{"entry":[]}`},
		{"no entry", schemas.ReasonShape, at + `{"object":"whatsapp_business_account"}`},
		{"entry is an object", schemas.ReasonShape, `{"object":"whatsapp_business_account","entry":` + at + `{}}`},
		{"an entry is a string", schemas.ReasonShape, `{"object":"whatsapp_business_account","entry":[` + at + `"W"]}`},
		{"an entry is null", schemas.ReasonShape, `{"object":"whatsapp_business_account","entry":[` + at + `null]}`},
		{"no changes", schemas.ReasonShape, `{"object":"whatsapp_business_account","entry":[` + at + `{"id":"W","messaging":[]}]}`},
		{"changes is an object", schemas.ReasonShape, `{"object":"whatsapp_business_account","entry":[{"changes":` + at + `{}}]}`},
		{"data is an array", schemas.ReasonShape, `{"event":"history","data":` + at + `[]}`},
		{"data's history is a string", schemas.ReasonShape, `{"event":"history","data":{"history":` + at + `"x"}}`},
		{"a bare value's history is a string", schemas.ReasonShape, `{"metadata":{},"history":` + at + `"x"}`},
		{"broken JSON counts before oddities", schemas.ReasonJSONInvalid, `{"entry":1,"x":` + at + `}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := mustRefuse(t, Limits{}, strings.Replace(c.body, at, "", 1))
			if want := strings.Index(c.body, at); e.Reason != c.reason || e.Offset != want {
				t.Errorf("refused with %s at %d, want %s at %d (%v)", e.Reason, e.Offset, c.reason, want, e)
			}
		})
	}
}

// The vendors' page has samples that are not JSON. They are kept as they are printed, and refused.
func TestBrokenSamplesOfTheDocumentsAreRefused(t *testing.T) {
	files, err := filepath.Glob("testdata/broken/*.json")
	if err != nil || len(files) < 5 {
		t.Fatalf("found %d broken samples (%v), want at least 5", len(files), err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			body, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if e := mustRefuse(t, Limits{}, string(body)); e.Reason != schemas.ReasonJSONInvalid {
				t.Errorf("refused with %v", e)
			}
			if _, err := parseTree(body); err == nil {
				t.Error("jsontext accepts it: it is not broken")
			}
		})
	}
}

func TestRefusalHoldsNothingOfTheBody(t *testing.T) {
	e := mustRefuse(t, Limits{}, `{"secret_name":"secret value","secret_name":1}`)
	if strings.Contains(e.Error(), "secret") {
		t.Errorf("%q tells the content", e.Error())
	}
	for _, part := range []string{"json_duplicate_key", "byte 42", "split"} {
		if !strings.Contains(e.Error(), part) {
			t.Errorf("%q does not say %q", e.Error(), part)
		}
	}
}

func TestRefusedBodyLeavesNothingBehind(t *testing.T) {
	s := NewScanner(Limits{})
	for name, body := range samples {
		if _, err := s.Scan([]byte(body[:len(body)-1])); err == nil {
			t.Fatalf("%s: accepted a cut body", name)
		}
		got, err := s.Scan([]byte(samples["echoes"]))
		if err != nil {
			t.Fatal(err)
		}
		if d := diffLines(dump(got), dump(mustScan(t, samples["echoes"]))); d != "" {
			t.Fatalf("after a refused %s: %s", name, d)
		}
	}
}

func TestErrorsAreOfOneType(t *testing.T) {
	_, err := NewScanner(Limits{}).Scan(nil)
	var e *Error
	if !errors.As(err, &e) || e.Reason != schemas.ReasonBodyEmpty {
		t.Errorf("got %T %v", err, err)
	}
}
