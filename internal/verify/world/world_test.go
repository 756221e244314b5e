package world

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/schemas"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func make1(t testing.TB, seed uint64, change func(*Config)) *World {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Seed, cfg.Start, cfg.Dialog, cfg.YCloud, cfg.Messages, cfg.Live = seed, start, 0.3, 0.15, 5000, 800
	if change != nil {
		change(&cfg)
	}
	w, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// each renders every body that is ever delivered, once.
func each(w *World, visit func(i int, b []byte, parts []truth.Part)) {
	seen := map[int]bool{}
	for _, stage := range w.Stages() {
		for _, s := range stage {
			for _, step := range s.Steps {
				for _, i := range step.Bodies {
					if seen[i] {
						continue
					}
					seen[i] = true
					at, _ := w.Stamp(i, start.Add(time.Duration(i)*time.Second))
					b, parts := w.Render(nil, i, at, true)
					visit(i, b, parts)
				}
			}
		}
	}
}

func TestTheSameSeedMakesTheSameWorld(t *testing.T) {
	dump := func(seed uint64) ([]byte, []byte) {
		w := make1(t, seed, nil)
		var bodies bytes.Buffer
		each(w, func(i int, b []byte, parts []truth.Part) { bodies.Write(b) })
		script, err := json.Marshal(w.Stages())
		if err != nil {
			t.Fatal(err)
		}
		return bodies.Bytes(), script
	}
	a, as := dump(1)
	b, bs := dump(1)
	c, _ := dump(2)
	if !bytes.Equal(a, b) || !bytes.Equal(as, bs) {
		t.Fatal("two worlds of one seed differ")
	}
	if bytes.Equal(a, c) {
		t.Fatal("two seeds made the same world")
	}
}

func TestARedeliveryIsByteIdentical(t *testing.T) {
	w := make1(t, 3, nil)
	each(w, func(i int, b []byte, _ []truth.Part) {
		at, first := w.Stamp(i, start.Add(time.Hour))
		again, parts := w.Render(nil, i, at, false)
		if first || parts != nil || !bytes.Equal(b, again) {
			t.Fatalf("body %d differs when it is sent again", i)
		}
	})
}

func TestBodiesAreJSONExceptTheBrokenOnes(t *testing.T) {
	w := make1(t, 4, func(c *Config) { c.Broken = 2 * len(breakages) })
	reasons := map[string]int{}
	each(w, func(i int, b []byte, parts []truth.Part) {
		ok := jsontext.Value(b).IsValid()
		cut := bytes.Contains(b, []byte(`\ud83d"`)) // half of a surrogate pair is what JSON allows, and jsontext does not
		for i := range parts {
			if len(parts[i].Reasons) == 0 {
				continue
			}
			reason := parts[i].Reasons[0]
			reasons[reason]++
			if cut {
				return
			}
			syntax := strings.HasPrefix(reason, "json_") && reason != string(schemas.ReasonJSONTooDeep)
			if syntax == ok {
				t.Errorf("body %d (%s): jsontext says valid: %v\n%.300s", i, reason, ok, b)
			}
			return
		}
		if !ok && !cut {
			t.Fatalf("body %d is not JSON\n%.300s", i, b)
		}
	})
	if len(reasons) != 8 {
		t.Fatalf("reasons: %v", reasons)
	}
}

func TestTheWorldIsAsBigAsAsked(t *testing.T) {
	for _, limit := range []int{30_000, 300_000} {
		w := make1(t, 5, func(c *Config) {
			c.ChunkBytesMin, c.ChunkBytesMax, c.OverlapRate, c.Messages = limit, limit, 1, 30_000
		})
		messages, biggest := map[string]bool{}, 0
		each(w, func(i int, b []byte, parts []truth.Part) {
			for _, p := range parts {
				if p.Kind != truth.KindChunk {
					continue
				}
				biggest = max(biggest, len(b))
				for _, it := range p.Items {
					if p.Window == 1 {
						messages[it.WAMID] = true
					}
				}
			}
		})
		if n := len(messages); n < 29_900 || n > 30_100 {
			t.Errorf("%d different messages instead of about 30,000", n)
		}
		// Echoes or contacts may share the body.
		if biggest > limit+150_000 || biggest < limit/3 {
			t.Errorf("the biggest body with a chunk has %d bytes, the limit is %d", biggest, limit)
		}
	}
}

func TestChunksStayWithinTheirLimit(t *testing.T) {
	w := make1(t, 6, func(c *Config) {
		c.ChunkBytesMin, c.ChunkBytesMax, c.OverlapRate, c.Messages, c.Mixed, c.Several = 100_000, 100_000, 1, 50_000, 0, 0
	})
	each(w, func(i int, b []byte, _ []truth.Part) {
		if len(b) > 100_000 && w.bodies[i].changes[0].kind == changeChunk {
			t.Errorf("body %d has %d bytes", i, len(b))
		}
	})
}

