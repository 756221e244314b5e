package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/schemas"
)

func TestATranscriptIsInTheOrderOfPhaseAndChunkWithEachMessageOnce(t *testing.T) {
	part := func(number int, phase, order int32, items ...truth.Item) truth.Part {
		for i := range items {
			items[i].Person = -1
		}
		return truth.Part{Kind: truth.KindChunk, Number: number, Window: 1, Phase: &phase, Order: &order, Items: items}
	}
	message := func(wamid string, rank schemas.Rank) truth.Item { return truth.Item{WAMID: wamid, Rank: rank} }
	lines := []truth.Line{
		{Head: &truth.Head{Version: truth.Version}},
		{Number: &truth.Number{Index: 0, WABA: "1", PhoneNumberID: "a"}},
		{Number: &truth.Number{Index: 1, WABA: "1", PhoneNumberID: "b"}},
		{Body: &truth.Body{Index: 0, Parts: []truth.Part{
			part(0, 1, 1, message("m4", schemas.RankConcrete), message("m1", schemas.RankConcrete)), // m1 again, and no more than before
			part(1, 0, 1, message("x", schemas.RankConcrete)),
		}}},
		{Body: &truth.Body{Index: 1, Parts: []truth.Part{part(0, 0, 2, message("m3", schemas.RankConcrete), message("m2", schemas.RankConcrete))}}}, // m2 ranks higher now
		{Body: &truth.Body{Index: 2, Parts: []truth.Part{part(0, 0, 1, message("m1", schemas.RankConcrete), message("m2", schemas.RankPlaceholder))}}},
	}
	path := filepath.Join(t.TempDir(), "truth.jsonl")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := truth.NewWriter(f)
	for _, l := range lines {
		if err := w.Write(l); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	want, err := readTranscript(path)
	if err != nil {
		t.Fatal(err)
	}
	all := []string{"m1", "m2", "m3", "m2", "m4"}
	if !slices.Equal(want["a"], all) || !slices.Equal(want["b"], []string{"x"}) || want.count() != 6 {
		t.Fatalf("%v", want)
	}
	for _, test := range []struct {
		got transcript
		ok  bool
	}{
		{transcript{"a": all, "b": {"x"}}, true},
		{transcript{"a": all}, false},
		{transcript{"a": {"m1", "m2", "m2", "m3", "m4"}, "b": {"x"}}, false},
		{transcript{"a": all, "b": {"x", "x"}}, false},
	} {
		ok, verdict := want.verdict(test.got)
		if ok != test.ok || strings.HasPrefix(verdict, "OK") != test.ok {
			t.Errorf("%v: %v, %s", test.got, ok, verdict)
		}
	}
}
