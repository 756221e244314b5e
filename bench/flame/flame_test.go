package flame

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"
)

// stacks is a profile of stacks, the outermost function first, each of so many milliseconds.
func stacks(all map[string]int64) *profile.Profile {
	p := &profile.Profile{SampleType: []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}}}
	for stack, ms := range all {
		s := &profile.Sample{Value: []int64{ms, ms * int64(time.Millisecond)}}
		for _, name := range strings.Split(stack, ";") {
			f := &profile.Function{Name: name, Filename: "/home/someone/build/x.go"}
			s.Location = append([]*profile.Location{{Line: []profile.Line{{Function: f}}}}, s.Location...)
		}
		p.Sample = append(p.Sample, s)
	}
	return p
}

const split = "github.com/coexstream/coexstream/processors/split"

func TestStacksOfOneFunctionAreMerged(t *testing.T) {
	root, err := Fold(stacks(map[string]int64{
		"main.main;" + split + ".(*Scanner).value;" + split + ".(*Scanner).value;bytes.IndexByte": 30,
		"main.main;" + split + ".(*Scanner).value":                                                50,
		"main.main;slices.Sort[go.shape.int]":                                                     5,
		"main.main;slices.Sort[go.shape.string]":                                                  5,
		"runtime.gcBgMarkWorker":                                                                  10,
	}))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	var walk func(n *Node, indent string)
	walk = func(n *Node, indent string) {
		lines = append(lines, indent+n.label()+" "+n.Time.String())
		for _, c := range n.Children {
			walk(c, indent+" ")
		}
	}
	walk(root, "")
	want := `all 100ms
 main.main 90ms
  split.(*Scanner).value 80ms
   bytes.IndexByte 30ms
  slices.Sort 10ms
 runtime.gcBgMarkWorker 10ms`
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestThePictureNamesNoPathsAndIsXML(t *testing.T) {
	root, err := Fold(stacks(map[string]int64{
		"main.main;" + split + ".(*Scanner).value": 990, "main.main;rare.thing<x>": 10, "main.main;never.seen": 1,
	}))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := Draw(&b, "a & b", "from <there>", root); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	for d := xml.NewDecoder(strings.NewReader(got)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"a &amp; b", "split.(*Scanner).value", "coexstream/processors/split.(*Scanner).value: 990ms, 98.9 %", "#9ecbff"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in the picture", want)
		}
	}
	for _, not := range []string{"/home/someone", "never.seen"} {
		if strings.Contains(got, not) {
			t.Errorf("%q is in the picture", not)
		}
	}
}

func TestAProfileWithoutTimeIsRefused(t *testing.T) {
	if _, err := Fold(stacks(nil)); err == nil {
		t.Error("no samples")
	}
	if _, err := Fold(&profile.Profile{SampleType: []*profile.ValueType{{Type: "alloc_space", Unit: "bytes"}}}); err == nil {
		t.Error("a heap profile")
	}
}
