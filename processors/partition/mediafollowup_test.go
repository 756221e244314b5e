package partition_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// Two media follow-ups of one message wait for its placeholder. The one that was received first leaves, for any order
// of processing.
func TestOfTwoFollowUpsThatWaitTheOneReceivedFirstLeaves(t *testing.T) {
	followUp := func(wamid string) string {
		return envelope("history", value(`"messages":[{"from_user_id":"US.CASE3800","id":"`+wamid+`","timestamp":"1772300007","type":"image","image":{"id":"1"}}]`))
	}
	for _, overtaken := range []bool{false, true} {
		p := newPartition(t)
		first, second := p.clock, p.clock.Add(time.Millisecond)
		if overtaken {
			p.clock = second
			p.webhook(followUp(wamidOfBSUID))
			p.clock = first
			p.webhook(followUp(wamidOfPhone))
		} else {
			p.webhook(followUp(wamidOfPhone))
			p.clock = second
			p.webhook(followUp(wamidOfBSUID))
		}
		p.restart()
		p.clock = second.Add(time.Minute)
		p.webhook(strings.Replace(chunk(0, 1, 10, wamidOfPhone), `"type":"text"`, `"type":"media_placeholder"`, 1))
		if got := wamids(events[schemas.Message](p, schemas.TopicMedia)); !slices.Equal(got, []string{wamidOfPhone}) {
			t.Errorf("overtaken %v: media is %v, want that of the asset that was received first", overtaken, got)
		}
	}
}

func TestMediaFollowUpsOfAllShapesJoinTheirPlaceholder(t *testing.T) {
	asset := `"timestamp":"1738796547","type":"image","image":{"id":"24230790383178626","mime_type":"image/jpeg"}`
	shapes := map[string]string{
		"history messages":       envelope("history", value(`"messages":[{"from":"`+user+`","id":"p1",`+asset+`}]`)),
		"history message_echoes": envelope("history", value(`"message_echoes":[{"from":"`+biz+`","to":"`+user+`","id":"p1",`+asset+`}]`)),
		"smb_message_echoes":     envelope("smb_message_echoes", value(`"message_echoes":[{"from":"`+biz+`","to":"`+user+`","id":"p1",`+asset+`}]`)),
		"messages":               envelope("messages", value(`"message_echoes":[{"from":"`+biz+`","to":"`+user+`","id":"p1",`+asset+`}]`)),
		"messages, other name":   envelope("messages", value(`"smb_message_echoes":[{"from":"`+biz+`","to":"`+user+`","id":"p1",`+asset+`}]`)),
		"message_echoes":         envelope("message_echoes", value(`"smb_message_echoes":[{"from":"`+biz+`","to":"`+user+`","id":"p1",`+asset+`}]`)),
		"standby":                envelope("standby", value(`"standby":{"message_echoes":[{"from":"`+biz+`","to":"`+user+`","id":"p1",`+asset+`}]}`)),
		"standby, flat":          envelope("standby", value(`"message_echoes":[{"from":"`+biz+`","to":"`+user+`","id":"p1",`+asset+`}]`)),
		"standby, the request":   envelope("standby", value(`"standby":{"message_echoes":[{"id":"p1","timestamp":"1738796547","message":{"to":"`+user+`","type":"image","image":{"id":"1"}}}]}`)),
	}
	placeholder := strings.Replace(chunk(0, 1, 100, "p1"), text("p1"),
		`{"from":"`+biz+`","id":"p1","timestamp":"1772300007","type":"media_placeholder","history_context":{"status":"PLAYED"}}`, 1)
	for name, followUp := range shapes {
		for _, order := range [][]string{{placeholder, followUp}, {followUp, placeholder}} {
			p := newPartition(t)
			if !strings.HasPrefix(name, "history") {
				p.webhook(chunk(0, 2, 100, "m2")) // what opens the window tells an old echo from one of now
			}
			for _, body := range order {
				p.webhook(body)
				p.restart()
			}
			p.webhook(followUp)
			got := events[schemas.Message](p, schemas.TopicMedia)
			if len(got) != 1 || got[0].Joined == nil || !*got[0].Joined || got[0].Direction != schemas.DirectionOutbound ||
				got[0].Timestamp != 1772300007 || got[0].Thread != user || !got[0].Historical || got[0].Standby != strings.HasPrefix(name, "standby") {
				t.Errorf("%s, placeholder first %v: media is %+v", name, order[0] == placeholder, got)
			}
			if n := len(p.topics[schemas.TopicEchoes]); n != 0 {
				t.Errorf("%s: media of the past left as %d echoes", name, n)
			}
		}
	}
}

