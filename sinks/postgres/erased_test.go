package postgres_test

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/postgres"
	"github.com/coexstream/coexstream/sinks/sinktest"
)

// about are the lines of a content that name somebody.
func about(t *testing.T, url string, ids ...string) (lines []string) {
	t.Helper()
	for _, line := range contentOf(t, url).Lines() {
		if slices.ContainsFunc(ids, func(id string) bool { return strings.Contains(line, id) }) {
			lines = append(lines, line)
		}
	}
	return lines
}

// Who was erased stays erased when the topics are read again, and in a rebuild. Everything else is what it was.
func TestWhoWasErasedStaysErased(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	w := sinktest.NewWorld(71, 3000, 0, 1)
	fill(t, url, schema, w)
	if len(about(t, url, "491701", "DE.1")) == 0 {
		t.Fatal("nobody is there")
	}
	beside := opened(t, url) // knows of nobody yet, as an instance that runs
	if _, err := beside.Positions(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := postgres.Erase(t.Context(), url, schema, postgres.Person{ID: "491701"}, true); err != nil {
		t.Fatal(err)
	}
	var known int
	if err := connected(t, url).QueryRow(t.Context(), "SELECT count(*) FROM erased").Scan(&known); err != nil || known != 0 {
		t.Errorf("a rehearsal remembers %d, err %v", known, err)
	}
	if _, err := postgres.Erase(t.Context(), url, schema, postgres.Person{ID: "491701"}, false); err != nil {
		t.Fatal(err)
	}
	after := contentOf(t, url).Lines()
	others := len(after)
	if assets := about(t, url, "asset n1.0"); len(assets) == 0 || slices.ContainsFunc(assets, func(line string) bool { return strings.Contains(line, " of 491701 ") }) {
		t.Errorf("assets are %v", assets)
	}
	if left := about(t, url, "contact n1.0 491701", `thread n1.0 "491701"`); len(left) > 0 || others < 50 {
		t.Errorf("%d lines, left are %v", others, left)
	}
	stays := func(how string) {
		t.Helper()
		// Later parts of an erased chat are left out, too: an edit of one of its messages.
		for _, line := range contentOf(t, url).Lines() {
			if !slices.Contains(after, line) && ((strings.Contains(line, "contact n") || strings.HasPrefix(line, "asset n")) && strings.Contains(line, " 491701 ") || strings.Contains(line, `"491701"`)) {
				t.Errorf("%s brings back %s", how, line)
			}
		}
	}
	if err := postgres.ReadAgain(t.Context(), url, schema); err != nil {
		t.Fatal(err)
	}
	follow(t, beside, w)
	stays("reading again")
	replaced(t, url, func(target sinktest.Target) { follow(t, target, w) })
	stays("a rebuild")
	if len(contentOf(t, url).Lines()) < others*9/10 {
		t.Errorf("%d lines of %d are left", len(contentOf(t, url).Lines()), others)
	}
}

// A batch from before an erasure is refused, and later events are stored.
func TestEventsAfterAnErasureAreNewData(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	st := opened(t, url)
	if err := st.Apply(t.Context(), batchOf(t, -1, 1, oneMessage)); err != nil {
		t.Fatal(err)
	}
	if _, err := postgres.Erase(t.Context(), url, schema, postgres.Person{ID: "3"}, false); err != nil {
		t.Fatal(err)
	}
	old := batchOf(t, 1, 2, oneMessage)
	if err := st.Apply(t.Context(), old); !errors.Is(err, sinks.ErrErased) {
		t.Errorf("a batch from before: %v, want ErrErased", err)
	}
	if p, err := st.Positions(t.Context(), 0); err != nil || len(p) != 1 {
		t.Fatalf("positions %v, err %v", p, err)
	}
	e := st.Erasures()
	for value, want := range map[string]bool{
		oneMessage: true, // of 1970
		strings.Replace(oneMessage, `"timestamp":5`, `"timestamp":99999999999`, 1):                            true, // received before
		strings.Replace(oneMessage, `"thread":"3"`, `"thread":"4"`, 1):                                        false,
		strings.Replace(oneMessage, `"thread":"3"`, `"thread":"g","group_id":"g","contact":{"wa_id":"3"}`, 1): true,
		strings.Replace(oneMessage, `"phone_number_id":"2"`, `"phone_number_id":"7"`, 1):                      true, // at all numbers
	} {
		if got := e.Cover(sinktest.Event(t, value)); got != want {
			t.Errorf("%s: %v, want %v", value, got, want)
		}
	}
	late := sinktest.Event(t, oneMessage)
	late.ReceivedAt = time.Now().Add(time.Hour).UnixMilli()
	late.Message.Timestamp = late.ReceivedAt / 1000
	if e.Cover(late) {
		t.Error("a message from after the erasure is left out")
	}
	b := batchOf(t, 1, 2, strings.Replace(oneMessage, `"w"`, `"later"`, 1))
	b.Erasures = e.Version
	if err := st.Apply(t.Context(), b); err != nil {
		t.Error(err)
	}
}

// A rebuild and an erasure exclude each other, and what an interrupted rebuild left forgets as well.
func TestARebuildForgetsWhoWasErased(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	w := sinktest.NewWorld(72, 1000, 0)
	fill(t, url, schema, w)
	shadow := shadowed(t, url, func(target sinktest.Target) { follow(t, target, w) }) // interrupted
	if _, err := postgres.Erase(t.Context(), url, schema, postgres.Person{ID: "491701"}, false); !errors.Is(err, postgres.ErrRebuilding) {
		t.Errorf("beside a rebuild: %v, want ErrRebuilding", err)
	}
	if err := shadow.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := postgres.Erase(t.Context(), url, schema, postgres.Person{ID: "491701"}, false); err != nil {
		t.Fatal(err)
	}
	replaced(t, url, func(target sinktest.Target) { follow(t, target, w) })
	if left := about(t, url, "contact n1.0 491701", `thread n1.0 "491701"`, "contact n2.0 491701", `thread n2.0 "491701"`); len(left) > 0 {
		t.Errorf("left are %v", left)
	}
}

// A partition without a position has no lock that an erasure could take. Its first batch, made before the erasure, must not write the person behind it.
func TestTheFirstBatchOfAPartitionDoesNotPassAnErasure(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	st := opened(t, url)
	conn := connected(t, url)
	if _, err := conn.Exec(t.Context(), "INSERT INTO numbers VALUES ('2', '', '', '', '', '', '')"); err != nil {
		t.Fatal(err)
	}
	// Afterwards the statements of the connection are prepared: to prepare them needs the lock, too.
	other := batchOf(t, -1, 1)
	other.Partition = 1
	if err := st.Apply(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	// The batch waits with its first position, behind the comparison of the erasures if that comes first.
	if _, err := conn.Exec(t.Context(), "BEGIN; LOCK TABLE positions IN SHARE MODE"); err != nil {
		t.Fatal(err)
	}
	watch := connected(t, url)
	waiting := func(n int) func() bool {
		return func() (ok bool) {
			if err := watch.QueryRow(t.Context(), "SELECT count(*) >= $1 FROM pg_locks WHERE NOT granted AND relation = 'positions'::regclass", n).Scan(&ok); err != nil {
				t.Error(err)
			}
			return ok
		}
	}
	applied, erased := make(chan error, 1), make(chan error, 1)
	go func() { applied <- st.Apply(t.Context(), batchOf(t, -1, 1, oneMessage)) }()
	until(t, waiting(1))
	go func() {
		_, err := postgres.Erase(t.Context(), url, schema, postgres.Person{ID: "3"}, false)
		erased <- err
	}()
	ended := false
	until(t, func() bool {
		select {
		case err := <-erased:
			ended = true
			erased <- err
			return true
		default:
			return waiting(2)()
		}
	})
	if _, err := conn.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := <-applied; err != nil && !errors.Is(err, sinks.ErrErased) {
		t.Error(err)
	}
	if err := <-erased; err != nil {
		t.Error(err)
	}
	var left int
	if err := watch.QueryRow(t.Context(), "SELECT count(*) FROM messages").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d messages are there, err %v; the erasure ended before the batch: %v", left, err, ended)
	}
}

// until waits for a condition.
func until(t *testing.T, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); {
		if time.Now().After(end) {
			t.Fatal("it did not come")
		}
		runtime.Gosched()
	}
}

// An erasure that was taken back leaves no version to the next one: instances would not notice the next one.
func TestAnErasureHasAVersionThatNoneHad(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	conn := connected(t, url)
	seen := map[int64]bool{}
	for _, id := range []string{"1", "2", "3"} {
		if _, err := postgres.Erase(t.Context(), url, schema, postgres.Person{ID: id}, false); err != nil {
			t.Fatal(err)
		}
		var version int64
		if err := conn.QueryRow(t.Context(), "DELETE FROM erased RETURNING version").Scan(&version); err != nil || seen[version] {
			t.Errorf("version %d of %s, after %v, err %v", version, id, seen, err)
		}
		seen[version] = true
	}
}
