package app

import (
	enc "encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// flip changes eight bytes in the middle of a batch in the middle of the only log of a topic that holds records, as
// a failing disk does. The batch has events: where each webhook is a transaction, every second batch is the end of one.
func (p *process) flip(topic string) {
	p.t.Helper()
	logs, err := filepath.Glob(filepath.Join(p.dir, "data", "broker", "partitions", "coex."+topic+"-*", "*.dat"))
	if err != nil || len(logs) != 1 {
		p.t.Fatalf("logs of %s: %v, %v; want one", topic, logs, err)
	}
	b, err := os.ReadFile(logs[0])
	if err != nil {
		p.t.Fatal(err)
	}
	pos, size := 0, 0
	control := func() bool { return enc.BigEndian.Uint16(b[pos+21:])&0x20 != 0 }
	for pos+size < len(b)/2 || control() {
		pos += size
		size = 12 + int(enc.BigEndian.Uint32(b[pos+8:])) // a batch says its length after its offset
	}
	at := pos + 61 + (size-61)/2
	for i := range 8 {
		b[at+i] ^= 0x5a
	}
	f, err := os.OpenFile(logs[0], os.O_WRONLY, 0)
	if err != nil {
		p.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b[at:at+8], int64(at)); err != nil {
		p.t.Fatal(err)
	}
}

// postMany posts one message of one business each, several at a time, and fails unless all are taken.
func (p *process) postMany(secret, body, name string, n int) {
	p.t.Helper()
	url := p.running().Ingress + p.running().Sources[0].Path
	var wg sync.WaitGroup
	for k := range 8 {
		wg.Go(func() {
			for i := k; i < n; i += 8 {
				if status := post(p.t, url, secret, strings.Replace(body, "wamid.EXAMPLE1", fmt.Sprintf("wamid.%s%d", name, i), 1)); status != http.StatusOK {
					p.t.Errorf("webhook %s%d was answered with %d", name, i, status)
				}
			}
		})
	}
	wg.Wait()
}

// tailed is what `tail` prints of a topic: how often each message is there, by its id, and the last offset.
func (p *process) tailed(topic string) (seen map[string]int, last int64) {
	p.t.Helper()
	out, code := p.run("tail", topic, "--no-follow", "--output", "json")
	if code != ExitOK {
		p.t.Fatalf("tail %s: exit code %d\n%s", topic, code, out)
	}
	seen = map[string]int{}
	for line := range strings.Lines(out) {
		var r struct {
			Offset int64           `json:"offset"`
			Value  json.RawMessage `json:"value"`
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			p.t.Fatalf("tail %s: %v: %s", topic, err, line)
		}
		_, rest, _ := strings.Cut(string(r.Value), "wamid.")
		id, _, _ := strings.Cut(rest, `"`)
		seen[strings.TrimSuffix(id, `\`)]++
		last = max(last, r.Offset)
	}
	return seen, last
}

// Eight bytes in the middle of a log are damaged while it runs: what reads the log ends there with an error, and the doctor finds it.
func TestDamageOfALogWhileUpRunsIsTold(t *testing.T) {
	t.Parallel()
	const webhooks = 80
	p := startUp(t, t.TempDir(), eachBodyOnce...)
	p.until("prints how to begin", func() bool { return strings.Contains(p.stdout.String(), " check") })
	secret, body := printed(t, p.stdout.String(), `app secret +(\S+)`), printed(t, p.stdout.String(), `body='(.+)'`)
	p.postMany(secret, body, "M", webhooks)
	p.until("brings all events out", func() bool { seen, _ := p.tailed("messages"); return len(seen) == webhooks })
	p.want(ExitOK, "nothing is in quarantine, and the files are not damaged", "doctor", "--only", "broker")

	p.flip("raw.live")
	out := p.want(ExitFailure, "the batch at this offset is damaged", "tail", "raw.live", "--no-follow", "--output", "json")
	if n := strings.Count(out, "wamid.M"); n == 0 || n >= webhooks {
		t.Errorf("%d of %d records before the damage were printed", n, webhooks)
	}
	p.want(ExitFailure, "fetch coex.raw.live/", "replay", "--dry-run", "--since", "1d")
	p.want(ExitFaults, "records are damaged, in partitions/coex.raw.live-", "doctor", "--only", "broker")
}

// Eight bytes in the middle of a log are damaged while it is stopped. The records of the damaged batch are gone and
// reported, and all others are there. Later webhooks produce events, once, at offsets of their own.
func TestDamageOfALogCostsTheDamagedBatchOnly(t *testing.T) {
	t.Parallel()
	const before, after = 160, 300
	dir := t.TempDir()
	p := startUp(t, dir, eachBodyOnce...)
	p.until("prints how to begin", func() bool { return strings.Contains(p.stdout.String(), " check") })
	secret, body := printed(t, p.stdout.String(), `app secret +(\S+)`), printed(t, p.stdout.String(), `body='(.+)'`)
	p.postMany(secret, body, "OLD", before)
	p.until("brings all events out", func() bool { seen, _ := p.tailed("messages"); return len(seen) == before })
	_, rawEnd := p.tailed("raw.live")
	p.signal(syscall.SIGTERM)
	if out, code := p.run("broker", "verify"); code != ExitOK {
		t.Fatalf("verify of an undamaged folder: exit code %d\n%s", code, out)
	}

	p.flip("raw.live")
	p.flip("messages")
	out, code := p.run("broker", "verify", "--output", "json")
	var report verifiedJSON
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != ExitFaults || len(report.Damage) != 2 || report.Running {
		t.Fatalf("verify of a damaged folder: exit code %d, %v\n%s", code, err, out)
	}
	lost := map[string]int64{}
	for _, d := range report.Damage {
		if !d.Lost || !d.Exact || d.After.IsZero() && d.Before.IsZero() {
			t.Errorf("damage: %+v", d)
		}
		lost[d.Topic] = d.Records()
	}
	if lost["coex.raw.live"] < 1 || lost["coex.messages"] < 1 {
		t.Fatalf("lost: %v", lost)
	}

	p = startUp(t, dir, eachBodyOnce...)
	if !strings.Contains(p.stderr.String(), "damage in the embedded broker's data was moved to quarantine") {
		t.Errorf("the start says nothing:\n%s", p.stderr)
	}
	p.postMany(secret, body, "NEW", after)
	var seen map[string]int
	p.until("brings the new events out", func() bool {
		seen, _ = p.tailed("messages")
		n := 0
		for id := range seen {
			if strings.HasPrefix(id, "NEW") {
				n++
			}
		}
		return n == after
	})
	if want := before + after - int(lost["coex.messages"]); len(seen) != want {
		t.Errorf("%d events are there, want %d", len(seen), want)
	}
	raw, last := p.tailed("raw.live")
	if want := before + after - int(lost["coex.raw.live"]); len(raw) != want || last <= rawEnd+after-1 {
		t.Errorf("%d raw records are there, want %d; the last offset is %d, was %d", len(raw), want, last, rawEnd)
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("event %s is there %d times", id, n)
		}
	}

	if status, answer := get(t, p.running().Admin+"/readyz"); status != http.StatusOK || !strings.Contains(answer, "2 damages of the broker's data are in quarantine") {
		t.Errorf("/readyz: %d %s", status, answer)
	}
	if _, answer := get(t, p.running().Admin+"/metrics"); !strings.Contains(answer, fmt.Sprintf(`coexstream_broker_quarantine_records{topic="raw.live"} %d`, lost["coex.raw.live"])) {
		t.Error("the metrics do not count the lost records")
	}
	if out, code := p.run("doctor", "--only", "broker"); code != ExitFaults || strings.Count(out, "FAIL") != 2 || !strings.Contains(out, "coex.raw.live/") {
		t.Errorf("doctor: exit code %d\n%s", code, out)
	}
	if out, code := p.run("broker", "verify"); code != ExitFaults || !strings.Contains(out, "0 damages, 2 in quarantine; up runs") {
		t.Errorf("verify beside it: exit code %d\n%s", code, out)
	}
	if out, code := p.run("broker", "acknowledge"); code != ExitOK || !strings.HasPrefix(out, "2 notes") {
		t.Errorf("acknowledge: exit code %d\n%s", code, out)
	}
	if out, code := p.run("doctor", "--only", "broker"); code != ExitOK {
		t.Errorf("doctor after that: exit code %d\n%s", code, out)
	}
	if _, answer := get(t, p.running().Admin+"/readyz"); strings.Contains(answer, "damages") {
		t.Errorf("/readyz after that: %s", answer)
	}
}
