package embedded

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// A removal by a user is no damage: a kill right after it finds nothing missing.
func TestWhatAUserDeletesIsNotMissing(t *testing.T) {
	t.Parallel()
	for name, remove := range map[string]func(*testing.T, *Broker){
		"topic made again": func(t *testing.T, b *Broker) {
			if _, err := kadm.NewClient(client(t, b.Addr())).DeleteTopics(t.Context(), "t"); err != nil {
				t.Fatal(err)
			}
			createTopic(t, b.Addr(), "t", 1, nil)
		},
		"topic": func(t *testing.T, b *Broker) {
			if _, err := kadm.NewClient(client(t, b.Addr())).DeleteTopics(t.Context(), "t"); err != nil {
				t.Fatal(err)
			}
		},
		"records": func(t *testing.T, b *Broker) {
			var to kadm.Offsets
			to.Add(kadm.Offset{Topic: "t", Partition: 0, At: 9})
			if _, err := kadm.NewClient(client(t, b.Addr())).DeleteRecords(t.Context(), to); err != nil {
				t.Fatal(err)
			}
		},
		"nothing": func(*testing.T, *Broker) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, killed := t.TempDir(), t.TempDir()
			b := open(t, dir)
			createTopic(t, b.Addr(), "t", 1, map[string]string{"segment.bytes": "200"})
			cl := client(t, b.Addr())
			for n := range uint64(10) {
				if err := cl.ProduceSync(t.Context(), numbered("t", 0, n)).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
			if err := b.takeNotes(); err != nil {
				t.Fatal(err)
			}
			remove(t, b)
			copyFolder(t, dir, killed)
			if v, err := Verify(killed, VerifyOptions{}); err != nil || len(v.Damage) > 0 {
				t.Errorf("%v, %v", v.Damage, err)
			}
			if err := b.takeNotes(); err != nil {
				t.Fatal(err)
			}
			if marks, _, whole, err := b.folder.readMarks(); err != nil || !whole || (name == "nothing") != (marks[topicPartition{"t", 0}].Start == 0 && marks[topicPartition{"t", 0}].End == 10) {
				t.Errorf("marks %v, %v, %v", marks, whole, err)
			}
		})
	}
}

// If nothing shows where the end of a log was, the log continues at an unused offset.
func TestEndThatNobodyKnowsIsPassedByFar(t *testing.T) {
	t.Parallel()
	dir, killed := t.TempDir(), t.TempDir()
	b := open(t, dir)
	createTopic(t, b.Addr(), "t", 1, nil)
	cl := client(t, b.Addr())
	for n := range uint64(3) {
		if err := cl.ProduceSync(t.Context(), numbered("t", 0, n)).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.takeNotes(); err != nil {
		t.Fatal(err)
	}
	for n := range uint64(7) { // more, of which the marks do not know
		if err := cl.ProduceSync(t.Context(), numbered("t", 0, n)).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	copyFolder(t, dir, killed)
	partition := topicPartition{"t", 0}.folder(killed)
	if err := testFolder(killed).removeSegment(partition, 0); err != nil {
		t.Fatal(err)
	}
	again := open(t, killed)
	r := numbered("t", 0, 99)
	if err := client(t, again.Addr()).ProduceSync(t.Context(), r).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if r.Offset != 3+reserveOffsets {
		t.Errorf("the log goes on at %d, want %d", r.Offset, 3+reserveOffsets)
	}
	notes, err := Quarantined(killed)
	if err != nil || len(notes) != 1 || notes[0].Exact || notes[0].FirstOffset != 0 || notes[0].Found.After(time.Now()) {
		t.Errorf("%s, %v", fmt.Sprint(notes), err)
	}
	if got := readCommitted(t, again.Addr(), "t", 0); len(got) != 1 || got[0].Offset != r.Offset {
		t.Errorf("%d records", len(got))
	}
}
