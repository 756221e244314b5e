package event_test

import (
	stdjson "encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/schemas/event"
	"github.com/coexstream/coexstream/schemas/schematest"
)

// others are values that a property is changed to: of other types, and at the bounds of what the schemas allow.
var others = []string{
	`null`, `true`, `false`, `{}`, `[]`, `[null]`, `[{}]`, `[[]]`, `0`, `1`, `-1`, `-0`, `1.0`, `1.5`, `1e2`, `10e-1`, `4`, `5`, `100`, `101`,
	`2147483647`, `2147483648`, `-2147483648`, `-2147483649`, `9223372036854775807`, `-9223372036854775807`, `99999999999999999`, `100000000000000000`,
	`1000000000000000000`, `""`, `"x"`, `" "`, `"inbound"`, `"outbound"`, `"unknown"`, `"a"`, `"m"`, `"z"`, `"A"`, `"M"`, `"Z"`, `"{"`, `"@"`, `"[{"`,
	"\"`{\"", `"0"`, `"9"`, `"f"`, `"F"`, `"g"`, `"G"`, `"/"`, `":"`, `"running"`, `"done"`, `"declined"`, `"complete"`, `"quiet"`, `"2026-03-01T12:00:00Z"`,
	`"2026-03-01T12:00:00"`, `"2026-03-01T1:00:00Z"`, `"2026-03-01"`, `"2026-03-01T12:00:00,5Z"`,
}

// TestValueAgreesWithTheSchemasOnEveryPropertyThatIsChanged takes each property of values away, and puts other values into its place.
func TestValueAgreesWithTheSchemasOnEveryPropertyThatIsChanged(t *testing.T) {
	validator, err := schematest.New()
	if err != nil {
		t.Fatal(err)
	}
	refused, taken := 0, 0
	for _, typ := range valued() {
		past := strings.Replace(everyMessage, `"id":"x",`, "", 1) // no name stands twice
		values := append(examples(t, typ.Schema), []byte(past), []byte(strings.Replace(past, `"historical":true`, `"historical":false`, 1)), []byte(everySync))
		for _, value := range values {
			if validator.Value(typ.Schema, value) != nil {
				continue // of another type
			}
			check := func(changed []byte, place, to string) {
				valid := validator.Value(typ.Schema, changed)
				e, err := event.Value(typ.Type, changed)
				switch {
				case valid == nil && err != nil && !stricter(changed):
					t.Errorf("%s, %s is %s: the schema takes it, Value does not: %v", typ.Type, place, to, err)
				case valid != nil && err == nil:
					t.Errorf("%s, %s is %s: Value takes it, the schema does not: %v", typ.Type, place, to, valid)
				case err == nil:
					taken++
					agree(t, typ.Type, &e)
				default:
					refused++
				}
			}
			change(t, value, "", func(changed []byte, place, to string) { check(changed, place, to) })
		}
	}
	if refused < 1000 || taken < 1000 {
		t.Errorf("%d changed values were refused, and %d taken", refused, taken)
	}
}

// change gives each variant of an object in which one property, at any depth, is missing or another value.
func change(t *testing.T, object []byte, place string, yield func(changed []byte, place, to string)) {
	t.Helper()
	var members map[string]stdjson.RawMessage
	if err := stdjson.Unmarshal(object, &members); err != nil {
		t.Fatal(err)
	}
	with := func(name string, value []byte) []byte {
		all := maps.Clone(members)
		if all[name] = value; value == nil {
			delete(all, name)
		}
		b, err := stdjson.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		at := place + "." + name
		yield(with(name, nil), at, "missing")
		for _, other := range others {
			yield(with(name, []byte(other)), at, other)
		}
		var items []stdjson.RawMessage
		switch was := members[name]; {
		case name == "original" || name == "profiles" || name == "new": // verbatim, or unknown
		case was[0] == '{':
			change(t, was, at, func(changed []byte, place, to string) { yield(with(name, changed), place, to) })
		case was[0] == '[' && stdjson.Unmarshal(was, &items) == nil && len(items) > 0 && items[0][0] == '{':
			change(t, items[0], at+"[]", func(changed []byte, place, to string) {
				yield(with(name, slices.Concat([]byte{'['}, changed, []byte{']'})), place, to)
			})
		}
	}
}
