package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// wording is the form of a line about an invalid value.
var wording = regexp.MustCompile(`^[\w.\[\]]+: .+ is not allowed; allowed: .+$`)

// badValues returns values, as YAML, that a key does not accept.
func badValues(k *Key) []string {
	bad := map[Kind]string{Bool: "maybe", Int: "1.5", Duration: "soon", Bytes: "much", List: "[[x]]", Enum: "nonsense", Sources: "x", String: "[x]"}
	values := []string{bad[k.Kind]}
	if k.Kind == Int || k.Kind == Bytes || k.Kind == Duration {
		unit := ""
		if k.Kind == Duration {
			unit = "ns"
		}
		values = append(values, strconv.FormatInt(k.Min-1, 10)+unit)
		if k.Max != 0 {
			values = append(values, strconv.FormatInt(k.Max+1, 10)+unit)
		}
	}
	return values
}

func TestABadValueOfEachKeyHasOneWording(t *testing.T) {
	t.Chdir(t.TempDir())
	check := func(k *Key, at, yaml, origin string) {
		t.Helper()
		file := write(t, "c.yaml", yaml)
		_, err := Load(Input{File: file})
		if err == nil {
			t.Errorf("%s: no error for\n%s", at, yaml)
			return
		}
		_, lines, _ := strings.Cut(err.Error(), "\n  ")
		found := false
		for line := range strings.SplitSeq(lines, "\n  ") {
			if !wording.MatchString(line) {
				t.Errorf("%s: %q has another wording", at, line)
			}
			found = found || strings.HasPrefix(line, at+": ") && strings.Contains(line, fmt.Sprintf(origin, file)+" is not allowed; allowed: ") &&
				(k.Kind == List || strings.Contains(line, k.allowed()))
			if k.Secret && !strings.Contains(line, ": the value ") {
				t.Errorf("%s: %q shows a secret", at, line)
			}
		}
		if !found {
			t.Errorf("%s: %q does not name it", at, lines)
		}
	}
	keys := Keys()
	for i := range keys {
		k := &keys[i]
		sections := strings.Split(k.Name, ".")
		for _, bad := range badValues(k) {
			check(k, k.Name, strings.Join(sections, ": {")+": "+bad+strings.Repeat("}", len(sections)-1), "(from %s)")
		}
	}
	sourceKeys := SourceKeys()
	for i := range sourceKeys {
		k := &sourceKeys[i]
		for _, bad := range badValues(k) {
			if k.Name == "secrets" {
				bad = "x"
			}
			source := map[string]string{"name": "a", "signature_required": "false"}
			source[k.Name] = bad
			var pairs []string
			for name, value := range source {
				pairs = append(pairs, name+": "+value)
			}
			check(k, "ingress.sources[0]."+k.Name, "ingress: {sources: [{"+strings.Join(pairs, ", ")+"}]}", "%.0s")
		}
	}
}