// The quirks of the field have to be there, or nothing is proven by a run.
func TestEveryQuirkIsThere(t *testing.T) {
	w := make1(t, 7, func(c *Config) {
		c.Messages, c.Live, c.Businesses = 20_000, 3000, 30
		c.Reonboard, c.Declines, c.Undated, c.Odd, c.Spellings = 0.9, 0.3, 0.4, 0.1, 0.8
		c.Mixed, c.NoName, c.Users, c.Aliases = 0.2, 0.5, 0.2, 0.5
	})
	seen := map[string]bool{}
	kinds := map[truth.Kind]int{}
	wamids := map[string]int{}
	ns := w.Numbers()
	each(w, func(i int, b []byte, parts []truth.Part) {
		seen["360dialog envelope"] = seen["360dialog envelope"] || w.Source(i) == SourceDialog && bytes.Contains(b, []byte(`"event":"history","data":{`))
		seen["mixed fields"] = seen["mixed fields"] || bytes.Contains(b, []byte(`"history"`)) && bytes.Contains(b, []byte(`"smb_message_echoes"`))
		seen["object last"] = seen["object last"] || bytes.HasSuffix(b, []byte(`,"object":"whatsapp_business_account"}`))
		seen["field before value"] = seen["field before value"] || bytes.Contains(b, []byte(`{"field":"history","value"`))
		seen["quoted phase"] = seen["quoted phase"] || bytes.Contains(b, []byte(`"phase":"0"`))
		seen["from_me"] = seen["from_me"] || bytes.Contains(b, []byte(`"from_me":true`))
		seen["lower case status"] = seen["lower case status"] || bytes.Contains(b, []byte(`"history_context":{"status":"read"`))
		seen["escaped non-ASCII"] = seen["escaped non-ASCII"] || bytes.Contains(b, []byte(`\ud83d\udc4d`))
		seen["131060"] = seen["131060"] || bytes.Contains(b, []byte(`131060`))
		text := func(quirk, s string) { seen[quirk] = seen[quirk] || bytes.Contains(b, []byte(s)) }
		text("the business with a plus", `"from":"+55`)
		text("no sender", `"messages":[{"to":"`)
		text("a group", `"group_id":"`)
		text("a participant by phone", `"recipient_participant_id":"`)
		text("a participant's id in another name", `"participant_recipient_id":"`)
		text("a participant by user id", `"recipient_participant_user_id":"`)
		text("a parent's user id", `"parent_user_id":"`)
		text("half of a surrogate pair", `\ud83d"`)
		text("echoes by another field", `"field":"message_echoes"`)
		text("echoes by another name", `"smb_message_echoes":[`)
		text("a copy in an object of its own", `"standby":{"`)
		text("a field of its own", `"field":"account_reconnected"`)
		text("lower case", `"event":"partner_removed"`)
		text("an error beside messages", `}]}],"errors":[{`)
		text("one error of a value", `,"error":{"code":130429`)
		text("one error of a chunk", `,"error":{"code":131000`)
		text("a decline as one error", `"history":[{"error":{"code":2593109`)
		text("a type errors", `"type":"errors"`)
		text("a type unknown", `"type":"unknown"`)
		text("YCloud's history", `"type":"whatsapp.smb.history"`)
		text("YCloud's contacts", `"type":"whatsapp.smb.app.state.sync"`)
		text("YCloud's echoes", `"type":"whatsapp.smb.message.echoes"`)
		text("YCloud's statuses", `"type":"whatsapp.message.updated"`)
		text("YCloud's echoes of an agent", `"type":"whatsapp.echo_message.created"`)
		text("YCloud's statuses of an agent", `"type":"whatsapp.echo_message.updated"`)
		text("YCloud's messages", `"type":"whatsapp.inbound_message.received"`)
		text("a YCloud event with another business before its own", `"sharedWith":{"wabaId":"`)
		for _, p := range parts {
			kinds[p.Kind]++
			seen["a body without the number"] = seen["a body without the number"] || p.NoName
			seen["an odd message"] = seen["an odd message"] || len(p.Places) > 0 && strings.Contains(p.Places[0], ".messages.")
			seen["an odd past message"] = seen["an odd past message"] || len(p.Places) > 0 && strings.Contains(p.Places[0], ".threads.")
			seen["an odd status"] = seen["an odd status"] || len(p.Places) > 0 && strings.Contains(p.Places[0], ".statuses.")
			seen["an odd contact"] = seen["an odd contact"] || len(p.Places) > 0 && strings.Contains(p.Places[0], ".state_sync.")
			seen["an odd profile"] = seen["an odd profile"] || len(p.Places) > 0 && strings.Contains(p.Places[0], ".contacts.")
			seen["an odd change"] = seen["an odd change"] || len(p.Places) > 0 && strings.Count(p.Places[0], ".") == 1
			seen["an account event without a time"] = seen["an account event without a time"] || p.Account != nil && p.Account.Time == 0
			seen["several WABAs"] = seen["several WABAs"] || p.Split
			seen["bare decline"] = seen["bare decline"] || p.Kind == truth.KindDecline && p.NoWABA
			seen["second window"] = seen["second window"] || p.Window == 2
			seen["media as echo"] = seen["media as echo"] || p.Echoed
			seen["portfolio"] = seen["portfolio"] || p.Account != nil && p.Account.EntryID != ""
			seen["chunk 0"] = seen["chunk 0"] || p.Order != nil && *p.Order == 0
			for _, c := range p.Contacts {
				seen["contact without a timestamp"] = seen["contact without a timestamp"] || c.TimestampMS == 0
				seen["contact with a plus"] = seen["contact with a plus"] || strings.HasPrefix(c.Phone, "+")
				seen["contact removed"] = seen["contact removed"] || c.Remove
				seen["contact linked"] = seen["contact linked"] || c.Phone != "" && c.User != ""
				seen["contact version"] = seen["contact version"] || c.Version > 1
			}
			for _, it := range p.Items {
				if it.WAMID == "" {
					continue
				}
				if n, ok := wamids[it.WAMID]; ok && n != p.Number {
					t.Fatalf("wamid %s belongs to the numbers %d and %d", it.WAMID, n, p.Number)
				}
				wamids[it.WAMID] = p.Number
				seen["second wamid of a message"] = seen["second wamid of a message"] || it.Twin != "" && p.Kind == truth.KindMessage
				seen["second wamid of an asset"] = seen["second wamid of an asset"] || it.Twin != "" && p.Kind == truth.KindMedia
				seen["direction that nobody can know"] = seen["direction that nobody can know"] || it.Direction == truth.OutOrUnknown
				seen["edit"] = seen["edit"] || it.Rank == schemas.RankEdit
				seen["revoke"] = seen["revoke"] || it.Rank == schemas.RankRevoke
				seen["user id"] = seen["user id"] || it.Person >= 0 && p.People[it.Person].User != ""
			}
			if p.Number >= 0 {
				seen["number of "+ns[p.Number].Display[:2]] = true
			}
		}
	})
	for _, country := range []string{"15", "55", "52", "54"} {
		if !seen["number of "+country] {
			t.Errorf("no number of %s", country)
		}
	}
	for quirk, there := range seen {
		if !there {
			t.Errorf("no %s", quirk)
		}
	}
	for _, k := range []truth.Kind{
		truth.KindChunk, truth.KindDecline, truth.KindMedia, truth.KindEcho, truth.KindMessage, truth.KindStatus, truth.KindError,
		truth.KindContact, truth.KindAccount, truth.KindOther, truth.KindDead, truth.KindHandover, truth.KindFailure,
	} {
		if kinds[k] == 0 {
			t.Errorf("no %s", k)
		}
	}
}

