package app

import (
	"net/http"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/coexstream/coexstream/internal/config"
)

func TestProcBoostRaisesGOMAXPROCSWhileActive(t *testing.T) {
	runtime.SetDefaultGOMAXPROCS()
	before := runtime.GOMAXPROCS(0)
	for _, of := range []struct {
		name    string
		environ []string
		extra   int
		raised  int
	}{
		{"by the configured number", nil, 3, 3},
		{"not where the key is 0", nil, 0, 0},
		{"not where the environment sets GOMAXPROCS", []string{"GOMAXPROCS=4"}, 3, 0},
	} {
		t.Run(of.name, func(t *testing.T) {
			a := &app{io: IO{Environ: of.environ}}
			b := &procBoost{extra: a.extraProcs(&config.Config{Processor: config.Processor{ExtraProcs: of.extra}})}
			for i, active := range []bool{false, true, true, false, false, true, false} {
				b.set(active)
				want := before
				if active {
					want += of.raised
				}
				if n := runtime.GOMAXPROCS(0); n != want {
					t.Errorf("step %d: GOMAXPROCS is %d, want %d", i, n, want)
				}
				if n := b.coreCount(); n != before {
					t.Errorf("step %d: %d cores, want %d", i, n, before)
				}
			}
		})
	}
}

// TestUpRaisesGOMAXPROCSBesideLiveAndHistory: and lowers it again when there is no more history.
func TestUpRaisesGOMAXPROCSBesideLiveAndHistory(t *testing.T) {
	if os.Getenv("GOMAXPROCS") != "" {
		t.Skip("the environment sets GOMAXPROCS")
	}
	p := startUp(t, t.TempDir(), "--set", "processor.extra_procs=3")
	procs := func() int {
		_, all := get(t, p.running().Admin+"/metrics")
		n, err := strconv.Atoi(regexp.MustCompile(`(?m)^go_sched_gomaxprocs_threads (\d+)$`).FindStringSubmatch(all)[1])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := procs()
	p.until("prints how to begin", func() bool { return strings.Contains(p.stdout.String(), " check") })
	out := p.stdout.String()
	url, secret, live := printed(t, out, `webhook URL +(\S+)`), printed(t, out, `app secret +(\S+)`), printed(t, out, `body='(.+)'`)
	history := strings.Replace(canaryBody, `"messages","value":{`,
		`"history","value":{"history":[{"metadata":{"phase":0,"chunk_order":1,"progress":10},"threads":[]}],`, 1)
	p.until("raises GOMAXPROCS", func() bool {
		for _, body := range []string{live, history} {
			if status := post(t, url, secret, body); status != http.StatusOK {
				t.Fatalf("status %d", status)
			}
		}
		return procs() == before+3
	})
	p.until("lowers GOMAXPROCS", func() bool { return procs() == before })
	p.signal(syscall.SIGTERM)
}
