package split

import (
	"bytes"
	"reflect"
	"testing"
	"unsafe"
)

func TestAGrownScannerAllocatesNothing(t *testing.T) {
	bodies := map[string][]byte{"1 MB of history": historyBody(1 << 20)}
	for name, body := range samples {
		bodies[name] = []byte(body)
	}
	for _, name := range []string{
		"values", "errors outside", "errors by both names", "errors without changes", "errors beside no change", "errors and no entry",
		"errors beside a wrapped value",
	} {
		delete(bodies, name) // errors of several places, and those beside changes, are put together in memory of their own
	}
	for name, body := range bodies {
		s := NewScanner(Limits{})
		scan := func() {
			if _, err := s.Scan(body); err != nil {
				t.Fatal(err)
			}
		}
		for range 3 { // to its size
			scan()
		}
		if n := testing.AllocsPerRun(20, scan); n != 0 {
			t.Errorf("%s: %v allocations a body", name, n)
		}
	}
}

// TestPartsOfAGrowingScannerAreRight: slabs move while a body is cut. Earlier cuts have to stay whole, so a new scanner
// gives the same parts as a grown one.
func TestPartsOfAGrowingScannerAreRight(t *testing.T) {
	body := historyBody(300 << 10)
	s := NewScanner(Limits{})
	first, err := s.Scan(body)
	if err != nil {
		t.Fatal(err)
	}
	grown := dump(first)
	second, err := s.Scan(body)
	if err != nil {
		t.Fatal(err)
	}
	if d := diffLines(grown, dump(second)); d != "" {
		t.Error(d)
	}
	for _, m := range second.Changes[0].History[0].Threads {
		if len(m.Messages) != 12 {
			t.Fatalf("a thread has %d of its 12 messages", len(m.Messages))
		}
	}
}

// TestPartsAreSlicesOfTheInput: the verbatim parts share the body's memory, and cannot be appended into
// it.
func TestPartsAreSlicesOfTheInput(t *testing.T) {
	body := []byte(samples["history"])
	b, err := NewScanner(Limits{}).Scan(body)
	if err != nil {
		t.Fatal(err)
	}
	low := uintptr(unsafe.Pointer(unsafe.SliceData(body)))
	var check func(v reflect.Value)
	check = func(v reflect.Value) {
		switch {
		case v.Kind() == reflect.Struct:
			for i := range v.NumField() {
				check(v.Field(i))
			}
		case v.Type() == reflect.TypeFor[[]byte]():
			if v.Len() == 0 {
				return
			}
			if at := v.Pointer(); at < low || at >= low+uintptr(len(body)) {
				t.Errorf("%q is a copy", v.Bytes())
			}
			if v.Cap() != v.Len() {
				t.Errorf("%q can be appended to", v.Bytes())
			}
		case v.Kind() == reflect.Slice:
			if v.Cap() != v.Len() && v.Type() != reflect.TypeFor[[]Change]() {
				t.Errorf("a %v can be appended to, over its neighbours", v.Type())
			}
			for i := range v.Len() {
				check(v.Index(i))
			}
		}
	}
	check(reflect.ValueOf(*b))
}

// TestAGiantLeavesNoMemoryBehind: after a body of unusual length, the next one releases its memory.
func TestAGiantLeavesNoMemoryBehind(t *testing.T) {
	s := NewScanner(Limits{})
	giant := []byte(inMeta(`{"messages":[` + string(bytes.Repeat([]byte(`{"id":"a message"},`), 2*keepItems)) + `{}],"x":"` + `"}`))
	if _, err := s.Scan(giant); err != nil {
		t.Fatal(err)
	}
	if cap(s.messages) <= keepItems {
		t.Fatalf("room for %d messages: no giant", cap(s.messages))
	}
	if _, err := s.Scan([]byte(samples["echoes"])); err != nil {
		t.Fatal(err)
	}
	if cap(s.messages) > keepItems {
		t.Errorf("still room for %d messages", cap(s.messages))
	}
	for _, m := range s.messages[len(s.messages):cap(s.messages)] {
		if m.Raw != nil {
			t.Fatal("a part of an earlier body is held")
		}
	}
}
