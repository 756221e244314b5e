package config

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Kind is the type of a key's value.
type Kind uint8

// The kinds.
const (
	String   Kind = iota
	Bool          // true, false
	Int           // a whole number
	Duration      // Go's notation plus d for days: 250ms, 30m, 14d, 1d12h
	Bytes         // a number, or one with KiB, MiB, GiB, KB, MB, GB
	List          // a YAML list, or text separated by commas
	Enum          // one of a set
	Sources       // the list of webhook sources
)

var kindNames = [...]string{"string", "bool", "int", "duration", "bytes", "list", "enum", "sources"}

// String is the kind's name as the documentation shows it.
func (k Kind) String() string { return kindNames[k] }

// ParseDuration reads a duration in Go's notation, with d for days.
func ParseDuration(s string) (time.Duration, error) {
	rest := strings.TrimSpace(s)
	if after, ok := strings.CutPrefix(rest, "-"); ok && !strings.HasPrefix(after, "-") {
		d, err := ParseDuration(after)
		if err != nil {
			return 0, fmt.Errorf("%q is not a duration", s)
		}
		return -d, nil
	}
	var days time.Duration
	if number, after, ok := strings.Cut(rest, "d"); ok {
		n, err := strconv.ParseFloat(number, 64)
		if err != nil || n < 0 || n > 100_000 {
			return 0, fmt.Errorf("%q is not a duration", s)
		}
		days, rest = time.Duration(n*float64(24*time.Hour)), after
		if rest == "" {
			return days, nil
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || d > math.MaxInt64-days {
		return 0, fmt.Errorf("%q is not a duration", s)
	}
	return days + d, nil
}

// FormatDuration writes a duration so that ParseDuration reads it, in days, hours, minutes and seconds
// without zero parts.
func FormatDuration(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	var b strings.Builder
	if d < 0 {
		b.WriteByte('-')
		d = -d
	}
	for _, unit := range []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}} {
		if n := d / unit.of; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, unit.name)
			d %= unit.of
		}
	}
	if d > 0 {
		b.WriteString(d.String())
	}
	return b.String()
}

var byteUnits = []struct {
	suffix string
	factor int64
}{
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"tib", 1 << 40},
	{"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"tb", 1e12},
	{"k", 1 << 10}, {"m", 1 << 20}, {"g", 1 << 30}, {"b", 1},
}

// ParseBytes reads a number of bytes, with or without a unit.
func ParseBytes(s string) (int64, error) {
	text, factor := strings.ToLower(strings.TrimSpace(s)), int64(1)
	for _, u := range byteUnits {
		if number, ok := strings.CutSuffix(text, u.suffix); ok {
			text, factor = strings.TrimSpace(number), u.factor
			break
		}
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && (n == 0 || (n*factor)/n == factor) {
		return n * factor, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(f) || math.Abs(f*float64(factor)) > math.MaxInt64/2 {
		return 0, fmt.Errorf("%q is not a number of bytes", s)
	}
	return int64(f * float64(factor)), nil
}

// FormatBytes writes n in the largest binary unit that divides it.
func FormatBytes(n int64) string {
	for _, u := range []struct {
		of   int64
		name string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n != 0 && n%u.of == 0 {
			return strconv.FormatInt(n/u.of, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

var errKind = errors.New("wrong kind")

// parse turns a raw value, as YAML, the environment or a flag gives it, into the kind's Go type:
// string, bool, int64, time.Duration, []string, or []any for sources.
func (k *Key) parse(raw any) (any, error) {
	switch k.Kind {
	case Bool:
		if b, ok := raw.(bool); ok {
			return b, nil
		}
		if s, ok := raw.(string); ok {
			switch strings.ToLower(s) {
			case "true", "yes", "on", "1":
				return true, nil
			case "false", "no", "off", "0":
				return false, nil
			}
		}
		return nil, errKind
	case Int, Bytes, Duration:
		return k.parseNumber(raw)
	case List:
		return parseList(raw)
	case Sources:
		return parseSources(raw)
	}
	s, err := text(raw)
	if err != nil {
		return nil, err
	}
	if k.Kind == Enum && !slices.Contains(k.Allowed, s) {
		return nil, errKind
	}
	if k.Pattern != "" && !regexp.MustCompile(k.Pattern).MatchString(s) {
		return nil, errKind
	}
	return s, nil
}

func (k *Key) parseNumber(raw any) (any, error) {
	s, err := text(raw)
	if err != nil {
		return nil, err
	}
	var n int64
	switch k.Kind {
	case Duration:
		var d time.Duration
		d, err = ParseDuration(s)
		n = int64(d)
	case Bytes:
		n, err = ParseBytes(s)
	default:
		n, err = strconv.ParseInt(s, 10, 64)
	}
	if err != nil || n < k.Min || (k.Max != 0 && n > k.Max) {
		return nil, errKind
	}
	if k.Kind == Duration {
		return time.Duration(n), nil
	}
	return n, nil
}

func text(raw any) (string, error) {
	switch v := raw.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case bool, int, int64, uint64, float64:
		return fmt.Sprint(v), nil
	}
	return "", errKind
}

func parseList(raw any) (any, error) {
	list := []string{}
	switch v := raw.(type) {
	case nil:
	case string:
		for part := range strings.SplitSeq(v, ",") {
			if part = strings.TrimSpace(part); part != "" {
				list = append(list, part)
			}
		}
	case []string:
		list = append(list, v...)
	case []any:
		for _, e := range v {
			s, err := text(e)
			if err != nil {
				return nil, err
			}
			list = append(list, s)
		}
	default:
		return nil, errKind
	}
	return list, nil
}

// parseSources accepts a YAML list, or YAML or JSON text, so that a list fits an environment variable.
func parseSources(raw any) (any, error) {
	switch v := raw.(type) {
	case nil:
		return []any{}, nil
	case []any:
		return v, nil
	case string:
		list := []any{}
		if err := yaml.Unmarshal([]byte(v), &list); err != nil {
			return nil, errKind
		}
		return list, nil
	}
	return nil, errKind
}

// allowed describes the values that a key accepts.
func (k *Key) allowed() string {
	switch k.Kind {
	case Bool:
		return "true or false"
	case Enum:
		return "one of " + strings.Join(k.Allowed, ", ")
	case Int:
		return "a whole number" + k.limits(func(n int64) string { return strconv.FormatInt(n, 10) })
	case Duration:
		return "a duration such as 250ms, 30m or 14d" + k.limits(func(n int64) string { return FormatDuration(time.Duration(n)) })
	case Bytes:
		return "a number of bytes such as 1048576 or 16MiB" + k.limits(FormatBytes)
	case List:
		return "a list, or text separated by commas"
	case Sources:
		return "a list of sources, each with name, provider, path, verify_token, secrets"
	}
	if k.Allows != "" {
		return k.Allows
	}
	return "text"
}

func (k *Key) limits(format func(int64) string) string {
	if k.Max != 0 {
		return fmt.Sprintf(", %s to %s", format(k.Min), format(k.Max))
	}
	return ", at least " + format(k.Min)
}
