package partition_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

func TestFollowUpUnderTheOtherWamidJoinsItsPlaceholder(t *testing.T) {
	placeholder := func(order int, thread, wamid string) string {
		c := strings.Replace(chunk(0, order, 10*order, wamid), `"type":"text"`, `"type":"media_placeholder"`, 1)
		return strings.Replace(c, `"id":"`+user+`"`, `"id":"`+thread+`"`, 1)
	}
	followUp := func(wamid string) string {
		return envelope("history", value(`"messages":[{"from_user_id":"US.CASE3800","id":"`+wamid+`","timestamp":"1772300007","type":"image","image":{"id":"1"}}]`))
	}
	for _, pair := range [][2]string{{wamidOfPhone, wamidOfBSUID}, {wamidOfBSUID, wamidOfPhone}} {
		for _, first := range []string{"placeholder", "follow-up"} {
			p := newPartition(t)
			webhooks := []string{placeholder(1, user, pair[0]), followUp(pair[1])}
			if first == "follow-up" {
				slices.Reverse(webhooks)
			}
			for _, w := range webhooks {
				p.webhook(w)
				p.restart()
			}
			if n := len(p.topics[schemas.TopicMedia]); n != 1 {
				t.Errorf("%s first: %d media when both are there", first, n)
			}
			p.tick(p.cfg.Media.Hold + time.Minute)
			p.webhook(followUp(pair[0])) // the same media follow-up
			got := events[schemas.Message](p, schemas.TopicMedia)
			if len(got) != 1 || got[0].Joined == nil || !*got[0].Joined || got[0].Thread != user || got[0].Timestamp != 1772300000 {
				t.Errorf("%s first: media is %+v", first, got)
			}
			const token = "3A010203040506070809"
			placeholders := events[schemas.Message](p, schemas.TopicHistory)
			if len(placeholders) != 1 || placeholders[0].WAMIDToken != token || got[0].WAMIDToken != token {
				t.Errorf("%s first: placeholders are %+v, media %+v: both need the token of their wamids", first, placeholders, got)
			}
		}
	}

}

// A message to a broadcast list has one token in all chats. The token alone does not say whose a follow-up is, but
// the whole wamid does.
func TestMediaOfABroadcastListJoinsEachChatsPlaceholder(t *testing.T) {
	placeholder := func(order int, thread, wamid string) string {
		c := strings.Replace(chunk(0, order, 10*order, wamid), `"type":"text"`, `"type":"media_placeholder"`, 1)
		return strings.Replace(c, `"id":"`+user+`"`, `"id":"`+thread+`"`, 1)
	}
	followUp := func(wamid string) string {
		return envelope("history", value(`"messages":[{"from_user_id":"US.CASE3800","id":"`+wamid+`","timestamp":"1772300007","type":"image","image":{"id":"1"}}]`))
	}
	one, two := placeholder(1, user, wamidOfPhone), placeholder(2, other, wamidOfOther)
	f1, f2, f3 := followUp(wamidOfPhone), followUp(wamidOfOther), followUp(wamidOfBSUID)
	for i, webhooks := range [][]string{{one, two, f3, f1, f2}, {f2, f1, one, two, f3}, {one, f2, f1, two, f3}, {f1, f2, one, two, f3}} {
		for _, restarts := range []bool{false, true} {
			p := newPartition(t)
			for _, w := range webhooks {
				p.webhook(w)
				if restarts {
					p.restart()
				}
			}
			p.tick(p.cfg.Media.Hold + time.Minute)
			got := map[string]string{}
			for _, m := range events[schemas.Message](p, schemas.TopicMedia) {
				got[m.WAMID] = fmt.Sprint(m.Thread, " ", *m.Joined)
			}
			want := map[string]string{wamidOfPhone: user + " true", wamidOfOther: other + " true", wamidOfBSUID: "US.CASE3800 false"}
			if !maps.Equal(got, want) || len(p.topics[schemas.TopicMedia]) != 3 {
				t.Errorf("order %d: media is %v, want %v", i, got, want)
			}
		}
	}

	// A chat that is named otherwise than in the wamid: the whole wamid joins all the same.
	for _, thread := range []string{"US.CASE3800", "12125550000"} {
		p := newPartition(t)
		p.webhook(placeholder(1, thread, wamidOfPhone))
		p.restart()
		p.webhook(f1)
		if got := events[schemas.Message](p, schemas.TopicMedia); len(got) != 1 || !*got[0].Joined || got[0].Thread != thread {
			t.Errorf("thread %s: media is %+v", thread, got)
		}
	}
}
