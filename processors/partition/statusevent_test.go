package partition_test

import (
	"slices"
	"testing"

	"github.com/coexstream/coexstream/schemas"
)

func TestStatusesOfOneSecondOfAGroupAllLeave(t *testing.T) {
	got, p := twice(t, "statuses-group-one-second", schemas.TopicMessages)
	if len(got) != 4 {
		t.Fatalf("%d statuses, want one for each of 4 participants", len(got))
	}
	distinct(t, p, schemas.TopicMessages)
	for _, m := range got {
		if m.Kind != schemas.KindStatus || m.Rank != nil || m.Status != "delivered" {
			t.Errorf("kind %q, rank %v, status %q", m.Kind, m.Rank, m.Status)
		}
	}
}

func TestStatusesOfOneSecondThatSayOtherThingsAllLeave(t *testing.T) {
	got, p := twice(t, "statuses-other-content", schemas.TopicMessages)
	var statuses []string
	for _, m := range got {
		statuses = append(statuses, m.Status)
	}
	if want := []string{"failed", "failed", "captured", "captured", "played"}; !slices.Equal(statuses, want) {
		t.Errorf("statuses are %v, want %v", statuses, want)
	}
	distinct(t, p, schemas.TopicMessages)
}

func TestStatusesThatRunBackwardsAllLeave(t *testing.T) {
	p := newPartition(t)
	for _, s := range []string{"delivered", "sent", "read", "sent"} {
		p.webhook(envelope("messages", value(`"statuses":[{"id":"w1","status":"`+s+`","timestamp":"1772366400","recipient_id":"`+user+`"}]`)))
	}
	var got []string
	for _, m := range events[schemas.Message](p, schemas.TopicMessages) {
		got = append(got, m.Status)
	}
	if !slices.Equal(got, []string{"delivered", "sent", "read"}) {
		t.Fatalf("statuses are %v", got)
	}
}
