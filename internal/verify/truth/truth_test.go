package truth

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

func lines() []Line {
	two, zero := int32(2), int32(0)
	return []Line{
		{Head: &Head{Version: Version, Seed: 7, Start: time.Unix(1738796547, 0).UTC(), Config: []byte(`{"a":1}`)}},
		{Number: &Number{Index: 0, WABA: "1", PhoneNumberID: "2", Display: "15550000001"}},
		{Body: &Body{Index: 3, Hash: Sum([]byte("x")), Length: 1, Source: "meta", Parts: []Part{
			{
				Kind: KindChunk, Window: 1, Phase: &zero, Order: &two, People: []Person{{Phone: "16505551234"}, {Group: "g", Thread: "5521912345678", User: "US.\"é", Parent: "US.ENT.1", Username: "u", Country: "US", Name: "n", Profiles: Sum([]byte("p"))}}, Digest: Sum([]byte("e")),
				Items: []Item{
					{WAMID: "wamid.A==", Rank: schemas.RankConcrete, Person: 1, Timestamp: 1738796547, Direction: In, Type: "text", Status: "READ", Digest: Sum([]byte("m"))},
					{WAMID: "wamid.B", Person: -1, Direction: Out, Type: "revoke", Rank: schemas.RankRevoke, Original: "wamid.A==", Twin: "wamid.C"},
				},
			},
			{Kind: KindContact, Contacts: []Contact{{Phone: "1", Remove: true, TimestampMS: 5, Version: 2, Digest: Sum([]byte("c"))}}},
			{Kind: KindFailure, Failure: &Failure{Code: 131000, Title: "t"}, Reasons: []string{"shape"}, Places: []string{"0.0.history.1"}},
			{Kind: KindDead, Reasons: []string{"json_invalid"}},
		}}},
		{Sent: &Sent{Body: 3, Acked: true, Attempts: 2, FirstMS: 1, LastMS: 2, Status: 200}},
		{End: &End{At: time.Unix(1738796548, 0).UTC(), Bodies: 1, Deliveries: 1}},
	}
}

func write(t *testing.T, ls []Line) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := NewWriter(&buf)
	for _, l := range ls {
		if err := w.Write(l); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	want := lines()
	file := write(t, want)
	if n := bytes.Count(file, []byte("\n")); n != len(want) {
		t.Fatalf("%d lines instead of %d", n, len(want))
	}
	var got []Line
	if err := Read(bytes.NewReader(file), func(_ int, l *Line) error { got = append(got, *l); return nil }); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("read\n%+v\ninstead of\n%+v\nfile:\n%s", got, want, file)
	}
}

// A simulator may be stopped at any byte; what it had written up to the last full line holds.
func TestACutFileIsReadUpToItsLastFullLine(t *testing.T) {
	file := write(t, lines())
	for cut := len(file); cut > 0; cut-- {
		n := 0
		err := Read(bytes.NewReader(file[:cut]), func(int, *Line) error { n++; return nil })
		if full := bytes.Count(file[:cut], []byte("\n")); full == 0 {
			if err == nil {
				t.Fatalf("cut at %d: a file without a head was read", cut)
			}
		} else if err != nil || n != full {
			t.Fatalf("cut at %d: %d lines of %d, %v", cut, n, full, err)
		}
	}
}

func TestAForeignFileIsRefused(t *testing.T) {
	for _, file := range []string{"", "hello\n", "{}\n", `{"head":{"version":99,"seed":1,"start":"2026-01-01T00:00:00Z"}}` + "\n"} {
		if err := Read(strings.NewReader(file), func(int, *Line) error { return nil }); err == nil {
			t.Errorf("%q was read", file)
		}
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestAWriteErrorSticks(t *testing.T) {
	w := NewWriter(broken{})
	if err := w.Write(lines()[0]); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err == nil {
		t.Fatal("the error was lost")
	}
	if err := w.Write(lines()[1]); err == nil {
		t.Fatal("the error did not stick")
	}
}
