package split

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// dump writes out all that is set in a Body, one part a line. An empty string and an absent one are the
// same to its readers. Fields of the names in without are left out.
func dump(b *Body, without ...string) string {
	var out strings.Builder
	dumpValue(&out, reflect.ValueOf(*b), "", without)
	return out.String()
}

func dumpValue(out *strings.Builder, v reflect.Value, path string, without []string) {
	switch {
	case v.Kind() == reflect.Pointer:
		if !v.IsNil() {
			dumpValue(out, v.Elem(), path, without)
		}
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			skip := !v.Type().Field(i).IsExported() && name != "ownWABA"
			for _, w := range without {
				skip = skip || w == name
			}
			if !skip {
				dumpValue(out, v.Field(i), path+"."+name, without)
			}
		}
	case v.Type() == reflect.TypeFor[[]byte]():
		if v.Len() > 0 {
			fmt.Fprintf(out, "%s = %q\n", path, v.Bytes())
		}
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			fmt.Fprintf(out, "%s[%d]\n", path, i)
			dumpValue(out, v.Index(i), fmt.Sprintf("%s[%d]", path, i), without)
		}
	case !v.IsZero():
		fmt.Fprintf(out, "%s = %v\n", path, v.Interface())
	}
}

// verbatimFields hold JSON as the document has it, and so differ between two ways to write one value.
var verbatimFields = []string{"Raw", "Value", "Errors", "Beside", "Edit"}

// diffLines tells the first line in which two dumps differ.
func diffLines(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		var a, b string
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			return fmt.Sprintf("line %d:\n got %.300s\nwant %.300s", i+1, a, b)
		}
	}
	return ""
}

func mustScan(t *testing.T, body string) *Body {
	t.Helper()
	b, err := NewScanner(Limits{}).Scan([]byte(body))
	if err != nil {
		t.Fatalf("scan of %.200q: %v", body, err)
	}
	return b
}

func mustRefuse(t *testing.T, lim Limits, body string) *Error {
	t.Helper()
	_, err := NewScanner(lim).Scan([]byte(body))
	if err == nil {
		t.Fatalf("scan of %.200q: accepted, must be refused", body)
	}
	return err.(*Error)
}
