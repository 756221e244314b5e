package schemas

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/coexstream/coexstream/internal/testing/seed"
)

// appender is what every event type has.
type appender interface{ AppendJSON([]byte) []byte }

func eventTypes() []appender {
	return []appender{&Message{}, &ContactState{}, &Account{}, &Other{}, &Sync{}, &Asset{}}
}

// seeded returns the test's random source.
func seeded(t testing.TB) *rand.Rand { return rand.New(rand.NewPCG(seed.Of(t), 1)) }

var stringPieces = []string{
	"", "wamid.HBgLMTY1MDU1NTEyMzQ=", "15550783881", `"`, `\`, `\"`, "/", "<b>&amp;</b>", "\x00", "\x01\x1f", "\b\f\n\r\t",
	"\x7f", "é", "日本語", "😀", "\u2028", "\u2029", "\ufffd", "\xff", "\xc3", "a\xe2\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
}

func randomString(r *rand.Rand) string {
	var b []byte
	for range r.IntN(5) {
		if r.IntN(4) == 0 {
			b = append(b, byte(r.Uint32()), byte(r.Uint32()))
		} else {
			b = append(b, stringPieces[r.IntN(len(stringPieces))]...)
		}
	}
	return string(b)
}

var rawPieces = []string{`{}`, `[]`, `null`, `"é\u00e9\ud83d\ude00"`, `{"id":"wamid.x","n":1e400}`, `[{"a":[true,false]}]`}

// fill gives every field of a struct a random value, by reflection: a field that is added to a type
// and forgotten in its appender fails the tests without anybody touching them.
func fill(r *rand.Rand, v reflect.Value, dense bool) {
	if !dense && r.IntN(3) == 0 {
		return
	}
	switch v.Interface().(type) {
	case json.RawMessage:
		v.SetBytes([]byte(rawPieces[r.IntN(len(rawPieces))]))
		return
	case time.Time:
		at := time.UnixMilli(r.Int64N(4e12)).Add(time.Duration(r.IntN(3)) * time.Nanosecond)
		if r.IntN(2) == 0 {
			at = at.In(time.FixedZone("", 60*(r.IntN(1440)-720)))
		} else {
			at = at.UTC()
		}
		v.Set(reflect.ValueOf(at))
		return
	}
	switch v.Kind() {
	case reflect.String:
		s := randomString(r)
		if dense && s == "" {
			s = "x"
		}
		v.SetString(s)
	case reflect.Uint8:
		v.SetUint(uint64(r.UintN(256)))
	case reflect.Int32, reflect.Int64:
		n := int64(int32(r.Uint32()))
		if dense {
			n |= 1
		}
		v.SetInt(n)
	case reflect.Bool:
		v.SetBool(dense || r.IntN(2) == 0)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(r, v.Elem(), dense)
	case reflect.Slice:
		n := r.IntN(3)
		if dense {
			n = 2
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fill(r, v.Index(i), dense)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(r, v.Field(i), dense)
		}
	default:
		panic(fmt.Sprintf("fill: no rule for %s", v.Type()))
	}
}

