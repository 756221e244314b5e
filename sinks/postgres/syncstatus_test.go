package postgres_test

import (
	"testing"
	"time"

	"github.com/coexstream/coexstream/sinks/sinktest"
)

func TestTheRequestsOfTheDeskAreInTheViewOfTheSyncs(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	st := opened(t, url)
	if err := st.Apply(t.Context(), batchOf(t, -1, 4, sinktest.DeclinedSync(1), sinktest.RequestedSync(2, "silent", "accepted"), sinktest.RequestedSync(3, "refused", "refused"))); err != nil {
		t.Fatal(err)
	}
	conn := connected(t, url)
	for _, want := range []struct {
		window    int64
		status    string
		requested bool
		by        string
		code      int64
	}{{1, "", false, "", 2593109}, {2, "silent", true, "onboarding", 0}, {3, "refused", true, "onboarding", 2593108}} {
		var status, by string
		var code int64
		var onboarded, requested, deadline *time.Time
		if err := conn.QueryRow(t.Context(), "SELECT status, onboarded_at, requested_at, request_deadline_at, requested_by, error_code FROM "+schema+".sync_status WHERE sync_window = $1", want.window).
			Scan(&status, &onboarded, &requested, &deadline, &by, &code); err != nil {
			t.Fatal(err)
		}
		if status != want.status || by != want.by || code != want.code || (requested != nil) != want.requested {
			t.Errorf("window %d: %q by %q, code %d, requested at %v", want.window, status, by, code, requested)
		}
		if at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC); want.requested && (!requested.Equal(at) || !onboarded.Equal(at.Add(-time.Hour)) || !deadline.Equal(at.Add(23*time.Hour))) {
			t.Errorf("window %d: onboarded %v, requested %v until %v", want.window, onboarded, requested, deadline)
		}
	}
}

// A sink of the version before names the columns that it knows. Its rows have the defaults of the others.
func TestASinkOfTheVersionBeforeWritesSyncsBesideThisOne(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	conn := connected(t, url)
	if _, err := conn.Exec(t.Context(), "INSERT INTO "+schema+`.syncs (phone_number_id, sync_window, partition, waba_id, state, end_reason, progress, messages, chunks_held, removed, value, sync_order)
VALUES ('2', 1, 0, '1', 'running', '', 0, 0, 0, false, '{}', '')`); err != nil {
		t.Fatal(err)
	}
	var status string
	if err := conn.QueryRow(t.Context(), "SELECT status FROM "+schema+".sync_status").Scan(&status); err != nil || status != "" {
		t.Errorf("status %q, %v", status, err)
	}
}
