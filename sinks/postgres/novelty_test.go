package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/postgres"
	"github.com/coexstream/coexstream/sinks/sinktest"
)

// past is a batch of a backlog that goes by COPY, with messages of ten chats and their statuses.
func past(t *testing.T, from, to int64, first, last, at int) *sinks.Batch {
	t.Helper()
	var values []string
	for i := first; i < last; i++ {
		values = append(values, strings.NewReplacer(`"w"`, fmt.Sprintf(`"w%d"`, i), `"thread":"3"`, fmt.Sprintf(`"thread":"3%d"`, i%10), `"timestamp":5`, fmt.Sprintf(`"timestamp":%d,"status":"READ"`, at)).Replace(oneMessage))
	}
	b := batchOf(t, from, to, values...)
	b.Live = false
	return b
}

// History that is new is inserted without a look for its rows. History that is there is joined, whatever the partition has seen before.
func TestHistoryIsInsertedAsNewAndJoinedWhereItIsThere(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	cut := cutAt(t, url, "INSERT INTO messages (")
	st := opened(t, cut.url)
	applied := make(chan error, 1)
	go func() { applied <- st.Apply(t.Context(), past(t, -1, 1, 0, 500, 5)) }()
	if err := within(t, "rows are inserted as new", func() error { <-cut.begun; return nil }); err != nil {
		t.Fatal(err)
	}
	cut.heal()
	if err := <-applied; err != nil {
		t.Fatal(err)
	}
	twin := migrated(t)
	joined := opened(t, twin)
	for i, step := range []struct{ first, last, at int }{
		{0, 500, 5}, {500, 900, 5}, {800, 1200, 9}, {1200, 1400, 5}, {0, 1400, 9}, {1400, 1500, 5}, {1500, 1600, 5}, {1550, 1650, 3},
	} {
		from := int64(i)
		if i == 0 {
			from = -1
		} else if err := st.Apply(t.Context(), past(t, from, from+1, step.first, step.last, step.at)); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		live := past(t, from, int64(i+1), step.first, step.last, step.at)
		live.Live = true // always joined
		if err := joined.Apply(t.Context(), live); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
	got := contentOf(t, url)
	if err := sinktest.Compare(got.Lines(), contentOf(t, twin).Lines()); err != nil {
		t.Error(err)
	}
	if n := len(got.Rows.Messages); n != 1650 {
		t.Errorf("%d messages, want 1650", n)
	}
	for chat, of := range got.Threads {
		if of.Messages != 165 {
			t.Errorf("chat %v has %d messages, want 165", chat, of.Messages)
		}
	}
}

// A receipt that came first, of a message that was sent through the API, is joined with that of the history.
func TestAReceiptThatCameFirstIsJoined(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	st := opened(t, url)
	status := `{"waba_id":"1","phone_number_id":"2","kind":"status","wamid":"w7","thread":"3","direction":"outbound","timestamp":8,"status":"delivered","historical":false,"original":{"status":"delivered"}}`
	if err := st.Apply(t.Context(), batchOf(t, -1, 1, status)); err != nil {
		t.Fatal(err)
	}
	if err := st.Apply(t.Context(), past(t, 1, 2, 0, 100, 5)); err != nil {
		t.Fatal(err)
	}
	var status1, delivered string
	if err := connected(t, url).QueryRow(t.Context(), "SELECT status, "+unix("delivered_at")+"::text FROM receipts WHERE wamid = 'w7'").Scan(&status1, &delivered); err != nil || status1 != "read" || delivered != "8" {
		t.Errorf("%s, delivered at %s, err %v", status1, delivered, err)
	}
}

// A partition whose history is there already tries to insert it as new ever more rarely.
func TestAttemptsToInsertAsNewGetRare(t *testing.T) {
	n := postgres.NewNovelty()
	attempts := 0
	for range 5000 {
		if n.Holds(3) {
			attempts++
			n.Learned(3, false)
		}
	}
	if attempts > 30 || attempts < 10 {
		t.Errorf("%d attempts of 5,000 batches", attempts)
	}
	if !n.Holds(4) {
		t.Error("another partition has its own experience")
	}
	for !n.Holds(3) {
	}
	tried := 0
	for range 1000 {
		if n.Holds(3) {
			tried++
			n.Learned(3, true)
		}
	}
	if tried < 700 {
		t.Errorf("%d attempts of 1,000 batches that are new", tried)
	}
}