// Measured webhooks have to be of one shape.
func TestAPlainWorldHasNothingThatFewWebhooksHave(t *testing.T) {
	w := make1(t, 9, func(c *Config) { *c = c.Plain() })
	each(w, func(i int, b []byte, parts []truth.Part) {
		if s := w.Source(i); s == SourceYCloud {
			t.Errorf("body %d comes through %s", i, s)
		}
		for _, p := range parts {
			if len(p.Places) > 0 || p.Failure != nil || p.Standby || p.NoName || p.Kind == truth.KindHandover {
				t.Errorf("body %d has a part of kind %s that is not plain", i, p.Kind)
			}
			for _, who := range p.People {
				if who.Group != "" || strings.HasPrefix(who.Phone, "+") || who.Thread != "" {
					t.Errorf("body %d names %+v", i, who)
				}
			}
			for _, it := range p.Items {
				if it.Twin != "" {
					t.Errorf("body %d has a second wamid", i)
				}
			}
		}
	})
}

// An offboarding ends a sync: all chunks of it were delivered in earlier steps.
func TestASecondOnboardingFollowsTheFirst(t *testing.T) {
	w := make1(t, 8, func(c *Config) { c.Reonboard = 1 })
	again := 0
	for _, s := range w.Stages()[0] {
		boundary := false
		for _, step := range s.Steps {
			for _, i := range step.Bodies {
				for _, c := range w.bodies[i].changes {
					switch {
					case c.kind == changeAccount && c.a != accountAdded:
						boundary = true
					case c.kind == changeChunk && w.chunks[c.a].window == 2:
						if !boundary || !step.Whole {
							t.Fatal("a second sync without a boundary before it")
						}
						again++
					case c.kind == changeChunk && boundary && w.chunks[c.a].number == s.first(w):
						t.Fatalf("a chunk of window %d after the boundary", w.chunks[c.a].window)
					}
				}
			}
		}
	}
	if again == 0 {
		t.Fatal("nobody came back")
	}
}