func encodeStd(t testing.TB, v any) []byte {
	t.Helper()
	if s, ok := v.(*Sync); ok && s.Phases == nil {
		s.Phases = []SyncPhase{} // the one documented difference
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatalf("encoding/json refuses %T: %v", v, err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func TestAppendJSONWritesWhatEncodingJSONWrites(t *testing.T) {
	r := seeded(t)
	prefix := []byte("kept|")
	for _, proto := range eventTypes() {
		for i := range 1200 {
			v := reflect.New(reflect.TypeOf(proto).Elem())
			if i%4 > 0 { // every fourth starts from the zero value
				for f := range v.Elem().NumField() {
					fill(r, v.Elem().Field(f), i%4 == 1)
				}
			}
			got := v.Interface().(appender).AppendJSON(bytes.Clone(prefix))
			want := encodeStd(t, v.Interface())
			if !bytes.HasPrefix(got, prefix) {
				t.Fatalf("%T: what stood in dst before is gone: %q", proto, got)
			}
			got = got[len(prefix):]
			if !bytes.Equal(got, want) {
				t.Fatalf("%T\n got %s\nwant %s", proto, got, want)
			}
			if !json.Valid(got) || !utf8.Valid(got) {
				t.Fatalf("%T: not valid JSON in UTF-8: %q", proto, got)
			}
		}
	}
}

func TestRoundTripThroughEncodingJSONKeepsEveryField(t *testing.T) {
	r := seeded(t)
	for _, proto := range eventTypes() {
		for range 500 {
			v := reflect.New(reflect.TypeOf(proto).Elem())
			fill(r, v.Elem(), true)
			first := v.Interface().(appender).AppendJSON(nil)
			back := reflect.New(reflect.TypeOf(proto).Elem())
			if err := json.Unmarshal(first, back.Interface()); err != nil {
				t.Fatalf("%T: %v\n%s", proto, err, first)
			}
			// Invalid UTF-8 was replaced on the way out, so the second trip is the identity.
			if second := back.Interface().(appender).AppendJSON(nil); !bytes.Equal(bytes.ReplaceAll(first, []byte(`\ufffd`), []byte("\ufffd")), second) {
				t.Fatalf("%T\n first %s\nsecond %s", proto, first, second)
			}
		}
	}
}

func TestOriginalIsCopiedByteForByte(t *testing.T) {
	original := []byte("{ \"id\" :\t\"wamid.1\",\n \"text\": {\"body\":\"\\u00e9\\/<&> \u2028\"}, \"n\": 1.50e+02 }")
	profiles := []byte(`[ {"wa_id" : "15550001111"} ]`)
	for _, tc := range []struct {
		name  string
		value appender
	}{
		{"Message", &Message{Original: original, Profiles: profiles}},
		{"ContactState", &ContactState{Original: original}},
		{"Account", &Account{Original: original}},
		{"Other", &Other{Original: original}},
		{"Sync", &Sync{Error: original}},
	} {
		got := tc.value.AppendJSON(nil)
		if !bytes.Contains(got, original) {
			t.Errorf("%s: the original is not there verbatim: %s", tc.name, got)
		}
		if tc.name == "Message" && !bytes.Contains(got, profiles) {
			t.Errorf("%s: the profiles are not there verbatim: %s", tc.name, got)
		}
		if !json.Valid(got) {
			t.Errorf("%s: invalid JSON: %s", tc.name, got)
		}
	}
}

func TestInvalidUTF8BecomesAReplacementCharacter(t *testing.T) {
	got := appendString(nil, "a\xffb\xc3")
	if want := `"a\ufffdb\ufffd"`; string(got) != want {
		t.Fatalf("got %s, want %s", got, want)
	}
}

func FuzzStringsAreWrittenAsEncodingJSONWritesThem(f *testing.F) {
	for _, s := range stringPieces {
		f.Add(s + "a" + s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := (&Other{Field: s}).AppendJSON(nil), encodeStd(t, &Other{Field: s}); !bytes.Equal(got, want) {
			t.Fatalf("got %s, want %s", got, want)
		}
	})
}

func sampleMessage() *Message {
	phase, order, progress := int32(1), int32(17), int32(55)
	return &Message{
		WABAID: "102290129340398", PhoneNumberID: "106540352242922", DisplayPhoneNumber: "15550783881",
		WAMID: "wamid.HBgLMTY0NjcwNDM1OTUVAgARGBIyNDlBOEI5QUQ4NDc0N0FCNjMA", Thread: "16505551234",
		Direction: DirectionOutbound, From: "15550783881", To: "16505551234", Timestamp: 1739230955,
		Type: "text", Status: "READ", Historical: true,
		Sync:     &SyncPosition{Window: 1, Phase: &phase, ChunkOrder: &order, Progress: &progress},
		Original: []byte(`{"from":"15550783881","id":"wamid.HBgLMTY0NjcwNDM1OTUVAgARGBIyNDlBOEI5QUQ4NDc0N0FCNjMA","timestamp":"1739230955","type":"text","text":{"body":"Here's the info you requested! https:\/\/www.meta.com\/quest\/quest-3\/"},"history_context":{"status":"READ"}}`),
	}
}

func sampleSync() *Sync {
	at := time.Date(2025, 2, 10, 12, 0, 0, 123e6, time.UTC)
	return &Sync{
		WABAID: "102290129340398", PhoneNumberID: "106540352242922", Window: 1, State: SyncRunning, OrderKnown: true,
		Phases:   []SyncPhase{{Phase: 0, Next: 5, Left: 4, Progress: 40, Finished: true}, {Phase: 1, Next: 3, Left: 2, Held: 4, Progress: 60, Gaps: []SyncGap{{From: 3, To: 4, Since: at}}}},
		Progress: 60, Chunks: 6, ChunksHeld: 4, Messages: 31871, OpenedAt: at, LastAt: at, DeadlineAt: &at,
	}
}

func TestAppendJSONDoesNotAllocate(t *testing.T) {
	joined := true
	m := sampleMessage()
	m.Joined, m.Contact = &joined, &Contact{WaID: "16505551234", UserID: "US.13491208655302741918"}
	for _, v := range []appender{m, &ContactState{WABAID: "1", ID: "2", FullName: "Zoë \"Z\"", Original: rawOf(`{}`)}, &Account{Event: "PARTNER_REMOVED", Original: rawOf(`{}`)}, &Other{Field: "flows", Original: rawOf(`{}`)}, &Asset{MediaID: "1", Filename: "Zoë \"Z\"", Bytes: 3}, sampleSync()} {
		buf := make([]byte, 0, 4096)
		if n := testing.AllocsPerRun(100, func() { buf = v.AppendJSON(buf[:0]) }); n != 0 {
			t.Errorf("%T: %v allocations a call", v, n)
		}
	}
}

func rawOf(s string) json.RawMessage { return json.RawMessage(s) }

func BenchmarkAppendJSON(b *testing.B) {
	for _, v := range []appender{sampleMessage(), sampleSync()} {
		b.Run(reflect.TypeOf(v).Elem().Name(), func(b *testing.B) {
			buf := v.AppendJSON(nil)
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			for b.Loop() {
				buf = v.AppendJSON(buf[:0])
			}
		})
	}
}

func BenchmarkEncodingJSON(b *testing.B) {
	for _, v := range []appender{sampleMessage(), sampleSync()} {
		b.Run(reflect.TypeOf(v).Elem().Name(), func(b *testing.B) {
			b.SetBytes(int64(len(v.AppendJSON(nil))))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := json.Marshal(v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The promise to consumers that cut a value before they read it: original is the last property, in every event type that
// has one.
func TestOriginalIsTheLastPropertyOfEveryEvent(t *testing.T) {
	raw := json.RawMessage(`{"a":{"original":1},"z":2}`)
	full := func(v any) {
		fillAll(reflect.ValueOf(v).Elem(), raw)
	}
	var message Message
	var contact ContactState
	var account Account
	var other Other
	for _, v := range []any{&message, &contact, &account, &other} {
		full(v)
	}
	for name, value := range map[string][]byte{
		"message": message.AppendJSON(nil), "contact": contact.AppendJSON(nil), "account": account.AppendJSON(nil), "other": other.AppendJSON(nil),
		"message of little": (&Message{Original: raw}).AppendJSON(nil), "other of little": (&Other{Original: raw}).AppendJSON(nil),
	} {
		if !json.Valid(value) {
			t.Errorf("%s: %s is no JSON", name, value)
		}
		if want := `"original":` + string(raw) + `}`; !strings.HasSuffix(string(value), want) {
			t.Errorf("%s: %s does not end with %s", name, value, want)
		}
	}
	// A property that is added after it is seen here, whether or not an appender writes it yet.
	for _, v := range []any{message, contact, account, other} {
		fields := reflect.TypeOf(v)
		if last := fields.Field(fields.NumField() - 1); last.Name != "Original" {
			t.Errorf("the last property of %s is %s", fields.Name(), last.Name)
		}
	}
}

// fillAll sets every field to something.
func fillAll(v reflect.Value, raw json.RawMessage) {
	switch {
	case v.Type() == reflect.TypeFor[json.RawMessage]():
		v.SetBytes(raw)
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillAll(v.Elem(), raw)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fillAll(v.Field(i), raw)
		}
	case v.Kind() == reflect.String:
		v.SetString("x")
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.CanInt():
		v.SetInt(7)
	case v.CanUint():
		v.SetUint(3)
	}
}
