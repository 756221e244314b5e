package event_test

import (
	stdjson "encoding/json"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/event"
)

// other is the value of a change of a field that is written so.
func other(field string) []byte {
	return []byte(`{"field":"` + field + `","original":{"a":"` + field + `"}}`)
}

const letters = "abcdefghijklmnopqrstuvwxyz"

func TestTextsAreReadAsAJSONLibraryReadsThem(t *testing.T) {
	for _, special := range []string{
		``, `\"`, `\\`, `\/`, `\b`, `\f`, `\n`, `\r`, `\t`, `\u0041`, `\u00e9`, `\uFFFF`, `\uabcd`, `\uABCD`, `\u0000`, `\u9999`, `\ud83d\ude00`, `\uD83D\uDE00`,
		`\ud800`, `\udc00`, `\ud800\u0041`, `\ud800\n`, `\ud800\ud800`, `\udc00\ud800`, `\\n`, `\\\"`, `é`, `😀`, "\x7f", ` `, `!`, `#`, `[`, `]`,
	} {
		for before := range 18 {
			for _, behind := range []string{"", "x", `\t`, letters[:9]} {
				text := letters[:before] + special + behind
				value := other(text)
				var want struct{ Field string }
				if err := stdjson.Unmarshal(value, &want); err != nil {
					t.Fatal(err)
				}
				e, err := event.Value(schemas.TypeOther, value)
				if err != nil || e.Other.Field != want.Field || string(e.Other.Original) != `{"a":"`+text+`"}` {
					t.Fatalf("%s: read %+v, err %v; want %q", value, e.Other, err, want.Field)
				}
				if got := event.String([]byte(`"` + text + `"`)); got != want.Field {
					t.Fatalf("String of %q is %q, want %q", text, got, want.Field)
				}
			}
		}
	}
}

func TestTextsThatAreNoneAreRefused(t *testing.T) {
	for _, bad := range []string{`\x`, `\`, `\u`, `\u12`, `\u123`, `\u12g4`, `\u12G4`, `\u 123`, `\u12/4`, `\u12:4`, `\u12@4`, "\\u12`4", `\U0041`, "\x00", "\x01", "\n", "\t", "\x1f"} {
		for before := range 10 {
			for _, first := range []string{"", `\n`} {
				text := letters[:before] + first + bad
				// As the field, and within verbatim values.
				for _, value := range []string{
					`{"field":"` + text + `","original":{}}`, `{"field":"` + text + `x","original":{}}`, `{"field":"","original":{"a":"` + text + `"}}`, `{"field":"","original":{"` + text + `x":1}}`,
				} {
					if stdjson.Valid([]byte(value)) {
						continue // the backslash escapes the quote, and the rest behind it, too
					}
					if _, err := event.Value(schemas.TypeOther, []byte(value)); err == nil {
						t.Errorf("%q was read", value)
					}
				}
			}
		}
	}
}

func TestAValueThatIsCutAnywhereIsRefused(t *testing.T) {
	for _, typ := range valued() {
		values := examples(t, typ.Schema)
		if typ.Type == schemas.TypeOther {
			values = append(values, other(`a\n\ud83d\ude00b`))
		}
		for _, value := range values {
			for i := range value {
				if _, err := event.Value(typ.Type, value[:i:i]); err == nil {
					t.Fatalf("%s was read to byte %d", value, i)
				}
			}
		}
	}
}

// Numbers, literals and white space inside verbatim values are judged as a JSON library judges them.
func TestWhatIsVerbatimIsJSON(t *testing.T) {
	for _, text := range []string{
		`0`, `-0`, `00`, `01`, `-`, `+1`, `1.`, `.5`, `1.5`, `1e5`, `1E+5`, `1e-5`, `1e`, `1e+`, `1.e5`, `0.0`, `0e0`, `-01`, `--1`, `1-`, `0x1`, `9`, `10`, `1/`, `1:`,
		`true`, `tru`, `truex`, `false`, `fals`, `null`, `nul`, `nulll`, `True`, `t`, `f`, `n`, `{}`, `[]`, `{ }`, `[ ]`, `[1]`, `[1,]`, `[,1]`, `[1 2]`, `[1,2]`,
		`{"a":1}`, `{"a":1,}`, `{,"a":1}`, `{"a" : 1 }`, `{"a"}`, `{"a":}`, `{a:1}`, `{"a":1 "b":2}`, `{"a":1,"b":[{}]}`, `[}`, `{]`, `[[]`, `]`, `}`, ``, ` `,
		" \t\r\n1\t\r\n ", "\v1", "\f1", "\x001", "[1\x00]", "1\x00", `"a"`, `"a`, `a"`, `"a""b"`, `'a'`, `/**/1`,
	} {
		for _, value := range []string{`{"field":"f","original":{"a":` + text + `}}`, `{"field":"f","new":` + text + `,"original":{}}`, text + `{"field":"f","original":{}}`, `{"field":"f","original":{}}` + text} {
			_, err := event.Value(schemas.TypeOther, []byte(value))
			if want := stdjson.Valid([]byte(value)); (err == nil) != want {
				t.Errorf("%q: err %v; a JSON library says %v", value, err, want)
			}
		}
		member := event.Member([]byte(`{"x":0,"a":`+text+`,"b":1}`), "a")
		if want := stdjson.Valid([]byte(`{"x":0,"a":` + text + `,"b":1}`)); (member != nil) != want || want && string(member) != strings.Trim(text, " \t\r\n") {
			t.Errorf("Member of %q is %q", text, member)
		}
	}
}

func TestNestingIsBoundedAsAJSONLibraryBoundsIt(t *testing.T) {
	for depth, want := range map[int]bool{9_997: true, 9_998: true, 9_999: false, 10_000: false} {
		for _, brackets := range [][2]string{{"[", "]"}, {`{"a":`, "}"}} {
			inner := strings.Repeat(brackets[0], depth) + "1" + strings.Repeat(brackets[1], depth)
			value := []byte(`{"field":"f","original":{"a":` + inner + `}}`)
			if _, err := event.Value(schemas.TypeOther, value); (err == nil) != want {
				t.Errorf("depth %d of %s: err %v", depth+2, brackets[0], err)
			}
			if stdjson.Valid(value) != want {
				t.Errorf("depth %d of %s: a JSON library says %v", depth+2, brackets[0], !want)
			}
		}
	}
}