// docs/webhooks.md, H17: an echo under any field.
func TestOldEchoWithoutAPlaceholderIsHistoricalUnderEveryField(t *testing.T) {
	for _, field := range []string{"smb_message_echoes", "message_echoes", "messages", "standby"} {
		p := newPartition(t)
		p.webhook(chunk(0, 1, 50, "m1"))
		at := strconv.FormatInt(p.clock.Add(-24*time.Hour).Unix(), 10)
		p.webhook(envelope(field, value(`"message_echoes":[{"from":"`+biz+`","to":"`+user+`","id":"e1","timestamp":"`+at+`","type":"image","image":{"id":"2"}}]`)))
		p.tick(p.cfg.Media.Hold + time.Minute)
		if got := events[schemas.Message](p, schemas.TopicEchoes); len(got) != 1 || !got[0].Historical {
			t.Errorf("%s: echoes are %+v, want one that is historical", field, got)
		}
	}
}

// docs/webhooks.md, H16: Meta's own pair of samples is older than that.
func TestFollowUpOfOldMediaJoinsWhicheverCameFirst(t *testing.T) {
	placeholder := envelope("history", value(`"history":[{"metadata":{"phase":2,"chunk_order":1,"progress":10},"threads":[{"id":"`+user+`","messages":[{"from":"`+user+`","id":"P","timestamp":"1739230955","type":"media_placeholder"}]}]}]`))
	asset := envelope("history", value(`"messages":[{"from":"`+other+`","id":"P","timestamp":"1739230999","type":"image","image":{"id":"1"}}]`))
	for name, play := range map[string]func(*harness){
		"placeholder first": func(p *harness) { p.webhook(placeholder); p.tick(3 * time.Minute); p.restart(); p.webhook(asset) },
		"asset first":       func(p *harness) { p.webhook(asset); p.webhook(placeholder); p.tick(3 * time.Minute) },
		"13 days later": func(p *harness) {
			p.webhook(placeholder)
			p.tick(3 * time.Minute)
			p.tick(13 * 24 * time.Hour)
			p.restart()
			p.webhook(asset)
		},
	} {
		p := newPartition(t)
		play(p)
		got := events[schemas.Message](p, schemas.TopicMedia)
		if len(got) != 1 || !*got[0].Joined || got[0].Thread != user || got[0].Timestamp != 1739230955 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestFollowUpWithoutAPlaceholderLeavesInTheEnd(t *testing.T) {
	p := newPartition(t)
	p.webhook(chunk(0, 1, 50, "m1"))
	p.webhook(envelope("history", value(`"messages":[{"from":"`+user+`","id":"p9","timestamp":"1772300000","type":"image","image":{"id":"1"}}]`)))
	p.webhook(echo("e9", "image", `"image":{"id":"2"}`, p.clock.Add(-24*time.Hour)))
	p.webhook(echo("e10", "image", `"image":{"id":"3"}`, p.clock))
	if n := len(p.topics[schemas.TopicMedia]); n != 0 {
		t.Fatalf("%d follow-ups left at once, while their placeholder can still come", n)
	}
	p.restart()
	p.tick(p.cfg.Media.Hold + time.Minute)
	media, echoes := events[schemas.Message](p, schemas.TopicMedia), events[schemas.Message](p, schemas.TopicEchoes)
	if len(media) != 1 || *media[0].Joined {
		t.Errorf("media is %+v, want one that is not joined", media)
	}
	if !slices.Equal(wamids(echoes), []string{"e10", "e9"}) || echoes[0].Historical || !echoes[1].Historical {
		t.Errorf("echoes are %+v", echoes)
	}
}

func TestEchoShapedMediaThatOvertakesTheFirstChunkWaits(t *testing.T) {
	p := newPartition(t)
	followUp := echo("p1", "image", `"image":{"id":"1"}`, p.clock.Add(-30*24*time.Hour/2))
	p.webhook(followUp)
	p.restart()
	p.webhook(echo("e1", "image", `"image":{"id":"2"}`, p.clock)) // written now: a live echo
	if got := wamids(events[schemas.Message](p, schemas.TopicEchoes)); !slices.Equal(got, []string{"e1"}) {
		t.Fatalf("echoes are %v", got)
	}
	p.webhook(strings.Replace(chunk(0, 1, 100, "p1"), text("p1"),
		`{"from":"`+biz+`","id":"p1","timestamp":"`+unixText(p.clock.Add(-15*24*time.Hour))+`","type":"media_placeholder"}`, 1))
	if got := events[schemas.Message](p, schemas.TopicMedia); len(got) != 1 || !*got[0].Joined {
		t.Fatalf("media is %+v", got)
	}
	if n := len(p.topics[schemas.TopicEchoes]); n != 1 {
		t.Errorf("media of the past left as a live echo")
	}
}
