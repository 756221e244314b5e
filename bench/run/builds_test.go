package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestBuildsAreNamesWithPaths(t *testing.T) {
	got, err := parseBuilds("before=old/coexstream,no gate=/tmp/coexstream")
	if err != nil {
		t.Fatal(err)
	}
	relative, err := filepath.Abs("old/coexstream")
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0] != (build{"before", relative}) || got[1] != (build{"no gate", "/tmp/coexstream"}) {
		t.Errorf("%v", got)
	}
	if none, err := parseBuilds(""); none != nil || err != nil {
		t.Errorf("%v, %v", none, err)
	}
	for _, bad := range []string{"before", "before=a", "before=,after=b", "=a,after=b", "before=a,before=b", "before=a,"} {
		if got, err := parseBuilds(bad); err == nil || !strings.HasPrefix(err.Error(), "builds: ") {
			t.Errorf("%q: %v, %v", bad, got, err)
		}
	}
}

// Each match of the program's own is selected by its name, and those between builds only where there are builds.
func TestMatchesOfBuildsNeedBuilds(t *testing.T) {
	alone, several := options{}, options{builds: []build{{"a", "/a"}, {"b", "/b"}}}
	if got := strings.Join(alone.selected(), " "); got != strings.Join(names(), " ") {
		t.Errorf("without builds: %s", got)
	}
	if got := strings.Join(several.selected(), " "); got != "small paced bulk full kafka-small kafka-paced kafka-bulk processor kafka-processor isolation" {
		t.Errorf("with builds: %s", got)
	}
	if goals := several.goalsSelected(); len(goals) != 0 {
		t.Errorf("%d goals with builds", len(goals))
	}
}
