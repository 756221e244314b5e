package app

import (
	"encoding/json"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/desk/office"
	"github.com/coexstream/coexstream/internal/testing/fakegraph"
)

// handshakes accepts connections. It closes the first ones at once, and says nothing on the others: a TLS handshake waits.
type handshakes struct {
	net.Listener
	closed   int64 // how many are closed
	accepted atomic.Int64
	onHeld   func()
}

func (h *handshakes) serve() {
	for {
		conn, err := h.Accept()
		if err != nil {
			return
		}
		if h.accepted.Add(1) <= h.closed {
			_ = conn.Close()
			continue
		}
		h.onHeld()
	}
}

// A process that is killed behind the intent and before the first byte of the request: the state is unknown afterwards, for the next process
// cannot know how far it came. No connection is made again, until a person asks.
func TestADeskThatIsKilledBetweenIntentAndRequestSendsNothing(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("SKIP: runs the binary")
	}
	const waba, number = "9", "77"
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	const preflight = 4 // reads: the numbers of the WABA, the number, the apps, the fields
	graph := &handshakes{Listener: l, closed: preflight}
	t.Cleanup(func() { _ = l.Close() })
	fake := fakegraph.New()
	defer fake.Close()
	dir := t.TempDir()
	flags := append(deskConfig(t, dir, fake, waba), "--set", "desk.addresses=meta=https://"+l.Addr().String(), "--set", "desk.timeout=5s", "--set", "desk.unknown_after=15s")
	p := startUp(t, dir, flags...)
	graph.onHeld = func() { _ = p.cmd.Process.Kill() }
	go graph.serve()
	out, code := p.run("sync", "start", "--waba", waba, "--phone-number-id", number, "--despite", "number,waba,subscription,fields", "--config", flags[1])
	select {
	case <-p.ended:
	case <-time.After(90 * time.Second):
		t.Fatalf("the process was not killed: %d %s\n%s", code, out, p.stderr)
	}
	if n := graph.accepted.Load(); n != preflight+1 {
		t.Fatalf("%d connections before the kill", n)
	}
	p = startUp(t, dir, flags...)
	var s office.Status
	p.until("needs a person", func() bool {
		out, _ := p.run("sync", "status", "--phone-number-id", number, "--config", flags[1])
		s = office.Status{}
		return json.Unmarshal([]byte(out), &s) == nil && s.Next == "person"
	})
	if s.Contacts.State != "unknown" || s.Contacts.Attempts != 1 || s.History.State != "wanted" {
		t.Errorf("%+v %+v", s.Contacts, s.History)
	}
	p.until("has the steps in the raw log", func() bool {
		out, _ := p.run("tail", "raw.live", "--from-beginning", "--no-follow", "--output", "json", "--config", flags[1])
		return strings.Contains(out, `"intended"`) && strings.Contains(out, `"unknown"`)
	})
	if n := graph.accepted.Load(); n != preflight+1 {
		t.Errorf("%d connections: the restarted desk made another one", n)
	}
}
