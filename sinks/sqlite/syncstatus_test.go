package sqlite_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/coexstream/coexstream/sinks/sinktest"
	"github.com/coexstream/coexstream/sinks/sqlite"
)

const requests = "SELECT window || ' ' || status || ' ' || onboarded_at || ' ' || requested_at || ' ' || request_deadline_at || ' ' || requested_by || ' ' || error_code FROM sync_status ORDER BY window"

func requestsIn(t *testing.T, file string) (all []string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(requests)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		all = append(all, line)
	}
	return all
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("got %q, want %q", got[i], want[i])
		}
	}
}

func TestTheRequestsOfTheDeskAreInTheViewOfTheSyncs(t *testing.T) {
	st, file := opened(t)
	if err := st.Apply(t.Context(), sinktest.Batch(t, -1, 4, sinktest.DeclinedSync(1), sinktest.RequestedSync(2, "silent", "accepted"), sinktest.RequestedSync(3, "refused", "refused"))); err != nil {
		t.Fatal(err)
	}
	same(t, requestsIn(t, file), "1  0 0 0  2593109", "2 silent 1772362800 1772366400 1772449200 onboarding 0", "3 refused 1772362800 1772366400 1772449200 onboarding 2593108")
}

// A file of the version before has its view without these columns. Opening it makes the view again, and keeps the rows.
func TestAFileOfTheVersionBeforeGetsTheRequestsInItsView(t *testing.T) {
	file := filepath.Join(t.TempDir(), "read.db")
	st, err := sqlite.Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Apply(t.Context(), sinktest.Batch(t, -1, 2, sinktest.RequestedSync(1, "silent", "accepted"))); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("DROP VIEW sync_status; CREATE VIEW sync_status AS SELECT phone_number_id, window FROM syncs WHERE window > 0"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		again, err := sqlite.Open(t.Context(), file)
		if err != nil {
			t.Fatal(err)
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
		same(t, requestsIn(t, file), "1 silent 1772362800 1772366400 1772449200 onboarding 0")
	}
}
