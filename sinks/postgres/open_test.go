package postgres_test

import (
	"testing"
	"time"

	"github.com/coexstream/coexstream/sinks/postgres"
)

// A connection sets what ends the leavings of an instance that is gone, and waits for the disk only where the URL says so.
func TestConnectionsHaveTheirLimits(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	c := configOf(url)
	c.Timeout = 40 * time.Second
	st, err := postgres.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	for name, want := range map[string]string{
		"statement_timeout": "40s", "idle_in_transaction_session_timeout": "40s", "tcp_user_timeout": "40000",
		"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "3", "synchronous_commit": "off",
	} {
		if got, err := postgres.Setting(t.Context(), st, name); err != nil || got != want {
			t.Errorf("%s is %q, want %q, err %v", name, got, want, err)
		}
	}
	for _, level := range []string{"on", "local"} {
		if got, err := postgres.Setting(t.Context(), opened(t, url+"&synchronous_commit="+level), "synchronous_commit"); err != nil || got != level {
			t.Errorf("synchronous_commit is %q, want %q, err %v", got, level, err)
		}
	}
}
