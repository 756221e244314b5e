package schemas

import (
	"encoding/json"
	"testing"
	"time"
)

func TestNumbersAreReadFromNumbersAndStrings(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want int64
	}{{`0`, 0}, {`1739230955`, 1739230955}, {`"1739230955"`, 1739230955}, {`"-3"`, -3}, {`-3`, -3}, {`null`, 0}, {`"\u0031"`, 1}, {`9007199254740993`, 9007199254740993}, {`1e3`, 1000}, {`"1E+2"`, 100}, {`2.0`, 2}} {
		var n Int
		var d Decimal
		if err := json.Unmarshal([]byte(tc.in), &n); err != nil || int64(n) != tc.want {
			t.Errorf("Int from %s: %d, %v", tc.in, n, err)
		}
		if err := json.Unmarshal([]byte(tc.in), &d); err != nil || int64(d) != tc.want {
			t.Errorf("Decimal from %s: %d, %v", tc.in, d, err)
		}
	}
	for _, in := range []string{`""`, `"a"`, `1.5`, `1.5e0`, `true`, `{}`, `[]`, `"1 "`, `99999999999999999999`} {
		var n Int
		var d Decimal
		if json.Unmarshal([]byte(in), &n) == nil || json.Unmarshal([]byte(in), &d) == nil {
			t.Errorf("%s is taken for an integer", in)
		}
	}
}

func TestScalarsAreWrittenAsDocumented(t *testing.T) {
	got, err := json.Marshal(struct {
		Phase     Int
		Timestamp Decimal
		ID        ID
	}{1, 1739230955, "102290129340398"})
	if want := `{"Phase":1,"Timestamp":"1739230955","ID":"102290129340398"}`; err != nil || string(got) != want {
		t.Fatalf("got %s, %v; want %s", got, err, want)
	}
}

func TestIDsAreReadDigitByDigit(t *testing.T) {
	for in, want := range map[string]ID{`"102290129340398"`: "102290129340398", `9007199254740993`: "9007199254740993", `null`: "", `"evt_\u0061"`: "evt_a"} {
		var id ID
		if err := json.Unmarshal([]byte(in), &id); err != nil || id != want {
			t.Errorf("%s became %q, %v", in, id, err)
		}
	}
	for _, in := range []string{`1.5`, `true`, `{}`, `["1"]`, `1e15`} {
		var id ID
		if json.Unmarshal([]byte(in), &id) == nil {
			t.Errorf("%s is taken for an id", in)
		}
	}
}

func TestContactTimestampIsSecondsOrMilliseconds(t *testing.T) {
	want := time.Date(2025, 2, 12, 0, 43, 44, 0, time.UTC)
	for _, d := range []Decimal{1739321024, 1739321024000} {
		if got := d.Time(); !got.Equal(want) {
			t.Errorf("%d is %s, want %s", d, got, want)
		}
	}
	if got := Decimal(1739321024512).UnixMilli(); got != 1739321024512 {
		t.Errorf("milliseconds became %d", got)
	}
	for d, want := range map[Decimal]int64{1739321024512345: 1739321024512, 1739321024512345678: 1739321024512, -5: -5000, -1739321024512: -1739321024512} {
		if got := d.UnixMilli(); got != want {
			t.Errorf("%d became %d ms, want %d", d, got, want)
		}
	}
	if !Decimal(0).Time().IsZero() {
		t.Error("no timestamp is a time")
	}
}
