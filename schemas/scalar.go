package schemas

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// Int is an integer that a vendor documents as a number and that is seen as a numeric string, too:
// phase, chunk_order and progress are integers at Meta and quoted by partners. It is written as a
// number.
type Int int64

// UnmarshalJSON reads a JSON integer in any spelling (100, 1E+2), or a string that holds one.
func (n *Int) UnmarshalJSON(b []byte) error {
	v, err := parseInteger(b)
	if err != nil {
		return err
	}
	*n = Int(v)
	return nil
}

// Decimal is an integer that a vendor documents as a string of digits and that is seen as a number, too:
// timestamps. It is written as a string. It is kept as it came; UnixMilli and Time find out its unit.
type Decimal int64

// UnmarshalJSON reads a string that holds an integer, or a JSON integer, in any spelling.
func (d *Decimal) UnmarshalJSON(b []byte) error {
	v, err := parseInteger(b)
	if err != nil {
		return err
	}
	*d = Decimal(v)
	return nil
}

// MarshalJSON writes the integer as a string.
func (d Decimal) MarshalJSON() ([]byte, error) {
	b := append(make([]byte, 0, 22), '"')
	b = strconv.AppendInt(b, int64(d), 10)
	return append(b, '"'), nil
}

// Where a number is taken for Unix milliseconds, microseconds and nanoseconds: in the unit before it, each would be the
// year 5138.
const (
	millisecondsFrom = 1e11
	microsecondsFrom = 1e14
	nanosecondsFrom  = 1e17
)

// UnixMilli returns the timestamp in milliseconds. Vendors write seconds; milliseconds were seen, mostly in
// smb_app_state_sync. Microseconds and nanoseconds are also recognised by their length, and lose fractions of a
// millisecond. A negative timestamp is read in the same way, as a time before 1970; the pipeline itself counts it as
// absent.
func (d Decimal) UnixMilli() int64 {
	n := int64(d)
	switch {
	case n >= nanosecondsFrom || n <= -nanosecondsFrom:
		return n / 1_000_000
	case n >= microsecondsFrom || n <= -microsecondsFrom:
		return n / 1000
	case n >= millisecondsFrom || n <= -millisecondsFrom:
		return n
	}
	return n * 1000
}

// Time returns the timestamp in UTC, to the millisecond; the zero Time if there is none.
func (d Decimal) Time() time.Time {
	if d == 0 {
		return time.Time{}
	}
	return time.UnixMilli(d.UnixMilli()).UTC()
}

// ID is an identifier. Vendors write strings of digits; numbers were seen and are read digit by digit,
// so that no digit is lost to a floating point type.
type ID string

// UnmarshalJSON reads a string or an integer.
func (id *ID) UnmarshalJSON(b []byte) error {
	switch {
	case bytes.Equal(b, []byte("null")):
		return nil
	case len(b) > 0 && b[0] == '"':
		return json.Unmarshal(b, (*string)(id))
	}
	if _, err := strconv.ParseInt(string(b), 10, 64); err != nil {
		return fmt.Errorf("identifier %s is neither a string nor an integer", b)
	}
	*id = ID(b)
	return nil
}

func parseInteger(b []byte) (int64, error) {
	if bytes.Equal(b, []byte("null")) {
		return 0, nil
	}
	digits := string(b)
	if len(b) > 0 && b[0] == '"' {
		if err := json.Unmarshal(b, &digits); err != nil {
			return 0, fmt.Errorf("numeric string: %w", err)
		}
	}
	v, fraction, ok := Integral([]byte(digits))
	if fraction || !ok {
		return 0, fmt.Errorf("%s is neither an integer nor a string that holds one", b)
	}
	return v, nil
}
