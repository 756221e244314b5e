package split

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/coexstream/coexstream/internal/testing/seed"
)

// rewriter writes a tree as other JSON of the same meaning.
type rewriter struct {
	rng     *rand.Rand
	reorder bool // members in another order
	escape  bool // characters of names and strings as escapes
	unknown bool // members that nobody knows
	spaces  bool // white space between the tokens
	out     strings.Builder
}

func (w *rewriter) rewrite(n *node) string {
	w.out.Reset()
	w.value(n, 0)
	return w.out.String()
}

func (w *rewriter) space() {
	if w.spaces {
		w.out.WriteString([]string{"", "", " ", "\n\t", "\r\n  "}[w.rng.IntN(5)])
	}
}

func (w *rewriter) value(n *node, depth int) {
	w.space()
	defer w.space()
	switch n.kind {
	case '{':
		members := append([]member(nil), n.members...)
		if w.unknown && depth > 0 { // at the root a name may tell the envelope: see foreignRoot
			members = append(members, w.foreign())
		}
		if w.reorder {
			w.rng.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
		}
		w.out.WriteByte('{')
		for i, m := range members {
			if i > 0 {
				w.out.WriteByte(',')
			}
			w.space()
			w.string(m.name)
			w.space()
			w.out.WriteByte(':')
			w.value(m.value, depth+1)
		}
		w.out.WriteByte('}')
	case '[':
		w.out.WriteByte('[')
		for i, item := range n.items {
			if i > 0 {
				w.out.WriteByte(',')
			}
			w.value(item, depth+1)
		}
		w.out.WriteByte(']')
	case '"':
		w.string(n.str)
	default:
		w.out.Write(n.raw)
	}
}

// foreign is a member of a name that no webhook has, with a value full of names that they have.
func (w *rewriter) foreign() member {
	values := []string{
		`null`, `true`, `-1.5e+3`, `"\ud83d\ude0a"`, `[]`, `{}`, `[[],{},0,"messages"]`,
		`{"messages":[{"id":"x"}],"id":"wrong","history":[{"threads":7}],"type":"revoke","status":"READ"}`,
		`[{"entry":[{"changes":3}],"object":"page"},{"state_sync":[null]}]`,
	}
	n, err := parseTree([]byte(values[w.rng.IntN(len(values))]))
	if err != nil {
		panic(err)
	}
	return member{fmt.Sprintf("zz_%d", w.rng.IntN(1000)), n}
}

func (w *rewriter) string(s string) {
	w.out.WriteByte('"')
	for _, r := range s {
		switch {
		case w.escape && w.rng.IntN(3) == 0 || r < ' ':
			format := []string{`\u%04x`, `\u%04X`}[w.rng.IntN(2)]
			for _, u := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&w.out, format, u)
			}
		case r == '"' || r == '\\':
			w.out.WriteByte('\\')
			w.out.WriteRune(r)
		default:
			w.out.WriteRune(r)
		}
	}
	w.out.WriteByte('"')
}

// TestRewritingNeverChangesWhatIsCut: neither the order of members, nor escapes, white space or unknown
// members change anything but the verbatim slices, and those are what the reference has.
func TestRewritingNeverChangesWhatIsCut(t *testing.T) {
	seed := seed.Of(t)
	rounds := 60
	if testing.Short() {
		rounds = 15
	}
	s := NewScanner(wideLimits)
	for name, body := range samples {
		tree, err := parseTree([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		want := dump(mustScan(t, body), verbatimFields...)
		t.Run(name, func(t *testing.T) {
			for round := range rounds {
				w := &rewriter{rng: rand.New(rand.NewPCG(seed, uint64(round)))}
				w.reorder, w.escape, w.unknown, w.spaces = round&1 == 0, round&2 == 0, round&4 == 0, round&8 == 0
				other := w.rewrite(tree)
				got, err := s.Scan([]byte(other))
				if err != nil {
					t.Fatalf("round %d: %v\n%s", round, err, other)
				}
				if d := diffLines(dump(got, verbatimFields...), want); d != "" {
					t.Fatalf("round %d: %s\n%s", round, d, other)
				}
				checkAgainstReference(t, s, []byte(other))
			}
		})
	}
}

// TestForeignMembersOfTheRootNeverChangeTheEnvelope: members beside a Meta or a 360dialog envelope have no effect, even
// under a name that another envelope has. Errors are the exception: see outerErrors.
func TestForeignMembersOfTheRootNeverChangeTheEnvelope(t *testing.T) {
	for _, name := range []string{"history", "contacts", "360dialog history"} {
		want := dump(mustScan(t, samples[name]))
		for _, foreign := range []string{
			`"messages":7`, `"history":"x"`, `"type":"whatsapp.smb.history"`, `"metadata":{"phone_number_id":"9"}`, `"statuses":[1]`,
			`"whatsappMessage":{"wabaId":"9"}`, `"phase":3`, `"errors":[]`, `"messaging_product":"whatsapp"`, `"state_sync":[{}]`,
		} {
			got := mustScan(t, "{"+foreign+","+samples[name][1:])
			if d := diffLines(dump(got), want); d != "" {
				t.Errorf("%s with %s: %s", name, foreign, d)
			}
		}
	}
}
