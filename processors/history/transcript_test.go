package history

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/syncrequest"
)

var update = flag.Bool("update", false, "rewrite the transcripts in testdata; read the difference before it is kept")

// TestTranscripts plays testdata/*.txt: commands, a line of dashes, what they answered, an empty line.
// Each is played twice, the second time with a restart from the written state before every command: it
// must say the same.
//
//	chunk [phase=P] [order=O] [progress=N] at=D [body=B] [ms=a,b^2] [errors=C,C] [failed=yes]
//	   body: other bytes; ms: wamids^rank; errors: codes, each with the title that it has here; failed: nothing leaves
//	tick D · boundary at=D [time=D] [opens=yes] · decline at=D [errors=JSON]
//	request type=T state=S at=D [onboarded=D] [attempt=A] [code=N] [received=D] · contacts at=D
//	leave [n] · lose (the next reference can no longer be read) · sync · deadline · state · auto
//
// After auto, chunks leave as soon as they may.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(want), false)
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(want) {
				t.Errorf("%s", difference(string(want), got))
			}
			if again := play(t, got, true); again != got {
				t.Errorf("with restarts: %s", difference(got, again))
			}
		})
	}
}

func difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return fmt.Sprintf("line %d:\n got %s\nwant %s", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}

func play(t *testing.T, script string, restarts bool) string {
	t.Helper()
	p := player{owner: newOwner(t, DefaultConfig()), rng: rand.New(rand.NewPCG(1, 2))}
	var out strings.Builder
	var answer strings.Builder
	answering := false
	for line := range strings.Lines(script) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case answering && line == "":
			answering = false
			out.WriteString("\n")
		case answering:
		case line == "----":
			answering = true
			out.WriteString("----\n" + answer.String())
			answer.Reset()
		case line == "" || strings.HasPrefix(line, "#"):
			out.WriteString(line + "\n")
		default:
			if restarts {
				p.restart(p.rng)
			}
			p.command(&answer, line)
			out.WriteString(line + "\n")
		}
	}
	return out.String()
}

type player struct {
	*owner
	rng    *rand.Rand
	auto   bool
	offset int64
}

func (p *player) command(out *strings.Builder, line string) {
	words := strings.Fields(line)
	args := make(map[string]string)
	for _, w := range words[1:] {
		k, v, _ := strings.Cut(w, "=")
		args[k] = v
	}
	switch words[0] {
	case "auto":
		p.auto = true
	case "chunk":
		c, ms := p.parse(args)
		if p.chunk(c, ms) == Duplicate {
			out.WriteString("duplicate\n")
		}
	case "tick":
		p.tick(p.at(words[1]))
	case "boundary":
		b := Boundary{ReceivedAt: p.at(args["at"]), Opens: args["opens"] == "yes"}
		if v, ok := args["time"]; ok {
			b.Time = p.at(v)
		}
		p.n.Offboard(b)
		p.n.Boundary(p.now, b)
	case "decline":
		at := p.at(args["at"])
		p.pass(at)
		p.n.Decline(p.now, at, []byte(args["errors"]))
	case "request":
		p.request(args)
	case "contacts":
		p.pass(p.at(args["at"]))
		p.n.ContactsCame(p.at(args["at"]))
	case "leave":
		n := 1 << 30
		if len(words) > 1 {
			n = p.number(words[1])
		}
		p.leaveAll(out, n)
		return
	case "lose":
		d, ok := p.n.Next(p.now)
		if !ok {
			p.t.Fatal("lose: nothing leaves")
		}
		delete(p.log, d.Ref)
		p.leaveAll(out, 1)
		return
	case "sync":
		p.commit()
		for _, s := range p.syncs {
			out.WriteString(describeSync(s) + "\n")
		}
		p.syncs = nil
	case "deadline":
		if d := p.n.Deadline(); d.IsZero() {
			out.WriteString("never\n")
		} else {
			out.WriteString(since(d) + "\n")
		}
	case "state":
		p.commit()
		kinds := make(map[byte]int)
		for k := range p.state {
			kinds[k[0]]++
		}
		fmt.Fprintf(out, "n=%d windows=%d chunks=%d pages=%d\n", kinds['n'], kinds['w'], kinds['c'], kinds['k'])
	default:
		p.t.Fatalf("unknown command %q", line)
	}
	if p.auto {
		p.leaveAll(out, 1<<30)
	}
}

func (p *player) leaveAll(out *strings.Builder, n int) {
	for range n {
		d, emitted, ok := p.leave()
		if !ok {
			return
		}
		what := "left"
		if _, readable := p.log[d.Ref]; !readable {
			what = "lost"
		}
		fmt.Fprintf(out, "%s %s", what, describe(d))
		for i, m := range emitted {
			out.WriteString([]string{": ", " "}[min(i, 1)] + m.id)
		}
		out.WriteString("\n")
	}
}

func (p *player) parse(args map[string]string) (Chunk, []message) {
	p.offset++
	c := Chunk{Ref: Ref{Topic: schemas.TopicRawBulk, Offset: p.offset}, ReceivedAt: p.at(args["at"])}
	read := func(key string, v *int32, has *bool) {
		if s, ok := args[key]; ok {
			*v, *has = int32(p.number(s)), true
		}
	}
	read("phase", &c.Phase, &c.HasPhase)
	read("order", &c.Order, &c.HasOrder)
	read("progress", &c.Progress, &c.HasProgress)
	c.Digest = schemas.HashBytes([]byte(args["phase"] + "/" + args["order"] + "/" + args["progress"] + "/" + args["body"] + args["errors"]))
	c.Failed = args["failed"] == "yes"
	for code := range strings.SplitSeq(args["errors"], ",") {
		if code != "" {
			c.Errors = append(c.Errors, Error{Code: int64(p.number(code)), Title: "error " + code})
		}
	}
	var ms []message
	if args["ms"] != "" {
		for m := range strings.SplitSeq(args["ms"], ",") {
			id, rank, ok := strings.Cut(m, "^")
			r := schemas.RankConcrete
			if ok {
				r = schemas.Rank(p.number(rank))
			}
			ms = append(ms, message{id, r})
		}
	}
	c.Messages = len(ms)
	return c, ms
}

// request plays a step of a request. Its attempt is of the type, unless it has a name.
func (p *player) request(args map[string]string) {
	r := syncrequest.Record{
		SyncType: syncrequest.SyncType(args["type"]), State: syncrequest.State(args["state"]), At: p.at(args["at"]).UnixMilli(),
		Attempt: args["type"] + args["attempt"], RequestedBy: "cli", Provider: "meta",
	}
	receivedAt := p.at(args["at"])
	if s, ok := args["received"]; ok {
		receivedAt = p.at(s)
	}
	if s, ok := args["onboarded"]; ok {
		r.OnboardedAt = p.at(s).UnixMilli()
	}
	if s, ok := args["code"]; ok {
		r.Error = &syncrequest.Failure{Code: int64(p.number(s))}
	}
	p.pass(receivedAt)
	p.n.Request(receivedAt, &r)
}

func (p *player) at(s string) time.Time {
	d, err := time.ParseDuration(s)
	if err != nil {
		p.t.Fatal(err)
	}
	return epoch.Add(d)
}

func (p *player) number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}
