package schemas

import (
	"encoding/json"
	"math/big"
	"testing"
)

func TestIntegralNumbersAreReadInEverySpelling(t *testing.T) {
	for text, want := range map[string]int64{
		"100": 100, "1E+2": 100, "1e2": 100, "1.0e2": 100, "10e1": 100, "100.0": 100, "100.000": 100, "1000e-1": 100, "100000E-03": 100, "0.1e3": 100, "0.001e+5": 100,
		"0": 0, "-0": 0, "0e5": 0, "-0.0e-7": 0, "0e999999999999": 0, "-5": -5, "-5e0": -5, "00012": 12, "1e0000000000000000000001": 10,
		"9223372036854775807": 9223372036854775807, "9.223372036854775807e18": 9223372036854775807, "1.7e9": 1700000000, "1.739321024123E12": 1739321024123,
	} {
		if got, fraction, ok := Integral([]byte(text)); got != want || fraction || !ok {
			t.Errorf("%s: %d, fraction %t, ok %t", text, got, fraction, ok)
		}
	}
	for text, want := range map[string]int64{"1.5": 1, "15e-1": 1, "1e-1": 0, "1e-999999999999": 0, "-1.5": -1, "1700000000.5": 1700000000, "1.7000000005e9": 1700000000} {
		if got, fraction, ok := Integral([]byte(text)); got != want || !fraction || !ok {
			t.Errorf("%s: %d, fraction %t, ok %t", text, got, fraction, ok)
		}
	}
	for _, text := range []string{
		"", "-", "--1", "+1", ".5", "5.", "e2", "1e", "1e+", "1e+-2", "1e2.0", "1e2 ", " 1", "0x10", "1_000", "Infinity", "NaN", "soon",
		"9223372036854775808", "1e19", "92233720368547758070e0", "1e999999999999",
	} {
		if got, _, ok := Integral([]byte(text)); ok {
			t.Errorf("%q: %d", text, got)
		}
	}
}

// FuzzIntegral holds it against exact arithmetic.
func FuzzIntegral(f *testing.F) {
	for _, s := range []string{"0", "-1", "1E+2", "1.50e1", "9223372036854775807", "9223372036854775808", "1e-3", "100e-2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		exact, isNumber := new(big.Rat).SetString(s)
		if !json.Valid([]byte(s)) || len(s) > 40 || !isNumber {
			return
		}
		got, fraction, ok := Integral([]byte(s))
		whole := new(big.Int).Quo(exact.Num(), exact.Denom()) // towards zero
		if fits := new(big.Int).Abs(whole).IsInt64(); ok != fits || ok && (got != whole.Int64() || fraction == exact.IsInt()) {
			t.Errorf("%s: %d, fraction %t, ok %t", s, got, fraction, ok)
		}
	})
}

func TestIntegersOfWebhooksAreReadInEverySpelling(t *testing.T) {
	for text, want := range map[string]int64{`1E+2`: 100, `"1e2"`: 100, `100.0`: 100, `"100"`: 100, `100`: 100, `-3`: -3, `null`: 0} {
		if got, err := parseInteger([]byte(text)); err != nil || got != want {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{`1.5`, `"1.5"`, `"soon"`, `{}`, `""`, `true`} {
		if got, err := parseInteger([]byte(text)); err == nil {
			t.Errorf("%s: %d", text, got)
		}
	}
}