// The processor waits minutes for a phase of which nothing comes: only SkipPhase asks for that. The last phase may
// be missing.
func TestNoEarlyPhaseIsLeftOutHoweverSmallTheNumber(t *testing.T) {
	for seed := range uint64(20) {
		w := make1(t, seed+1, func(c *Config) { c.Reonboard, c.SecondNumber, c.Messages, c.Businesses = 1, 1, 60, 12 })
		phases := map[[2]int32][3]bool{}
		for i := range w.chunks {
			c := &w.chunks[i]
			had := phases[[2]int32{c.number, c.window}]
			had[c.phase] = true
			phases[[2]int32{c.number, c.window}] = had
		}
		for at, had := range phases {
			if !had[0] || !had[1] {
				t.Errorf("seed %d: number %d, window %d has phases %v of %d messages", seed+1, at[0], at[1], had, w.numbers[at[0]].messages())
			}
		}
	}
}

func (s *Script) first(w *World) int32 {
	return w.bodies[s.Steps[0].Bodies[0]].changes[0].number
}

func TestAConfigurationIsRefusedByName(t *testing.T) {
	for key, change := range map[string]func(*Config){
		"businesses":      func(c *Config) { c.Businesses = 0 },
		"chunk_bytes_max": func(c *Config) { c.ChunkBytesMax = c.ChunkBytesMin - 1 },
		"declines":        func(c *Config) { c.Declines = 1.5 },
		"same_second":     func(c *Config) { c.SameSecond = -1 },
		"odd":             func(c *Config) { c.Odd = 2 },
		"numbering":       func(c *Config) { c.Numbering = "backwards" },
		"late_after":      func(c *Config) { c.LateAfter = -1 },
		"start":           func(c *Config) { c.Start = time.Time{} },
	} {
		cfg := DefaultConfig()
		cfg.Start = start
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func BenchmarkRenderChunk(b *testing.B) {
	w := make1(b, 9, func(c *Config) { c.Messages, c.ChunkBytesMin = 20_000, 3_000_000 })
	var dst []byte
	for b.Loop() {
		dst, _ = w.Render(dst[:0], w.bodyOf(0), 1, true)
	}
	b.SetBytes(int64(len(dst)))
}

func (w *World) bodyOf(chunk int32) int {
	for i := range w.bodies {
		for _, c := range w.bodies[i].changes {
			if c.kind == changeChunk && c.a == chunk {
				return i
			}
		}
	}
	return -1
}

// Readers of the topics have to join statuses and reactions with their messages, and meet some whose message is on no topic.
func TestStatusesAndReactionsAreAboutMessagesOfThePastAndOthers(t *testing.T) {
	message := regexp.MustCompile(`"message_id":"([^"]+)"`)
	for _, share := range []float64{0, 1} { // of YCloud
		past := map[string]string{}
		about := map[string][]string{}
		each(make1(t, 5, func(c *Config) { c.YCloud, c.Dialog = share, 0 }), func(_ int, b []byte, parts []truth.Part) {
			for _, m := range message.FindAllSubmatch(b, -1) {
				about["reaction"] = append(about["reaction"], string(m[1]))
			}
			for _, p := range parts {
				for _, it := range p.Items {
					switch p.Kind {
					case truth.KindChunk:
						past[it.WAMID] = it.Direction
					case truth.KindStatus:
						about["status"] = append(about["status"], it.WAMID)
					}
				}
			}
		})
		for kind, wamids := range about {
			known := 0
			for _, wamid := range wamids {
				direction, ok := past[wamid]
				if ok {
					known++
				}
				if ok && kind == "status" && direction == truth.In {
					t.Errorf("a status of %s, which came from the user", wamid)
				}
			}
			if known*5 < len(wamids) || known*5 > 4*len(wamids) {
				t.Errorf("YCloud %v: %d of %d %s items are about messages of the past, want a part", share, known, len(wamids), kind)
			}
		}
		if len(about["status"]) == 0 || share == 0 && len(about["reaction"]) == 0 {
			t.Errorf("YCloud %v: no statuses or reactions", share)
		}
	}
}
