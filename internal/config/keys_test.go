package config

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// Every field of Config belongs to a key and every key to a field: neither can be forgotten.
func TestKeysAndFieldsAreTheSame(t *testing.T) {
	fields := map[string]reflect.Type{}
	var walk func(prefix string, typ reflect.Type)
	walk = func(prefix string, typ reflect.Type) {
		for f := range typ.Fields() {
			name := f.Tag.Get(keyTag)
			if !f.IsExported() {
				continue
			}
			if name == "" {
				t.Errorf("field %s%s has no key", prefix, f.Name)
			}
			if f.Type.Kind() == reflect.Struct {
				walk(prefix+name+".", f.Type)
				continue
			}
			fields[prefix+name] = f.Type
		}
	}
	walk("", reflect.TypeFor[Config]())
	envs := map[string]string{}
	for _, k := range Keys() {
		typ, ok := fields[k.Name]
		if !ok {
			t.Errorf("key %s has no field", k.Name)
			continue
		}
		delete(fields, k.Name)
		want := map[Kind]reflect.Kind{String: reflect.String, Enum: reflect.String, Bool: reflect.Bool, Bytes: reflect.Int64, List: reflect.Slice, Sources: reflect.Slice, Duration: reflect.Int64, Int: reflect.Int}[k.Kind]
		if typ.Kind() != want || (k.Kind == Duration) != (typ == reflect.TypeFor[time.Duration]()) {
			t.Errorf("key %s is a %s, its field a %s", k.Name, k.Kind, typ)
		}
		if other := envs[k.Env()]; other != "" {
			t.Errorf("%s sets both %s and %s", k.Env(), other, k.Name)
		}
		envs[k.Env()] = k.Name
		if k.Doc == "" || strings.Contains(k.Doc, "\n") {
			t.Errorf("key %s: the documentation is not one line", k.Name)
		}
		if k.Kind == Enum && len(k.Allowed) == 0 {
			t.Errorf("key %s allows nothing", k.Name)
		}
	}
	for name := range fields {
		t.Errorf("field %s has no key", name)
	}
}

func TestTableHasEveryKeyOnce(t *testing.T) {
	table := Table()
	for _, k := range Keys() {
		if n := strings.Count(table, "| `"+k.Name+"` |"); n != 1 {
			t.Errorf("key %s is in the table %d times", k.Name, n)
		}
		if !strings.Contains(Reference(), "  "+k.Name+" (") || !strings.Contains(Reference(), k.Env()) {
			t.Errorf("key %s is not in the reference", k.Name)
		}
	}
	for line := range strings.Lines(table) {
		if strings.Count(line, "|")-strings.Count(line, `\|`) != 5 {
			t.Errorf("row has not four columns: %s", line)
		}
	}
}

func TestDurationsReadAsWritten(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"14d": 14 * 24 * time.Hour, "1d12h": 36 * time.Hour, "1.5d": 36 * time.Hour, "250ms": 250 * time.Millisecond,
		"0s": 0, "90m": 90 * time.Minute, "-2h": -2 * time.Hour, "1d1h1m1.5s": 25*time.Hour + time.Minute + 1500*time.Millisecond,
	} {
		got, err := ParseDuration(text)
		if err != nil || got != want {
			t.Errorf("%s: got %s, %v; want %s", text, got, err, want)
		}
		if again, err := ParseDuration(FormatDuration(got)); err != nil || again != got {
			t.Errorf("%s: written as %s, read as %s, %v", text, FormatDuration(got), again, err)
		}
	}
	for _, text := range []string{"", "d", "14", "14 days", "1h1d", "--1h", "1e99d", "d5h", "-", "9999999h999999999d"} {
		if d, err := ParseDuration(text); err == nil {
			t.Errorf("%q reads as %s", text, d)
		}
	}
}

func TestBytesReadAsWritten(t *testing.T) {
	for text, want := range map[string]int64{
		"1048576": 1 << 20, "16MiB": 16 << 20, "16 MiB": 16 << 20, "1kb": 1000, "1.5KiB": 1536, "0": 0, "2g": 2 << 30, "7b": 7,
	} {
		got, err := ParseBytes(text)
		if err != nil || got != want {
			t.Errorf("%s: got %d, %v; want %d", text, got, err, want)
		}
		if again, err := ParseBytes(FormatBytes(got)); err != nil || again != got {
			t.Errorf("%s: written as %s, read as %d, %v", text, FormatBytes(got), again, err)
		}
	}
	for _, text := range []string{"", "MiB", "1 elephant", "9999999999TiB", "9223372036854775807KiB", "nanKiB", "0x10"} {
		if n, err := ParseBytes(text); err == nil {
			t.Errorf("%q reads as %d", text, n)
		}
	}
}
